// The pictures of one Mask R-CNN training: what it learns from, and what is held out to measure on.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import AtelierZoo

/// Pictures to learn from and held-out ones.
struct InstanceTrainingData {
  /// A held-out picture.
  struct Item {
    let picture: ByteImage
    let objects: [MaskedObject]

    /// The picture as the network reads it.
    var example: InstanceExample {
      InstanceExample(
        width: picture.width, height: picture.height, samples: picture.rgbFloats, objects: [])
    }
  }

  let source: InstanceSource
  let validation: [Item]
  /// One line for the model's card.
  let description: String

  /// What is added to the seed for scenes that are held out.
  static let heldOutSeed: UInt64 = 0x6865_6C64

  /// Reads or draws what a request asks for.
  ///
  /// - Parameter request: The training.
  /// - Throws: `DatasetError` that names what cannot be read.
  init(_ request: MaskRCNNTrainingRequest) throws {
    let size = PixelSize(width: request.side, height: request.side)
    switch request.data {
    case .shapes:
      source = InstanceSource(
        try ShapesScenes(seed: request.seed, size: size), batch: request.batch)
      let held = try ShapesScenes(seed: request.seed &+ Self.heldOutSeed, size: size)
      validation = (0..<request.validationCount).map {
        let scene = held.scene($0)
        return Item(picture: scene.picture, objects: scene.objects)
      }
      description = "shapes scenes of seed \(request.seed), without end"
    }
  }
}
