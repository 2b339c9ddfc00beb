// One object of a picture: its class, its box and its mask, true or predicted.

import AtelierImages

/// One object of a picture.
public struct MaskedObject: Sendable, Hashable {
  /// Which of the set's object classes it is, from 0; the background is no class of objects.
  public var classIndex: Int
  /// Where it lies, in pixels of the picture.
  public var box: PlaneBox
  /// Its pixels, of the picture's size.
  public var mask: BinaryMask
  /// How sure a detector is, in [0, 1]; 1 for an object of the truth.
  public var score: Double
  /// Whether it stands for a crowd of objects that were not drawn one by one (COCO's `iscrowd`).
  public var isCrowd: Bool

  /// An object by its parts.
  public init(
    classIndex: Int, box: PlaneBox, mask: BinaryMask, score: Double = 1, isCrowd: Bool = false
  ) {
    self.classIndex = classIndex
    self.box = box
    self.mask = mask
    self.score = score
    self.isCrowd = isCrowd
  }
}
