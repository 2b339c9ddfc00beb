// The six benchmark workloads, layer by layer the networks of Benchmarks/torch_workloads.py.

import AtelierEngine
import AtelierKernels
import AtelierTraining
import AtelierWorkbench
import AtelierZoo

/// A network with a batch size, trained and run on data in memory.
public enum Workload: String, Sendable, Hashable, Codable, CaseIterable {
  /// 3×96×96: convolutions with max pools down, max unpools through their switches up.
  case autoencoder = "A-autoencoder"
  /// 1×40×40: DnCNN with 17 convolutions; squared error.
  case dncnn = "B-dncnn"
  /// 3×64×64 twice: one encoder, two decoders; absolute error of both.
  case faceSwap = "C-faceswap"
  /// 3×256×256: a U-Net of four levels with batch normalization, 12 classes; cross-entropy.
  case unet = "D-unet"
  /// 1×28×28: a generator of noise, trained through a frozen classifier.
  case noiseGenerator = "E-noise-generator"
  /// 3×224×224: VGG16's convolutions frozen, two dense layers on top.
  case vgg16Transfer = "F-vgg16-transfer"

  /// Images that a step takes.
  public var images: Int {
    switch self {
    case .autoencoder: 16
    case .dncnn, .faceSwap: 32
    case .unet: 4
    case .noiseGenerator: 128
    case .vgg16Transfer: 8
    }
  }

  /// The classes of a label input; nil where targets are images.
  package var classes: Int? {
    switch self {
    case .autoencoder, .dncnn, .faceSwap: nil
    case .unet: 12
    case .noiseGenerator: 10
    case .vgg16Transfer: 2
    }
  }

  /// The differentiated graph of a training step; labels are the input `target`.
  public func trainingGraph() throws(ShapeError) -> Graph {
    switch self {
    case .autoencoder, .dncnn: return try inferenceGraph().training(loss: .squaredError)
    case .faceSwap: return try faceSwapTraining()
    case .unet: return try inferenceGraph().training(loss: .crossEntropy(), target: [4, 256, 256])
    case .noiseGenerator: return try generatorTraining()
    case .vgg16Transfer: return try inferenceGraph().training(loss: .crossEntropy(), target: [8])
    }
  }

  /// The graph of the forward pass.
  public func inferenceGraph() throws(ShapeError) -> Graph {
    switch self {
    case .autoencoder:
      return try ConvolutionalAutoencoder(channels: 3).graph(batch: 16, height: 96, width: 96)
    case .dncnn: return try DnCNN(channels: 1).graph(batch: 32, height: 40, width: 40)
    case .faceSwap:
      return try Graph.trace { builder in
        let network = BenchFaceSwap()
        for face in ["a", "b"] {
          let output = network.decode(network.encode(builder.input(face, [16, 64, 64, 3])), face)
          builder.output("output_\(face)", output)
        }
      }.joiningSharedCalls()
    case .unet:
      return try Graph.trace { builder in
        let network = SegmentationUNet(classes: 12)
        builder.output("output", network(builder.input("input", [4, 256, 256, 3])))
      }
    case .noiseGenerator:
      return try Graph.trace { builder in
        let input = builder.input("input", [128, 28, 28, 1])
        builder.output("output", 0.3 * NoiseGenerator()(input))
      }
    case .vgg16Transfer:
      return try Graph.trace { builder in
        builder.output("output", benchVGG16(builder.input("input", [8, 224, 224, 3])))
      }
    }
  }

  /// The sum of both faces' absolute errors; each face is its own target.
  private func faceSwapTraining() throws(ShapeError) -> Graph {
    try inferenceGraph().specialized(for: .train).extended { builder, symbols in
      guard let a = symbols["a"], let b = symbols["b"], let outputA = symbols["output_a"],
        let outputB = symbols["output_b"]
      else { return }
      let loss = Loss.absoluteError
      builder.output("loss", loss(outputA, a) + loss(outputB, b))
    }.differentiated()
  }

  /// Minus the classifier's cross-entropy, at most 20, of images with the generated noise added.
  private func generatorTraining() throws(ShapeError) -> Graph {
    try inferenceGraph().specialized(for: .train).extended { builder, symbols in
      guard let image = symbols["input"], let noise = symbols["output"] else { return }
      let labels = builder.input("target", [128])
      let attacked = (image + noise).clamped(0...1)
      let logits = builder.scope("classifier") {
        CourseClassifier(classes: 10, isTrainable: false)(attacked)
      }
      let error = Loss.crossEntropy()(logits, labels)
      builder.output("loss", -1 * error.clamped(-1...20))
    }.differentiated()
  }

  /// The weights of all networks, the frozen ones included, running statistics apart.
  public func parameterCount() throws(ShapeError) -> Int {
    try trainingGraph().parameters.filter { $0.role == .weight }
      .reduce(0) { $0 + $1.shape.count }
  }
}

/// C: a face swap's shared encoder and two decoders.
private struct BenchFaceSwap {
  private let downs = [128, 256, 512, 1024].map {
    Convolution2D(
      filters: $0, kernel: 5, stride: 2, padding: .symmetric(2),
      activation: .leakyReLU(slope: 0.1), name: "down\($0)")
  }
  private let narrow = Dense(units: 1024, name: "narrow")
  private let wide = Dense(units: 16384, name: "wide")
  private let up = BenchFaceSwap.upscale(512, "up512")
  private let decoders = ["a", "b"].map { face in
    [256, 128, 64].map { BenchFaceSwap.upscale($0, "\(face)/up\($0)") }
  }

  private static func upscale(_ filters: Int, _ name: String) -> Convolution2D {
    Convolution2D(filters: filters * 4, kernel: 3, activation: .leakyReLU(slope: 0.1), name: name)
  }

  func encode(_ face: SymbolicTensor) -> SymbolicTensor {
    let code = wide(narrow(Flatten()(downs.reduce(face) { $1($0) })))
    return PixelShuffle2D()(up(Reshape([4, 4, 1024])(code)))
  }

  func decode(_ code: SymbolicTensor, _ face: String) -> SymbolicTensor {
    let layers = decoders[face == "a" ? 0 : 1]
    let image = layers.reduce(code) { PixelShuffle2D()($1($0)) }
    return Convolution2D(
      filters: 3, kernel: 5, padding: .symmetric(2), activation: .sigmoid, name: "\(face)/image")(
        image)
  }
}

/// F: VGG16's frozen convolutions (Simonyan and Zisserman 2014) and two dense layers.
private func benchVGG16(_ image: SymbolicTensor) -> SymbolicTensor {
  var x = image
  for (stage, (count, filters)) in [(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)].enumerated() {
    for index in 1...count {
      x = Convolution2D(
        filters: filters, kernel: 3, activation: .relu, isTrainable: false,
        name: "block\(stage + 1)/conv\(index)")(x)
    }
    x = MaxPool2D(name: "block\(stage + 1)/pool")(x)
  }
  x = Dense(units: 50, activation: .relu, name: "dense1")(Flatten()(x))
  return Dense(units: 2, name: "dense2")(x)
}
