// Objects drawn on their picture: each mask in a colour of its own, framed by its box.

import AtelierDatasets
import AtelierImages

/// Pictures of objects for previews.
enum InstancePicture {
  /// A picture with objects drawn on it, the least sure first.
  ///
  /// - Parameters:
  ///   - objects: The objects, of the picture's size.
  ///   - picture: The picture.
  /// - Returns: Three channels.
  static func drawn(_ objects: [MaskedObject], on picture: ByteImage) -> ByteImage {
    var image = picture.flattened().withChannels(3)
    let ordered = objects.sorted { $0.score < $1.score }
    for (index, object) in ordered.enumerated() {
      let color = PixelColor.series[index % PixelColor.series.count]
      let levels = [color.red, color.green, color.blue]
      image.samples.withUnsafeMutableBufferPointer { samples in
        for (pixel, isInside) in object.mask.pixels.enumerated() where isInside {
          for channel in 0..<3 {
            let place = 3 * pixel + channel
            samples[place] = UInt8((Int(samples[place]) + Int(levels[channel])) / 2)
          }
        }
      }
    }
    var canvas = Canvas(image)
    for (index, object) in ordered.enumerated() {
      let (left, top) = (Int(object.box.x.rounded()), Int(object.box.y.rounded()))
      canvas.frame(
        x: left, y: top, width: Int((object.box.x + object.box.width).rounded()) - left,
        height: Int((object.box.y + object.box.height).rounded()) - top,
        PixelColor.series[index % PixelColor.series.count])
    }
    return canvas.image
  }
}
