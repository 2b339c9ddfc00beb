// A line plot as a picture: series, axes, ticks, legend.

/// Curves over one pair of axes.
public struct LinePlot: Sendable {
  /// One curve.
  public struct Series: Sendable {
    /// Its name in the legend; without one it is not listed.
    public var name: String
    /// Its points (x, y) in order; one that is not finite, or beyond 1e100, interrupts the line.
    public var points: [SIMD2<Double>]
    /// Its colour; one of the house's by its place among the series when nil.
    public var color: PixelColor?
    /// 1 for a full line, less for one behind others such as a raw curve under its smoothed one.
    public var opacity: Double

    /// A curve through points.
    public init(
      _ name: String, points: [SIMD2<Double>], color: PixelColor? = nil, opacity: Double = 1
    ) {
      self.name = name
      self.points = points
      self.color = color
      self.opacity = opacity
    }

    /// A curve through values at 0, 1, 2 and so on.
    public init(_ name: String, values: [Double]) {
      self.init(name, points: values.enumerated().map { SIMD2(Double($0.offset), $0.element) })
    }
  }

  /// The line above, none when empty.
  public var title: String
  /// What runs along the horizontal axis, none when empty.
  public var xLabel: String
  /// What runs along the vertical axis, none when empty.
  public var yLabel: String
  /// The curves, later ones above earlier ones.
  public var series: [Series]
  /// Whether the vertical axis is logarithmic; points not above 0 then interrupt their line.
  public var isLogarithmic: Bool
  /// The picture's width in pixels.
  public var width: Int
  /// The picture's height in pixels.
  public var height: Int

  /// A plot of curves.
  /// - Precondition: at least 200 by 150 pixels.
  public init(
    title: String = "", xLabel: String = "", yLabel: String = "", series: [Series],
    isLogarithmic: Bool = false, width: Int = 960, height: Int = 540
  ) {
    precondition(width >= 200 && height >= 150, "a plot needs 200 by 150 pixels")
    self.title = title
    self.xLabel = xLabel
    self.yLabel = yLabel
    self.series = series
    self.isLogarithmic = isLogarithmic
    self.width = width
    self.height = height
  }

  /// Draws the plot on white in three channels.
  public func render() -> ByteImage {
    var canvas = Canvas(width: width, height: height)
    let scale = max(1.3, Double(width) / 600)
    let xAxis = PlotAxis(
      series.flatMap { $0.points.map(\.x) }, isLogarithmic: false,
      tickCount: max(2, width / 130), isTight: true)
    let yAxis = PlotAxis(
      series.flatMap { $0.points.map(\.y) }, isLogarithmic: isLogarithmic,
      tickCount: max(2, height / 90), isTight: false)
    let labelWidth = yAxis.ticks.map { StrokeFont.width($0.label) * scale }.max() ?? 0
    let left = Int(labelWidth) + Int(scale * (yLabel.isEmpty ? 10 : 24))
    var top = Int(10 * scale)
    if !title.isEmpty {
      canvas.text(title, x: Double(left), y: Double(top), scale: scale * 1.3, weight: 1)
      top += Int(scale * 19)
    }
    top = drawLegend(on: &canvas, left: left, top: top, scale: scale)
    let area = PlotArea(
      left: Double(left), top: Double(top), right: Double(width) - 14 * scale,
      bottom: Double(height) - scale * (xLabel.isEmpty ? 18 : 31))
    drawAxes(xAxis, yAxis, area, scale: scale, on: &canvas)
    for (index, curve) in series.enumerated() {
      draw(curve, color(index), xAxis, yAxis, area, scale: scale, on: &canvas)
    }
    return canvas.image
  }

  private func color(_ index: Int) -> PixelColor {
    series[index].color ?? PixelColor.series[index % PixelColor.series.count]
  }

