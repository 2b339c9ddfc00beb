// A part of a picture as a network sees it: what a large picture is cut into.

import AtelierImages
import AtelierWorkbench

/// A part of a picture as a network sees it, its pixels written as fractions of white; beyond the
/// border the last pixels are repeated.
struct PictureTile {
  let picture: ByteImage
  let x: Int
  let y: Int
  let size: PixelSize

  /// Writes the part, mirrored left to right or not.
  func write(to target: UnsafeMutableBufferPointer<Float>, isMirrored: Bool) {
    let channels = picture.channels
    picture.samples.withUnsafeBufferPointer { source in
      for row in 0..<size.height {
        let line = min(y + row, picture.height - 1) * picture.width
        for column in 0..<size.width {
          let place = isMirrored ? size.width - 1 - column : column
          let pixel = (line + min(x + column, picture.width - 1)) * channels
          let start = (row * size.width + place) * channels
          for channel in 0..<channels {
            target[start + channel] = Float(source[pixel + channel]) / 255
          }
        }
      }
    }
  }
}
