// Mask files: palette PNG, gray PNG, or colours that a list of classes explains.

import AtelierImages

/// Reading of mask files.
public enum MaskFile {
  /// The classes of a mask file as a label for every pixel.
  ///
  /// Of a palette or gray PNG of at most 8 bits the stored values count, without `classes` as
  /// indices and 255 as ignored; of another one the colours. `size` is that of the mask's picture.
  ///
  /// - Throws: `DatasetError` that names the file and what is wrong: no PNG, damaged, another size
  ///   than the picture, a value or colour that is no class.
  public static func read(
    _ path: String, classes: ClassList?, size: PixelSize
  ) throws(DatasetError) -> LabelMap {
    try DatasetError.wrapping("not usable as a mask: ", isMask: true) {
      try checked(path, classes, size)
    }
  }

  private static func checked(
    _ path: String, _ classes: ClassList?, _ size: PixelSize
  ) throws -> LabelMap {
    let information = try ImageFile.information(path)
    guard information.format == .png else {
      throw DatasetError(
        "\(path): expected a mask as PNG, which loses nothing; received "
          + information.format.rawValue)
    }
    guard information.size == size else {
      throw DatasetError(
        "\(path): expected a mask of the picture's size \(size); received \(information.size)")
    }
    if information.hasPalette || (information.channels == 1 && information.bitDepth <= 8) {
      return try indexed(path, classes)
    }
    guard let classes, information.channels >= 3 else {
      throw DatasetError(
        "\(path): expected a palette PNG, a gray PNG of at most 8 bits, or colours with a "
          + "classes.txt that explains them; received \(information.channels) channels of "
          + "\(information.bitDepth) bits" + (classes == nil ? " and no classes.txt" : ""))
    }
    return try colored(path, classes)
  }

  private static func indexed(_ path: String, _ classes: ClassList?) throws -> LabelMap {
    let indices = try ImageFile.readIndices(path).indices
    var labels = indices.samples
    guard let classes else {
      return LabelMap(width: indices.width, height: indices.height, labels: labels)
    }
    for pixel in labels.indices {
      guard let label = classes.values[Int(labels[pixel])] else {
        throw DatasetError(
          "\(path): the pixel at \(pixel % indices.width), \(pixel / indices.width) has label "
            + "\(labels[pixel]); there are \(classes.palette.count) classes")
      }
      labels[pixel] = label
    }
    return LabelMap(width: indices.width, height: indices.height, labels: labels)
  }

  private static func colored(_ path: String, _ classes: ClassList) throws -> LabelMap {
    let image = try ImageFile.read(path)
    let samples = image.samples
    var labels = [UInt8](repeating: 0, count: image.pixelCount)
    // Neighbours mostly have one colour, so that the table is seldom asked.
    var last: (key: UInt32, label: UInt8)?
    for pixel in labels.indices {
      let place = pixel * image.channels
      let key = ClassList.key(samples[place], samples[place + 1], samples[place + 2])
      if let last, last.key == key {
        labels[pixel] = last.label
        continue
      }
      guard let label = classes.colors[key] else {
        throw DatasetError(
          "\(path): the pixel at \(pixel % image.width), \(pixel / image.width) has the colour "
            + "\(samples[place]) \(samples[place + 1]) \(samples[place + 2]), which no class has")
      }
      labels[pixel] = label
      last = (key, label)
    }
    return LabelMap(width: image.width, height: image.height, labels: labels)
  }
}
