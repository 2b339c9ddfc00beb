// Kernels as detectors of patterns: the map of a kernel's responses, and where it is strongest.

import AtelierImages

/// Where a pattern was found best.
struct PatternResponse: Sendable, Hashable, Encodable {
  /// The kernel's name.
  let kernel: String
  /// The place of the kernel's middle, in pixels.
  let x: Int
  let y: Int
  /// The sum of weights times fractions of white.
  let response: Double
  /// The response over that of a perfect match, white where weights are positive and black
  /// elsewhere; nil where several kernels make the response.
  let share: Double?
}

/// A kernel's responses over a picture.
struct PatternMap {
  /// Responses of fractions of white, one channel.
  let responses: FloatImage
  /// The strongest, the first from the top of equal ones.
  let best: PatternResponse

  /// Lays a kernel on each place of a gray picture.
  init(
    _ filter: PictureFilter, on picture: FloatImage, _ border: FilterBorder,
    inParts run: PartRunner
  ) {
    var settings = FilterSettings()
    settings.border = border
    let result = StoredImage.floats(picture).filtered(by: [filter], settings, inParts: run)
    responses = result.floats
    var place = 0
    for (index, value) in responses.samples.enumerated() where value > responses.samples[place] {
      place = index
    }
    let response = Double(responses.samples[place])
    var share: Double?
    if case .kernels(let kernels) = filter.work, kernels.count == 1, kernels[0].fullResponse > 0 {
      share = response / Double(kernels[0].fullResponse)
    }
    best = PatternResponse(
      kernel: filter.name, x: place % picture.width, y: place / picture.width,
      response: response, share: share)
  }

  /// The picture and the maps side by side, small ones magnified, the strongest place in red.
  static func sheet(_ picture: ByteImage, _ maps: [PatternMap]) -> ByteImage {
    let cells = maps.map { map -> (title: String, picture: ByteImage) in
      var colors = ColorMap.viridis.apply(to: map.responses)
      for (channel, value) in [UInt8(255), 40, 40].enumerated() {
        colors[map.best.x, map.best.y, channel] = value
      }
      return (map.best.kernel, colors)
    }
    var grid = PictureGrid.row([("picture", picture)] + cells)
    grid.magnification = max(1, min(16, 224 / max(picture.width, picture.height)))
    return grid.render()
  }
}
