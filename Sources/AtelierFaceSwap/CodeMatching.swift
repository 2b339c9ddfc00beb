// Codes of two people brought together: the affine map of one's distribution to the other's.

import AtelierDatasets
import AtelierEngine
import AtelierFiles
import AtelierInterchange
import AtelierKernels
import AtelierWorkbench
import AtelierZoo
import Foundation

/// Matches the codes of a trained face swap.
///
/// Nothing in a training says that the same code means the same pose to both decoders, and what the
/// shared encoder leaves over is mostly one affine map. It is found without pairs of pictures:
/// where both people take the same poses as often, their codes must be distributed alike. Where
/// they do not, as a still speaker and a lively one, leave it.
public enum CodeMatching {
  /// What the codes are taken of.
  public enum Faces: Sendable {
    /// Poses of the two fictional people, drawn as for a training of this seed.
    case characters(poses: Int, seed: UInt64)
    /// Crops of A and of B.
    case crops(a: [URL], b: [URL])
  }

  /// Gives a model the maps between both people's codes, by at least two training faces of each.
  public static func run(
    _ model: FaceSwapModel, on faces: Faces, kernels: Kernels = Kernels()
  ) throws -> Model {
    let running = try model.running(
      model.network.previewGraph(batch: 1, matchesCodes: true), kernels: kernels)
    var codes: [SwapFace: Codes] = [:]
    var counts: [Int] = []
    for face in SwapFace.allCases {
      let folder = try folder(of: face, faces, model, pool: kernels.pool)
      try StudioError.unless(
        folder.items.count > 1, .data, "codes are matched by at least two faces; received one")
      codes[face] = try Self.codes(of: folder, model, running)
      counts.append(folder.items.count)
    }
    for face in SwapFace.allCases {
      guard let from = codes[face.other], let to = codes[face] else { continue }
      let size = to.size
      let map = CodeTransport.map(from: from.elements, to: to.elements, size: size)
      let name = face.parameterPrefix + "match/"
      try running.store.set(name + "weight", Tensor([size, size], map.matrix.map { Float($0) }))
      try running.store.set(name + "bias", Tensor([size], map.offset.map { Float($0) }))
    }
    var information = model.model.information
    information.training["codes"] = "matched by \(counts[0]) faces of a and \(counts[1]) of b"
    // Measured before the codes were matched.
    information.figures = information.figures.filter { !$0.key.hasPrefix("swap_") }
    return try Model(graph: running.graph, store: running.store, information: information)
  }

  /// Codes one after the other, and the numbers of each.
  private typealias Codes = (elements: [Float], size: Int)

  private static func folder(
    of face: SwapFace, _ faces: Faces, _ model: FaceSwapModel, pool: ThreadPool
  ) throws -> ImageFolder {
    switch faces {
    case .crops(let a, let b): return try ImageFolder(face == .a ? a : b, mode: .color)
    case .characters(let poses, let seed):
      let source = CharacterCrops(side: model.network.side, layout: model.layout, seed: seed)
      return ImageFolder(try source.training(poses, of: face, pool: pool), of: face)
    }
  }

  private static func codes(
    of folder: ImageFolder, _ model: FaceSwapModel, _ running: RunningModel
  ) throws -> Codes {
    let batch = 16
    let program = try running.program(key: batch) {
      try model.network.codeGraph(batch: batch).specialized(for: .infer)
    }
    let faces = try FaceBatches(
      faces: folder, side: model.network.side, batchSize: batch,
      augmentation: model.layout.unchanged, seed: 0)
    var codes: [Float] = []
    var size = 1
    for first in stride(from: 0, to: folder.items.count, by: batch) {
      // The last faces again where a batch is not full.
      let places = (first..<first + batch).map { min($0, folder.items.count - 1) }
      try program.setInput("input", faces.unchanged(places).input)
      try program.run()
      let code = try program.output("code")
      size = code.shape.channels
      codes += code.elements.prefix(min(batch, folder.items.count - first) * size)
    }
    return (codes, size)
  }
}
