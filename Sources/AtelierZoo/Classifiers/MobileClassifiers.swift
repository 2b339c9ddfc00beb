// Networks for photographs whose 3×3 convolutions see one channel each: MobileNetV2 with layer
// names as in torchvision, and EfficientNet-Lite0 with those of timm.
//
// Sandler, Howard, Zhu, Zhmoginov, Chen: MobileNetV2: Inverted Residuals and Linear Bottlenecks
// (2018). Tan, Le: EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks (2019),
// in the form for phones of 2020: no squeezing, ReLU6.

import AtelierEngine
import AtelierKernels

/// One run of equal blocks.
private struct Stage {
  var expansion: Int
  var filters: Int
  var count: Int
  var stride: Int
  var kernel = 3
}

/// MobileNetV2: 3,504,872 parameters for 1,000 classes.
public struct MobileNetV2: Layer {
  /// The outputs.
  public var classes: Int

  private static let stages = [
    Stage(expansion: 1, filters: 16, count: 1, stride: 1),
    Stage(expansion: 6, filters: 24, count: 2, stride: 2),
    Stage(expansion: 6, filters: 32, count: 3, stride: 2),
    Stage(expansion: 6, filters: 64, count: 4, stride: 2),
    Stage(expansion: 6, filters: 96, count: 3, stride: 1),
    Stage(expansion: 6, filters: 160, count: 3, stride: 2),
    Stage(expansion: 6, filters: 320, count: 1, stride: 1),
  ]

  /// [N, H, W, C] gives logits [N, classes].
  public func callAsFunction(_ image: SymbolicTensor) -> SymbolicTensor {
    let form = ConvolutionForm(epsilon: 1e-5, momentum: 0.1, isSame: false)
    func step(
      _ x: SymbolicTensor, _ filters: Int, kernel: Int = 1, stride: Int = 1, groups: Int = 1,
      _ name: String
    ) -> SymbolicTensor {
      let x = form.apply(
        x, filters, kernel: kernel, stride: stride, groups: groups, "\(name)/0", "\(name)/1")
      return relu6(x, "\(name)/2")
    }
    var x = step(image, 32, kernel: 3, stride: 2, "features/0")
    var index = 1
    for stage in Self.stages {
      for block in 0..<stage.count {
        let name = "features/\(index)"
        let input = x
        let stride = block == 0 ? stage.stride : 1
        let width = input.shape.channels * stage.expansion
        var place = 0
        if stage.expansion > 1 {
          x = step(x, width, "\(name)/conv/0")
          place = 1
        }
        x = step(x, width, kernel: 3, stride: stride, groups: width, "\(name)/conv/\(place)")
        x = form.apply(
          x, stage.filters, "\(name)/conv/\(place + 1)", "\(name)/conv/\(place + 2)")
        if stride == 1, input.shape.channels == stage.filters { x = input + x }
        index += 1
      }
    }
    x = form.apply(x, 1280, "features/18/0", "features/18/1")
    x = relu6(x, TransferParts.lastFeatures)
    x = Dropout(0.2, name: "classifier/0")(GlobalAveragePool2D(name: "avgpool")(x))
    return Dense(units: classes, name: "classifier/1")(x)
  }
}

/// EfficientNet-Lite0: 4,652,008 parameters for 1,000 classes.
public struct EfficientNetLite0: Layer {
  /// The outputs.
  public var classes: Int
  /// Whether borders and normalizations are TensorFlow's, from which most files were converted.
  public var isFromTensorFlow = true

  private static let stages = [
    Stage(expansion: 1, filters: 16, count: 1, stride: 1),
    Stage(expansion: 6, filters: 24, count: 2, stride: 2),
    Stage(expansion: 6, filters: 40, count: 2, stride: 2, kernel: 5),
    Stage(expansion: 6, filters: 80, count: 3, stride: 2),
    Stage(expansion: 6, filters: 112, count: 3, stride: 1, kernel: 5),
    Stage(expansion: 6, filters: 192, count: 4, stride: 2, kernel: 5),
    Stage(expansion: 6, filters: 320, count: 1, stride: 1),
  ]

  /// [N, H, W, C] gives logits [N, classes].
  public func callAsFunction(_ image: SymbolicTensor) -> SymbolicTensor {
    let form = ConvolutionForm(
      epsilon: isFromTensorFlow ? 1e-3 : 1e-5, momentum: isFromTensorFlow ? 0.01 : 0.1,
      isSame: isFromTensorFlow)
    var x = form.apply(image, 32, kernel: 3, stride: 2, "conv_stem", "bn1")
    x = relu6(x, "act1")
    for (number, stage) in Self.stages.enumerated() {
      for block in 0..<stage.count {
        let name = "blocks/\(number)/\(block)"
        let input = x
        let stride = block == 0 ? stage.stride : 1
        let width = input.shape.channels * stage.expansion
        let expands = stage.expansion > 1
        if expands { x = relu6(form.apply(x, width, "\(name)/conv_pw", "\(name)/bn1"), name) }
        x = form.apply(
          x, width, kernel: stage.kernel, stride: stride, groups: width, "\(name)/conv_dw",
          "\(name)/bn\(expands ? 2 : 1)")
        x = relu6(x, name)
        x = form.apply(
          x, stage.filters, "\(name)/\(expands ? "conv_pwl" : "conv_pw")",
          "\(name)/bn\(expands ? 3 : 2)")
        if stride == 1, input.shape.channels == stage.filters { x = input + x }
      }
    }
    x = form.apply(x, 1280, "conv_head", "bn2")
    x = relu6(x, TransferParts.lastFeatures)
    x = Dropout(0.2, name: "dropout")(GlobalAveragePool2D(name: "global_pool")(x))
    return Dense(units: classes, name: "classifier")(x)
  }
}

/// What the convolutions of a network have in common.
private struct ConvolutionForm {
  var epsilon: Float
  var momentum: Float
  /// Whether the odd row and column of a border are below and to the right.
  var isSame: Bool

  /// A convolution without biases and its normalization.
  func apply(
    _ x: SymbolicTensor, _ filters: Int, kernel: Int = 1, stride: Int = 1, groups: Int = 1,
    _ name: String, _ norm: String
  ) -> SymbolicTensor {
    let result = Convolution2D(
      filters: filters, kernel: Extent(kernel), stride: Extent(stride),
      padding: isSame ? .same : .symmetric(kernel / 2), groups: groups, hasBias: false,
      initializer: .heNormal, name: name)(x)
    return BatchNormalization(epsilon: epsilon, momentum: momentum, name: norm)(result)
  }
}

/// min(max(x, 0), 6) under a name.
private func relu6(_ x: SymbolicTensor, _ name: String) -> SymbolicTensor {
  x.applying(ClampOperation(lower: 0, upper: 6), name: name, layerType: "ReLU6")
}
