// A denoiser in front of a classifier, as one network: what attacks that know of it go through.
//
// Liao, Liang, Dong, Pang, Hu, Zhu: Defense Against Adversarial Attacks Using High-Level
// Representation Guided Denoiser (2018), with a denoiser of plain noise in its place.

import AtelierClassification
import AtelierEngine
import AtelierFiles
import AtelierInterchange
import AtelierWorkbench

/// Puts denoisers in front of classifiers.
public enum Defence {
  /// A classifier that sees what a denoiser of as many channels leaves, which is told `sigma` of
  /// 255 where it asks for one; gradients go through both; throws `StudioError` when a model does
  /// something else or they do not fit together.
  public static func model(_ victim: Model, behind denoiser: Model, sigma: Float) throws -> Model {
    let shape = try Classifier.inputShape(victim)
    guard denoiser.information.task == "denoise", let input = denoiser.graph.input(named: "input")
    else {
      throw StudioError(
        .data,
        denoiser.beginning + "expected a model that denoises, received one for the task "
          + denoiser.information.task)
    }
    let channels = denoiser.graph.values[input].shape.channels
    let step = denoiser.information.granularity
    guard channels == shape.channels, shape.height % step == 0, shape.width % step == 0 else {
      throw StudioError(
        .data,
        "expected a denoiser of \(shape.channels) channels for \(shape.height)x\(shape.width), "
          + "received one of \(channels) channels for multiples of \(step)")
    }
    guard sigma >= 0, sigma <= 255 else {
      throw StudioError(.usage, "a denoiser's sigma is 0 to 255; received \(sigma)")
    }
    let map = Shape.image(height: shape.height, width: shape.width, channels: 1)
    var sizes = ["input": shape]
    if denoiser.graph.input(named: "noise") != nil { sizes["noise"] = map }
    let cleaner = try denoiser.graph.reshaped(sizes).specialized(for: .infer)
    let network = victim.graph.specialized(for: .infer)
    let graph = try Graph.trace { builder in
      let picture = builder.input("input", shape)
      var inputs = ["input": picture]
      if sizes["noise"] != nil {
        let plane = picture.applying(ChannelSlice(start: 0, count: 1))
        inputs["noise"] = 0 * plane + sigma / 255
      }
      let cleaned = builder.call(cleaner, inputs, prefix: "denoiser/", isTrainable: false)
      guard let output = cleaned["output"] else { return }
      let answers = builder.call(network, ["input": output.clamped(0...1)], prefix: "classifier/")
      guard let logits = answers["output"] else { return }
      builder.output("output", logits)
    }
    let parts = [("denoiser/", denoiser), ("classifier/", victim)].flatMap { prefix, model in
      model.parameters.map { (prefix + $0.key, $0.value) }
    }
    var information = victim.information
    information.architecture += " behind \(denoiser.information.architecture)"
    return try Model(
      graph: graph,
      store: ParameterStore(
        for: [graph], seed: 0, startingFrom: Dictionary(uniqueKeysWithValues: parts)),
      information: information)
  }
}
