// The two fictional people as data: crops of any pose, laid as the aligner lays real faces.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import AtelierKernels
import AtelierScenery
import AtelierVision
import AtelierWorkbench
import AtelierZoo

/// A drawn face as a swap sees it.
package struct CharacterCrop: Sendable {
  /// The crop, square, RGB.
  package let image: ByteImage
  /// Where the face is, one channel of the same size.
  package let mask: ByteImage
}

/// Draws crops of the two fictional people.
///
/// Crops are laid as those of real faces, each by its own eyes, so that a swap of a crop, laid
/// back, has its eyes where the other's were: the crop of the other person in the same pose is the
/// true picture of the swap.
package struct CharacterCrops: Sendable {
  /// Which poses are drawn; the sets of one seed have no pose in common.
  enum PoseSet: UInt64 {
    /// What a network learns from.
    case training
    /// What a training measures itself with.
    case validation
    /// What a finished model is judged by.
    case evaluation
  }

  /// Who is A and who is B.
  static let people: [SwapFace: FictionalCharacter] = [.a: .maeve, .b: .solomon]

  /// How faces lie in the crops.
  package let layout: FaceLayout
  /// Columns and rows of the pictures that the crops are cut from.
  private let size: Int
  private let seed: UInt64
  private let renderers: [SwapFace: CharacterRenderer]

  /// Prepares both people for a network's side in pixels; pictures are twice as large, because it
  /// sees less than a whole one.
  package init(side: Int, layout: FaceLayout, seed: UInt64) {
    size = 2 * side
    self.layout = layout
    self.seed = seed
    renderers = Self.people.mapValues { CharacterRenderer($0) }
  }

  /// The layout for a training: as large as the network's side and a quarter where it sees all.
  package static func layout(side: Int, _ augmentation: FaceAugmentation) -> FaceLayout {
    FaceLayout(
      cropSize: Int((1.25 * Double(side) / augmentation.coverage).rounded()),
      coverage: augmentation.coverage, sampling: augmentation.alignment)
  }

  /// A pose of a set.
  func pose(_ index: Int, of set: PoseSet, stream: UInt64 = 0) -> CharacterPose {
    var generator = RandomGenerator(
      seed: seed, 0x706F_7365, set.rawValue, stream, UInt64(bitPattern: Int64(index)))
    return CharacterPose.random(using: &generator)
  }

  /// The crops of one pose; throws `DatasetError` when the side is out of the renderer's range.
  package func crops(_ pose: CharacterPose, of faces: [SwapFace]) throws -> [CharacterCrop] {
    let aligner = FaceAligner(size: layout.cropSize)
    return try faces.compactMap { face in
      guard let picture = try renderers[face]?.picture(pose, size: size) else { return nil }
      let (left, right) = (picture.landmarks.leftEye, picture.landmarks.rightEye)
      let eyes = EyePair(
        leftX: Double(left.x), leftY: Double(left.y), rightX: Double(right.x),
        rightY: Double(right.y))
      let found = FoundFace(box: picture.box, eyes: eyes)
      guard let alignment = aligner.alignment(of: found) else {
        throw DatasetError("a pose without two eyes cannot be laid into a crop")
      }
      return CharacterCrop(
        image: aligner.crop(picture.image.bytes, alignment),
        mask: aligner.crop(picture.mask.bytes, alignment))
    }
  }

  /// The crops of each of `faces`, pose by pose, drawn on all threads; another stream gives other
  /// poses of the set.
  func crops(
    _ count: Int, of faces: [SwapFace], from set: PoseSet, stream: UInt64 = 0, pool: ThreadPool
  ) throws -> [[CharacterCrop]] {
    try crops(of: faces, in: (0..<count).map { pose($0, of: set, stream: stream) }, pool: pool)
  }

  /// Crops of one person that a network learns from, in other poses than those of the other.
  func training(_ count: Int, of face: SwapFace, pool: ThreadPool) throws -> [CharacterCrop] {
    try crops(count, of: [face], from: .training, stream: face == .a ? 0 : 1, pool: pool)[0]
  }

  /// The crops of given poses, drawn on all threads.
  func crops(
    of faces: [SwapFace], in poses: [CharacterPose], pool: ThreadPool
  ) throws -> [[CharacterCrop]] {
    let whole = try pool.map(poses.count) { try crops(poses[$0], of: faces) }
    return faces.indices.map { face in whole.map { $0[face] } }
  }
}

extension ImageFolder {
  /// Crops as a folder of pictures.
  init(_ crops: [CharacterCrop], of face: SwapFace) {
    self.init(
      items: crops.enumerated().map { index, crop in
        Item(name: "\(face.rawValue) \(index)", image: crop.image)
      }, mode: .color)
  }
}
