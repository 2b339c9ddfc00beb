// Golden values and gradients from PyTorch, read for the tests; their script is beside them.

import AtelierEngine
import Foundation

/// One attribute of a golden case.
public enum GoldenValue: Hashable, Sendable, Decodable {
  /// true or false
  case flag(Bool)
  /// a number
  case number(Double)
  /// a word
  case word(String)
  /// numbers in order, such as [kernel height, kernel width]
  case list([Double])
  /// named numbers, such as a padding's top, bottom, left and right
  case record([String: Double])

  /// Reads whichever of the five forms is there.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let value = try? container.decode(Bool.self) {
      self = .flag(value)
    } else if let value = try? container.decode(Double.self) {
      self = .number(value)
    } else if let value = try? container.decode(String.self) {
      self = .word(value)
    } else if let value = try? container.decode([Double].self) {
      self = .list(value)
    } else {
      self = .record(try container.decode([String: Double].self))
    }
  }
}

/// A fixture that does not hold what a test asked for.
public struct GoldenError: Error, CustomStringConvertible {
  /// What was expected and what was found.
  public let description: String

  /// Makes an error with its text.
  public init(_ description: String) { self.description = description }
}

/// The sizes of the four margins of an image, in pixels.
public struct GoldenEdges: Hashable, Sendable {
  /// Rows above.
  public let top: Int
  /// Rows below.
  public let bottom: Int
  /// Columns before.
  public let left: Int
  /// Columns after.
  public let right: Int

  /// Makes edges.
  public init(top: Int, bottom: Int, left: Int, right: Int) {
    self.top = top
    self.bottom = bottom
    self.left = left
    self.right = right
  }
}

/// One operation, loss or optimizer with its inputs and what PyTorch makes of them.
///
/// Tensors are asked by role: x, y, z (the inputs in order), target, labels, weight, bias, gamma,
/// beta, running_mean, running_variance, class_weights, output, upstream, gradient.ROLE, and the
/// extras: switches, pool_input, updated_mean, updated_variance. Images are NHWC; integers (labels,
/// switches) come as floats.
public struct GoldenCase: Sendable, CustomStringConvertible {
  /// Unique in its file, such as convolution-3x3-same.
  public let name: String
  /// Such as convolution, max_pool, adam.
  public let operation: String
  /// The settings by name; the typed accessors below read them.
  public let attributes: [String: GoldenValue]
  /// The keys of the inputs in order.
  public let inputs: [String]
  /// The keys of the parameters in order.
  public let parameters: [String]
  /// The key of a differentiated tensor to the key of its gradient.
  public let gradients: [String: String]
  /// The role of a further tensor to its key.
  public let extras: [String: String]
  /// The learning rates of a schedule; empty for the rest.
  public let values: [Double]
  /// The losses that a plateau schedule is told; empty for the rest.
  public let losses: [Double]
  /// Every tensor of the case by its key.
  public let tensors: [String: Tensor]

  /// The name, which the test report prints.
  public var description: String { name }

  /// The roles that have a gradient, sorted.
  public var differentiated: [String] {
    gradients.keys.map { String($0.dropFirst(name.count + 1)) }.sorted()
  }

  /// Whether the case has the tensor of `role`.
  public func has(_ role: String) -> Bool { tensors[name + "/" + role] != nil }

  /// The tensor of a role, such as "x", "output" or "gradient.weight".
  public func tensor(_ role: String) throws -> Tensor { try tensor(key: name + "/" + role) }

  /// The tensor of a whole key, such as "shared/gradients".
  public func tensor(key: String) throws -> Tensor {
    guard let tensor = tensors[key] else {
      throw GoldenError("\(name): no tensor \(key); there are \(tensors.keys.sorted())")
    }
    return tensor
  }

  /// The gradient of the tensor of a role.
  public func gradient(_ role: String) throws -> Tensor { try tensor("gradient." + role) }

  /// Whether the case has an attribute.
  public func hasAttribute(_ attribute: String) -> Bool { attributes[attribute] != nil }

  /// A number.
  public func double(_ attribute: String) throws -> Double {
    guard case .number(let value) = attributes[attribute] else {
      throw mismatch(attribute, "a number")
    }
    return value
  }

  /// A number as a 32-bit float.
  public func float(_ attribute: String) throws -> Float { Float(try double(attribute)) }

  /// A whole number.
  public func int(_ attribute: String) throws -> Int {
    guard let value = Int(exactly: try double(attribute)) else {
      throw mismatch(attribute, "a whole number")
    }
    return value
  }

  /// Numbers in order.
  public func doubles(_ attribute: String) throws -> [Double] {
    guard case .list(let values) = attributes[attribute] else {
      throw mismatch(attribute, "a list of numbers")
    }
    return values
  }

  /// Whole numbers in order, such as [kernel height, kernel width].
  public func ints(_ attribute: String) throws -> [Int] {
    try doubles(attribute).map { value in
      guard let whole = Int(exactly: value) else {
        throw mismatch(attribute, "a list of whole numbers")
      }
      return whole
    }
  }

  /// True or false.
  public func bool(_ attribute: String) throws -> Bool {
    guard case .flag(let value) = attributes[attribute] else {
      throw mismatch(attribute, "true or false")
    }
    return value
  }

  /// A word.
  public func string(_ attribute: String) throws -> String {
    guard case .word(let value) = attributes[attribute] else {
      throw mismatch(attribute, "a word")
    }
    return value
  }

