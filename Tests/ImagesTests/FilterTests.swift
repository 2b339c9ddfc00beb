// Filters: Lab colours, masks made smaller and larger, blurs.

import AtelierImages
import TestSupport
import Testing

@Suite("Filters")
struct FilterTests {
  @Test("Lab of known colours, and back")
  func lab() {
    let colors: [[Float]] = [[1, 1, 1], [0, 0, 0], [1, 0, 0], [0, 0, 1], [0.5, 0.5, 0.5]]
    // CIE L*a*b* of sRGB under D65, as skimage.color.rgb2lab has them.
    let expected: [[Float]] = [
      [100, 0, 0], [0, 0, 0], [53.24, 80.09, 67.20], [32.30, 79.19, -107.86], [53.39, 0, 0],
    ]
    for (color, lab) in zip(colors, expected) {
      var values = color
      values.withUnsafeMutableBufferPointer { LabColor.fromRGB($0) }
      for (a, b) in zip(values, lab) { #expect(abs(a - b) < 0.05, "\(color): \(values)") }
    }
    let image = colorPicture(30, 30, seed: 8)
    var turned = image
    turned.samples.withUnsafeMutableBufferPointer {
      LabColor.fromRGB($0)
      LabColor.toRGB($0)
    }
    #expect(largestDifference(turned, image) < 5e-5)
    var same = image
    same.samples.withUnsafeMutableBufferPointer { LabColor.adjust($0, lightness: 0, a: 0, b: 0) }
    #expect(same == turned)
    var brighter = image
    brighter.samples.withUnsafeMutableBufferPointer {
      LabColor.adjust($0, lightness: 0.2, a: 0, b: 0)
    }
    #expect(brighter.samples.reduce(0, +) > image.samples.reduce(0, +))
  }

  @Test("erosion and dilation are minimum and maximum of a square", arguments: [1, 2, 5, 30])
  func morphology(radius: Int) {
    var generator = Generator(seed: 6)
    let mask = FloatImage(
      width: 23, height: 17, channels: 1,
      samples: (0..<23 * 17).map { _ in Float.random(in: 0...1, using: &generator) })
    let (eroded, dilated) = (mask.eroded(radius: radius), mask.dilated(radius: radius))
    for y in 0..<17 {
      for x in 0..<23 {
        var (low, high): (Float, Float) = (1, 0)
        for j in y - radius...y + radius {
          for i in x - radius...x + radius {
            let isInside = (0..<23).contains(i) && (0..<17).contains(j)
            let value = isInside ? mask[i, j, 0] : 0
            (low, high) = (min(low, value), max(high, value))
          }
        }
        #expect(eroded[x, y, 0] == low)
        #expect(dilated[x, y, 0] == high)
      }
    }
    #expect(mask.eroded(radius: -radius) == dilated)
  }

  @Test("blurs keep a flat picture and the sum inside; sharpening raises contrast")
  func blurs() {
    for kernel in [BlurKernel.gaussian(sigma: 1.7), .box(radius: 3), .raisedCosine(radius: 4)] {
      #expect(abs(kernel.weights.reduce(0, +) - 1) < 1e-6)
      let flat = FloatImage(width: 9, height: 12, channels: 3, filledWith: 0.25)
      #expect(largestDifference(flat.blurred(kernel), flat) < 1e-6)
      var dot = FloatImage(width: 31, height: 29, channels: 1)
      dot[15, 14, 0] = 1
      let spread = dot.blurred(kernel, border: .zero)
      #expect(abs(spread.samples.reduce(0, +) - 1) < 1e-5)
      #expect(spread[15 + kernel.radius, 14, 0] > 0)
      #expect(spread[min(30, 16 + kernel.radius), 14, 0] == 0)
      #expect(abs(spread[13, 14, 0] - spread[15, 12, 0]) < 1e-7)
    }
    let image = colorPicture(20, 20, seed: 3)
    #expect(image.unsharpMasked(amount: 0) == image)
    func variance(_ picture: FloatImage) -> Float {
      let mean = picture.samples.reduce(0, +) / Float(picture.samples.count)
      return picture.samples.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    }
    #expect(variance(image.unsharpMasked(amount: 0.8)) > 1.05 * variance(image))
  }
}
