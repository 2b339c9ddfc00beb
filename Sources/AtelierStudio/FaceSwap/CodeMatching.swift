// Codes of two people brought together after a training: the affine map that carries one's distribution to the other's.

import AtelierDatasets
import AtelierEngine
import AtelierInterchange
import AtelierKernels
import AtelierZoo
import Foundation

/// The mean and the covariance of codes.
package struct CodeStatistics: Sendable {
  /// The numbers of a code.
  package let size: Int
  /// The mean code.
  package let mean: [Double]
  /// size × size, shrunk towards a ball so that few codes of many numbers have an inverse, too.
  package let covariance: [Double]

  /// Measures codes.
  ///
  /// - Parameters:
  ///   - codes: One after the other, at least two.
  ///   - size: The numbers of each.
  package init(_ codes: [Float], size: Int) {
    let count = codes.count / size
    precondition(count > 1 && codes.count == count * size, "whole codes, at least two")
    var mean = [Double](repeating: 0, count: size)
    for index in codes.indices { mean[index % size] += Double(codes[index]) / Double(count) }
    var covariance = [Double](repeating: 0, count: size * size)
    var centered = mean
    for first in stride(from: 0, to: codes.count, by: size) {
      for index in 0..<size { centered[index] = Double(codes[first + index]) - mean[index] }
      for row in 0..<size {
        let value = centered[row] / Double(count - 1)
        for column in 0..<size { covariance[row * size + column] += value * centered[column] }
      }
    }
    // With few codes the covariance says little beyond its size (Ledoit and Wolf 2004, with a simple weight).
    let share = max(0.05, Double(size) / Double(size + count))
    let ball = (0..<size).reduce(0) { $0 + covariance[$1 * size + $1] } / Double(size)
    for index in covariance.indices { covariance[index] *= 1 - share }
    for index in 0..<size { covariance[index * size + index] += share * ball + 1e-12 }
    self.size = size
    self.mean = mean
    self.covariance = covariance
  }

  /// The map x ↦ x · matrix + offset that carries this normal distribution to another with the least transport.
  ///
  /// The matrix is C⁻½ (C½ D C½)½ C⁻½ for covariances C and D (Knott and Smith 1984).
  ///
  /// - Parameter other: Statistics of as many numbers.
  /// - Returns: A symmetric matrix, size × size, and an offset.
  package func map(to other: CodeStatistics) -> (matrix: [Double], offset: [Double]) {
    precondition(size == other.size, "codes of one size")
    let (root, inverse) = (power(covariance, 0.5), power(covariance, -0.5))
    let middle = power(product(product(root, other.covariance), root), 0.5)
    let matrix = product(product(inverse, middle), inverse)
    let offset = (0..<size).map { column in
      other.mean[column]
        - (0..<size).reduce(0) { $0 + mean[$1] * matrix[$1 * size + column] }
    }
    return (matrix, offset)
  }

  /// A power of a symmetric matrix without negative eigenvalues.
  private func power(_ matrix: [Double], _ exponent: Double) -> [Double] {
    // Rounding leaves products of symmetric matrices a little uneven.
    let even = matrix.indices.map { (matrix[$0] + matrix[$0 % size * size + $0 / size]) / 2 }
    let (values, vectors) = SymmetricEigenvalues.withVectors(of: even, size: size)
    let least = max(values.last ?? 0, 1e-300) * 1e-12
    var scaled = vectors
    for row in 0..<size {
      let factor = pow(max(values[row], least), exponent)
      for column in 0..<size { scaled[row * size + column] *= factor }
    }
    let transposed = (0..<size * size).map { vectors[$0 % size * size + $0 / size] }
    return product(transposed, scaled)
  }

  private func product(_ first: [Double], _ second: [Double]) -> [Double] {
    var result = [Double](repeating: 0, count: size * size)
    for row in 0..<size {
      for inner in 0..<size {
        let value = first[row * size + inner]
        for column in 0..<size {
          result[row * size + column] += value * second[inner * size + column]
        }
      }
    }
    return result
  }
}

/// Matches the codes of a trained face swap.
///
/// Nothing in a training says that the same code means the same pose to both decoders, and what the shared encoder leaves over is
/// mostly one affine map. It is found without pairs of pictures: where both people take the same poses as often, their codes must
/// be distributed alike. Where they do not, as a still speaker and a lively one, leave it.
public enum CodeMatching {
  /// What the codes are taken of.
  public enum Faces: Sendable {
    /// Poses of the two fictional people, drawn as for a training of this seed.
    case characters(poses: Int, seed: UInt64)
    /// Crops of A and of B.
    case crops(a: [URL], b: [URL])
  }

  /// Gives a model the maps between both people's codes.
  ///
  /// - Parameters:
  ///   - model: A trained model.
  ///   - faces: Training faces of both, at least two each.
  ///   - kernels: Instruction set and threads.
  /// - Returns: The model with matched codes.
  /// - Throws: `StudioError`, `DatasetError` or `ShapeError`, one line each.
  public static func run(
    _ model: FaceSwapModel, on faces: Faces, kernels: Kernels = Kernels()
  ) throws -> Model {
    var statistics: [SwapFace: CodeStatistics] = [:]
    var counts: [Int] = []
    for face in SwapFace.allCases {
      let folder = try folder(of: face, faces, model, pool: kernels.pool)
      guard folder.items.count > 1 else {
        throw StudioError(.data, "codes are matched by at least two faces; received one")
      }
      statistics[face] = try codes(of: folder, model, kernels: kernels)
      counts.append(folder.items.count)
    }
    let graph = try model.network.previewGraph(batch: 1, matchesCodes: true)
    let store = try ParameterStore(
      for: [graph], seed: 0,
      startingFrom: model.model.parameters.filter { entry in
        graph.parameters.contains { $0.name == entry.key }
      })
    for face in SwapFace.allCases {
      guard let from = statistics[face.other], let to = statistics[face] else { continue }
      let (matrix, offset) = from.map(to: to)
      let name = face.parameterPrefix + "match/"
      try store.set(name + "weight", Tensor([from.size, from.size], matrix.map { Float($0) }))
      try store.set(name + "bias", Tensor([from.size], offset.map { Float($0) }))
    }
    var information = model.model.information
    information.training["codes"] = "matched by \(counts[0]) faces of a and \(counts[1]) of b"
    // Measured before the codes were matched.
    information.figures = information.figures.filter { !$0.key.hasPrefix("swap_") }
    return try Model(graph: graph, store: store, information: information)
  }

  private static func folder(
    of face: SwapFace, _ faces: Faces, _ model: FaceSwapModel, pool: ThreadPool
  ) throws -> ImageFolder {
    switch faces {
    case .crops(let a, let b): return try ImageFolder(face == .a ? a : b, mode: .color)
    case .characters(let poses, let seed):
      let source = CharacterCrops(side: model.network.side, layout: model.layout, seed: seed)
      let crops = try source.crops(
        poses, of: [face], from: .training, stream: face == .a ? 0 : 1, pool: pool)
      return ImageFolder(crops[0], of: face)
    }
  }

  private static func codes(
    of folder: ImageFolder, _ model: FaceSwapModel, kernels: Kernels
  ) throws -> CodeStatistics {
    let batch = 16
    let graph = try model.network.codeGraph(batch: batch).specialized(for: .infer)
    let store = try ParameterStore(
      for: [graph], seed: 0,
      startingFrom: model.model.parameters.filter { entry in
        graph.parameters.contains { $0.name == entry.key }
      })
    let program = try Program(graph, parameters: store, kernels: kernels)
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
    return CodeStatistics(codes, size: size)
  }
}
