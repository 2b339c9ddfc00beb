// Reads OpenCV's cascade files (opencv_traincascade's format) and checks everything in them.

import AtelierFiles
import Foundation

/// Reads cascades.
public enum CascadeFile {
  /// The largest window side; its sum of squares, 256² · 255², still fits 32 bits.
  static let largestWindow = 256
  /// The most stages, features, or weak classifiers in all.
  static let mostParts = 200_000

  /// Reads a cascade file; the cascade is named after it.
  ///
  /// - Throws: `StudioError` when the file cannot be read or is no cascade.
  public static func read(_ path: String) throws -> Cascade {
    let unreadable = StudioError(
      .missingInput, "\(path): expected a cascade file, received one that cannot be read")
    guard let size = fileSize(path) else { throw unreadable }
    guard size <= MarkupTree.largestSize else {
      throw StudioError(
        .data,
        "\(path): expected a cascade file of at most \(MarkupTree.largestSize) bytes, "
          + "received \(size)")
    }
    guard let data = FileManager.default.contents(atPath: path) else { throw unreadable }
    return try parse([UInt8](data), file: path)
  }

  /// Reads a cascade from the bytes of a file, whose name is for messages and the cascade's name.
  ///
  /// - Throws: `StudioError` of kind `data`, one line that names the file and the line in it.
  public static func parse(_ bytes: [UInt8], file: String) throws -> Cascade {
    do {
      let tree = try MarkupTree(bytes)
      let name = URL(fileURLWithPath: file).deletingPathExtension().lastPathComponent
      return try CascadeReader(tree: tree).cascade(named: name)
    } catch let failure as MarkupTree.Failure {
      throw StudioError(
        .data,
        "\(file): expected an OpenCV cascade, received in line \(failure.line): \(failure.reason)")
    }
  }

  /// The size of a regular file, nil for anything else.
  private static func fileSize(_ path: String) -> Int? {
    let resolved = URL(fileURLWithPath: path).resolvingSymlinksInPath().path
    guard let attributes = try? FileManager.default.attributesOfItem(atPath: resolved),
      attributes[.type] as? FileAttributeType == .typeRegular
    else { return nil }
    return (attributes[.size] as? NSNumber)?.intValue
  }
}

/// Turns the elements into a cascade.
private struct CascadeReader {
  let tree: MarkupTree

  func failure(_ element: Int, _ reason: String) -> MarkupTree.Failure {
    MarkupTree.Failure(line: tree.line(element), reason: reason)
  }

  func cascade(named name: String) throws -> Cascade {
    guard tree.isNamed(0, "opencv_storage") else {
      throw failure(0, "a root element other than <opencv_storage>")
    }
    guard let root = tree.child(0, "cascade") else {
      throw failure(0, "no <cascade>; files of the format before OpenCV 2.4 are not read")
    }
    let attributes = tree.attributes(root)
    if attributes.contains("type_id"), !attributes.contains("\"opencv-cascade-classifier\"") {
      throw failure(root, "a <cascade> of another type than opencv-cascade-classifier")
    }
    let stageType = tree.text(try child(root, "stageType"))
    guard stageType == "BOOST" else {
      throw failure(root, "stages of type \(stageType.prefix(40)) instead of BOOST")
    }
    let kind = tree.text(try child(root, "featureType"))
    guard kind == "HAAR" || kind == "LBP" else {
      throw failure(root, "features of type \(kind.prefix(40)) instead of HAAR or LBP")
    }
    let isPattern = kind == "LBP"
    let width = try whole(child(root, "width"), 3...CascadeFile.largestWindow)
    let height = try whole(child(root, "height"), 3...CascadeFile.largestWindow)
    if let parameters = tree.child(root, "featureParams"),
      let categories = tree.child(parameters, "maxCatCount")
    {
      let count = try whole(categories, 0...256)
      guard count == (isPattern ? 256 : 0) else {
        throw failure(categories, "\(count) categories for features of type \(kind)")
      }
    }
    let features = try tree.children(try child(root, "features")).map {
      try feature($0, isPattern: isPattern, width: width, height: height)
    }
    let stages = try self.stages(of: root, isPattern: isPattern, features: features.count)
    return Cascade(name: name, width: width, height: height, stages: stages, features: features)
  }

  private func stages(of root: Int, isPattern: Bool, features: Int) throws -> [Cascade.Stage] {
    guard features > 0, features <= CascadeFile.mostParts else {
      throw failure(root, "\(features) features instead of 1 to \(CascadeFile.mostParts)")
    }
    let elements = tree.children(try child(root, "stages"))
    if let declared = tree.child(root, "stageNum") {
      let count = try whole(declared, 1...CascadeFile.mostParts)
      guard count == elements.count else {
        throw failure(declared, "\(elements.count) stages where \(count) are announced")
      }
    }
    guard !elements.isEmpty else { throw failure(root, "a cascade without stages") }
    return try elements.map { element in
      // OpenCV lowers thresholds by this much against rounding.
      let threshold = try number(child(element, "stageThreshold")) - 1e-5
      let trees = try tree.children(try child(element, "weakClassifiers")).map {
        try weak($0, isPattern: isPattern, features: features)
      }
      guard !trees.isEmpty else { throw failure(element, "a stage without classifiers") }
      return Cascade.Stage(threshold: Float(threshold), trees: trees)
    }
  }

