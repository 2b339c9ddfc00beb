// The one thing wanted of an Exif block: which way up the camera was held.

/// A reader of Exif blocks that never trusts an offset.
enum Exif {
  /// The orientation tag of the first image directory; upright without one or when damaged.
  ///
  /// The bytes are a TIFF structure as it stands behind "Exif\0\0" in a JPEG's APP1 segment.
  static func orientation(_ bytes: UnsafeBufferPointer<UInt8>) -> Orientation {
    guard bytes.count >= 8 else { return .upright }
    let little: Bool
    switch (bytes[0], bytes[1]) {
    case (0x49, 0x49): little = true
    case (0x4d, 0x4d): little = false
    default: return .upright
    }
    func word(_ offset: Int) -> Int? {
      guard offset >= 0, offset <= bytes.count - 2 else { return nil }
      let (low, high) = little ? (offset, offset + 1) : (offset + 1, offset)
      return Int(bytes[low]) | Int(bytes[high]) << 8
    }
    func long(_ offset: Int) -> Int? {
      guard let first = word(offset), let second = word(offset + 2) else { return nil }
      return little ? first | second << 16 : second | first << 16
    }
    guard word(2) == 42, let directory = long(4), let count = word(directory) else {
      return .upright
    }
    for entry in 0..<count {
      let place = directory + 2 + 12 * entry
      guard let tag = word(place), let kind = word(place + 2), let value = word(place + 8) else {
        break
      }
      if tag == 0x0112, kind == 3 { return Orientation(rawValue: value) ?? .upright }
    }
    return .upright
  }
}
