// What a camera does between its sensor's linear values and the colours of a file, both ways.
//
// Brooks, Mildenhall, Xue, Chen, Sharlet, Barron: Unprocessing Images for Learned Raw Denoising
// (2019); the four colour matrices are theirs.

import Foundation

/// Three planes of one size, red, green and blue or what a camera has in their place.
struct ColorPlanes {
  let width: Int
  let height: Int
  /// [3, height, width].
  var values: [Float]

  var area: Int { width * height }

  init(width: Int, height: Int, values: [Float]? = nil) {
    self.width = width
    self.height = height
    self.values = values ?? [Float](repeating: 0, count: 3 * width * height)
  }

  /// Interleaved values of 1 or 3 channels; a gray one stands in all planes.
  init(interleaved: UnsafeBufferPointer<Float>, width: Int, height: Int, channels: Int) {
    self.init(width: width, height: height)
    for channel in 0..<3 {
      let source = channels == 3 ? channel : 0
      for pixel in 0..<area {
        values[channel * area + pixel] = interleaved[pixel * channels + source]
      }
    }
  }

  /// Writes the planes over interleaved values of 1 (luminance) or 3 channels.
  func write(to interleaved: UnsafeMutableBufferPointer<Float>, channels: Int) {
    for pixel in 0..<area {
      let (red, green, blue) = (values[pixel], values[area + pixel], values[2 * area + pixel])
      if channels == 1 {
        interleaved[pixel] = 0.299 * red + 0.587 * green + 0.114 * blue
      } else {
        interleaved[3 * pixel] = red
        interleaved[3 * pixel + 1] = green
        interleaved[3 * pixel + 2] = blue
      }
    }
  }

  /// Multiplies each pixel by a matrix, whose rows give the new planes.
  mutating func multiply(by rows: [SIMD3<Float>]) {
    let area = area
    values.withUnsafeMutableBufferPointer { values in
      for pixel in 0..<area {
        let color = SIMD3(values[pixel], values[area + pixel], values[2 * area + pixel])
        for channel in 0..<3 { values[channel * area + pixel] = (rows[channel] * color).sum() }
      }
    }
  }

  /// Red, green and blue as luminance and the two colour differences of JPEG, on the same scale.
  mutating func toLuminance() {
    multiply(by: [
      SIMD3(0.299, 0.587, 0.114), SIMD3(-0.168_736, -0.331_264, 0.5),
      SIMD3(0.5, -0.418_688, -0.081_312),
    ])
  }

  /// The way back from `toLuminance`.
  mutating func fromLuminance() {
    multiply(by: [SIMD3(1, 0, 1.402), SIMD3(1, -0.344_136, -0.714_136), SIMD3(1, 1.772, 0)])
  }
}

/// One camera's colours and tones, drawn at random.
struct CameraColors {
  /// What each raw channel is multiplied by: white balance and exposure.
  let gains: SIMD3<Float>
  /// The rows of the matrix from the file's linear colours to the camera's.
  let toCamera: [SIMD3<Float>]
  /// The rows of its inverse.
  let fromCamera: [SIMD3<Float>]
  let curve: ToneCurve

  init(using source: inout NormalSource, normal: Float) {
    var rows = [SIMD3<Float>](repeating: .zero, count: 3)
    var total: Float = 0
    for matrix in Self.xyzToCamera {
      let weight = source.uniform() + 1e-3
      for row in 0..<3 { rows[row] += weight * matrix[row] }
      total += weight
    }
    toCamera = rows.map { row in
      let product = (row / total).transposedProduct(Self.rgbToXYZ)
      return product / product.sum()
    }
    fromCamera = Self.inverse(toCamera)
    let exposure = 1 / max(0.8 + 0.1 * normal, 0.5)
    gains = exposure * SIMD3(1.9 + 0.5 * source.uniform(), 1, 1.5 + 0.4 * source.uniform())
    curve = ToneCurve(contrast: source.uniform())
  }

  /// From a file's colours in [0, 1] to the sensor's linear values.
  func unprocess(_ planes: inout ColorPlanes) {
    curve.linearize(&planes.values)
    planes.multiply(by: toCamera)
    scale(&planes, by: 1 / gains)
  }

  /// From the sensor's linear values to a file's colours, clipped to [0, 1].
  func develop(_ planes: inout ColorPlanes) {
    scale(&planes, by: gains)
    planes.multiply(by: fromCamera)
    curve.apply(to: &planes.values)
  }

  private func scale(_ planes: inout ColorPlanes, by factors: SIMD3<Float>) {
    let area = planes.area
    for channel in 0..<3 {
      let factor = factors[channel]
      for index in channel * area..<(channel + 1) * area { planes.values[index] *= factor }
    }
  }

