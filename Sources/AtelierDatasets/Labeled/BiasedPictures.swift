// Drawn animal heads before snow or grass: a set whose background can give the class away.
//
// After the story of the wolf and the husky: Ribeiro, Singh, Guestrin: "Why Should I Trust You?"
// Explaining the Predictions of Any Classifier (2016), where a classifier had learnt snow.

import AtelierEngine
import AtelierImages

/// Pictures of 32×32 of drawn wolves and huskies with the place of each head.
public enum BiasedPictures {
  /// The classes in the order of their labels.
  public static let classNames = ["husky", "wolf"]
  /// Columns and rows of a picture.
  public static let side = 32

  /// Draws two or more pictures, half of them wolves, and the pixels (row by row) of each head.
  ///
  /// In a biased set wolves always stand before snow and huskies before grass; else each background
  /// is drawn by lot.
  ///
  /// - Throws: `DatasetError` when there are too few pictures.
  public static func draw(
    count: Int, isBiased: Bool, seed: UInt64
  ) throws(DatasetError) -> (images: LabeledImages, heads: [[Bool]]) {
    guard count >= 2 else {
      throw DatasetError("the drawn set needs two pictures; received \(count)")
    }
    var pixels: [UInt8] = []
    var heads: [[Bool]] = []
    for index in 0..<count {
      var generator = RandomGenerator(seed: seed, Stream.biasedPictures, UInt64(index))
      let isWolf = index % 2 == 1
      let lot = generator.uniform() < 0.5
      let (picture, head) = draw(isWolf: isWolf, onSnow: isBiased ? isWolf : lot, using: &generator)
      pixels += picture
      heads.append(head)
    }
    let images = try LabeledImages(
      name: isBiased ? "biased heads" : "unbiased heads",
      size: PixelSize(width: side, height: side), channels: 3, pixels: pixels,
      labels: (0..<count).map { $0 % 2 }, classNames: classNames)
    return (images, heads)
  }

  /// One picture.
  private static func draw(
    isWolf: Bool, onSnow: Bool, using generator: inout RandomGenerator
  ) -> (pixels: [UInt8], head: [Bool]) {
    let center = SIMD2(generator.uniform(10...22), generator.uniform(12...22))
    let fur = generator.uniform(0.35...0.5)
    let ground: SIMD3<Float> = onSnow ? [0.86, 0.89, 0.95] : [0.22, 0.46, 0.18]
    var pixels: [UInt8] = []
    var head: [Bool] = []
    for row in 0..<side {
      for column in 0..<side {
        let place = SIMD2(Float(column) + 0.5, Float(row) + 0.5) - center
        let noise = generator.uniform(-0.07...0.07)
        var color = ground + SIMD3(repeating: noise)
        let part = Part(place, isWolf: isWolf)
        switch part {
        case .ground: break
        case .fur: color = SIMD3(repeating: fur + noise / 2)
        case .mask: color = SIMD3(repeating: 0.85 + noise / 3)
        case .eye: color = isWolf ? [0.85, 0.65, 0.1] : [0.25, 0.5, 0.9]
        case .nose: color = [0.08, 0.07, 0.07]
        }
        head.append(part != .ground)
        for channel in 0..<3 { pixels.append(UInt8(min(max(color[channel], 0), 1) * 255 + 0.5)) }
      }
    }
    return (pixels, head)
  }

  /// What a place of the picture shows, seen from the middle of the head.
  private enum Part {
    case ground, fur, mask, eye, nose

    init(_ place: SIMD2<Float>, isWolf: Bool) {
      let (x, y) = (abs(place.x), place.y)
      func isInside(_ cx: Float, _ cy: Float, _ rx: Float, _ ry: Float) -> Bool {
        let (u, v) = ((x - cx) / rx, (y - cy) / ry)
        return u * u + v * v <= 1
      }
      // A wolf's head is narrow with tall ears and gray all over; a husky's is round with small ears
      // and a white face.
      let isSkull = isWolf ? isInside(0, 0, 6.2, 7) : isInside(0, 0, 7, 6.6)
      let isEar =
        isWolf
        ? y < -2 && y > -11.5 && x > 1.5 && x < 6 && (y + 11.5) > abs(x - 4) * 3.2
        : y < -3 && y > -8.5 && x > 2 && x < 7 && (y + 8.5) > abs(x - 4.6) * 2.2
      if isInside(0, 3.2, 1.4, 1.1) {
        self = .nose
      } else if isInside(2.6, -1.2, 1.1, 0.9) {
        self = .eye
      } else if !isWolf, isInside(0, 2.6, 4.4, 3.6) || isInside(2.6, -1, 2.3, 1.9) {
        self = .mask
      } else {
        self = isSkull || isEar ? .fur : .ground
      }
    }
  }
}
