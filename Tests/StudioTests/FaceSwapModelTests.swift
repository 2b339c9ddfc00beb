// Face-swap models at work: files, converters, and the measures of a swap.

import AtelierDatasets
import AtelierEngine
import AtelierFaceSwap
import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierScenery
import AtelierWorkbench
import AtelierZoo
import Foundation
import TestSupport
import Testing

/// A face swap with random weights.
func swapModel(_ network: FaceSwapNetwork, seed: UInt64 = 3) throws -> FaceSwapModel {
  let graph = try network.previewGraph(batch: 1)
  let store = try ParameterStore(for: [graph], seed: seed)
  let information = ModelInformation(
    task: FaceSwapModel.task, architecture: network.design.rawValue, granularity: network.side)
  return try FaceSwapModel(
    Model(graph: graph, store: store, information: information), name: "random")
}

struct FaceSwapModelTests {
  @Test(arguments: [
    FaceSwapNetwork(.slim), FaceSwapNetwork(.slim, side: 128, hasMask: true),
    FaceSwapNetwork(.half, hasMask: true),
  ])
  func `a file says which network it is, and any batch gives the same faces`(
    _ network: FaceSwapNetwork
  ) throws {
    try withScratchFolder { folder in
      let file = folder.appending(path: "swap.safetensors")
      try ModelFile.write(swapModel(network).model, to: file)
      let model = try FaceSwapModel(contentsOf: file)
      #expect(model.network == network)
      let side = network.side
      let crops = Tensor.random([5, side, side, 3], seed: 4, scale: 1)
      let pool = ThreadPool(threads: 2)
      for face in SwapFace.allCases {
        let whole = try model.converter(to: face, batch: 5, threads: pool).decode(crops)
        let parts = try model.converter(to: face, batch: 2, threads: pool).decode(crops)
        #expect(whole.pictures.shape == crops.shape)
        #expect((whole.masks != nil) == network.hasMask)
        // Other batch sizes take other kernels, which sum in another order.
        let difference = zip(whole.pictures.elements, parts.pictures.elements).reduce(Float(0)) {
          max($0, abs($1.0 - $1.1))
        }
        #expect(difference < 1e-5)
        #expect(whole.masks?.shape == (network.hasMask ? [5, side, side, 1] : nil))
        #expect(parts.masks?.count == whole.masks?.count)
      }
      let (a, b) = try (
        model.converter(to: .a).decode(crops), model.converter(to: .b).decode(crops)
      )
      #expect(a.pictures != b.pictures)
      let wrong = Tensor([1, side, side, 1])
      #expect(
        errorLine { _ = try model.converter(to: .a).decode(wrong) }
          == "a face swap takes crops of shape [1, \(side), \(side), 3]; received [1, \(side), \(side), 1]"
      )
      #expect(
        errorLine { _ = try model.converter(to: .a, batch: 0) }
          == "a conversion needs at least one crop at once; received 0")
    }
  }

  @Test func `other models are refused by name`() throws {
    try withScratchFolder { folder in
      let file = folder.appending(path: "denoiser.safetensors")
      try ModelFile.write(filterModel(symmetricKernel), to: file)
      #expect(
        errorLine { _ = try FaceSwapModel(contentsOf: file) }
          == "\(file.relativePath): expected a model of the task face-swap; received one of the task "
          + "denoise (filter)")
      let model = try swapModel(FaceSwapNetwork(.slim)).model
      var other = model
      other.information.architecture = "half"
      #expect(
        errorLine { _ = try FaceSwapModel(other, name: "x") }?.hasPrefix(
          "x: expected the parameter encoder/down64/weight of shape [5, 5, 3, 64], as half has it")
          == true)
      other.information.architecture = "giant"
      #expect(
        errorLine { _ = try FaceSwapModel(other, name: "x") }
          == "x: expected a network, one of original, half, slim; received giant")
    }
  }
}

struct FaceMotionTests {
  /// A drawn face that wanders and speaks, and what it does.
  private func clip() throws -> (frames: Tensor, shifts: [SIMD2<Double>], openings: [Double]) {
    let renderer = CharacterRenderer(.maeve)
    var elements: [Float] = []
    var shifts: [SIMD2<Double>] = []
    var openings: [Double] = []
    for frame in 0..<24 {
      let time = Double(frame)
      let opening = 0.5 + 0.5 * sin(time * 0.9)
      let shift = SIMD2(2.5 * sin(time * 0.4), 2 * cos(time * 0.55))
      // Laid so that the eyes are at 0.4 of the picture, a head's width across it.
      let picture = try renderer.render(
        CharacterPose(mouthOpening: Float(opening)), size: 160)
      let map = AffineMap.scaling(64.0 / 92, x: shift.x - 24, y: shift.y - 18)
      let face = picture.sampled(
        through: try #require(map.inverse), width: 64, height: 64)
      elements += face.floats.samples
      shifts.append(shift)
      openings.append(opening)
    }
    return (Tensor([24, 64, 64, 3], elements), shifts, openings)
  }

  @Test func `shifts and openings of a drawn face are found`() throws {
    let clip = try clip()
    let motion = FaceMotion(clip.frames)
    for (axis, found) in [motion.x, motion.y].enumerated() {
      let known = clip.shifts.map { $0[axis] }
      let mean = known.reduce(0, +) / Double(known.count)
      let offset = found.reduce(0, +) / Double(found.count) - mean
      for (one, other) in zip(found, known) {
        #expect(abs(one - other - offset) < 0.5, "axis \(axis)")
      }
    }
    let own = motion.correlations(with: motion)
    #expect(own.x.map { abs($0 - 1) < 1e-9 } == true)
    let followed = try #require(Self.correlation(motion.mouth, clip.openings))
    #expect(followed > 0.85)
    // Nothing moves in a still.
    let still = FaceMotion(
      Tensor([9, 64, 64, 3], (0..<9).flatMap { _ in clip.frames.elements.prefix(64 * 64 * 3) }))
    #expect(still.correlations(with: still).x == nil)
  }

  private static func correlation(_ first: [Double], _ second: [Double]) -> Double? {
    let means = [first, second].map { $0.reduce(0, +) / Double($0.count) }
    let pairs = zip(first, second).map { ($0 - means[0], $1 - means[1]) }
    let (both, one, other) = pairs.reduce((0.0, 0.0, 0.0)) {
      ($0.0 + $1.0 * $1.1, $0.1 + $1.0 * $1.0, $0.2 + $1.1 * $1.1)
    }
    return both / (one * other).squareRoot()
  }
}
