// The plain networks for photographs, layer names as in torchvision: AlexNet and VGG-16.
//
// Krizhevsky: One Weird Trick for Parallelizing Convolutional Neural Networks (2014), the form of
// AlexNet (2012) that torchvision has. Simonyan, Zisserman: Very Deep Convolutional Networks for
// Large-Scale Image Recognition (2014), configuration D.

import AtelierEngine
import AtelierKernels

/// AlexNet: five convolutions, three dense layers; 61,100,840 parameters for 1,000 classes.
public struct AlexNet: Layer {
  /// The outputs.
  public var classes: Int

  /// [N, H, W, C] gives logits [N, classes]; the last pool must leave 6×6 pixels or multiples.
  public func callAsFunction(_ image: SymbolicTensor) -> SymbolicTensor {
    let forms: [(index: Int, filters: Int, kernel: Int, stride: Int, padding: Int)] = [
      (0, 64, 11, 4, 2), (3, 192, 5, 1, 2), (6, 384, 3, 1, 1), (8, 256, 3, 1, 1),
      (10, 256, 3, 1, 1),
    ]
    var x = image
    for form in forms {
      x = Convolution2D(
        filters: form.filters, kernel: Extent(form.kernel), stride: Extent(form.stride),
        padding: .symmetric(form.padding), activation: .relu, name: "features/\(form.index)")(x)
      if [0, 3, 10].contains(form.index) {
        let name = form.index == 10 ? TransferParts.lastFeatures : "features/\(form.index + 2)"
        x = MaxPool2D(window: 3, stride: 2, name: name)(x)
      }
    }
    x = Flatten(name: "flatten")(averagedToGrid(x, side: 6))
    for (place, index) in [1, 4].enumerated() {
      x = Dropout(0.5, name: "classifier/\(3 * place)")(x)
      x = Dense(units: 4096, activation: .relu, name: "classifier/\(index)")(x)
    }
    return Dense(units: classes, name: "classifier/6")(x)
  }
}

/// VGG-16: thirteen convolutions, three dense layers; 138,357,544 parameters for 1,000 classes,
/// 14,714,688 of them in the convolutions.
public struct VGG16: Layer {
  /// The outputs.
  public var classes: Int
  /// Whether a batch normalization follows each convolution.
  public var isNormalized: Bool

  /// [N, H, W, C] gives logits [N, classes]; the last pool must leave 7×7 pixels or multiples.
  public func callAsFunction(_ image: SymbolicTensor) -> SymbolicTensor {
    let levels: [(filters: Int, count: Int)] = [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)]
    var x = image
    var index = 0
    for (level, form) in levels.enumerated() {
      for _ in 0..<form.count {
        x = Convolution2D(
          filters: form.filters, kernel: 3, padding: .symmetric(1),
          activation: isNormalized ? .identity : .relu, initializer: .heNormal,
          name: "features/\(index)")(x)
        if isNormalized {
          x = BatchNormalization(name: "features/\(index + 1)")(x)
          x = Activate(.relu, name: "features/\(index + 2)")(x)
        }
        index += isNormalized ? 3 : 2
      }
      x = MaxPool2D(name: level == 4 ? TransferParts.lastFeatures : "features/\(index)")(x)
      index += 1
    }
    x = Flatten(name: "flatten")(averagedToGrid(x, side: 7))
    for index in [0, 3] {
      x = Dense(units: 4096, activation: .relu, name: "classifier/\(index)")(x)
      x = Dropout(0.5, name: "classifier/\(index + 2)")(x)
    }
    return Dense(units: classes, name: "classifier/6")(x)
  }
}

/// What transfer learning needs to know of the networks' parts.
public enum TransferParts {
  /// The name of the layer that ends what is taken over: the picture of features before the means
  /// or the flattening.
  public static let lastFeatures = "last_features"
}

/// The means over the cells of a grid of `side` × `side`, as torchvision's adaptive pooling has
/// them where the picture's sides are multiples of it.
private func averagedToGrid(_ x: SymbolicTensor, side: Int) -> SymbolicTensor {
  let shape = x.shape
  if shape.height == side, shape.width == side { return x }
  guard shape.height % side == 0, shape.width % side == 0 else {
    x.builder.fail(
      "the dense layers read \(side)x\(side) features or a multiple; these pictures leave "
        + "\(shape.height)x\(shape.width)")
    return x
  }
  return AveragePool2D(window: Extent(shape.height / side, shape.width / side), name: "avgpool")(x)
}