  /// Draws the names in lines below the title and returns the end of them.
  private func drawLegend(on canvas: inout Canvas, left: Int, top: Int, scale: Double) -> Int {
    let named = series.indices.filter { !series[$0].name.isEmpty }
    guard !named.isEmpty else { return top + Int(4 * scale) }
    var x = Double(left)
    var y = Double(top)
    for index in named {
      let name = series[index].name
      let needed = (18 + StrokeFont.width(name) + 14) * scale
      if x + needed > Double(width) && x > Double(left) {
        x = Double(left)
        y += 13 * scale
      }
      let middle = y + 3.5 * scale
      canvas.line(
        [SIMD2(x + scale, middle), SIMD2(x + 13 * scale, middle)], width: 2.2 * scale,
        color(index), opacity: series[index].opacity)
      canvas.text(name, x: x + 18 * scale, y: y, scale: scale, .ink)
      x += needed
    }
    return Int(y + 17 * scale)
  }

  private func drawAxes(
    _ xAxis: PlotAxis, _ yAxis: PlotAxis, _ area: PlotArea, scale: Double, on canvas: inout Canvas
  ) {
    let (left, top) = (Int(area.left), Int(area.top))
    let (right, bottom) = (Int(area.right), Int(area.bottom))
    for tick in yAxis.ticks {
      guard let position = yAxis.position(tick.value), -0.001...1.001 ~= position else { continue }
      let y = area.bottom - position * (area.bottom - area.top)
      canvas.fill(x: left, y: Int(y.rounded()), width: right - left, height: 1, .rule)
      canvas.text(
        tick.label, x: area.left - 6 * scale, y: y - 3.5 * scale, scale: scale, .pencil,
        anchor: .right)
    }
    for tick in xAxis.ticks {
      guard let position = xAxis.position(tick.value), -0.001...1.001 ~= position else { continue }
      let x = area.left + position * (area.right - area.left)
      canvas.fill(x: Int(x.rounded()), y: top, width: 1, height: bottom - top, .rule)
      canvas.fill(x: Int(x.rounded()), y: bottom, width: 1, height: Int(3 * scale), .pencil)
      canvas.text(
        tick.label, x: x, y: area.bottom + 6 * scale, scale: scale, .pencil, anchor: .center)
    }
    canvas.fill(x: left, y: bottom, width: right - left + 1, height: 1, .pencil)
    canvas.fill(x: left, y: top, width: 1, height: bottom - top, .pencil)
    if !xLabel.isEmpty {
      canvas.text(
        xLabel, x: (area.left + area.right) / 2, y: area.bottom + 19 * scale, scale: scale, .ink,
        anchor: .center)
    }
    if !yLabel.isEmpty {
      canvas.textUpwards(
        yLabel, x: Int(4 * scale), y: (top + bottom) / 2, scale: scale, .ink, background: .white)
    }
  }

  private func draw(
    _ curve: Series, _ color: PixelColor, _ xAxis: PlotAxis, _ yAxis: PlotAxis, _ area: PlotArea,
    scale: Double, on canvas: inout Canvas
  ) {
    let places = curve.points.map { point -> SIMD2<Double>? in
      guard let x = xAxis.position(point.x), let y = yAxis.position(point.y) else { return nil }
      return SIMD2(
        area.left + x * (area.right - area.left), area.bottom - y * (area.bottom - area.top))
    }
    var run: [SIMD2<Double>] = []
    for place in places + [nil] {
      if let place {
        run.append(place)
      } else {
        canvas.line(run, width: 1.3 * scale, color, opacity: curve.opacity)
        run = []
      }
    }
    // A few points are measurements, and worth a mark each.
    guard places.count <= 12 else { return }
    for case let place? in places {
      canvas.disc(place, radius: 2.4 * scale, .white)
      canvas.disc(place, radius: 1.8 * scale, color)
    }
  }
}

/// The rectangle in which curves are drawn.
private struct PlotArea {
  let left: Double
  let top: Double
  let right: Double
  let bottom: Double
}
