// A label map as pictures: palette indices, which every viewer shows in the classes' colours, and RGB.

import AtelierImages

extension LabelMap {
  /// The colour that pixels which do not count are shown in, as in the PASCAL VOC sets.
  public static let ignoredColor = SIMD4<UInt8>(224, 224, 192, 255)

  /// The labels as palette indices: file values are the labels, viewers show the classes' colours.
  ///
  /// The palette has an entry for every label that occurs; labels without a class are black,
  /// `ignored` has its own colour. Classes behind the 256th cannot be labels.
  public func indexed(_ palette: ClassPalette) -> IndexedImage {
    var colors = palette.entries.prefix(256).map {
      SIMD4<UInt8>($0.color[0], $0.color[1], $0.color[2], 255)
    }
    let largest = Int(labels.max() ?? 0)
    while colors.count <= largest { colors.append(SIMD4(0, 0, 0, 255)) }
    if largest == Int(Self.ignored), palette.count <= largest {
      colors[largest] = Self.ignoredColor
    }
    return IndexedImage(
      indices: ByteImage(width: width, height: height, channels: 1, samples: labels),
      palette: colors)
  }

  /// The labels in the classes' colours, RGB.
  public func colored(_ palette: ClassPalette) -> ByteImage { indexed(palette).colored }
}
