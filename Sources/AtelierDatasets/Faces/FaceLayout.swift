// Where a face lies in its crop and which part of the crop a network sees: one rule for extraction, training and conversion.

import AtelierImages

/// How faces lie in crops, and how a network's pixels lie in them.
///
/// Eyes are laid onto fixed points of the crop, each person by their own. Extraction lays crops so, drawn people are laid so,
/// training reads them through `inputMap`, and a conversion reads and pastes through the same maps, because a model's file holds
/// the layout of its training.
public struct FaceLayout: Sendable, Hashable {
  /// The face's part of a crop's width, brow to chin: the middle 160 of 256 pixels, as in the code of 2017.
  public static let faceShare = 160.0 / 256
  /// The height of the eyes in a face's box, as part of it.
  public static let eyeRow = 0.4
  /// Where the eyes lie across a face's box, as parts of it.
  public static let eyeColumns = (left: 0.3, right: 0.7)

  /// Columns and rows of a crop.
  public var cropSize: Int
  /// The middle part of a crop's width that a network sees.
  public var coverage: Double
  /// Where the pixels of a network's input and of its target lie.
  public var sampling: FaceAugmentation.Alignment

  /// Describes a layout of crops of at least one pixel, of which a network sees a part above 0.
  public init(
    cropSize: Int = 256, coverage: Double = FaceLayout.faceShare,
    sampling: FaceAugmentation.Alignment = .centered
  ) {
    precondition(cropSize > 0 && coverage > 0, "a crop and a part of it that is seen")
    self.cropSize = cropSize
    self.coverage = coverage
    self.sampling = sampling
  }

  /// Where the eyes lie, as parts of a crop's width.
  public static var eyes: (left: PlanePoint, right: PlanePoint) {
    let box = faceBox
    return (box(PlanePoint(eyeColumns.left, eyeRow)), box(PlanePoint(eyeColumns.right, eyeRow)))
  }

  /// Where eyes, nose and the mouth's corners lie, as parts of a crop's width, from left to right and from
  /// the top: the mean face of ArcFace's crops (Deng and others 2019), moved and scaled so that its eyes
  /// lie on `eyes`.
  public static var points: [PlanePoint] {
    let mean = [(38.29, 51.60), (73.53, 51.60), (56.03, 71.74), (41.55, 92.29), (70.73, 92.29)]
    let (left, right) = eyes
    let scale = (right.x - left.x) / (mean[1].0 - mean[0].0)
    return mean.map {
      PlanePoint(left.x + scale * ($0.0 - mean[0].0), left.y + scale * ($0.1 - mean[0].1))
    }
  }

  /// A laid face's eyes and mouth as ellipses in parts of its box: middle and half axes.
  ///
  /// The eyes lie where they are laid, the mouth a little more than their distance below, with room for an open one.
  private static let features: [(x: Double, y: Double, width: Double, height: Double)] = [
    (eyeColumns.left, eyeRow, 0.15, 0.11), (eyeColumns.right, eyeRow, 0.15, 0.11),
    (0.5, 0.83, 0.22, 0.14),
  ]

  /// How much a place, in parts of the face's box, belongs to the eyes or the mouth: 1 within,
  /// falling to 0 half a size further out.
  static func featureShare(at place: PlanePoint) -> Double {
    features.reduce(0) { share, feature in
      let x = (place.x - feature.x) / feature.width
      let y = (place.y - feature.y) / feature.height
      return max(share, min(max(3 - 2 * (x * x + y * y).squareRoot(), 0), 1))
    }
  }

  /// From parts of the face's box, brow to chin, to parts of the crop.
  public static var faceBox: AffineMap {
    .scaling(faceShare, x: (1 - faceShare) / 2, y: (1 - faceShare) / 2)
  }

  /// The changes that change nothing but read crops by this layout.
  public var unchanged: FaceAugmentation {
    var plain = FaceAugmentation.none
    plain.coverage = coverage
    plain.alignment = sampling
    return plain
  }

  /// The size of the face's box against what the network sees: 1 where it sees just the face.
  public var faceScale: Double { Self.faceShare / coverage }

  /// From the pixels that a network of `side` pixels sees to those of the crop; it has an inverse.
  public func inputMap(side: Int) -> AffineMap { map(side: side, shift: 0) }

  /// From the pixels that a network of `side` pixels draws to those of the crop: `inputMap` unless
  /// the training sampled as the original; the map has an inverse.
  public func outputMap(side: Int) -> AffineMap {
    map(side: side, shift: sampling == .original ? 0.5 : 0)
  }

  /// `shift` in pixels of the network: how far the drawing lies to the upper left of what was seen.
  private func map(side: Int, shift: Double) -> AffineMap {
    let size = Double(cropSize)
    let step = coverage * size / Double(side)
    // The original counts the crop's pixels by their centres, at whole numbers.
    let start = size * (1 - coverage) / 2 + (sampling == .original ? 0.5 : 0) - shift * step
    return .scaling(step, x: start, y: start)
  }
}

extension FaceLayout: Codable {
  private enum CodingKeys: String, CodingKey {
    case cropSize = "crop_size"
    case coverage, sampling
    case eyes
  }

  /// Reads a layout and, so that a file says the whole rule, where it lays the eyes.
  /// - Throws: `DecodingError` when a number is out of range, or the eyes lie elsewhere than in this version.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    let size = try values.decode(Int.self, forKey: .cropSize)
    let coverage = try values.decode(Double.self, forKey: .coverage)
    let sampling = try values.decode(FaceAugmentation.Alignment.self, forKey: .sampling)
    let eyes = try values.decode([Double].self, forKey: .eyes)
    func refuse(_ key: CodingKeys, _ text: String) -> DecodingError {
      .dataCorruptedError(forKey: key, in: values, debugDescription: text)
    }
    guard (1...65536).contains(size) else {
      throw refuse(.cropSize, "expected a crop of 1 to 65536 pixels, received \(size)")
    }
    guard FaceAugmentation.coverages.contains(coverage) else {
      throw refuse(
        .coverage, "expected a coverage in \(FaceAugmentation.coverages), received \(coverage)")
    }
    guard eyes == Self.eyeNumbers else {
      throw refuse(.eyes, "expected eyes at \(Self.eyeNumbers), received \(eyes)")
    }
    self.init(cropSize: size, coverage: coverage, sampling: sampling)
  }

  /// Writes the layout with the eyes' places.
  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(cropSize, forKey: .cropSize)
    try values.encode(coverage, forKey: .coverage)
    try values.encode(sampling, forKey: .sampling)
    try values.encode(Self.eyeNumbers, forKey: .eyes)
  }

  /// x and y of the left eye, then of the right one.
  private static var eyeNumbers: [Double] {
    let eyes = eyes
    return [eyes.left.x, eyes.left.y, eyes.right.x, eyes.right.y]
  }
}