  private func weak(_ element: Int, isPattern: Bool, features: Int) throws -> Cascade.Tree {
    let nodeElement = try child(element, "internalNodes")
    let values = try numbers(nodeElement)
    let leaves = try numbers(child(element, "leafValues"))
    let fields = isPattern ? 11 : 4
    guard !values.isEmpty, values.count.isMultiple(of: fields) else {
      throw failure(nodeElement, "\(values.count) numbers for nodes of \(fields)")
    }
    let count = values.count / fields
    guard leaves.count == count + 1 else {
      throw failure(element, "\(leaves.count) leaves for \(count) nodes")
    }
    let nodes = try (0..<count).map { index in
      let field = values[(index * fields)..<((index + 1) * fields)].map { $0 }
      let left = try target(field[0], of: index, count: count, in: nodeElement)
      let right = try target(field[1], of: index, count: count, in: nodeElement)
      guard let feature = Int(exactly: field[2]), feature >= 0, feature < features else {
        throw failure(nodeElement, "feature \(field[2]) of \(features)")
      }
      func word(_ value: Double) throws -> UInt32 {
        guard let word = Int32(exactly: value) else {
          throw failure(nodeElement, "\(value) where 32 bits are expected")
        }
        return UInt32(bitPattern: word)
      }
      let test: Cascade.Test =
        try isPattern ? .patterns(field[3...].map(word)) : .threshold(Float(field[3]))
      return Cascade.Node(feature: feature, test: test, left: left, right: right)
    }
    return Cascade.Tree(nodes: nodes, leaves: leaves.map { Float($0) })
  }

  /// A child of a node: in the file a number above 0 is a node, others are negated leaves.
  private func target(_ value: Double, of node: Int, count: Int, in element: Int) throws -> Int {
    guard let index = Int(exactly: value), index >= -count, index < count,
      index <= 0 || index > node
    else { throw failure(element, "node \(node) refers to \(value), of \(count) nodes") }
    return index > 0 ? index : ~(-index)
  }

  private func feature(
    _ element: Int, isPattern: Bool, width: Int, height: Int
  ) throws -> Cascade.Feature {
    if isPattern {
      let place = try numbers(child(element, "rect"))
      guard place.count == 4 else {
        throw failure(element, "a rectangle of \(place.count) numbers")
      }
      let block = try place.map { try coordinate($0, element) }
      guard block[2] > 0, block[3] > 0, block[0] + 3 * block[2] <= width,
        block[1] + 3 * block[3] <= height
      else { throw failure(element, "a pattern outside of the window \(width)x\(height)") }
      return .binaryPattern(x: block[0], y: block[1], width: block[2], height: block[3])
    }
    let isTilted = try tree.child(element, "tilted").map { try whole($0, 0...1) } == 1
    let list = tree.children(try child(element, "rects"))
    guard 1...3 ~= list.count else { throw failure(element, "\(list.count) rectangles") }
    return .haar(
      try list.map { item in
        let place = try numbers(item)
        guard place.count == 5 else {
          throw failure(item, "a weighted rectangle of \(place.count) numbers")
        }
        let edge = try place[..<4].map { try coordinate($0, item) }
        let isInside =
          isTilted
          ? edge[0] - edge[3] >= 0 && edge[0] + edge[2] <= width
            && edge[1] + edge[2] + edge[3] <= height
          : edge[0] + edge[2] <= width && edge[1] + edge[3] <= height
        guard edge[2] > 0, edge[3] > 0, isInside else {
          throw failure(item, "a rectangle outside of the window \(width)x\(height)")
        }
        return Cascade.WeightedRectangle(
          x: edge[0], y: edge[1], width: edge[2], height: edge[3], weight: Float(place[4]))
      }, isTilted: isTilted)
  }

  private func coordinate(_ value: Double, _ element: Int) throws -> Int {
    guard let number = Int(exactly: value), 0...CascadeFile.largestWindow ~= number else {
      throw failure(element, "\(value) where a pixel of the window is expected")
    }
    return number
  }

  private func child(_ element: Int, _ name: String) throws -> Int {
    guard let child = tree.child(element, name) else { throw failure(element, "no <\(name)>") }
    return child
  }

  private func whole(_ element: Int, _ range: ClosedRange<Int>) throws -> Int {
    let value = try number(element)
    guard let number = Int(exactly: value), range ~= number else {
      throw failure(element, "\(value) where \(range.lowerBound) to \(range.upperBound) is allowed")
    }
    return number
  }

  private func number(_ element: Int) throws -> Double {
    let values = try numbers(element)
    guard values.count == 1 else {
      throw failure(element, "\(values.count) numbers where one is expected")
    }
    return values[0]
  }

  /// The numbers in an element's text, parted by white space.
  private func numbers(_ element: Int) throws -> [Double] {
    let range = tree.elements[element].text
    var values: [Double] = []
    var position = range.lowerBound
    return try tree.bytes.withUnsafeBytes { raw in
      guard let base = raw.baseAddress?.assumingMemoryBound(to: CChar.self) else { return [] }
      while position < range.upperBound {
        if MarkupTree.isSpace(raw[position]) {
          position += 1
          continue
        }
        var end = position
        while end < range.upperBound, Self.isNumberByte(raw[end]) { end += 1 }
        var stop: UnsafeMutablePointer<CChar>?
        let value = strtod(base + position, &stop)
        // Its size in 32 bits bounds every sum; bytes of other kinds leave the token unfinished.
        guard end > position, stop.map({ UnsafePointer($0) }) == base + end, abs(value) < 1e30,
          end == range.upperBound || MarkupTree.isSpace(raw[end])
        else { throw failure(element, "text that is no number") }
        values.append(value)
        position = end
      }
      return values
    }
  }

  private static func isNumberByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"): true
    case UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"): true
    default: false
    }
  }
}
