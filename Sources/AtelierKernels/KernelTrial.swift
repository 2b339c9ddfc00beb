// A kernel case at work on seeded data, beside its reference twin.

/// The memory and the calls of one kernel case: what benchmarks time and tests compare.
public final class KernelTrial {
  /// Packs the weights, which `run` leaves out; nil where none are packed.
  public private(set) var pack: (() -> Void)?
  /// Runs the kernel.
  public private(set) var run: () -> Void = {}
  /// Runs the twin into the same memory.
  private var runTwin: () -> Void = {}
  private let kernels: Kernels
  private var blocks: [Block] = []
  private var results: [Block] = []

  private enum Content { case noise, zeros, nothing }

  /// Floats with a fence behind them.
  private struct Block {
    static let fence: Float = 777
    static let fenceCount = 64
    let start: UnsafeMutablePointer<Float>
    let count: Int
    let content: Content

    /// Noise of −1 to 1 that depends on the place alone, zeros, or not-a-number, so that gaps show.
    func fill() {
      guard content == .noise else {
        return start.update(repeating: content == .zeros ? 0 : .nan, count: count)
      }
      // What is drawn once is repeated, with a period that no row of an image has.
      let drawn = min(count, 65_521)
      var state: UInt64 = UInt64(count) &* 0x9E37_79B9_7F4A_7C15 &+ 7
      for index in 0..<drawn {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        start[index] = Float(state >> 40) / Float(1 << 23) - 1
      }
      var filled = drawn
      while filled < count {
        let more = min(filled, count - filled)
        (start + filled).update(from: start, count: more)
        filled += more
      }
    }
  }

  /// Takes the memory that the case needs on these kernels and fills its inputs.
  public init(_ kernel: KernelCase, _ kernels: Kernels) {
    self.kernels = kernels
    switch kernel {
    case .convolution(let g): prepareLinear(g, .forward)
    case .inputGradient(let g): prepareLinear(g, .inputGradient)
    case .weightGradient(let g): prepareWeightGradient(g)
    case .maxPool(let g), .maxUnpool(let g), .switchGather(let g): preparePooling(kernel, g)
    case .batchNormalization(let pixels, let channels, let activation):
      prepareNormalization(pixels, channels, activation)
    case .batchNormalizationGradient(let pixels, let channels, let activation):
      prepareNormalizationGradient(pixels, channels, activation)
    case .crossEntropy(let rows, let channels):
      prepareCrossEntropy(rows, channels, isGradient: false)
    case .crossEntropyGradient(let rows, let channels):
      prepareCrossEntropy(rows, channels, isGradient: true)
    case .adam(let count): prepareAdam(count)
    }
  }

  deinit {
    for block in blocks { block.start.deallocate() }
  }

  /// Runs the kernel, or its twin, from the start and gives every result.
  public func results(ofTwin: Bool) -> [[Float]] {
    for block in results { block.fill() }
    if ofTwin {
      runTwin()
    } else {
      pack?()
      run()
    }
    return results.map { Array(UnsafeBufferPointer(start: $0.start, count: $0.count)) }
  }

  /// Whether nothing was written beyond the memory that was asked for.
  public var isIntact: Bool {
    blocks.allSatisfy { block in
      (0..<Block.fenceCount).allSatisfy { block.start[block.count + $0] == Block.fence }
    }
  }

  private func block(_ count: Int, _ content: Content) -> Block {
    let size = count + Block.fenceCount
    let memory = UnsafeMutableRawPointer.allocate(byteCount: 4 * size, alignment: 64)
    let block = Block(
      start: memory.bindMemory(to: Float.self, capacity: size), count: count, content: content)
    (block.start + count).initialize(repeating: Block.fence, count: Block.fenceCount)
    block.fill()
    blocks.append(block)
    return block
  }

  /// Noise that the kernel reads.
  private func input(_ count: Int) -> UnsafeMutablePointer<Float> { block(count, .noise).start }

  /// Memory that nobody compares.
  private func scratch(_ count: Int) -> UnsafeMutablePointer<Float> { block(count, .nothing).start }

  /// Memory that is compared, with what the kernel changes there.
  private func result(_ count: Int, _ content: Content = .nothing) -> UnsafeMutablePointer<Float> {
    results.append(block(count, content))
    return results[results.count - 1].start
  }

  /// Calls kernel and twin, which take the same arguments.
  private func call<Function>(
    _ kernel: Function, _ twin: Function, _ body: @escaping (Function) -> Void
  ) {
    run = { body(kernel) }
    runTwin = { body(twin) }
  }
}

extension KernelTrial {
  private func prepareLinear(_ g: ConvolutionGeometry, _ pass: ConvolutionPass) {
    let plan = ConvolutionPlan(g, pass, kernels)
    let forward = pass == .forward
    let (source, weights) = (input(forward ? g.inputCount : g.outputCount), input(g.weightCount))
    let result = result(forward ? g.outputCount : g.inputCount)
    let (packed, workspace) = (scratch(plan.packedCount), scratch(plan.workspaceCount))
    if plan.packedCount > 0 { pack = { plan.pack(weights: weights, into: packed) } }
    let ready = plan.packedCount > 0 ? packed : weights
    run = { plan.run(source, weights: ready, result: result, workspace: workspace) }
    runTwin = {
      if forward {
        ReferenceConvolution.forward(
          g, input: source, weights: weights, outputScale: nil, epilogue: .init(), output: result)
      } else {
        ReferenceConvolution.inputGradient(
          g, outputGradient: source, weights: weights, epilogue: .init(), inputGradient: result)
      }
    }
  }

