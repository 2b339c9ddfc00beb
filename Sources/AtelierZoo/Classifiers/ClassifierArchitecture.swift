// The classifiers as one value: network, classes, the pictures that it takes, their normalization.

import AtelierEngine

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
  /// He and others 2015, 20 layers.
  case resnet20 = "resnet-20"
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
    return try Graph.trace { builder in
      var x = builder.input("input", [batch, height, width, channels])
      if !mean.isEmpty || !deviation.isEmpty {
        x = Standardization(mean: mean, deviation: deviation, name: "standardization")(x)
      }
      builder.output("output", layer(x))
    }
  }

  private var layer: any Layer {
    switch network {
    case .lenet: LeNet(classes: classes)
    case .lenet5: LeNet5(classes: classes)
    case .course: CourseClassifier(classes: classes)
    case .strided: StridedClassifier(classes: classes)
    case .thresholds:
      StridedClassifier(classes: classes, width: 32, units: 128, thresholds: 8)
    case .resnet20: ResidualClassifier(classes: classes)
    }
  }
}
