// Pictures of one size with a class each: what a classifier is trained and measured on.

import AtelierEngine
import AtelierImages

/// Pictures that are cut into a part to learn from and one that is held out.
public protocol DividedSet {
  /// What the set is called in messages and protocols.
  var name: String { get }
  /// The number of pictures.
  var count: Int { get }

  /// Some of the pictures, at least one, in the order wanted; the name gets the suffix.
  /// - Throws: `DatasetError` when there are none.
  func selecting(_ indices: [Int], suffix: String) throws(DatasetError) -> Self
}

extension DividedSet {
  /// The set cut in two at random, the same way for the same seed: the second part gets `count`
  /// pictures, each has the set's order.
  /// - Throws: `DatasetError` when a part would be empty.
  public func split(
    holdingOut count: Int, seed: UInt64
  ) throws(DatasetError) -> (rest: Self, held: Self) {
    guard count > 0, count < self.count else {
      throw DatasetError(
        "\(name): \(count) of \(self.count) pictures cannot be held out for validation")
    }
    var generator = RandomGenerator(seed: seed, Stream.split)
    let order = generator.permutation(self.count)
    return (
      try selecting(order.dropFirst(count).sorted(), suffix: " without validation"),
      try selecting(order.prefix(count).sorted(), suffix: " validation")
    )
  }

  /// The place of each class among a model's: names decide.
  ///
  /// Where they do not meet, numbers are no names: those of a set that has no names of its own, and
  /// those of a model whose weights came without names, keep their places.
  func places(
    of classes: [String], in names: [String], hasNames: Bool
  ) throws(DatasetError) -> [Int] {
    let isNumbered =
      !Set(classes).isSubset(of: names)
      && (!hasNames || names == LabeledImages.numberNames(names.count))
    var places: [Int] = []
    for (index, name) in classes.enumerated() {
      guard let place = isNumbered ? index : names.firstIndex(of: name), place < names.count else {
        throw DatasetError(
          "\(self.name): its class '\(name)' is none of the model's, which are "
            + names.prefix(12).joined(separator: ", ") + (names.count > 12 ? ", …" : ""))
      }
      places.append(place)
    }
    return places
  }
}

/// A set of pictures of one size in memory, each with a class.
public struct LabeledImages: DividedSet, Sendable {
  /// What the set is called in messages and protocols.
  public let name: String
  /// Columns and rows of every picture.
  public let size: PixelSize
  /// 1 gray, 3 RGB.
  public let channels: Int
  /// The bytes of all pictures one after the other, each [height, width, channels].
  public let pixels: [UInt8]
  /// The class of each picture, an index into `classNames`.
  public let labels: [Int]
  /// The names of the classes in the order of their indices.
  public private(set) var classNames: [String]
  /// Whether the names of the classes are the set's own, not made of the numbers of its labels.
  public private(set) var hasNames = true
  /// What was left out of folders, a line each with the reason.
  public internal(set) var leftOut: [String] = []

  /// How many bytes the pixels of a set may take.
  public static let memoryLimit = 2 << 30

  /// Puts a set together: channels 1 or 3, count · height · width · channels bytes, a label for
  /// each picture, at least two classes.
  /// - Throws: `DatasetError` when the numbers do not fit together or a label has no name.
  public init(
    name: String, size: PixelSize, channels: Int, pixels: [UInt8], labels: [Int],
    classNames: [String]
  ) throws(DatasetError) {
    guard !labels.isEmpty, size.width > 0, size.height > 0, channels == 1 || channels == 3,
      pixels.count == labels.count * size.width * size.height * channels
    else {
      throw DatasetError(
        "\(name): expected bytes for \(labels.count) pictures of \(size) with \(channels) channels; "
          + "received \(pixels.count)")
    }
    guard classNames.count >= 2 || classNames == [Self.onlyClass],
      Set(classNames).count == classNames.count
    else {
      throw DatasetError(
        "\(name): expected at least two classes of different names; received \(classNames)")
    }
    if let index = labels.firstIndex(where: { !classNames.indices.contains($0) }) {
      throw DatasetError(
        "\(name): picture \(index) has label \(labels[index]); there are \(classNames.count) "
          + "classes")
    }
    self.name = name
    self.size = size
    self.channels = channels
    self.pixels = pixels
    self.labels = labels
    self.classNames = classNames
  }

  /// Puts a set together whose labels are numbers below `numberedClasses` without names.
  /// - Throws: `DatasetError` as the other initializer.
  init(
    name: String, size: PixelSize, channels: Int, pixels: [UInt8], labels: [Int],
    numberedClasses count: Int
  ) throws(DatasetError) {
    try self.init(
      name: name, size: size, channels: channels, pixels: pixels, labels: labels,
      classNames: Self.numberNames(count))
    hasNames = false
  }

  /// Puts pictures together that have no classes.
  ///
  /// Precondition: `pictures` is a whole number of them, at least one.
  init(name: String, size: PixelSize, channels: Int, pictures pixels: [UInt8]) {
    let length = size.width * size.height * channels
    precondition(
      !pixels.isEmpty && pixels.count % length == 0, "expected bytes of whole pictures")
    (self.name, self.size, self.channels, self.pixels) = (name, size, channels, pixels)
    labels = [Int](repeating: 0, count: pixels.count / length)
    classNames = [Self.onlyClass]
  }

