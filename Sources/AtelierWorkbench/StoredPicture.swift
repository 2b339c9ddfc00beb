// A picture at the precision of its file, so that 16 bits a sample go through a job whole.

import AtelierImages

/// A picture of 8 or of 16 bits a sample, as its file stores it.
package protocol StoredPicture {
  /// Whether a sample has 16 bits.
  var isDeep: Bool { get }
  /// The picture in 8 bits a sample, rounded when it has 16.
  var bytes: ByteImage { get }
  /// The picture in fractions of white.
  var floats: FloatImage { get }
  var size: PixelSize { get }
  /// Samples in a pixel, 1 to 4.
  var channels: Int { get }
  /// Whether every pixel is gray, also where the file stores red, green and blue.
  var isColorless: Bool { get }
  /// Whether the last channel is alpha.
  var hasAlpha: Bool { get }
}

extension Image: StoredPicture {
  package var isDeep: Bool { Sample.self == UInt16.self }
}

extension ImageFile {
  /// Reads a picture at its file's precision; throws `ImageError` when it cannot be read.
  package static func readStored(_ path: String) throws -> any StoredPicture {
    try information(path).bitDepth == 16 ? readWords(path) : read(path)
  }

  /// Writes a picture: a PNG at its precision, a JPEG in 8 bits.
  package static func write(
    stored picture: any StoredPicture, to path: String, options: ImageWriteOptions
  ) throws {
    if let words = picture as? WordImage, try format(forWriting: path) == .png {
      try write(words, to: path, options: options)
    } else {
      try write(picture.bytes, to: path, options: options)
    }
  }
}
