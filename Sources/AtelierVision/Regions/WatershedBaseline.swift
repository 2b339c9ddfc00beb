// Blobs without any learning: a threshold by Otsu, cut apart by a watershed of distances.
//
// Otsu 1979, "A Threshold Selection Method from Gray-Level Histograms"; the cut at the ridges of
// the distance transform is the usual way for blobs that touch.

import AtelierImages

/// Finds blobs that stand out from their ground: what a learnt segmentation has to beat.
public struct WatershedBaseline: Sendable, Hashable {
  /// The deviation of the Gaussian that the picture is smoothed with, in pixels.
  public var blur: Float
  /// The deviation of the Gaussian that the distances are smoothed with, in pixels.
  public var smoothing: Float
  /// How far the middles of two objects lie apart at least, in pixels.
  public var separation: Int
  /// Objects of fewer pixels are left out.
  public var leastArea: Int

  /// Settings; those that are not given did best on the training part of the nuclei.
  public init(blur: Float = 0.5, smoothing: Float = 2, separation: Int = 5, leastArea: Int = 20) {
    self.blur = blur
    self.smoothing = smoothing
    self.separation = separation
    self.leastArea = leastArea
  }

  /// The blobs of a picture, whose luminance counts.
  ///
  /// The side of the threshold that covers fewer pixels is taken for the blobs, so bright ones on
  /// dark ground and dark ones on bright ground are both found. Holes are filled.
  ///
  /// - Returns: The blobs in the order of their first pixels, small ones too, and how far the mean
  ///   of each lies beyond the threshold, in [0, 1]; nil for a picture of one colour.
  public func regions(in picture: ByteImage) -> (regions: ConnectedRegions, contrasts: [Double])? {
    let gray = picture.flattened().gray.floats.blurred(.gaussian(sigma: blur))
    guard let threshold = Self.otsu(gray.samples) else { return nil }
    let isAbove = gray.samples.map { $0 > threshold }
    let bright = isAbove.reduce(0) { $0 + ($1 ? 1 : 0) }
    let isBright = 2 * bright <= isAbove.count
    let mask = Self.withoutHoles(
      BinaryMask(
        width: gray.width, height: gray.height, pixels: isBright ? isAbove : isAbove.map(!)))
    let distances = DistanceTransform.distances(mask).blurred(.gaussian(sigma: smoothing))
    var field = distances
    for place in field.samples.indices { field.samples[place] = -field.samples[place] }
    let owners = Watershed.flood(field, seeds: seeds(distances, mask), mask: mask)
    // Flooding keeps each owner's pixels connected, so owners and regions are the same.
    let regions = ConnectedRegions(owners, size: mask.size)
    let areas = regions.areas
    var sums = [Double](repeating: 0, count: areas.count)
    for (place, region) in regions.regions.enumerated() where region >= 0 {
      sums[region] += Double(abs(gray.samples[place] - threshold))
    }
    return (regions, zip(sums, areas).map { min(1, $0 / Double($1)) })
  }

  /// The value between two groups that differ most; nil where all are equal.
  package static func otsu(_ samples: [Float]) -> Float? {
    guard let low = samples.min(), let high = samples.max(), high > low else { return nil }
    let bins = 256
    let scale = Float(bins) / (high - low)
    var histogram = [Int](repeating: 0, count: bins)
    for sample in samples { histogram[min(bins - 1, Int((sample - low) * scale))] += 1 }
    let total = histogram.enumerated().reduce(0.0) { $0 + Double($1.offset * $1.element) }
    var (count, sum, best, edge) = (0, 0.0, -1.0, 0)
    for (bin, number) in histogram.enumerated().dropLast() {
      count += number
      sum += Double(bin * number)
      guard count > 0, count < samples.count else { continue }
      let rest = Double(samples.count - count)
      let gap = sum / Double(count) - (total - sum) / rest
      let between = Double(count) * rest * gap * gap
      if between > best { (best, edge) = (between, bin + 1) }
    }
    return low + Float(edge) / scale
  }

  /// The mask with every part of the ground that does not reach the border.
  package static func withoutHoles(_ mask: BinaryMask) -> BinaryMask {
    let ground = ConnectedRegions(mask.pixels.map { $0 ? -1 : 0 }, size: mask.size)
    var isOpen = [Bool](repeating: false, count: ground.values.count)
    for (place, region) in ground.regions.enumerated() where region >= 0 {
      let (y, x) = place.quotientAndRemainder(dividingBy: mask.width)
      if x == 0 || y == 0 || x == mask.width - 1 || y == mask.height - 1 { isOpen[region] = true }
    }
    return BinaryMask(
      width: mask.width, height: mask.height,
      pixels: ground.regions.map { $0 < 0 || !isOpen[$0] })
  }

  /// The peaks of the distances: the largest within `separation` of them; equal neighbours are one.
  private func seeds(_ distances: FloatImage, _ mask: BinaryMask) -> [Int] {
    let largest = Self.largest(distances, reach: separation)
    let isPeak = mask.pixels.indices.map {
      mask.pixels[$0] && distances.samples[$0] == largest.samples[$0]
    }
    return ConnectedRegions(isPeak.map { $0 ? 0 : -1 }, size: mask.size, joinsCorners: true).regions
  }

  /// The largest value within a square around each pixel.
  private static func largest(_ field: FloatImage, reach: Int) -> FloatImage {
    let (width, height) = (field.width, field.height)
    /// The largest of `count` samples `step` apart around each of them.
    func spread(_ field: inout FloatImage, from start: Int, step: Int, count: Int) {
      let line = (0..<count).map { field.samples[start + $0 * step] }
      for place in 0..<count {
        let around = line[max(0, place - reach)...min(count - 1, place + reach)]
        field.samples[start + place * step] = around.reduce(-.infinity) { max($0, $1) }
      }
    }
    var result = field
    for y in 0..<height { spread(&result, from: y * width, step: 1, count: width) }
    for x in 0..<width { spread(&result, from: x, step: width, count: height) }
    return result
  }
}