  private static func inverse(_ m: [SIMD3<Float>]) -> [SIMD3<Float>] {
    func cross(_ a: SIMD3<Float>, _ b: SIMD3<Float>) -> SIMD3<Float> {
      SIMD3(a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x)
    }
    let columns = [cross(m[1], m[2]), cross(m[2], m[0]), cross(m[0], m[1])]
    let determinant = (m[0] * columns[0]).sum()
    return (0..<3).map { row in
      SIMD3(columns[0][row], columns[1][row], columns[2][row]) / determinant
    }
  }

  private static let rgbToXYZ: [SIMD3<Float>] = [
    SIMD3(0.412_456_4, 0.357_576_1, 0.180_437_5), SIMD3(0.212_672_9, 0.715_152_2, 0.072_175),
    SIMD3(0.019_333_9, 0.119_192, 0.950_304_1),
  ]

  private static let xyzToCamera: [[SIMD3<Float>]] = [
    [
      SIMD3(1.0234, -0.2969, -0.2266), SIMD3(-0.5625, 1.6328, -0.0469),
      SIMD3(-0.0703, 0.2188, 0.6406),
    ],
    [
      SIMD3(0.4913, -0.0541, -0.0202), SIMD3(-0.613, 1.3513, 0.2906),
      SIMD3(-0.1564, 0.2151, 0.7183),
    ],
    [
      SIMD3(0.838, -0.263, -0.0639), SIMD3(-0.2887, 1.0725, 0.2496),
      SIMD3(-0.0627, 0.1427, 0.5438),
    ],
    [
      SIMD3(0.6596, -0.2079, -0.0562), SIMD3(-0.4782, 1.3016, 0.1933),
      SIMD3(-0.097, 0.1581, 0.5181),
    ],
  ]
}

extension SIMD3<Float> {
  /// The row vector times a matrix of rows.
  fileprivate func transposedProduct(_ rows: [SIMD3<Float>]) -> SIMD3<Float> {
    rows[0] * x + rows[1] * y + rows[2] * z
  }
}

/// The tone curve of sRGB (IEC 61966-2-1) under an S-shaped one of contrast, as tables.
struct ToneCurve {
  /// Linear values over a file's, evenly spaced in [0, 1].
  private let linear: [Float]
  /// A file's values over the square roots of linear ones, evenly spaced in [0, 1].
  private let developed: [Float]
  private static let steps = 1024

  /// A curve whose S has a share in 0...1: 3x² − 2x³ in full.
  init(contrast: Float) {
    func bent(_ x: Double) -> Double {
      let share = Double(contrast)
      return (1 - share) * x + share * (3 - 2 * x) * x * x
    }
    developed = (0...Self.steps).map { step in
      let root = Double(step) / Double(Self.steps)
      let value = root * root
      return Float(
        bent(value <= 0.003_130_8 ? 12.92 * value : 1.055 * pow(value, 1 / 2.4) - 0.055))
    }
    var x = 0.0
    linear = (0...Self.steps).map { step in
      let wanted = Double(step) / Double(Self.steps)
      // Newton's method from the neighbour; the slope vanishes at the ends of a full S.
      for _ in 0..<8 {
        let share = Double(contrast)
        let slope = max((1 - share) + share * 6 * x * (1 - x), 0.05)
        x = min(max(x - (bent(x) - wanted) / slope, 0), 1)
      }
      return Float(x <= 0.040_45 ? x / 12.92 : pow((x + 0.055) / 1.055, 2.4))
    }
  }

  /// How much the linear value changes with a file's at mid gray.
  var slopeAtMidGray: Float {
    let middle = Self.steps / 2
    return (linear[middle + 8] - linear[middle - 8]) / (16 / Float(Self.steps))
  }

  /// The linear value of mid gray.
  var midGray: Float { linear[Self.steps / 2] }

  func linearize(_ values: inout [Float]) {
    Self.look(up: linear, &values) { $0 }
  }

  func apply(to values: inout [Float]) {
    Self.look(up: developed, &values) { $0.squareRoot() }
  }

  @inline(__always)
  private static func look(
    up table: [Float], _ values: inout [Float], at position: (Float) -> Float
  ) {
    let last = Float(steps)
    table.withUnsafeBufferPointer { table in
      values.withUnsafeMutableBufferPointer { values in
        for index in values.indices {
          let place = position(min(max(values[index], 0), 1)) * last
          let low = min(Int(place), steps - 1)
          values[index] = table[low] + (place - Float(low)) * (table[low + 1] - table[low])
        }
      }
    }
  }
}