  /// The top, bottom, left and right of a padding or crop.
  public func edges(_ attribute: String) throws -> GoldenEdges {
    guard case .record(let values) = attributes[attribute],
      let top = values["top"], let bottom = values["bottom"],
      let left = values["left"], let right = values["right"]
    else { throw mismatch(attribute, "top, bottom, left and right") }
    return GoldenEdges(top: Int(top), bottom: Int(bottom), left: Int(left), right: Int(right))
  }

  private func mismatch(_ attribute: String, _ expected: String) -> GoldenError {
    let found = attributes[attribute].map { "\($0)" } ?? "nothing"
    return GoldenError("\(name): attribute \(attribute) should be \(expected); found \(found)")
  }
}

/// The golden files, found from this source file's own place.
public enum GoldenCases {
  /// The folder of the golden files and of the script that writes them.
  public static var folder: URL {
    URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Fixtures").appending(path: "golden")
  }

  /// Reads the cases of one file pair: "operations", "optimizers" or "schedules".
  public static func load(_ file: String) throws -> [GoldenCase] {
    let index = try JSONDecoder().decode(
      Index.self, from: Data(contentsOf: folder.appending(path: file + ".json")))
    let arrays = folder.appending(path: file + ".safetensors")
    let tensors =
      FileManager.default.fileExists(atPath: arrays.path) ? try GoldenTensors.read(arrays) : [:]
    var owned: [String: [String: Tensor]] = [:]
    for (key, tensor) in tensors {
      owned[String(key.prefix { $0 != "/" }), default: [:]][key] = tensor
    }
    let shared = owned["shared"] ?? [:]
    return index.cases.map { entry in
      GoldenCase(
        name: entry.name, operation: entry.operation, attributes: entry.attributes,
        inputs: entry.inputs ?? [], parameters: entry.parameters ?? [],
        gradients: entry.gradients ?? [:], extras: entry.extras ?? [:],
        values: entry.values ?? [], losses: entry.losses ?? [],
        tensors: (owned[entry.name] ?? [:]).merging(shared) { own, _ in own })
    }
  }

  /// Reads the cases of one operation of a file pair; throws when there is none, so that no test
  /// runs over nothing.
  public static func load(_ file: String, operation: String) throws -> [GoldenCase] {
    let cases = try load(file).filter { $0.operation == operation }
    guard !cases.isEmpty else { throw GoldenError("\(file) has no case of \(operation)") }
    return cases
  }

  private struct Index: Decodable {
    let cases: [Entry]
  }

  private struct Entry: Decodable {
    let name: String
    let operation: String
    let attributes: [String: GoldenValue]
    let inputs: [String]?
    let parameters: [String]?
    let gradients: [String: String]?
    let extras: [String: String]?
    let values: [Double]?
    let losses: [Double]?
  }
}

/// A safetensors reader for fixtures: F32, I32 and I64 only, whole file in memory.
public enum GoldenTensors {
  private struct Entry: Decodable {
    let dtype: String
    let shape: [Int]
    let offsets: [Int]

    private enum CodingKeys: String, CodingKey {
      case dtype
      case shape
      case offsets = "data_offsets"
    }
  }

  /// Reads every tensor of a file; integers become floats and must be exact as such.
  public static func read(_ file: URL) throws -> [String: Tensor] {
    let bytes = [UInt8](try Data(contentsOf: file))
    let headerCount = bytes.count < 8 ? Int.max : Int(clamping: integer(bytes, 0, UInt64.self))
    guard headerCount <= bytes.count - 8 else {
      throw GoldenError("\(file.lastPathComponent): header of \(headerCount) bytes is cut short")
    }
    let header = try JSONDecoder().decode(
      [String: Entry].self, from: Data(bytes[8..<(8 + headerCount)]))
    var tensors: [String: Tensor] = [:]
    for (key, entry) in header {
      let shape = Shape(entry.shape)
      let size = entry.dtype == "I64" ? 8 : 4
      guard entry.offsets.count == 2, entry.offsets[0] >= 0,
        entry.offsets[1] - entry.offsets[0] == shape.count * size,
        8 + headerCount + entry.offsets[1] <= bytes.count
      else { throw GoldenError("\(file.lastPathComponent): \(key) has wrong offsets") }
      let start = 8 + headerCount + entry.offsets[0]
      let places = (0..<shape.count).map { start + $0 * size }
      switch entry.dtype {
      case "F32":
        let values = places.map { Float(bitPattern: integer(bytes, $0, UInt32.self)) }
        tensors[key] = Tensor(shape, values)
      case "I32": tensors[key] = Tensor(shape, places.map { Float(integer(bytes, $0, Int32.self)) })
      case "I64": tensors[key] = Tensor(shape, places.map { Float(integer(bytes, $0, Int64.self)) })
      default: throw GoldenError("\(file.lastPathComponent): \(key) has type \(entry.dtype)")
      }
      guard entry.dtype == "F32" || tensors[key]?.elements.allSatisfy({ abs($0) < 0x1p24 }) == true
      else { throw GoldenError("\(file.lastPathComponent): \(key) has integers over 2^24") }
    }
    return tensors
  }

  private static func integer<T: FixedWidthInteger>(_ bytes: [UInt8], _ place: Int, _: T.Type) -> T
  {
    bytes.withUnsafeBytes { T(littleEndian: $0.loadUnaligned(fromByteOffset: place, as: T.self)) }
  }
}