  /// The same set, which knows its names and what was left out as another does.
  private func like(_ other: LabeledImages) -> LabeledImages {
    var copy = self
    (copy.hasNames, copy.leftOut) = (other.hasNames, other.leftOut)
    return copy
  }

  /// One line that tells the classes and how many pictures there are of each.
  public var summary: String {
    guard isLabeled else { return "\(name): \(count) pictures of \(size)" }
    var counts = [Int](repeating: 0, count: classNames.count)
    for label in labels { counts[label] += 1 }
    let parts = zip(classNames, counts).map { "\($0) \($1)" }
    return "\(name): \(count) pictures of \(classNames.count) classes: "
      + parts.prefix(20).joined(separator: ", ")
      + (parts.count > 20 ? " and \(parts.count - 20) more" : "")
  }

  /// The number of pictures.
  public var count: Int { labels.count }
  /// Bytes of one picture.
  public var pictureLength: Int { size.width * size.height * channels }

  /// One picture.
  ///
  /// Precondition: `index` is in 0..<count.
  public func image(_ index: Int) -> ByteImage {
    ByteImage(
      width: size.width, height: size.height, channels: channels,
      samples: Array(pixels[index * pictureLength..<(index + 1) * pictureLength]))
  }

  /// Pictures in the order wanted as fractions of full white: [indices, height, width, channels].
  ///
  /// Precondition: indices are in 0..<count.
  public func tensor(_ indices: some Collection<Int>) -> Tensor {
    let length = pictureLength
    var elements = [Float](repeating: 0, count: indices.count * length)
    elements.withUnsafeMutableBufferPointer { target in
      pixels.withUnsafeBufferPointer { source in
        for (place, index) in indices.enumerated() {
          precondition(index >= 0 && index < count, "a picture that the set does not have")
          for sample in 0..<length {
            target[place &* length &+ sample] = Float(source[index &* length &+ sample]) / 255
          }
        }
      }
    }
    return Tensor(
      .image(batch: indices.count, height: size.height, width: size.width, channels: channels),
      elements)
  }

  /// Mean and deviation of each channel over all pictures, as fractions of full white.
  public var statistics: (mean: [Float], deviation: [Float]) {
    var sums = [Int](repeating: 0, count: channels)
    var squares = [Int](repeating: 0, count: channels)
    pixels.withUnsafeBufferPointer { source in
      for channel in 0..<channels {
        var (sum, square) = (0, 0)
        for index in stride(from: channel, to: source.count, by: channels) {
          let value = Int(source[index])
          sum &+= value
          square &+= value &* value
        }
        (sums[channel], squares[channel]) = (sum, square)
      }
    }
    let number = Double(pixels.count / channels)
    let means = sums.map { Double($0) / number }
    let deviations = zip(squares, means).map { square, mean in
      // Pictures of one colour have no deviation to divide by.
      max((Double(square) / number - mean * mean).squareRoot(), 1)
    }
    return (means.map { Float($0 / 255) }, deviations.map { Float($0 / 255) })
  }

  /// Some of the pictures, at least one, in the order wanted; the name gets the suffix.
  /// - Throws: `DatasetError` when there are none.
  public func selecting(_ indices: [Int], suffix: String) throws(DatasetError) -> LabeledImages {
    var chosen: [UInt8] = []
    chosen.reserveCapacity(indices.count * pictureLength)
    for index in indices { chosen += pixels[index * pictureLength..<(index + 1) * pictureLength] }
    return try LabeledImages(
      name: name + suffix, size: size, channels: channels, pixels: chosen,
      labels: indices.map { labels[$0] }, classNames: classNames
    ).like(self)
  }

  /// The same pictures under other class names, as many as there are classes; of a set without names
  /// of its own as many as its labels need, or more.
  /// - Throws: `DatasetError` when their number does not fit or two are equal.
  public func naming(_ names: [String]) throws(DatasetError) -> LabeledImages {
    let needed = hasNames ? classNames.count : (labels.max() ?? 0) + 1
    guard hasNames ? names.count == needed : names.count >= needed else {
      throw DatasetError(
        "\(name): expected \(needed)\(hasNames ? "" : " or more") class names, received "
          + "\(names.count)")
    }
    var named = try LabeledImages(
      name: name, size: size, channels: channels, pixels: pixels, labels: labels, classNames: names)
    named.leftOut = leftOut
    return named
  }

  /// The same pictures with classes in the order of other names, those of a model's outputs.
  ///
  /// Names decide. A set without names of its own is numbered, and keeps its numbers unless the
  /// other names hold all of them.
  ///
  /// - Throws: `DatasetError` when a class of the set has no such name.
  public func ordered(as names: [String]) throws(DatasetError) -> LabeledImages {
    if names == classNames { return self }
    let places = try places(of: used, in: names, hasNames: hasNames)
    return try LabeledImages(
      name: name, size: size, channels: channels, pixels: pixels,
      labels: labels.map { places[$0] }, classNames: names
    ).like(self)
  }

  /// The classes that can stand in the pictures: numbers that no label has were made up.
  private var used: [String] {
    hasNames ? classNames : Array(classNames.prefix((labels.max() ?? 0) + 1))
  }

  /// The names 0, 1, 2… of sets that give numbers alone.
  static func numberNames(_ count: Int) -> [String] { (0..<count).map(String.init) }
}
