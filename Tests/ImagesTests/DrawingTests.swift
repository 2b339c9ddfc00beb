// Drawing: what is painted where, and that no number or text leads outside the picture.

import AtelierImages
import Foundation
import Testing

@Suite("Drawing")
struct DrawingTests {
  @Test("fills and frames are exact and clipped")
  func rectangles() {
    var canvas = Canvas(width: 6, height: 5)
    canvas.fill(x: -3, y: 3, width: 5, height: 9, PixelColor(1, 2, 3))
    let inked = (0..<30).filter { canvas.image[$0 % 6, $0 / 6, 0] == 1 }
    #expect(inked == [18, 19, 24, 25])
    canvas.fill(x: 10, y: 10, width: 5, height: 5, .ink)
    canvas.fill(x: 2, y: 2, width: -1, height: 3, .ink)
    #expect(canvas.image.samples.filter { $0 == 1 }.count == 4)
    var framed = Canvas(width: 6, height: 5)
    framed.frame(x: 1, y: 1, width: 4, height: 3, PixelColor(9, 9, 9))
    #expect(framed.image.channel(0).samples.filter { $0 == 9 }.count == 10)
  }

  @Test("a horizontal line covers what it should")
  func lines() {
    var canvas = Canvas(width: 20, height: 9)
    canvas.line([SIMD2(4, 4.5), SIMD2(16, 4.5)], width: 3, PixelColor(0, 0, 0))
    let column = (0..<9).map { canvas.image[10, $0, 0] }
    #expect(column == [255, 255, 255, 0, 0, 0, 255, 255, 255])
    #expect(canvas.image[1, 4, 0] == 255)
    canvas.line([SIMD2(10.5, 8.5)], width: 1, PixelColor(0, 0, 0), opacity: 0.5)
    #expect(canvas.image[10, 8, 0] == 128)
  }

  @Test("nothing leads outside the picture")
  func extremes() {
    var canvas = Canvas(width: 30, height: 20)
    let empty = canvas.image
    canvas.line([], width: 2, .ink)
    canvas.line([SIMD2(-1e9, -1e9), SIMD2(-5e8, -1e9)], width: 2, .ink)
    canvas.text("far away", x: 1e7, y: -1e7, scale: 2)
    canvas.paste(ByteImage(width: 50, height: 2, channels: 4), x: 40, y: -9)
    #expect(canvas.image == empty)
    canvas.line([SIMD2(-1e6, 10), SIMD2(1e6, 10)], width: 2, PixelColor(0, 0, 0))
    #expect(canvas.image[0, 9, 0] == 0)
    #expect(canvas.image[29, 10, 0] == 0)
  }

  @Test("every printable character but the zero, an O, looks different and stays in its box")
  func glyphs() {
    var seen: [[UInt8]: Character] = [:]
    let characters =
      (33...126).filter { $0 != 48 }.map { Character(Unicode.Scalar(UInt8($0))) } + ["\u{3c3}"]
    for character in characters {
      let text = String(character)
      let size = Canvas.textSize(text, scale: 3)
      #expect(size.width >= 0 && size.width <= 15 && size.height == 21)
      var canvas = Canvas(width: 40, height: 40)
      canvas.text(text, x: 12, y: 8, scale: 3)
      #expect(canvas.image != Canvas(width: 40, height: 40).image, "\(character) is empty")
      let beside = canvas.image.cropped(x: 0, y: 0, width: 11, height: 40)
      #expect(beside.samples.allSatisfy { $0 == 255 })
      let samples = canvas.image.samples
      #expect(seen[samples] == nil, "\(character) looks as \(seen[samples] ?? " ")")
      seen[samples] = character
    }
    #expect(seen.count == 94)
  }

  @Test("a grid has its pictures where they belong")
  func grid() {
    var generator = Generator(seed: 3)
    let pictures = (0..<4).map { _ in generator.image(20, 10, 3) }
    let grid = PictureGrid(
      rows: [[.init(pictures[0]), .init(pictures[1])], [.init(pictures[2]), .init(pictures[3])]],
      padding: 5)
    let image = grid.render()
    #expect(image.size == PixelSize(width: 55, height: 35))
    for (index, picture) in pictures.enumerated() {
      let (x, y) = (5 + index % 2 * 25, 5 + index / 2 * 15)
      #expect(image.cropped(x: x, y: y, width: 20, height: 10) == picture)
    }
    var titled = grid
    titled.title = "title"
    titled.columnTitles = ["a", "a title that is far too long for its column"]
    titled.rowTitles = ["row"]
    titled.rows[0][0].caption = "28.87 dB"
    titled.rows[1].removeLast()
    titled.magnification = 2
    let large = titled.render()
    #expect(large.width > 2 * 40 + 15 && large.height > 2 * 20 + 15)
    #expect(PictureGrid(rows: []).render().channels == 3)
  }

