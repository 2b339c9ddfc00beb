// Weights of other frameworks: named tensors as their files hold them, in their own layouts.

import AtelierEngine
import AtelierFiles
import Foundation

/// A tensor of another framework's file: a view into bytes, converted when it is asked for.
public struct ForeignTensor: Sendable {
  /// The name in the file.
  public let name: String
  /// The sizes in the other framework's layout.
  public let shape: Shape
  /// The type of the elements.
  public let type: SafetensorsType
  /// The bytes that it looks into, little-endian.
  let bytes: Data
  /// The first element.
  let offset: Int
  /// The elements between neighbours along each axis.
  let strides: [Int]

  /// A view of rows one after the other.
  init(name: String, shape: Shape, type: SafetensorsType, bytes: Data) {
    var strides: [Int] = []
    var step = 1
    for size in shape.dimensions.reversed() {
      strides.insert(step, at: 0)
      step *= max(size, 1)
    }
    self.init(name: name, shape: shape, type: type, bytes: bytes, offset: 0, strides: strides)
  }

  /// A view with strides; the caller has held its last element against the bytes.
  init(
    name: String, shape: Shape, type: SafetensorsType, bytes: Data, offset: Int, strides: [Int]
  ) {
    self.name = name
    self.shape = shape
    self.type = type
    self.bytes = bytes
    self.offset = offset
    self.strides = strides
  }

  /// The same tensor under another name.
  func named(_ name: String) -> ForeignTensor {
    ForeignTensor(
      name: name, shape: shape, type: type, bytes: bytes, offset: offset, strides: strides)
  }

  /// Whether its elements are floating-point numbers that become weights.
  public var holdsFloats: Bool {
    switch type {
    case .float16, .bfloat16, .float32, .float64: true
    default: false
    }
  }

  /// The elements row by row as 32-bit floats; nil when it does not hold floats.
  ///
  /// Half precision and bfloat16 are exact, doubles rounded to nearest.
  public func tensor() -> Tensor? {
    guard holdsFloats else { return nil }
    var result = Tensor(shape)
    guard shape.count > 0 else { return result }
    let width = type.width
    let sizes = shape.dimensions
    bytes.withUnsafeBytes { source in
      result.elements.withUnsafeMutableBufferPointer { target in
        var index = [Int](repeating: 0, count: sizes.count)
        var position = offset
        for place in 0..<target.count {
          target[place] = type.float(source, at: position * width)
          // The next index in row-major order, like an odometer.
          var axis = sizes.count - 1
          while axis >= 0 {
            index[axis] += 1
            position += strides[axis]
            if index[axis] < sizes[axis] { break }
            position -= index[axis] * strides[axis]
            index[axis] = 0
            axis -= 1
          }
        }
      }
    }
    return result
  }
}

extension SafetensorsType {
  /// The floating-point number at a byte; 0 of a type that holds none.
  fileprivate func float(_ source: UnsafeRawBufferPointer, at byte: Int) -> Float {
    func bits<Bits: FixedWidthInteger>(_: Bits.Type) -> Bits {
      Bits(littleEndian: source.loadUnaligned(fromByteOffset: byte, as: Bits.self))
    }
    return switch self {
    case .float32: Float(bitPattern: bits(UInt32.self))
    case .float16: Float(halfPrecisionBits: bits(UInt16.self))
    case .bfloat16: Float(bitPattern: UInt32(bits(UInt16.self)) << 16)
    case .float64: Float(Double(bitPattern: bits(UInt64.self)))
    default: 0
    }
  }
}

/// The weights of a file of another framework.
public struct ForeignWeights: Sendable {
  /// The frameworks whose files are read.
  public enum Framework: String, Sendable, Hashable {
    /// `.pth`, `.th`, `.pt`: dense weights [out, in], convolutions [out, in, height, width].
    case pytorch = "PyTorch"
    /// `.safetensors` with names and layouts of PyTorch.
    case safetensors = "safetensors"
    /// `.h5`: dense weights [in, out], convolutions [height, width, in, out].
    case keras = "Keras"
  }

  /// The file, as the caller named it.
  public let file: String
  /// Which framework's layout the tensors have.
  public let framework: Framework
  /// The tensors in the file's order, each name once.
  public let tensors: [ForeignTensor]

  /// Takes tensors; of two of one name the later one stays, in the place of the first.
  init(file: String, framework: Framework, tensors: [ForeignTensor]) {
    var places: [String: Int] = [:]
    var kept: [ForeignTensor] = []
    for tensor in tensors {
      if let place = places[tensor.name] {
        kept[place] = tensor
      } else {
        places[tensor.name] = kept.count
        kept.append(tensor)
      }
    }
    self.file = file
    self.framework = framework
    self.tensors = kept
  }

  /// Reads a file of PyTorch (`.pth`, `.th`, `.pt`, the stream before 1.6 and the archive since),
  /// Keras (`.h5`) or safetensors; what it is is told by its bytes.
  ///
  /// Nothing in the file is executed; memory stays below four times the file's size.
  ///
  /// - Throws: `FileError` or `SafetensorsError`, one line that names the file and the fault.
  public static func read(from url: URL) throws -> ForeignWeights {
    try read(data: try InputFile.data(url, limit: .max), name: url.relativePath)
  }

  /// Reads a file's bytes, as `read(from:)` does.
  public static func read(data: Data, name: String) throws -> ForeignWeights {
    // Slices count from where they were cut.
    let data = data.startIndex == 0 ? data : Data(data)
    if PyTorchFile.isOne(data) { return try PyTorchFile.read(data, name: name) }
    if HierarchicalFile.isOne(data) { return try KerasFile.read(data, name: name) }
    guard data.count > 8, data[8] == UInt8(ascii: "{") else {
      throw FileError(
        file: name,
        message:
          "expected weights of PyTorch (.pth, .th, .pt), Keras (.h5) or safetensors; the first "
          + "bytes are none of theirs")
    }
    let file = try SafetensorsFile(data: data, name: name)
    let tensors = file.entries.map {
      ForeignTensor(name: $0.name, shape: $0.shape, type: $0.type, bytes: Data($0.bytes))
    }
    return ForeignWeights(file: name, framework: .safetensors, tensors: tensors)
      .withoutWrapping
  }

  /// The same weights without the prefix that a wrapper gave all names: `module.` of data-parallel
  /// training, `_orig_mod.` of compilation.
  var withoutWrapping: ForeignWeights {
    var renamed = tensors
    for prefix in ["_orig_mod.", "module.", "_orig_mod."]
    where !renamed.isEmpty && renamed.allSatisfy({ $0.name.hasPrefix(prefix) }) {
      renamed = renamed.map { $0.named(String($0.name.dropFirst(prefix.count))) }
    }
    return ForeignWeights(file: file, framework: framework, tensors: renamed)
  }
}
