// Colours for classes of objects that bring none: distinct ones, the background black.

import AtelierImages
import Foundation

extension ClassPalette {
  /// Names and colours of the labels of objects: the background, then the objects' classes.
  ///
  /// The label of an object's pixels is its class index plus 1.
  public static func objects(_ names: [String]) -> ClassPalette {
    ClassPalette(
      [Entry(name: "background", color: [0, 0, 0])]
        + names.enumerated().map { index, name in
          let color = PixelColor.distinct(index)
          return Entry(name: name, color: [color.red, color.green, color.blue])
        })
  }
}

extension PixelColor {
  /// A colour by its number from 0: the house's series first, then hues a golden angle apart.
  public static func distinct(_ index: Int) -> PixelColor {
    if index < series.count { return series[index] }
    let hue = (Double(index) * 0.618_033_988_75).truncatingRemainder(dividingBy: 1)
    let value = index.isMultiple(of: 2) ? 0.92 : 0.68
    func channel(_ offset: Double) -> UInt8 {
      let k = (offset + hue * 6).truncatingRemainder(dividingBy: 6)
      return UInt8(255 * value * (1 - 0.72 * min(max(min(k, 4 - k), 0), 1)))
    }
    return PixelColor(channel(5), channel(3), channel(1))
  }
}
