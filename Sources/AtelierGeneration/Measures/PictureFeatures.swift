// What pictures are compared by: the features of a named classifier, or coarse pixels without one.

import AtelierClassification
import AtelierEngine
import AtelierFiles
import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierWorkbench

/// Makes feature vectors of pictures; used by one thread at a time.
package final class PictureFeatures {
  /// What the features are, for protocols.
  package let title: String
  /// Numbers of a picture.
  package let dimension: Int
  /// Features [N, dimension] of pictures [N, H, W, C] in [0, 1].
  private let make: (Tensor) throws -> Tensor

  /// The features before the last layer of a classifier, which takes pictures of this shape.
  ///
  /// Throws `StudioError` when it takes others or has no such features.
  package init(_ model: Model, named name: String, pictures: Shape, kernels: Kernels) throws {
    let classifier = try Classifier([model], kernels: kernels)
    guard classifier.size == PixelSize(width: pictures.width, height: pictures.height),
      classifier.channels == pictures.channels
    else {
      throw StudioError(
        .data,
        "\(name): takes pictures of \(classifier.size) with \(classifier.channels) channels; "
          + "those to measure have \(pictures.height)x\(pictures.width) with \(pictures.channels)")
    }
    let running = try RunningModel(
      model, task: Classifier.task, "classifies", capacity: 2, kernels: kernels)
    let graph = try Self.features(of: model.graph, name)
    guard let output = graph.output(named: "features") else {
      throw StudioError(.data, "\(name): there are no features before the last layer")
    }
    let dimension = graph.values[output].shape.count / graph.values[output].shape.batch
    self.dimension = dimension
    title = "features before the last layer of \(name) (\(dimension) numbers)"
    make = { pictures in
      let (count, length) = (pictures.shape.batch, pictures.count / pictures.shape.batch)
      let batch = min(count, 250)
      let program = try running.program(key: batch) {
        try graph.reshaped(["input": pictures.shape.withBatch(batch)]).specialized(for: .infer)
      }
      var result = Tensor([count, dimension])
      for first in stride(from: 0, to: count, by: batch) {
        let used = min(batch, count - first)
        try program.withInput("input") { target in
          for index in 0..<batch * length {
            target[index] = index < used * length ? pictures.elements[first * length + index] : 0
          }
        }
        try program.run()
        try program.withOutput("features") { values in
          for index in 0..<used * dimension {
            result.elements[first * dimension + index] = values[index]
          }
        }
      }
      return result
    }
  }

  /// The mean over squares of the pictures, about seven by seven of them.
  package init(pixelsOf pictures: Shape) {
    let side = max(1, min(pictures.height, pictures.width) / 7)
    let (rows, columns) = (pictures.height / side, pictures.width / side)
    let channels = pictures.channels
    let dimension = rows * columns * channels
    self.dimension = dimension
    title = "means of squares of \(side) pixels (\(dimension) numbers)"
    make = { pictures in
      let shape = pictures.shape
      var result = Tensor([shape.batch, dimension])
      let scale = 1 / Float(side * side)
      for sample in 0..<shape.batch {
        for y in 0..<rows * side {
          for x in 0..<columns * side {
            for channel in 0..<channels {
              let from = ((sample * shape.height + y) * shape.width + x) * channels + channel
              let place = (y / side * columns + x / side) * channels + channel
              result.elements[sample * dimension + place] += scale * pictures.elements[from]
            }
          }
        }
      }
      return result
    }
  }

  /// Features [N, dimension] of pictures [N, H, W, C] in [0, 1].
  package func callAsFunction(_ pictures: Tensor) throws -> Tensor { try make(pictures) }

  /// The graph up to what its last layer reads, as `features`.
  private static func features(of graph: Graph, _ name: String) throws -> Graph {
    guard let logits = graph.output(named: "output"),
      let last = graph.nodes.last(where: { $0.outputs.contains(logits) }),
      let value = last.inputs.first,
      let before = graph.nodes.last(where: { $0.outputs.first == value })
    else { throw StudioError(.data, "\(name): there is no layer before its answers") }
    return try graph.cut(after: before.name, as: "features")
  }
}
