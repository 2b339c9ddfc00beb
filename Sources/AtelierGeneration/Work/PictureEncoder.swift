// The encoder of a variational autoencoder at work: pictures to the codes that draw them again.

import AtelierEngine
import AtelierFiles
import AtelierInterchange
import AtelierKernels
import AtelierWorkbench
import AtelierZoo

/// Makes codes of pictures; used by one thread at a time.
package final class PictureEncoder {
  /// The task that models of this kind name.
  package static let task = "encode"
  /// The encoder's file in a run folder, beside the decoder's.
  package static let fileName = "encoder.safetensors"

  private let model: RunningModel

  /// The encoder of a training over the training's own parameters; throws `ShapeError`.
  init(
    _ architecture: GeneratorArchitecture, store: ParameterStore, kernels: Kernels
  ) throws(ShapeError) {
    let own = try architecture.encoder()
    let graph = try Graph.trace { builder in
      var inputs: [String: SymbolicTensor] = [:]
      for input in own.inputs {
        inputs[input.name] = builder.input(input.name, own.values[input.value].shape)
      }
      let codes = builder.call(own, inputs, prefix: VariationalStep.encoderPrefix)
      for name in ["mean", "log_variance"] {
        if let code = codes[name] { builder.output(name, code) }
      }
    }
    model = RunningModel(
      graph: graph, information: ModelInformation(task: Self.task, architecture: "vae"),
      store: store, kernels: kernels)
  }

  /// An encoder of a file; throws `StudioError` when it is something else.
  package init(_ model: Model, kernels: Kernels) throws {
    self.model = try RunningModel(
      model, task: Self.task, "encodes pictures", kernels: kernels)
    guard self.model.inputShape()?.rank == 4, self.model.outputShape("mean")?.rank == 2 else {
      throw StudioError(.data, "expected a model from pictures to codes, named input and mean")
    }
  }

  /// The shape of one picture.
  package var pictureShape: Shape { model.inputShape() ?? .scalar }

  /// The likeliest codes [N, latent] of pictures [N, H, W, C] in [0, 1], of their classes where the
  /// model has any; throws `ShapeError` when they do not fit.
  package func codes(_ pictures: Tensor, classes: [Int] = []) throws -> Tensor {
    var shapes = ["input": pictures.shape]
    let label = model.inputShape("label")
    if let label { shapes["label"] = label.withBatch(pictures.shape.batch) }
    let program = try model.program(shapes)
    try program.setInput("input", pictures)
    if let label { try program.setInput("label", Tensor.oneHot(classes, label.channels)) }
    try program.run()
    return try program.output("mean")
  }

  /// The model with the present weights.
  func model(_ information: ModelInformation) throws -> Model {
    try Model(graph: model.graph, store: model.store, information: information)
  }
}
