// The size of a tensor and the error that every shape rule throws.

/// The sizes of a tensor, outermost first; images are [batch, height, width, channels].
public struct Shape: Hashable, Sendable {
  /// The size along each axis, outermost first; none is negative.
  public let dimensions: [Int]

  /// Makes a shape from its sizes, outermost first.
  public init(_ dimensions: [Int]) { self.dimensions = dimensions }

  /// An image batch [batch, height, width, channels].
  public static func image(batch: Int = 1, height: Int, width: Int, channels: Int) -> Shape {
    Shape([batch, height, width, channels])
  }

  /// A batch of vectors [batch, channels].
  public static func vector(batch: Int = 1, channels: Int) -> Shape { Shape([batch, channels]) }

  /// A single value: rank 0.
  public static let scalar = Shape([])

  /// The number of axes.
  public var rank: Int { dimensions.count }
  /// The number of elements.
  public var count: Int { dimensions.reduce(1, *) }
  /// Whether no size is negative and there are at most 2⁴⁰ elements, so that no sum of counts can overflow.
  var isCountable: Bool {
    var count = 1
    for size in dimensions {
      guard size >= 0 else { return false }
      let (product, isTooLarge) = count.multipliedReportingOverflow(by: size)
      guard !isTooLarge, product <= 1 << 40 else { return false }
      count = product
    }
    return true
  }
  /// The first axis, 1 for a scalar.
  public var batch: Int { dimensions.first ?? 1 }
  /// The last axis, 1 for a scalar.
  public var channels: Int { dimensions.last ?? 1 }
  /// All axes but the last together, such as pixels, and the last.
  var matrix: (rows: Int, channels: Int) { (count / channels, channels) }
  /// The rows of an image batch (axis 1 of 4), 1 for other ranks.
  public var height: Int { rank == 4 ? dimensions[1] : 1 }
  /// The columns of an image batch (axis 2 of 4), 1 for other ranks.
  public var width: Int { rank == 4 ? dimensions[2] : 1 }

  /// The size along `axis`.
  public subscript(axis: Int) -> Int { dimensions[axis] }

  /// The same shape with another first axis.
  public func withBatch(_ batch: Int) -> Shape {
    rank == 0 ? self : Shape([batch] + dimensions.dropFirst())
  }
}

extension Shape: CustomStringConvertible {
  /// The sizes in brackets, as in `[16, 96, 96, 3]`.
  public var description: String { "[" + dimensions.map(String.init).joined(separator: ", ") + "]" }
}

extension Shape: ExpressibleByArrayLiteral {
  /// Makes a shape from its sizes, outermost first.
  public init(arrayLiteral elements: Int...) { self.init(elements) }
}

extension Shape: Codable {
  public init(from decoder: any Decoder) throws {
    let sizes = try decoder.singleValueContainer().decode([Int].self)
    guard sizes.allSatisfy({ $0 >= 0 }) else {
      throw ShapeError("a shape has no negative sizes; received \(sizes)")
    }
    self.init(sizes)
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(dimensions)
  }
}

/// A shape, attribute or wiring that a graph cannot have; the text says what was expected and what came.
public struct ShapeError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What was expected and what was received.
  public let description: String
  /// Whether all is right but there is not enough memory.
  public let isMemory: Bool

  /// Makes an error with its text.
  public init(_ description: String) { self.init(description, isMemory: false) }

  init(_ description: String, isMemory: Bool) {
    self.description = description
    self.isMemory = isMemory
  }
}
