// One object with its mask as runs: how sets and evaluations keep thousands of them.

import AtelierImages

/// An object of a picture with its mask as runs.
public struct EncodedObject: Sendable, Hashable {
  /// Which of the set's object classes it is, from 0.
  public var classIndex: Int
  /// Where it lies, in pixels of the picture.
  public var box: PlaneBox
  /// Its pixels, of the picture's size.
  public var mask: RunLengthMask
  /// Its area as its file gives it, else that of its mask, in pixels.
  public var area: Double
  /// How sure a detector is, in [0, 1]; 1 for an object of the truth.
  public var score: Double
  /// Whether it stands for a crowd of objects that were not drawn one by one.
  public var isCrowd: Bool

  /// An object by its parts; box and area are those of the mask when nil.
  public init(
    classIndex: Int, mask: RunLengthMask, box: PlaneBox? = nil, area: Double? = nil,
    score: Double = 1, isCrowd: Bool = false
  ) {
    self.classIndex = classIndex
    self.mask = mask
    self.box = box ?? mask.bounds ?? PlaneBox(x: 0, y: 0, width: 0, height: 0)
    self.area = area ?? Double(mask.area)
    self.score = score
    self.isCrowd = isCrowd
  }

  /// The runs of an object with a mask of pixels.
  public init(_ object: MaskedObject) {
    self.init(
      classIndex: object.classIndex, mask: RunLengthMask(object.mask), box: object.box,
      score: object.score, isCrowd: object.isCrowd)
  }

  /// The object with a mask of pixels.
  public var decoded: MaskedObject {
    MaskedObject(classIndex: classIndex, box: box, mask: mask.mask, score: score, isCrowd: isCrowd)
  }
}
