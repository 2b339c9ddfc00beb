// How unsure a model is of a picture: what tells which correction teaches most.
//
// Settles: Active Learning Literature Survey (2009), sections 3.1 (entropy) and 3.2 (disagreement
// of a committee, which here is one model that looks at a picture and at its mirror image).

import AtelierDatasets
import AtelierFiles
import AtelierImages
import AtelierWorkbench
import Foundation

/// How unsure a model is of a picture.
struct Uncertainty: Sendable, Hashable {
  /// The mean entropy of what was decided, in bits, 0 to 1.
  var entropy: Double
  /// How far the picture and its mirror image were seen differently, 0 to 1.
  var disagreement: Double

  /// The mean of both.
  var value: Double { (entropy + disagreement) / 2 }

  /// The entropy of a yes that is so likely, in bits.
  static func bits(_ likelihood: Double) -> Double {
    guard likelihood > 0, likelihood < 1 else { return 0 }
    return -likelihood * log2(likelihood) - (1 - likelihood) * log2(1 - likelihood)
  }
}

extension SegmentationModel {
  /// From which score on an object that is doubted counts.
  private static let doubtfulScore: Float = 0.1

  /// How unsure the model is of a picture: of its objects, whose scores from 0.1 on are looked at and
  /// whose masks are compared with those of the mirrored picture as the contest of nuclei does; or
  /// of its pixels, by the probability of their class and by how many get another one.
  func uncertainty(of picture: ByteImage, _ options: Options) throws -> Uncertainty {
    let twin = picture.oriented(.mirrored)
    switch self {
    case .objects(let segmenter):
      var look = ObjectLook()
      look.selection.score = Self.doubtfulScore
      look.selection.limit = options.most
      look.tileSize = options.semantic.tileSize
      let found = try segmenter.objects(in: picture, look)
      let least = Double(options.threshold ?? segmenter.usualScore)
      let other = try segmenter.objects(in: twin, look).filter { $0.score >= least }
        .map(\.mirrored)
      let sure = found.filter { $0.score >= least }
      let entropies = found.map { Uncertainty.bits($0.score) }
      return Uncertainty(
        entropy: entropies.isEmpty ? 0 : entropies.reduce(0, +) / Double(entropies.count),
        disagreement: 1 - ContestScore.score(truth: sure, detections: other))
    case .semantic(let segmenter):
      var semantic = options.semantic
      (semantic.threshold, semantic.isFlipAveraged) = (0, false)
      let found = try segmenter.segment(picture, semantic)
      let other = try segmenter.segment(twin, semantic).labels.labels
      let (width, count) = (picture.width, picture.pixelCount)
      let bits = found.confidence.samples.reduce(0.0) { $0 + Uncertainty.bits(Double($1)) }
      var differing = 0
      for (index, label) in found.labels.labels.enumerated() {
        let row = index / width * width
        if other[row + width - 1 - (index - row)] != label { differing += 1 }
      }
      return Uncertainty(
        entropy: bits / Double(count), disagreement: Double(differing) / Double(count))
    }
  }
}

extension EncodedObject {
  /// The object in the picture mirrored left to right.
  fileprivate var mirrored: EncodedObject {
    EncodedObject(
      classIndex: classIndex, mask: mask.mirrored, score: score, isCrowd: isCrowd)
  }
}
