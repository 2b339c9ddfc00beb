// sRGB, linear light and CIE Lab (D65), by tables and Newton steps instead of `pow`: exact to about 1e-5, the same on every machine.

import Foundation

/// Conversions of interleaved RGB floats.
///
/// Pictures of this project hold sRGB-encoded values in [0, 1], as files do. Blending, blurring and Poisson cloning work on those
/// encoded values (as all face-swap tools do); only what says Lab goes through linear light. Lightness is in [0, 100], a and b
/// around −110...110.
public enum LabColor {
  /// The entries of the two tables, without the last.
  private static let count = 4096
  /// The linear light of encoded index / count.
  private static let linear: [Float] = (0...count + 1).map {
    let value = Double($0) / Double(count)
    return Float(value <= 0.04045 ? value / 12.92 : pow((value + 0.055) / 1.055, 2.4))
  }
  /// The encoded value of light (index / count)²: squares put the entries where the curve bends.
  private static let encoded: [Float] = (0...count + 1).map {
    let root = Double($0) / Double(count)
    let value = root * root
    return Float(value <= 0.0031308 ? value * 12.92 : 1.055 * pow(value, 1 / 2.4) - 0.055)
  }

  /// The white of D65 and the matrices between linear sRGB and XYZ over white (IEC 61966-2-1).
  private static let white: (x: Float, z: Float) = (0.950_455_9, 1.089_057_8)

  @inline(__always)
  private static func interpolated(_ table: UnsafePointer<Float>, _ position: Float) -> Float {
    let scaled = (position > 0 ? (position < 1 ? position : 1) : 0) * Float(count)
    let index = Int(scaled)
    let low = table[index]
    return low + (scaled - Float(index)) * (table[index + 1] - low)
  }

  /// The cube root of a positive number: a guess from the exponent, then three Newton steps.
  @inline(__always)
  private static func cubeRoot(_ value: Float) -> Float {
    var root = Float(bitPattern: value.bitPattern / 3 + 0x2A51_4067)
    root = (2 * root + value / (root * root)) * (1 / 3)
    root = (2 * root + value / (root * root)) * (1 / 3)
    return (2 * root + value / (root * root)) * (1 / 3)
  }

  /// Lab's compressed intensity and its inverse.
  @inline(__always)
  private static func compressed(_ value: Float) -> Float {
    value > 216 / 24389 ? cubeRoot(value) : (24389 / 27 * value + 16) / 116
  }

  @inline(__always)
  private static func expanded(_ value: Float) -> Float {
    value > 6 / 29 ? value * value * value : (116 * value - 16) * (27 / 24389)
  }

  /// What a colour is in Lab.
  @inline(__always)
  private static func lab(_ color: SIMD3<Float>, _ table: UnsafePointer<Float>) -> SIMD3<Float> {
    let red = interpolated(table, color.x)
    let green = interpolated(table, color.y)
    let blue = interpolated(table, color.z)
    let x = (0.412_456_4 * red + 0.357_576_1 * green + 0.180_437_5 * blue) / white.x
    let y = 0.212_672_9 * red + 0.715_152_2 * green + 0.072_175_0 * blue
    let z = (0.019_333_9 * red + 0.119_192_0 * green + 0.950_304_1 * blue) / white.z
    let (fx, fy, fz) = (compressed(x), compressed(y), compressed(z))
    return SIMD3(116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz))
  }

  /// What a Lab colour is in encoded RGB, limited to [0, 1].
  @inline(__always)
  private static func rgb(_ lab: SIMD3<Float>, _ table: UnsafePointer<Float>) -> SIMD3<Float> {
    let fy = (lab.x + 16) / 116
    let x = expanded(fy + lab.y / 500) * white.x
    let y = expanded(fy)
    let z = expanded(fy - lab.z / 200) * white.z
    func encode(_ light: Float) -> Float { interpolated(table, light > 0 ? light.squareRoot() : 0) }
    return SIMD3(
      encode(3.240_454_2 * x - 1.537_138_5 * y - 0.498_531_4 * z),
      encode(-0.969_266_0 * x + 1.876_010_8 * y + 0.041_556_0 * z),
      encode(0.055_643_4 * x - 0.204_025_9 * y + 1.057_225_2 * z))
  }

  /// Makes of each pixel what `change` does, given the tables of linear and of encoded values.
  @inline(__always)
  private static func forEachPixel(
    _ pixels: UnsafeMutableBufferPointer<Float>,
    _ change: (SIMD3<Float>, UnsafePointer<Float>, UnsafePointer<Float>) -> SIMD3<Float>
  ) {
    precondition(pixels.count % 3 == 0, "pixels of three samples")
    linear.withUnsafeBufferPointer { linear in
      encoded.withUnsafeBufferPointer { encoded in
        guard let linear = linear.baseAddress, let encoded = encoded.baseAddress else { return }
        for place in stride(from: 0, to: pixels.count, by: 3) {
          let value = SIMD3(pixels[place], pixels[place + 1], pixels[place + 2])
          let result = change(value, linear, encoded)
          pixels[place] = result.x
          pixels[place + 1] = result.y
          pixels[place + 2] = result.z
        }
      }
    }
  }

  /// Replaces encoded RGB by Lab in place.
  /// - Precondition: a whole number of pixels of three samples.
  public static func fromRGB(_ pixels: UnsafeMutableBufferPointer<Float>) {
    forEachPixel(pixels) { color, linear, _ in lab(color, linear) }
  }

  /// Replaces Lab by encoded RGB in [0, 1] in place.
  /// - Precondition: a whole number of pixels of three samples.
  public static func toRGB(_ pixels: UnsafeMutableBufferPointer<Float>) {
    forEachPixel(pixels) { color, _, encoded in rgb(color, encoded) }
  }

  /// Changes encoded RGB in [0, 1] in place as training does to vary light and skin.
  ///
  /// Lightness is in −1...1: below 0 it multiplies by 1 + lightness, above 0 it goes by this part
  /// towards white; `a` is added from green to red, `b` from blue to yellow.
  ///
  /// - Precondition: a whole number of pixels of three samples.
  public static func adjust(
    _ pixels: UnsafeMutableBufferPointer<Float>, lightness: Float, a: Float, b: Float
  ) {
    let factor = 1 - abs(lightness)
    let shift = SIMD3(lightness > 0 ? 100 * lightness : 0, a, b)
    forEachPixel(pixels) { color, linear, encoded in
      rgb(lab(color, linear) * SIMD3(factor, 1, 1) + shift, encoded)
    }
  }
}
