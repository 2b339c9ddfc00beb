// Face detectors that are networks of other people's, as .onnx files: YuNet and UltraFace.

import AtelierDatasets
import AtelierEngine
import AtelierFiles
import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierVision
import AtelierWorkbench
import Foundation
import Synchronization

/// Finds faces by a network from a file, run by this project's own engine.
///
/// Two forms are known by their outputs: YuNet (Wu and others 2023), which tells five points, and
/// UltraFace's RFB-320, which tells boxes alone. Files may leave the picture's size free or fix it.
public final class FaceNetwork: FaceDetector {
  /// The longest side at which a picture is searched first, in pixels.
  private static let usualSide = 640.0
  /// The longest side at which it is searched at most, for small faces.
  private static let largestSide = 1600.0
  /// The width that a face should have there, in pixels; YuNet was trained with 10 and more.
  private static let leastWidth = 16.0
  /// Programs that wait for another picture of their size.
  private static let mostIdle = 8

  private let name: String
  private let data: Data
  private let form: FaceNetworkForm
  /// The size that the file fixes; nil where it leaves sizes free.
  private let fixed: PixelSize?
  private let idle = Mutex<[(size: PixelSize, program: Program)]>([])

  /// Reads a network; throws `FileError` or `StudioError` when it is none, or no face detector that
  /// is known here.
  public init(contentsOf url: URL) throws {
    try StudioError.unless(
      FileManager.default.fileExists(atPath: url.path), .missingInput,
      "\(url.relativePath): expected a face detector as an .onnx file, received no such file")
    let name = url.relativePath
    let data = try ONNXImport.data(of: url)
    // A file's own size, where it has one; anchors that were worked out for it bar others.
    let own = try? Self.read(data, name, nil)
    let other = Result { try Self.read(data, name, PixelSize(width: 352, height: 384)) }
    let network = try own ?? other.get()
    form = try FaceNetworkForm(outputs: network.outputs.map(\.name), file: name)
    let size = try Self.inputSize(network, name)
    let taken = try? Self.inputSize(other.get(), name)
    fixed = taken == PixelSize(width: 352, height: 384) ? nil : size
    (self.name, self.data) = (name, data)
  }

  private static func read(_ data: Data, _ name: String, _ size: PixelSize?) throws -> ONNXImport {
    var options = ONNXImport.Options()
    options.image = size.map { ($0.height, $0.width, 3) }
    return try ONNXImport(data, name: name, options)
  }

  private static func inputSize(_ network: ONNXImport, _ name: String) throws -> PixelSize {
    let inputs = network.model.graph.inputs
    let shape = inputs.first.map { network.model.graph.values[$0.value].shape }
    guard inputs.count == 1, let shape, shape.rank == 4, shape.channels == 3 else {
      throw StudioError(
        .data,
        "\(name): expected a face detector with one picture of three channels as input, received "
          + network.inputs.map { "\($0.name) \($0.sizes)" }.joined(separator: ", "))
    }
    return PixelSize(width: shape.width, height: shape.height)
  }

  public func faces(
    in image: ByteImage, smallest: Double?, isThorough: Bool, pool: ThreadPool
  ) throws -> [FoundFace] {
    let (longer, shorter) = (
      Double(max(image.width, image.height)), Double(min(image.width, image.height))
    )
    let least = smallest ?? shorter / 10
    let side = min(max(Self.usualSide, longer * Self.leastWidth / least), Self.largestSide)
    var found = try search(image, longestSide: side, pool)
    if found.isEmpty, isThorough {
      // A face that fills the picture is larger than those that such networks have seen.
      found = try search(image, longestSide: Self.usualSide / 2, pool)
    }
    if found.isEmpty, isThorough {
      let border = Int((shorter / 4).rounded(.up))
      let map = AffineMap.scaling(1, x: Double(-border), y: Double(-border))
      let padded = image.sampled(
        through: map, width: image.width + 2 * border, height: image.height + 2 * border)
      found = try search(padded, longestSide: Self.usualSide / 2, pool).map {
        $0.moved(by: map)
      }
    }
    return found.filter { $0.box.width >= least }
  }

  public func faces(
    in image: ByteImage, near boxes: [PlaneBox], pool: ThreadPool
  ) -> [FoundFace]? { nil }

  public func eyes(in image: ByteImage, box: PlaneBox, pool: ThreadPool) throws -> EyePair? {
    let extent = 2 * max(box.width, box.height)
    guard extent.isFinite, extent > 0, extent <= 8 * Double(max(image.width, image.height)) else {
      return nil
    }
    let side = Int(min(Self.usualSide / 2, max(64, extent)))
    let map = AffineMap.scaling(
      extent / Double(side), x: box.centerX - extent / 2, y: box.centerY - extent / 2)
    let part = image.sampled(through: map, width: side, height: side)
    return try search(part, longestSide: Double(side), pool).map { $0.moved(by: map) }
      .max { $0.box.intersectionOverUnion(box) < $1.box.intersectionOverUnion(box) }
      .flatMap { $0.box.intersectionOverUnion(box) > 0 ? $0.eyes : nil }
  }

  /// The faces of a picture whose longer side is brought to `longestSide`, but not enlarged, or to
  /// the size that the file fixes; the most certain first.
  private func search(
    _ image: ByteImage, longestSide: Double, _ pool: ThreadPool
  ) throws -> [FoundFace] {
    let (width, height) = (Double(image.width), Double(image.height))
    let scale =
      fixed.map { min(Double($0.width) / width, Double($0.height) / height) }
      ?? min(1, longestSide / max(width, height))
    let size = PixelSize(
      width: max(1, Int((scale * width).rounded())),
      height: max(1, Int((scale * height).rounded())))
    // Few sizes, so that programs can be used again; all levels divide them.
    let canvas =
      fixed
      ?? PixelSize(width: (size.width + 63) / 64 * 64, height: (size.height + 63) / 64 * 64)
    let picture = image.resized(width: size.width, height: size.height, filter: .bilinear)
    let program = try take(canvas, pool)
    defer { give(program, canvas) }
    try program.withInput("input") { form.write(picture, to: $0, canvas) }
    try program.run()
    let candidates = try form.faces(canvas) { try program.output($0).elements }
    let back = AffineMap.scaling(1 / scale)
    return FaceNetworkForm.withoutRepeats(candidates).map { form.face($0).moved(by: back) }
  }

  private func take(_ size: PixelSize, _ pool: ThreadPool) throws -> Program {
    let waiting = idle.withLock { idle -> Program? in
      idle.lastIndex { $0.size == size }.map { idle.remove(at: $0).program }
    }
    if let waiting { return waiting }
    let model = try Self.read(data, name, fixed == nil ? size : nil).model
    return try Program(
      model.graph.specialized(for: .infer), parameters: try model.store(),
      kernels: Kernels(pool: pool))
  }

  private func give(_ program: Program, _ size: PixelSize) {
    idle.withLock { idle in
      idle.append((size, program))
      if idle.count > Self.mostIdle { idle.removeFirst() }
    }
  }
}

extension FoundFace {
  /// The face where a map that only scales and moves brings it.
  func moved(by map: AffineMap) -> FoundFace {
    var face = self
    let corner = map(PlanePoint(box.x, box.y))
    face.box = PlaneBox(
      x: corner.x, y: corner.y, width: box.width * map.scale, height: box.height * map.scale)
    if let points {
      let all = points.all.map { map($0) }
      face.points = FacePoints(
        leftEye: all[0], rightEye: all[1], nose: all[2], leftMouth: all[3], rightMouth: all[4])
    }
    face.eyes = face.points?.eyes
    return face
  }
}
