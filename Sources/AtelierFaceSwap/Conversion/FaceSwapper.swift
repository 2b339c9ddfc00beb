// The swap of whole frames: faces found, drawn as the other person, and laid back into the frame.

import AtelierDatasets
import AtelierEngine
import AtelierFiles
import AtelierImages
import AtelierKernels
import AtelierVision
import AtelierWorkbench
import AtelierZoo

/// A frame to swap.
public struct SwapFrame: Sendable {
  /// The picture or the film's frame.
  public var image: ByteImage
  /// Its file.
  public var path: String
  /// The frame's number in a film, from 0; nil for a picture.
  public var frame: Int?

  /// A frame.
  public init(_ image: ByteImage, path: String, frame: Int? = nil) {
    self.image = image
    self.path = path
    self.frame = frame
  }
}

/// A face of a frame as the other person.
public struct SwappedFace: Sendable {
  /// The face in the frame.
  public let located: LocatedFace
  /// The other person, RGB in [0, 1], of the network's side.
  public let picture: FloatImage
  /// The learned mask; nil when the network has none.
  public let mask: FloatImage?
  /// From the frame to `picture`, in pixels.
  public let map: AffineMap
}

/// Swaps the faces of frames; used by one thread at a time.
public final class FaceSwapper {
  /// How faces are found.
  public let locator: FaceLocator
  /// How faces are laid into their frames.
  public var compositor: FaceCompositor
  private let converter: FaceSwapConverter
  private let layout: FaceLayout
  private let pool: ThreadPool

  /// Makes ready to swap, `batch` faces at once; the compositor's erosion and feather are parts of
  /// the face's width, brow to chin.
  ///
  /// Throws when the mask is to be learned and the model has none.
  public init(
    _ model: FaceSwapModel, to face: SwapFace, locator: FaceLocator, compositor: FaceCompositor,
    batch: Int = 1, pool: ThreadPool = .shared
  ) throws {
    try StudioError.unless(
      compositor.mask != .learned || model.network.hasMask, .usage,
      "the model has no mask head, so its mask cannot be learned; take box or ellipse")
    self.locator = locator
    // What is asked for is parts of the face; the compositor takes parts of what the network sees.
    let scale = Float(model.layout.faceScale)
    var scaled = compositor
    scaled.erosion *= scale
    scaled.feather *= scale
    self.compositor = scaled
    self.pool = pool
    layout = model.layout
    converter = try model.converter(to: face, batch: batch, threads: pool)
  }

  /// Swaps the faces of pictures, or of frames of one film in their order; searches those not
  /// given.
  ///
  /// Each result is RGB or RGB with alpha, nil for a frame without a face.
  public func swap(
    _ frames: [SwapFrame], located: [[LocatedFace]]? = nil
  ) throws -> [(image: ByteImage, faces: [SwappedFace])?] {
    let drawn = try draw(frames, located: located ?? locate(frames))
    return try pool.map(frames.count) { index -> (image: ByteImage, faces: [SwappedFace])? in
      let faces = drawn[index]
      return faces.isEmpty ? nil : (try composite(faces, into: frames[index].image), faces)
    }
  }

  /// Lays faces into their frame, of which a gray one becomes RGB.
  public func composite<Sample: ImageSample>(
    _ faces: [SwappedFace], into frame: Image<Sample>
  ) throws -> Image<Sample> {
    var result = frame.isGray ? frame.withChannels(frame.hasAlpha ? 4 : 3) : frame
    // The most certain one last, on top of the others.
    for face in faces.reversed() {
      try compositor.composite(face.picture, learnedMask: face.mask, into: &result, map: face.map)
    }
    return result
  }

  /// Draws the faces of frames as the other person, the most certain first.
  public func draw(_ frames: [SwapFrame], located: [[LocatedFace]]) throws -> [[SwappedFace]] {
    precondition(frames.count == located.count, "the faces of each frame")
    let side = converter.network.side
    let places = located.indices.flatMap { frame in
      located[frame].indices.map { (frame: frame, face: $0) }
    }
    guard !places.isEmpty else { return located.map { _ in [] } }
    let count = side * side * 3
    var crops = [Float](repeating: 0, count: places.count * count)
    // The locator's crops may be of another size than those of the training.
    let scale = AffineMap.scaling(Double(locator.aligner.size) / Double(layout.cropSize))
    let inner = layout.inputMap(side: side).followed(by: scale)
    crops.withUnsafeMutableBufferPointer { crops in
      pool.parallelFor(places.count) { index in
        let place = places[index]
        let image = frames[place.frame].image
        // Through the crop, as in training: what the network saw there was read from crops.
        let crop = locator.aligner.crop(
          image.hasAlpha ? image.flattened() : image, located[place.frame][place.face].alignment)
        let face = crop.rgb.floats.sampled(
          through: inner, width: side, height: side, isAntialiased: false)
        for (offset, value) in face.samples.enumerated() { crops[index * count + offset] = value }
      }
    }
    let shape = Shape.image(batch: places.count, height: side, width: side, channels: 3)
    let decoded = try converter.decode(Tensor(shape, crops))
    guard let outward = layout.outputMap(side: side).followed(by: scale).inverse else {
      preconditionFailure("the middle of a crop has a size")
    }
    var faces = [[SwappedFace]](repeating: [], count: frames.count)
    for (index, place) in places.enumerated() {
      let face = located[place.frame][place.face]
      faces[place.frame].append(
        SwappedFace(
          located: face, picture: decoded.pictures.image(index),
          mask: decoded.masks.map { $0.image(index) },
          map: face.alignment.matrix.followed(by: outward)))
    }
    return faces
  }

  /// The faces of each frame, the most certain first; a film's are searched near those of its first
  /// frame.
  public func locate(_ frames: [SwapFrame]) throws -> [[LocatedFace]] {
    var located: [[LocatedFace]] = []
    var former: [PlaneBox]?
    if let frame = frames.first, frame.frame != nil {
      located = [try locator.faces(in: frame.image, of: frame.path, frame: frame.frame, pool: pool)]
      former = located[0].map(\.box)
    }
    let rest = Array(frames.dropFirst(located.count))
    let results = pool.map(rest.count) { index in
      Result {
        try locator.faces(
          in: rest[index].image, of: rest[index].path, frame: rest[index].frame, former: former,
          pool: pool)
      }
    }
    return try located + results.map { try $0.get() }
  }
}
