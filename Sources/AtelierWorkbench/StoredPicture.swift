// A picture at the precision of its file, so that 16 bits a sample go through a job whole.

import AtelierImages

/// A picture of 8 or 16 bits a sample, or of floating-point values, as its file stores it.
package protocol StoredPicture {
  /// Whether a sample has more than 8 bits.
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
  package var isDeep: Bool { Sample.self != UInt8.self }
}

extension StoredImage {
  /// The picture for a denoiser; floating-point values with their range laid on [0, 1].
  package var picture: any StoredPicture {
    switch self {
    case .bytes(let image): image
    case .words(let image): image
    case .floats(let image): image.shown
    }
  }
}

extension ImageFile {
  /// Reads a picture at its file's precision; throws `ImageError` when it cannot be read.
  package static func readStored(_ path: String) throws -> any StoredPicture {
    try stored(path).picture
  }

  /// Writes a picture: PNG and TIFF at its precision, JPEG and WebP in 8 bits.
  package static func write(
    stored picture: any StoredPicture, to path: String, options: ImageWriteOptions
  ) throws {
    if let words = picture as? WordImage {
      try write(.words(words), to: path, options: options)
    } else {
      try write(picture.bytes, to: path, options: options)
    }
  }
}
