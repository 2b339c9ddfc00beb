// What known face detectors take and give: pictures into inputs, outputs into faces.

import AtelierDatasets
import AtelierFiles
import AtelierImages
import AtelierVision
import AtelierWorkbench
import Foundation

/// A kind of face detector, known by its outputs.
package enum FaceNetworkForm: Sendable {
  /// YuNet: at strides 8, 16 and 32 a class, an object, a box and five points for each place.
  case yuNet
  /// UltraFace: scores and boxes of all anchors, in parts of the picture.
  case ultraFace

  /// A face as a network gives it, in pixels of its input.
  package struct Candidate: Sendable, Hashable {
    package var box: PlaneBox
    package var points: [PlanePoint]
    package var score: Float

    package init(box: PlaneBox, points: [PlanePoint], score: Float) {
      (self.box, self.points, self.score) = (box, points, score)
    }
  }

  /// The least score of a face.
  static let leastScore: Float = 0.7
  /// Boxes that overlap more than this are the same face.
  static let mostOverlap = 0.3
  private static let strides = [8, 16, 32]

  /// The form of these outputs; throws `StudioError` when none is known.
  package init(outputs: [String], file: String) throws {
    let parts = ["cls", "obj", "bbox", "kps"].flatMap { part in
      Self.strides.map { "\(part)_\($0)" }
    }
    if Set(parts).isSubset(of: outputs) {
      self = .yuNet
    } else if Set(["scores", "boxes"]).isSubset(of: outputs) {
      self = .ultraFace
    } else {
      throw StudioError(
        .data,
        "\(file): expected the outputs of a face detector, YuNet's (cls_8, obj_8, bbox_8, kps_8, "
          + "...) or UltraFace's (scores, boxes), received \(outputs.joined(separator: ", "))")
    }
  }

  /// Writes a picture into the upper left of an input [1, height, width, 3]; the rest is black.
  package func write(
    _ picture: ByteImage, to input: UnsafeMutableBufferPointer<Float>, _ canvas: PixelSize
  ) {
    // OpenCV gives YuNet the values as they are, in the order blue, green, red.
    let (order, offset, scale): ([Int], Float, Float) =
      switch self {
      case .yuNet: ([2, 1, 0], 0, 1)
      case .ultraFace: ([0, 1, 2], 127, 1 / 128)
      }
    input.update(repeating: -offset * scale)
    let colors = picture.channels >= 3
    picture.samples.withUnsafeBufferPointer { samples in
      for y in 0..<picture.height {
        for x in 0..<picture.width {
          let from = (y * picture.width + x) * picture.channels
          let to = (y * canvas.width + x) * 3
          for (channel, color) in order.enumerated() {
            input[to + channel] = (Float(samples[from + (colors ? color : 0)]) - offset) * scale
          }
        }
      }
    }
  }

  /// The faces in the outputs for an input of this size, in no order.
  package func faces(_ canvas: PixelSize, output: (String) throws -> [Float]) throws -> [Candidate]
  {
    switch self {
    case .yuNet: try Self.strides.flatMap { try level($0, canvas, output) }
    case .ultraFace: try anchors(canvas, output)
    }
  }

  private func level(
    _ stride: Int, _ canvas: PixelSize, _ output: (String) throws -> [Float]
  ) throws -> [Candidate] {
    let (classes, objects) = (try output("cls_\(stride)"), try output("obj_\(stride)"))
    let (boxes, points) = (try output("bbox_\(stride)"), try output("kps_\(stride)"))
    let (columns, step) = (canvas.width / stride, Double(stride))
    var found: [Candidate] = []
    for index in classes.indices {
      let product = min(max(classes[index], 0), 1) * min(max(objects[index], 0), 1)
      guard product.squareRoot() >= Self.leastScore else { continue }
      let (column, row) = (Double(index % columns), Double(index / columns))
      let box = boxes[4 * index..<4 * index + 4].map(Double.init)
      let values = points[10 * index..<10 * index + 10].map(Double.init)
      let (width, height) = (step * exp(box[2]), step * exp(box[3]))
      guard width.isFinite, height.isFinite else { continue }
      found.append(
        Candidate(
          box: PlaneBox(
            x: step * (column + box[0]) - width / 2, y: step * (row + box[1]) - height / 2,
            width: width, height: height),
          points: (0..<5).map {
            PlanePoint(step * (column + values[2 * $0]), step * (row + values[2 * $0 + 1]))
          }, score: product.squareRoot()))
    }
    return found
  }

  private func anchors(
    _ canvas: PixelSize, _ output: (String) throws -> [Float]
  ) throws -> [Candidate] {
    let (scores, boxes) = (try output("scores"), try output("boxes"))
    let (width, height) = (Double(canvas.width), Double(canvas.height))
    return (0..<scores.count / 2).compactMap { index in
      guard scores[2 * index + 1] >= Self.leastScore else { return nil }
      let box = boxes[4 * index..<4 * index + 4].map(Double.init)
      return Candidate(
        box: PlaneBox(
          x: box[0] * width, y: box[1] * height, width: (box[2] - box[0]) * width,
          height: (box[3] - box[1]) * height), points: [], score: scores[2 * index + 1])
    }
  }

  /// The candidates by falling score, without those that overlap a better one.
  package static func withoutRepeats(_ candidates: [Candidate]) -> [Candidate] {
    var kept: [Candidate] = []
    for candidate in candidates.sorted(by: { $0.score > $1.score })
    where !kept.contains(where: {
      $0.box.intersectionOverUnion(candidate.box) > mostOverlap
    }) {
      kept.append(candidate)
    }
    return kept
  }

  /// A candidate as a face whose box reaches from brow to chin, as everywhere here.
  package func face(_ candidate: Candidate) -> FoundFace {
    let box = candidate.box
    let score = Double(candidate.score)
    if candidate.points.count == 5,
      let laid = AffineMap.similarity(from: candidate.points, to: FaceLayout.points),
      let back = laid.inverse
    {
      let middle = back(FaceLayout.faceBox(PlanePoint(0.5, 0.5)))
      let side = FaceLayout.faceShare * back.scale
      let points = FacePoints(
        leftEye: candidate.points[0], rightEye: candidate.points[1], nose: candidate.points[2],
        leftMouth: candidate.points[3], rightMouth: candidate.points[4])
      return FoundFace(
        box: PlaneBox(x: middle.x - side / 2, y: middle.y - side / 2, width: side, height: side),
        points: points, probability: score)
    }
    let side = box.width
    return FoundFace(
      box: PlaneBox(
        x: box.x, y: box.y + box.height - side, width: side, height: side), points: nil,
      probability: score)
  }
}
