// The measure of a face swap: figures against those of a plain loop, who a classifier sees, drawn truth.

import AtelierDatasets
import AtelierEngine
import AtelierFaceSwap
import AtelierImages
import AtelierInterchange
import AtelierScenery
import AtelierWorkbench
import AtelierZoo
import Foundation
import TestSupport
import Testing

struct FaceSwapEvaluationTests {
  /// Ten crops of each of the fictional people as folders `a` and `b`.
  private func crops(in folder: URL) throws -> [URL] {
    try zip(["a", "b"], FictionalCharacter.all).map { name, character in
      let place = folder.appending(path: name)
      try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
      let renderer = CharacterRenderer(character)
      for (index, pose) in CharacterPose.clip(count: 10, framesPerSecond: 5, seed: 2).enumerated() {
        try ImageFile.write(
          renderer.render(pose, size: 80), to: place.appending(path: "\(index).png"))
      }
      return place
    }
  }

  private func error(_ first: Tensor, _ second: Tensor) -> Double {
    var sum = 0.0
    for (one, other) in zip(first.elements, second.elements) { sum += Double(abs(one - other)) }
    return sum / Double(first.count)
  }

  @Test func `figures are those of a plain loop, and the classifier knows the people`() throws {
    try withScratchFolder { folder in
      let folders = try crops(in: folder)
      let model = try swapModel(FaceSwapNetwork(.slim))
      let result = try FaceSwapEvaluation.run(
        model,
        on: .crops(
          a: [folders[0]], b: [folders[1]], classifierA: [folders[0]], classifierB: [folders[1]],
          seed: 5))
      #expect(result.pictures.map(\.name) == ["a-to-b.png", "b-to-a.png"])
      #expect(result.report.directions.map(\.from) == ["a", "b"])
      for (index, direction) in result.report.directions.enumerated() {
        let face = SwapFace.allCases[index]
        #expect(direction.to == face.other.rawValue)
        let batches = try FaceBatches(
          faces: ImageFolder([folders[index]], mode: .color), batchSize: 1, augmentation: .none,
          seed: 0)
        let input = batches.unchanged(Array(0..<10)).input
        let own = try model.converter(to: face, batch: 10)
        let swapped = try model.converter(to: face.other, batch: 10).decode(input).pictures
        let wanted = (
          error(try own.decode(input).pictures, input),
          error(try own.decode(swapped).pictures, input)
        )
        #expect(abs(direction.reconstruction.mae - wanted.0) < 1e-6)
        #expect(abs(direction.cycle.mae - wanted.1) < 1e-6)
        #expect(direction.reconstruction.faces == 10)
        #expect(direction.truth == nil)
        #expect(direction.identity?.real == 1)
        #expect(direction.motion?.frames == 10)
        #expect(direction.motion?.mouthCeiling == nil)
      }
      // An untrained network draws the same gray to either side, which is one person at most.
      let shares = result.report.directions.compactMap { $0.identity?.swapped }
      #expect(shares.count == 2 && shares[0] + shares[1] < 1.5, "\(shares)")
    }
  }

  @Test func `drawn people come with the true picture of every swap`() throws {
    let model = try swapModel(FaceSwapNetwork(.slim, hasMask: true))
    let once = try FaceSwapEvaluation.run(model, on: .characters(poses: 3, frames: 30, seed: 4))
    for direction in once.report.directions {
      let truth = try #require(direction.truth)
      #expect(truth.faces == 3 && truth.psnr > 4 && truth.psnr < 30)
      // The true pictures speak, whatever the network draws.
      let motion = try #require(direction.motion)
      #expect(motion.trueX.map { $0 > 0 && $0 < 1 } == true, "\(motion)")
      #expect(motion.mouthCeiling.map { $0 > 0.5 } == true, "\(motion)")
      #expect(direction.identity?.real == 1)
    }
    let other = try FaceSwapEvaluation.run(model, on: .characters(poses: 3, frames: 30, seed: 5))
    #expect(once.report.directions[0].truth?.psnr != other.report.directions[0].truth?.psnr)
    let again = try FaceSwapEvaluation.run(model, on: .characters(poses: 3, frames: 30, seed: 4))
    #expect(once.report.directions[1].truth?.ssim == again.report.directions[1].truth?.ssim)
    #expect(once.report.protocol.contains("3 random poses"))
  }

  /// Decoders that draw one gray whatever they see draw the same of both people, so that a swap is exactly as far from the true
  /// picture of the other as the other's own reconstruction is.
  @Test func `the true picture of a swap is the other person's face of the same poses`() throws {
    let random = try swapModel(FaceSwapNetwork(.slim))
    let store = try random.model.store()
    for face in SwapFace.allCases {
      for part in ["weight", "bias"] {
        let name = "\(face.parameterPrefix)image/\(part)"
        let shape = try #require(store[name]).shape
        try store.set(name, Tensor(shape, [Float](repeating: 0, count: shape.count)))
      }
    }
    let gray = try FaceSwapModel(
      Model(graph: random.model.graph, store: store, information: random.model.information),
      name: "gray")
    let report = try FaceSwapEvaluation.run(
      gray, on: .characters(poses: 5, frames: 2, seed: 4)
    ).report
    for (index, direction) in report.directions.enumerated() {
      let (truth, others) = (
        try #require(direction.truth), report.directions[1 - index].reconstruction
      )
      #expect(truth.mae == others.mae && truth.psnr == others.psnr && truth.ssim == others.ssim)
      #expect(truth.mae != direction.reconstruction.mae)
    }
  }

  @Test func `a classifier is trained only where there are crops for it`() throws {
    try withScratchFolder { folder in
      let folders = try crops(in: folder)
      let result = try FaceSwapEvaluation.run(
        swapModel(FaceSwapNetwork(.slim)),
        on: .crops(
          a: [folders[0]], b: [folders[1]], classifierA: [], classifierB: [], seed: 5))
      #expect(result.report.directions.allSatisfy { $0.identity == nil })
      #expect(!result.report.protocol.contains("classifier"))
    }
  }
}
