// The classes of a data set as a text file lists them, and which stored value or colour means which.

import Foundation

/// The classes of a set, and what the values and colours of its mask files stand for.
public struct ClassList: Sendable, Hashable {
  /// The classes that count, in the order of their indices.
  public let palette: ClassPalette
  /// What each stored value of a palette or gray mask stands for; nil for none of the classes.
  let values: [UInt8?]
  /// What each colour of a colour mask stands for.
  let colors: [UInt32: UInt8]
  /// Whether the value 255 is named; else it stands for pixels that do not count.
  let namesIgnored: Bool

  /// Names that stand for pixels that do not count.
  static let ignoredNames: Set<String> = ["void", "ignore", "ignored", "unlabelled", "unlabeled"]

  /// The list of a palette: values are the classes' indices, 255 and no other is ignored.
  public init(_ palette: ClassPalette) {
    self.palette = palette
    var values = [UInt8?](repeating: nil, count: 256)
    var colors: [UInt32: UInt8] = [:]
    for (index, entry) in palette.entries.prefix(255).enumerated() {
      values[index] = UInt8(index)
      colors[Self.key(entry.color[0], entry.color[1], entry.color[2])] = UInt8(index)
    }
    values[Int(LabelMap.ignored)] = LabelMap.ignored
    self.values = values
    self.colors = colors
    namesIgnored = false
  }

  /// The list of a palette whose classes are stored as other values; what is `LabelMap.ignored` does not
  /// count.
  init(_ palette: ClassPalette, values: [UInt8?]) {
    let plain = ClassList(palette)
    self.palette = palette
    self.values = values
    colors = plain.colors
    namesIgnored = false
  }

  /// Reads a list: a line a class, `INDEX NAME RED GREEN BLUE`, `NAME RED GREEN BLUE` or `NAME`.
  ///
  /// Lines that begin with # are remarks. A class named void, ignore or unlabelled is none: its
  /// pixels do not count. Colours that are left out are made up.
  ///
  /// - Throws: `DatasetError` that names the file and the line.
  public init(reading url: URL) throws(DatasetError) {
    guard let names = try ClassNames.read(url) else {
      throw DatasetError("\(url.relativePath): no such file")
    }
    let lines = names.filter { !$0.hasPrefix("#") }
    guard (1...256).contains(lines.count) else {
      throw DatasetError(
        "\(url.relativePath): expected 1 to 256 classes, one a line; received \(lines.count)")
    }
    var entries: [ClassPalette.Entry] = []
    var values = [UInt8?](repeating: nil, count: 256)
    var colors: [UInt32: UInt8] = [:]
    for (number, line) in lines.enumerated() {
      let parsed = try Self.entry(line, number, url.relativePath)
      let isIgnored = Self.ignoredNames.contains(parsed.entry.name.lowercased())
      let label = isIgnored ? LabelMap.ignored : UInt8(entries.count)
      guard values[parsed.value] == nil else {
        throw DatasetError("\(url.relativePath): two classes have the index \(parsed.value)")
      }
      values[parsed.value] = label
      let color = parsed.entry.color
      let key = Self.key(color[0], color[1], color[2])
      guard colors.updateValue(label, forKey: key) == nil else {
        throw DatasetError("\(url.relativePath): two classes have the colour \(color)")
      }
      if !isIgnored { entries.append(parsed.entry) }
    }
    guard entries.count >= 2, entries.count <= 255, Set(entries.map(\.name)).count == entries.count
    else {
      throw DatasetError(
        "\(url.relativePath): expected 2 to 255 classes of different names; received "
          + entries.map(\.name).joined(separator: ", "))
    }
    namesIgnored = values[Int(LabelMap.ignored)] != nil
    if !namesIgnored { values[Int(LabelMap.ignored)] = LabelMap.ignored }
    palette = ClassPalette(entries)
    self.values = values
    self.colors = colors
  }

  /// One line's stored value, name and colour.
  private static func entry(
    _ line: String, _ number: Int, _ path: String
  ) throws(DatasetError) -> (value: Int, entry: ClassPalette.Entry) {
    let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" }).map(String.init)
    let numbers = words.map { Int($0) }
    let colorStart = words.count - 3
    let hasColor = words.count >= 4 && numbers[colorStart...].allSatisfy { $0 != nil }
    let hasIndex = words.count >= 2 && numbers[0] != nil
    let name = words[(hasIndex ? 1 : 0)..<(hasColor ? colorStart : words.count)]
      .joined(separator: " ")
    let value = (hasIndex ? numbers[0] : nil) ?? number
    let color =
      hasColor
      ? numbers[colorStart...].compactMap { $0 } : ClassPalette.standardColor(number).map(Int.init)
    guard !name.isEmpty, (0...255).contains(value), color.allSatisfy({ (0...255).contains($0) })
    else {
      throw DatasetError(
        "\(path): expected INDEX NAME RED GREEN BLUE with numbers of 0 to 255; received '\(line)'")
    }
    return (value, ClassPalette.Entry(name: name, color: color.map { UInt8($0) }))
  }

  /// A colour as one number.
  static func key(_ red: UInt8, _ green: UInt8, _ blue: UInt8) -> UInt32 {
    UInt32(red) << 16 | UInt32(green) << 8 | UInt32(blue)
  }
}

extension ClassPalette {
  /// A colour for the class of an index, as PASCAL VOC numbers them: bits of the index from the
  /// lowest become bits of red, green and blue from the highest.
  public static func standardColor(_ index: Int) -> [UInt8] {
    var color: [UInt8] = [0, 0, 0]
    var rest = index
    for bit in 0..<8 {
      for channel in 0..<3 { color[channel] |= UInt8(rest >> channel & 1) << (7 - bit) }
      rest >>= 3
    }
    return color
  }

  /// Classes that are numbered alone, in made-up colours.
  static func numbered(_ count: Int) -> ClassPalette {
    ClassPalette((0..<count).map { Entry(name: String($0), color: standardColor($0)) })
  }
}