  @Test("before and after")
  func comparison() throws {
    let before = ByteImage(width: 40, height: 12, channels: 1, filledWith: 10)
    let after = ByteImage(width: 40, height: 12, channels: 3, filledWith: 200)
    let split = try Comparison.split(before: before, after: after, position: 0.25)
    #expect(split[7, 5, 1] == 10 && split[10, 5, 1] == 255 && split[13, 5, 1] == 200)
    #expect(Comparison.pair(before: before, after: after).width == 80 + 36)
    #expect(throws: ImageError.self) {
      try Comparison.split(before: before, after: after.oriented(.transposed))
    }
  }

  @Test("a plot shows its series in their colours")
  func plot() {
    let points = (0...20).map { SIMD2(Double($0), Double($0 * $0)) }
    let image = LinePlot(
      title: "Title", xLabel: "x", yLabel: "y",
      series: [
        .init("one", points: points), .init("two", values: [300, 200, 100, 50]),
      ]
    ).render()
    #expect(image.size == PixelSize(width: 960, height: 540))
    for color in PixelColor.series.prefix(2) { #expect(count(color, in: image) > 400) }
    #expect(count(PixelColor.series[2], in: image) == 0)
    #expect(count(.rule, in: image) > 2000)
  }

  @Test("no numbers break a plot", arguments: [false, true])
  func hostilePlots(isLogarithmic: Bool) {
    let lists: [[Double]] = [
      [], [1], [5, 5, 5], [0, 0], [.nan, .infinity, -.infinity], [1, .nan, 3], [-1, -2, -3],
      [1e300, -1e300], [1e-300, 1e300], [1e-200, 2e-200], [1e-20, 3e-20], [1e15, 1e15 + 1],
      [123_456, 123_457],
      [.greatestFiniteMagnitude, -.greatestFiniteMagnitude], [0.1, 0.2, 0.30000000000000004],
    ]
    for list in lists {
      let plot = LinePlot(
        series: [.init("series", values: list)], isLogarithmic: isLogarithmic, width: 200,
        height: 150)
      let swapped = LinePlot(
        series: [.init("", points: list.map { SIMD2($0, 1) })], isLogarithmic: isLogarithmic,
        width: 200, height: 150)
      #expect(plot.render().height == 150, "\(list)")
      #expect(swapped.render().height == 150, "\(list)")
    }
  }

  @Test("colour maps meet their anchors")
  func colorMaps() {
    for map in [ColorMap.viridis, .magma, .diverging] {
      let last = Float(map.anchors.count - 1)
      for (index, anchor) in map.anchors.enumerated() {
        #expect(map[Float(index) / last] == anchor)
      }
      #expect(map[-3] == map.anchors.first && map[7] == map.anchors.last)
      #expect(map[.nan] == map.anchors.first)
    }
    let image = FloatImage(width: 4, height: 1, channels: 1, samples: [2, 3, 4, .nan])
    let shown = ColorMap.viridis.apply(to: image)
    #expect(Array(shown.samples[0..<3]) == [0x44, 0x01, 0x54])
    #expect(Array(shown.samples[6..<9]) == [0xfd, 0xe7, 0x25])
    #expect(Array(shown.samples[9..<12]) == [0x44, 0x01, 0x54])
    #expect(ColorMap.viridis.apply(to: image, range: 4...5).samples[6] == 0x44)
  }

  @Test("differences")
  func differences() throws {
    let first = ByteImage(width: 3, height: 1, channels: 1, samples: [10, 100, 200])
    let second = ByteImage(width: 3, height: 1, channels: 1, samples: [10, 110, 100])
    #expect(try Difference.signed(first, second).samples == [128, 168, 0])
    let heat = try Difference.heat(first, second, peak: 100, map: .viridis)
    #expect(Array(heat.samples[0..<3]) == [0x44, 0x01, 0x54])
    #expect(Array(heat.samples[6..<9]) == [0xfd, 0xe7, 0x25])
    #expect(throws: ImageError.self) { try Difference.heat(first, second.rgb) }
  }

  private func count(_ color: PixelColor, in image: ByteImage) -> Int {
    (0..<image.pixelCount).filter {
      image.samples[3 * $0] == color.red && image.samples[3 * $0 + 1] == color.green
        && image.samples[3 * $0 + 2] == color.blue
    }.count
  }
}
