// The classifiers as one value: network, classes, the pictures that it takes, their normalization.

import AtelierEngine
import AtelierKernels

/// The classifying networks by name.
public enum ClassifierNetwork: String, Sendable, Hashable, Codable, CaseIterable {
  /// LeCun and others 1990.
  case lenet
  /// LeCun and others 1998.
  case lenet5 = "lenet-5"
  /// The course's network.
  case course
  /// Wong and Kolter 2018, the small one.
  case strided
  /// The same wider, behind eight learnt thresholds of each pixel.
  case thresholds
  /// Hinton, Osindero and Teh 2006: machines learnt without labels, then fine-tuned.
  case dbn
  /// He and others 2015, 20 layers.
  case resnet20 = "resnet-20"
  /// The same, 56 layers.
  case resnet56 = "resnet-56"
  /// Krizhevsky 2014.
  case alexnet
  /// Simonyan and Zisserman 2014, 16 layers.
  case vgg16
  /// The same with batch normalization.
  case vgg16Normalized = "vgg16-bn"
  /// Szegedy and others 2014.
  case googlenet
  /// He and others 2015, 18 layers for photographs.
  case resnet18 = "resnet-18"
  /// He and others 2015, 50 layers.
  case resnet50 = "resnet-50"
  /// Sandler and others 2018.
  case mobilenetV2 = "mobilenet-v2"
  /// Tan and Le 2019, for phones, with TensorFlow's borders.
  case efficientnetLite0 = "efficientnet-lite0"
  /// The same with PyTorch's borders, as timm trains it.
  case efficientnetLite0Symmetric = "efficientnet-lite0-timm"
  /// One dense layer.
  case linear
  /// One hidden layer.
  case shallow
  /// Long short-term memory over rows.
  case lstm
  /// Gated recurrent units over rows.
  case gru

  /// The rows and columns of the pictures that its published weights were trained on.
  public var standardSide: Int {
    switch self {
    case .lenet, .lenet5, .course, .strided, .thresholds, .linear, .shallow, .lstm, .gru, .dbn: 28
    case .resnet20, .resnet56: 32
    default: 224
    }
  }

  /// The layers as one.
  func layer(classes: Int, samples: Int) -> any Layer {
    switch self {
    case .lenet: LeNet(classes: classes)
    case .lenet5: LeNet5(classes: classes)
    case .course: CourseClassifier(classes: classes)
    case .strided: StridedClassifier(classes: classes)
    case .thresholds:
      StridedClassifier(classes: classes, width: 32, units: 128, thresholds: 8)
    case .dbn: BeliefNetwork(visible: samples, classes: classes)
    case .resnet20: ResidualClassifier(classes: classes)
    case .resnet56: ResidualClassifier(classes: classes, blocks: 9)
    case .alexnet: AlexNet(classes: classes)
    case .vgg16: VGG16(classes: classes, isNormalized: false)
    case .vgg16Normalized: VGG16(classes: classes, isNormalized: true)
    case .googlenet: GoogLeNet(classes: classes)
    case .resnet18: ResidualPhotographClassifier.layers18(classes: classes)
    case .resnet50: ResidualPhotographClassifier.layers50(classes: classes)
    case .mobilenetV2: MobileNetV2(classes: classes)
    case .efficientnetLite0: EfficientNetLite0(classes: classes)
    case .efficientnetLite0Symmetric:
      EfficientNetLite0(classes: classes, isFromTensorFlow: false)
    case .linear: ShallowClassifier(classes: classes)
    case .shallow: ShallowClassifier(classes: classes, units: 256)
    case .lstm: RowClassifier(classes: classes, cell: .lstm)
    case .gru: RowClassifier(classes: classes, cell: .gru)
    }
  }
}

/// A classifying network for pictures of one size, with their normalization in front of it.
public struct ClassifierArchitecture: Sendable, Hashable, Codable {
  /// Which network.
  public var network: ClassifierNetwork
  /// The outputs, at least 2.
  public var classes: Int
  /// Rows of a picture.
  public var height: Int
  /// Columns of a picture.
  public var width: Int
  /// Channels of a picture: 1 gray, 3 RGB.
  public var channels: Int
  /// What is taken from each channel of pictures in [0, 1]; empty for nothing.
  public var mean: [Float]
  /// What each channel is divided by then; empty for nothing.
  public var deviation: [Float]
  /// What the network reads instead of pixels; nil for these.
  public var histograms: OrientedGradients?

  /// Describes a classifier; without means and deviations it reads pictures in [0, 1] as they are.
  public init(
    _ network: ClassifierNetwork, classes: Int = 10, height: Int = 28, width: Int = 28,
    channels: Int = 1, mean: [Float] = [], deviation: [Float] = []
  ) {
    self.network = network
    self.classes = classes
    self.height = height
    self.width = width
    self.channels = channels
    self.mean = mean
    self.deviation = deviation
  }

  /// The graph for a batch of pictures.
  ///
  /// - Returns: A graph with input `input` [batch, height, width, channels] in [0, 1] and output
  ///   `output` [batch, classes], the logits.
  /// - Throws: `ShapeError` when the pictures are too small for the network, or numbers do not fit.
  public func graph(batch: Int = 1) throws(ShapeError) -> Graph {
    guard classes >= 2 else {
      throw ShapeError("a classifier needs at least two classes; received \(classes)")
    }
    let layers: any Layer = network.layer(
      classes: classes, samples: height * width * channels)
    return try Graph.trace { builder in
      var x = builder.input("input", [batch, height, width, channels])
      if let histograms {
        x = GradientHistograms(histograms, name: "gradients")(x)
      } else if !mean.isEmpty || !deviation.isEmpty {
        x = Standardization(mean: mean, deviation: deviation, name: "standardization")(x)
      }
      builder.output("output", layers(x))
    }
  }
}
