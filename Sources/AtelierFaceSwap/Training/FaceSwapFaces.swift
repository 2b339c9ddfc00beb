// The faces of a training: read or drawn, for learning and for measuring.

import AtelierDatasets
import AtelierEngine
import AtelierFiles
import AtelierImages
import AtelierKernels
import AtelierVision
import AtelierWorkbench
import AtelierZoo

/// The faces of both people, ready for a training.
struct FaceSwapFaces {
  /// Augmented batches of each person.
  let training: [SwapFace: FaceBatches]
  /// Un-warped faces that are measured and shown.
  let validation: [SwapFace: FaceBatch]
  /// The true pictures of the swaps of `validation`: of B in A's poses under `.a`, of A in B's
  /// under `.b`; nil for crops that were read.
  let truth: [SwapFace: Tensor]?

  /// How many faces of each person are measured at most.
  private static let validationCount = 32
}

extension FaceSwapFaces {
  /// Reads or draws all faces; throws `StudioError` or `DatasetError`, one line each.
  init(_ request: FaceSwapTrainingRequest, pool: ThreadPool) throws {
    if let poses = request.characterPoses {
      self = try Self.drawn(request, poses: poses, pool: pool)
    } else {
      self = try Self.read(request)
    }
  }

  /// How faces lie in the crops; of crops of two sizes the layout of the larger ones.
  var layout: FaceLayout {
    training.values.map(\.layout).max { $0.cropSize < $1.cropSize } ?? FaceLayout()
  }

  private static func read(_ request: FaceSwapTrainingRequest) throws -> FaceSwapFaces {
    var training: [SwapFace: FaceBatches] = [:]
    var validation: [SwapFace: FaceBatch] = [:]
    let paths: [(SwapFace, [String], [String])] = [
      (.a, request.a, request.validationA), (.b, request.b, request.validationB),
    ]
    for (face, own, held) in paths {
      try StudioError.unless(
        !own.isEmpty, .usage, "a face swap needs crops of both people: give --\(face.rawValue)")
      func read(_ paths: [String]) throws -> FaceBatches {
        try batches(ImageFolder(SwapPeople.urls(paths), mode: .color), of: face, request)
      }
      let learnt = try read(own)
      training[face] = learnt
      let measured = held.isEmpty ? learnt : try read(held)
      validation[face] = measured.unchanged(spread(measured.faces.items.count, validationCount))
    }
    return FaceSwapFaces(training: training, validation: validation, truth: nil)
  }

  /// The batches of crops; the mask head learns the ellipse about the face where there is no mask.
  private static func batches(
    _ folder: ImageFolder, masks: [ByteImage]? = nil, of face: SwapFace,
    _ request: FaceSwapTrainingRequest
  ) throws -> FaceBatches {
    let masks =
      request.network.hasMask ? masks ?? folder.items.map { facePart(of: $0.image.size) } : nil
    return try FaceBatches(
      faces: folder, masks: masks, side: request.network.side, batchSize: request.batch,
      augmentation: request.augmentation, seed: request.seed, stream: face == .a ? 0 : 1,
      drawsFeatures: request.eyesMouthPriority != 1)
  }

  /// The ellipse in the middle of a crop, where the aligner puts a face.
  static func facePart(of size: PixelSize) -> ByteImage {
    func part(_ length: Int) -> Int { max(Int(Double(length) * FaceLayout.faceShare), 1) }
    let (width, height) = (part(size.width), part(size.height))
    var mask = ByteImage(width: size.width, height: size.height, channels: 1)
    mask.paste(
      FaceMask.ellipse.picture(width: width, height: height).bytes,
      x: (size.width - width) / 2, y: (size.height - height) / 2)
    return mask
  }

  private static func drawn(
    _ request: FaceSwapTrainingRequest, poses: Int, pool: ThreadPool
  ) throws -> FaceSwapFaces {
    try StudioError.unless(
      request.a.isEmpty && request.b.isEmpty, .usage,
      "--characters draws both people; leave out --a and --b")
    try StudioError.unless(
      poses > 0, .usage, "--characters takes at least one pose; received \(poses)")
    let side = request.network.side
    let layout = CharacterCrops.layout(side: side, request.augmentation)
    let source = CharacterCrops(side: side, layout: layout, seed: request.seed)
    var training: [SwapFace: FaceBatches] = [:]
    var validation: [SwapFace: FaceBatch] = [:]
    var truth: [SwapFace: Tensor] = [:]
    for (stream, face) in SwapFace.allCases.enumerated() {
      let crops = try source.training(poses, of: face, pool: pool)
      training[face] = try batches(
        ImageFolder(crops, of: face), masks: crops.map(\.mask), of: face, request)
      let held = try source.crops(
        validationCount, of: [face, face.other], from: .validation, stream: UInt64(stream),
        pool: pool)
      validation[face] = try middles(ImageFolder(held[0], of: face), side: side, layout)
      truth[face] = try middles(ImageFolder(held[1], of: face.other), side: side, layout).target
    }
    return FaceSwapFaces(training: training, validation: validation, truth: truth)
  }

  /// What a network sees of the crops of a folder, and what it should draw of them.
  static func middles(_ folder: ImageFolder, side: Int, _ layout: FaceLayout) throws -> FaceBatch {
    let batches = try FaceBatches(
      faces: folder, side: side, batchSize: 1, augmentation: layout.unchanged, seed: 0)
    return batches.unchanged(Array(folder.items.indices))
  }

  /// At most `limit` of `count` places, evenly spread.
  private static func spread(_ count: Int, _ limit: Int) -> [Int] {
    let taken = min(count, limit)
    return (0..<taken).map { $0 * count / taken }
  }
}