  private func prepareWeightGradient(_ g: ConvolutionGeometry) {
    let plan = WeightGradientPlan(g, kernels)
    let (image, gradient) = (input(g.inputCount), input(g.outputCount))
    let (result, workspace) = (result(g.weightCount), scratch(plan.workspaceCount))
    run = {
      plan.run(
        input: image, outputGradient: gradient, weightGradient: result, biasGradient: nil,
        workspace: workspace)
    }
    runTwin = {
      ReferenceConvolution.weightGradient(
        g, input: image, outputGradient: gradient, weightGradient: result, biasGradient: nil)
    }
  }

  private func preparePooling(_ kernel: KernelCase, _ g: PoolGeometry) {
    let isUnpool = if case .maxUnpool = kernel { true } else { false }
    let isPool = if case .maxPool = kernel { true } else { false }
    let image = isUnpool ? result(g.inputCount) : input(g.inputCount)
    let pooled = isUnpool ? input(g.outputCount) : result(g.outputCount)
    let floats = isPool ? result(g.outputCount) : scratch(g.outputCount)
    let count = g.outputCount
    let switches = UnsafeMutableRawPointer(floats).assumingMemoryBound(to: Int32.self)
    func array<Value>(_ start: UnsafeMutablePointer<Value>, _ count: Int) -> [Value] {
      Array(UnsafeBufferPointer(start: start, count: count))
    }
    let kernels = kernels
    switch kernel {
    case .maxUnpool, .switchGather:
      // Any image's switches will do.
      let own = Reference.maxPool(g, array(input(g.inputCount), g.inputCount)).switches
      switches.update(from: own, count: count)
      if isUnpool {
        run = { _ = kernels.scatterSwitches(g, pooled, switches: switches, image) }
        runTwin = {
          let values = Reference.scatterSwitches(g, array(pooled, count), switches: own).values
          image.update(from: values, count: values.count)
        }
      } else {
        run = { _ = kernels.gatherSwitches(g, image, switches: switches, pooled) }
        runTwin = {
          let values = Reference.gatherSwitches(g, array(image, g.inputCount), switches: own).values
          pooled.update(from: values, count: count)
        }
      }
    default:
      run = { kernels.maxPool(g, image, pooled, switches: switches) }
      runTwin = {
        let expected = Reference.maxPool(g, array(image, g.inputCount))
        pooled.update(from: expected.values, count: count)
        switches.update(from: expected.switches, count: count)
      }
    }
  }

  private func prepareNormalization(_ pixels: Int, _ channels: Int, _ activation: Activation) {
    let (x, y) = (input(pixels * channels), result(pixels * channels))
    let (mean, variance) = (result(channels), result(channels))
    let (gamma, beta) = (input(channels), input(channels))
    // The variance stands for the inverse deviation, which neither twin works out.
    call(
      (
        kernels.batchStatistics(_:mean:variance:pixels:channels:), kernels.batchNormalizationForward
      ), (Reference.batchStatistics, Reference.batchNormalizationForward)
    ) { statistics, forward in
      statistics(x, mean, variance, pixels, channels)
      forward(x, mean, variance, gamma, beta, activation, y, pixels, channels)
    }
  }

  private func prepareNormalizationGradient(
    _ pixels: Int, _ channels: Int, _ activation: Activation
  ) {
    let (x, dy, dx) = (
      input(pixels * channels), input(pixels * channels), result(pixels * channels)
    )
    let (mean, inverse) = (input(channels), input(channels))
    let (gamma, beta) = (input(channels), input(channels))
    let (dGamma, dBeta) = (result(channels), result(channels))
    run = { [kernels] in
      kernels.batchNormalizationGradient(
        x, dy: dy, mean: mean, inverseDeviation: inverse, gamma: gamma, beta: beta,
        activation: activation, dx: dx, dGamma: dGamma, dBeta: dBeta, pixels: pixels,
        channels: channels)
    }
    runTwin = {
      // The twin reads the activation's result, which it may write to where dx will lie.
      Reference.batchNormalizationForward(
        x, mean: mean, inverseDeviation: inverse, gamma: gamma, beta: beta,
        activation: activation, dx, pixels: pixels, channels: channels)
      let y = Array(UnsafeBufferPointer(start: dx, count: pixels * channels))
      y.withUnsafeBufferPointer { y in
        Reference.batchNormalizationGradient(
          x, y: activation == .identity ? nil : y.baseAddress, dy: dy, mean: mean,
          inverseDeviation: inverse, gamma: gamma, activation: activation, dx: dx, dGamma: dGamma,
          dBeta: dBeta, pixels: pixels, channels: channels)
      }
    }
  }

  private func prepareCrossEntropy(_ rows: Int, _ channels: Int, isGradient: Bool) {
    let (logits, labels) = (input(rows * channels), scratch(rows))
    for row in 0..<rows { labels[row] = Float(row % channels) }
    if isGradient {
      let gradient = result(rows * channels)
      call(kernels.softmaxCrossEntropyGradient, Reference.softmaxCrossEntropyGradient) {
        $0(logits, labels, nil, nil, 0, rows, channels, 1 / Float(rows), gradient)
      }
    } else {
      let sums = result(2)
      call(kernels.softmaxCrossEntropy, Reference.softmaxCrossEntropy) {
        let (loss, weight, _) = $0(logits, labels, nil, nil, 0, rows, channels)
        (sums[0], sums[1]) = (Float(loss), Float(weight))
      }
    }
  }

  private func prepareAdam(_ count: Int) {
    let (parameters, gradients) = (result(count, .noise), input(count))
    let (first, second) = (result(count, .zeros), result(count, .zeros))
    call(kernels.adam, Reference.adam) {
      $0(parameters, gradients, first, second, 1e-4, 0.9, 0.999, 1e-8, 0, false, 1, 1, count)
    }
  }
}
