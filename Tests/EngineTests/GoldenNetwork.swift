// Turns a golden case into a graph of one layer or loss, so that the engine computes what PyTorch
// did.

import AtelierEngine
import AtelierKernels
import TestSupport

/// What the engine makes of a golden case.
struct GoldenResult {
  /// The layer's output, or the loss.
  let output: Tensor
  /// The gradients by role.
  let gradients: [String: Tensor]
  /// The running statistics after the step, by role; empty where there are none.
  let updated: [String: Tensor]
}

/// A golden case as a differentiated graph: its inputs are inputs, its parameters those of a layer
/// named `layer`.
struct GoldenNetwork {
  private static let layer = "layer"

  let graph: Graph
  private let golden: GoldenCase
  private let inputs: [String: Tensor]

  /// Traces a case; the outputs are `result` and the scalar `loss` = Σ result · upstream.
  init(_ golden: GoldenCase) throws {
    var inputs: [String: Tensor] = ["upstream": try golden.tensor("upstream")]
    for key in golden.inputs {
      inputs[String(key.dropFirst(golden.name.count + 1))] = try golden.tensor(key: key)
    }
    if golden.operation == "max_unpool" {
      inputs["pool_input"] = try golden.tensor("pool_input")
    }
    self.golden = golden
    self.inputs = inputs
    var failure: (any Error)?
    let traced = try Graph.trace { builder in
      var symbols: [String: SymbolicTensor] = [:]
      for (role, tensor) in inputs.sorted(by: { $0.key < $1.key }) {
        symbols[role] = builder.input(role, tensor.shape)
      }
      do {
        let symbols = GoldenSymbols(symbols)
        let result = try Self.result(golden, symbols)
        builder.output("result", result)
        let product = result * (try symbols("upstream"))
        builder.output("loss", Float(result.shape.count) * product.mean())
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    let isTraining = golden.hasAttribute("training") ? try golden.bool("training") : false
    graph = try traced.specialized(for: isTraining ? .train : .infer)
      .differentiated(
        "loss", withRespectToInputs: golden.differentiated.filter { inputs[$0] != nil })
  }

  /// Runs the graph twice with the case's numbers and gives what the second run left.
  ///
  /// The first run leaves rubbish in the arena, which the second must not read.
  func run(instructionSet: InstructionSet, isFused: Bool) throws -> GoldenResult {
    let store = try ParameterStore(for: [graph], seed: 0)
    let program = try Program(
      graph, parameters: store, kernels: Kernels(instructionSet: instructionSet), isFused: isFused)
    for _ in 0..<2 {
      for role in parameterRoles {
        try store.set("\(Self.layer)/\(role)", golden.tensor(role))
      }
      for (name, tensor) in inputs { try program.setInput(name, tensor) }
      try program.run()
    }
    var gradients: [String: Tensor] = [:]
    for role in golden.differentiated {
      gradients[role] =
        inputs[role] == nil
        ? program.gradient(of: "\(Self.layer)/\(role)")
        : try program.output("gradient of \(role)")
    }
    var updated: [String: Tensor] = [:]
    for role in ["mean", "variance"] {
      updated["updated_\(role)"] = store["\(Self.layer)/running_\(role)"]
    }
    return GoldenResult(
      output: try program.output("result"), gradients: gradients, updated: updated)
  }

  private var parameterRoles: [String] {
    golden.parameters.map { String($0.dropFirst(golden.name.count + 1)) }
      .filter { $0 != "class_weights" }
  }

  private static func result(_ golden: GoldenCase, _ s: GoldenSymbols) throws -> SymbolicTensor {
    if let result = try convolution(golden, s) { return result }
    if let result = try spatial(golden, s) { return result }
    if let result = try pointwise(golden, s) { return result }
    return try loss(golden)(prediction(golden, s), s(golden.has("labels") ? "labels" : "target"))
  }

  /// Convolution, transposed convolution, dense.
  private static func convolution(
    _ golden: GoldenCase, _ s: GoldenSymbols
  ) throws -> SymbolicTensor? {
    let x = try s("x")
    switch golden.operation {
    case "convolution":
      return Convolution2D(
        filters: try golden.int("filters"), kernel: try extent(golden, "kernel"),
        stride: try extent(golden, "stride"), padding: try padding(golden),
        dilation: try extent(golden, "dilation"), groups: try golden.int("groups"),
        hasBias: try golden.bool("bias"), name: layer)(x)
    case "transposed_convolution":
      return TransposedConvolution2D(
        filters: try golden.int("filters"), kernel: try extent(golden, "kernel"),
        stride: try extent(golden, "stride"), padding: try padding(golden),
        outputPadding: try extent(golden, "output_padding"),
        dilation: try extent(golden, "dilation"), groups: try golden.int("groups"),
        hasBias: try golden.bool("bias"), name: layer)(x)
    case "dense":
      return Dense(
        units: try golden.int("units"), hasBias: try golden.bool("bias"), name: layer)(x)
    case "flatten_dense":
      return Dense(units: try golden.int("units"), name: layer)(Flatten()(x))
    default: return nil
    }
  }

  /// Pooling, unpooling, resampling, moving of pixels.
  private static func spatial(
    _ golden: GoldenCase, _ s: GoldenSymbols
  ) throws -> SymbolicTensor? {
    let x = try s("x")
    switch golden.operation {
    case "max_pool": return try maxPool(golden)(x)
    case "max_unpool":
      _ = try maxPool(golden)(s("pool_input"))
      return MaxUnpool2D(mirroring: layer)(x)
    case "average_pool":
      return AveragePool2D(
        window: try extent(golden, "window"), stride: try extent(golden, "stride"),
        padding: try padding(golden),
        countIncludesPadding: try golden.bool("count_include_pad"))(x)
    case "global_average_pool": return GlobalAveragePool2D()(x)
    case "nearest_upsample": return NearestUnpool2D(window: try extent(golden, "factor"))(x)
    case "bed_of_nails": return BedOfNailsUnpool2D(window: try extent(golden, "factor"))(x)
    case "bilinear":
      return x.applying(BilinearResizeOperation(.size(try extent(golden, "output_size"))))
    case "pixel_shuffle": return PixelShuffle2D(block: try golden.int("block"))(x)
    case "pixel_unshuffle": return SpaceToDepth2D(block: try golden.int("block"))(x)
    case "pad":
      guard let mode = PaddingMode(rawValue: try golden.string("mode")) else {
        throw GoldenError("\(golden.name): unknown padding mode")
      }
      return Pad2D(try border(golden, "padding"), mode: mode)(x)
    case "crop": return Crop2D(try border(golden, "crop"))(x)
    case "region_align":
      let align = RegionAlignOperation(
        size: try extent(golden, "size"), scale: try golden.float("scale"),
        samples: try golden.int("samples"))
      return x.applying(align, with: [try s("y")])
    default: return nil
    }
  }

  private static func maxPool(_ golden: GoldenCase) throws -> MaxPool2D {
    MaxPool2D(
      window: try extent(golden, "window"), stride: try extent(golden, "stride"),
      padding: try padding(golden), name: layer)
  }

  /// Normalization, activations, operations on several tensors.
  private static func pointwise(
    _ golden: GoldenCase, _ s: GoldenSymbols
  ) throws -> SymbolicTensor? {
    let x = try s("x")
    switch golden.operation {
    case "batch_norm":
      return BatchNormalization(
        epsilon: try golden.float("epsilon"), momentum: try golden.float("momentum"),
        name: layer)(x)
    case "instance_norm":
      return InstanceNormalization(epsilon: try golden.float("epsilon"), name: layer)(x)
    case "group_norm":
      return GroupNormalization(
        groups: try golden.int("groups"), epsilon: try golden.float("epsilon"), name: layer)(x)
    case "relu": return Activate(.relu)(x)
    case "leaky_relu": return Activate(.leakyReLU(slope: try golden.float("slope")))(x)
    case "elu": return Activate(.elu(alpha: try golden.float("alpha")))(x)
    case "silu": return Activate(.silu)(x)
    case "gelu": return Activate(.gelu)(x)
    case "sigmoid": return Activate(.sigmoid)(x)
    case "tanh": return Activate(.tanh)(x)
    case "softmax": return Softmax()(x)
    case "concatenate": return concatenate(try [x, s("y")] + s.some("z"))
    default: return try arithmetic(golden, s)
    }
  }

  /// Arithmetic, means, and what moves or drops elements.
  private static func arithmetic(
    _ golden: GoldenCase, _ s: GoldenSymbols
  ) throws -> SymbolicTensor? {
    let x = try s("x")
    switch golden.operation {
    case "add": return x + (try s("y"))
    case "subtract": return x - (try s("y"))
    case "multiply": return x * (try s("y"))
    case "divide": return x / (try s("y"))
    case "maximum": return x.applying(BinaryOperation(.maximum), with: [try s("y")])
    case "affine": return try golden.float("scale") * x + golden.float("shift")
    case "clamp": return x.clamped(try golden.float("low")...golden.float("high"))
    case "mean": return x.mean()
    case "channel_slice":
      return x.applying(
        ChannelSlice(start: try golden.int("start"), count: try golden.int("count")))
    case "channel_embed":
      return x.applying(
        ChannelEmbed(start: try golden.int("start"), total: try golden.int("total")))
    case "join_batches": return joinBatches([x, try s("y")])
    case "split_batch":
      let first = try golden.int("first")
      let parts = x.splitBatch(sizes: [first, x.shape.batch - first])
      return joinBatches([parts[1], parts[0]])
    case "reshape": return Reshape(try golden.ints("sizes"))(x)
    case "subsample": return x.applying(Subsample(window: try extent(golden, "window")))
    case "sum_pool": return x.applying(SumPool(window: try extent(golden, "window")))
    default: return nil
    }
  }

  /// What the loss compares: logits and values as they are, probabilities where the case asks for
  /// them.
  private static func prediction(
    _ golden: GoldenCase, _ s: GoldenSymbols
  ) throws -> SymbolicTensor {
    let x = try s("x")
    switch golden.hasAttribute("prediction") ? try golden.string("prediction") : "none" {
    case "softmax": return Softmax()(x)
    case "sigmoid": return Activate(.sigmoid)(x)
    default: return x
    }
  }

  private static func loss(_ golden: GoldenCase) throws -> Loss {
    switch golden.operation {
    case "squared_error": return .squaredError
    case "absolute_error": return .absoluteError
    case "huber": return .huber(delta: try golden.float("delta"))
    case "charbonnier": return .charbonnier(epsilon: try golden.float("epsilon"))
    case "ssim_loss": return .structuralSimilarity
    case "binary_cross_entropy": return .binaryCrossEntropy
    case "sparse_cross_entropy":
      return .crossEntropy(
        ignoreLabel: golden.hasAttribute("ignore_index") ? try golden.int("ignore_index") : nil,
        classWeights: golden.has("class_weights")
          ? try golden.tensor("class_weights").elements : nil)
    case "focal": return .focal(gamma: try golden.float("gamma"))
    case "categorical_cross_entropy": return .categoricalCrossEntropy
    case "dice": return .dice(smooth: try golden.float("smooth"))
    case "sparse_dice":
      return .sparseDice(
        smooth: try golden.float("smooth"),
        ignoreLabel: golden.hasAttribute("ignore_index") ? try golden.int("ignore_index") : nil)
    case "margin":
      return .margin(
        isTargeted: try golden.bool("targeted"), kappa: try golden.float("kappa"))
    default:
      throw GoldenError("\(golden.name): nothing in the engine stands for \(golden.operation)")
    }
  }
}

/// The symbolic inputs of a golden case by role.
private struct GoldenSymbols {
  private let symbols: [String: SymbolicTensor]

  init(_ symbols: [String: SymbolicTensor]) { self.symbols = symbols }

  /// The input of a role, which must be there.
  func callAsFunction(_ role: String) throws -> SymbolicTensor {
    guard let symbol = symbols[role] else { throw GoldenError("the case has no input \(role)") }
    return symbol
  }

  /// The input of a role, or nothing.
  func some(_ role: String) -> [SymbolicTensor] { symbols[role].map { [$0] } ?? [] }
}

private func extent(_ golden: GoldenCase, _ attribute: String) throws -> Extent {
  let sizes = try golden.ints(attribute)
  guard sizes.count == 2 else { throw GoldenError("\(golden.name): \(attribute) needs two sizes") }
  return Extent(sizes[0], sizes[1])
}

private func border(_ golden: GoldenCase, _ attribute: String) throws -> Border {
  let edges = try golden.edges(attribute)
  return Border(top: edges.top, bottom: edges.bottom, left: edges.left, right: edges.right)
}

/// The padding by its mode where it has a name, so that the engine resolves it by itself.
private func padding(_ golden: GoldenCase) throws -> Padding {
  switch golden.hasAttribute("padding_mode") ? try golden.string("padding_mode") : "explicit" {
  case "same": return .same
  case "valid": return .valid
  default:
    let edges = try golden.edges("padding")
    return .explicit(
      top: edges.top, bottom: edges.bottom, left: edges.left, right: edges.right)
  }
}
