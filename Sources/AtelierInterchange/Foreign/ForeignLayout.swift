// How a graph's parameters lie in files of PyTorch: names of axes, their order, flattened pictures.
//
// PyTorch's pictures are [N, C, H, W] and its weights [out, in, …]; ours are NHWC and [height,
// width, in, out]. A dense layer behind a flattened picture reads its features in another order.

import AtelierEngine
import AtelierFiles

/// What a parameter is in its layer, hence how its axes lie.
public enum ForeignLayout: Sendable, Hashable {
  /// A convolution's weights: [out, in / groups, height, width] in PyTorch. Those of a transposed
  /// one, [in, out / groups, height, width], move in the same way.
  case convolution
  /// A dense layer's: [out, in]. Behind a flattened picture of more than one pixel its size.
  case dense(height: Int, width: Int)
  /// A vector, or what lies as in PyTorch for another reason.
  case plain

  /// The sizes in PyTorch of a parameter of this shape.
  public func foreignShape(_ shape: Shape) -> Shape {
    switch self {
    case .convolution: [shape[3], shape[2], shape[0], shape[1]]
    case .dense: [shape[1], shape[0]]
    case .plain: shape
    }
  }
}

extension Graph {
  /// The layout of each parameter, by its index, as the operation that reads it has it.
  public func foreignLayouts() -> [Int: ForeignLayout] {
    var layouts: [Int: ForeignLayout] = [:]
    for node in nodes where node.inputs.count >= 2 {
      guard
        node.operation is ConvolutionOperation || node.operation is TransposedConvolutionOperation,
        case .parameter(let index) = values[node.inputs[1]].source
      else { continue }
      guard parameters[index].shape.rank == 2 else {
        layouts[index] = .convolution
        continue
      }
      let picture = flattenedPicture(before: node.inputs[0])
      layouts[index] = .dense(height: picture?.height ?? 1, width: picture?.width ?? 1)
    }
    return layouts
  }

  /// The picture that a vector was flattened from, or nil when it came about in another way.
  private func flattenedPicture(before value: ValueID) -> Shape? {
    var value = value
    while case .node(let index, output: 0) = values[value].source {
      let node = nodes[index]
      let input = node.inputs[0]
      switch node.operation {
      case is ReshapeOperation:
        let shape = values[input].shape
        if shape.rank == 4 { return shape }
        value = input
      case is ActivationOperation, is DropoutOperation, is AffineOperation, is ClampOperation:
        value = input
      default: return nil
      }
    }
    return nil
  }
}

/// Takes numbers from another framework's layout into ours.
public struct ForeignConversion: Sendable {
  /// The framework whose files they come from.
  public let framework: ForeignWeights.Framework

  public init(_ framework: ForeignWeights.Framework) { self.framework = framework }

  /// The sizes that a parameter has in the framework's files.
  public func shape(of parameter: Shape, _ layout: ForeignLayout) -> Shape {
    framework == .keras ? parameter : layout.foreignShape(parameter)
  }

  /// The sizes that PyTorch would have for weights of these sizes in the framework's files.
  public func torchShape(_ foreign: Shape) -> Shape {
    guard framework == .keras else { return foreign }
    switch foreign.rank {
    case 2: return ForeignLayout.dense(height: 1, width: 1).foreignShape(foreign)
    case 4: return ForeignLayout.convolution.foreignShape(foreign)
    default: return foreign
    }
  }

  /// Whether a tensor of a file has a parameter's sizes; a dense layer is often kept as a
  /// convolution of one pixel, and the other way round.
  public func fits(_ foreign: Shape, _ parameter: Shape, _ layout: ForeignLayout) -> Bool {
    let expected = shape(of: parameter, layout)
    if foreign == expected { return true }
    if framework == .keras {
      // Depthwise weights are [height, width, C, 1] there and [height, width, 1, C] here.
      return layout == .convolution && foreign.rank == 4 && parameter[2] == 1 && foreign[3] == 1
        && foreign.dimensions.prefix(2) == parameter.dimensions.prefix(2)
        && foreign[2] == parameter[3]
    }
    guard layout != .plain else { return false }
    func trimmed(_ shape: Shape) -> [Int] {
      shape.rank == 4 && shape[2] == 1 && shape[3] == 1
        ? Array(shape.dimensions.prefix(2)) : shape.dimensions
    }
    return trimmed(foreign) == trimmed(expected)
  }

  /// The numbers in our layout.
  ///
  /// - Parameters:
  ///   - foreign: A tensor of the framework's layout that `fits`.
  ///   - parameter: The parameter's sizes here.
  ///   - layout: What the parameter is in its layer.
  ///   - inputs: For each of our input channels the one of the file; nil for the same order.
  ///   - outputs: The same for output channels, and for vectors.
  /// - Returns: A tensor of the shape `parameter`.
  public func convert(
    _ foreign: Tensor, to parameter: Shape, _ layout: ForeignLayout, inputs: [Int]? = nil,
    outputs: [Int]? = nil
  ) -> Tensor {
    var result = Tensor(parameter)
    let columns = parameter.channels
    // A dense layer is a convolution whose kernel is the flattened picture.
    let (pixels, channels): (Int, Int)
    switch layout {
    case .convolution: (pixels, channels) = (parameter[0] * parameter[1], parameter[2])
    case .dense(let height, let width):
      (pixels, channels) = (height * width, parameter[0] / (height * width))
    case .plain:
      guard let outputs, outputs.count == parameter.count else {
        return foreign.reshaped(parameter)
      }
      return Tensor(parameter, outputs.map { foreign.elements[$0] })
    }
    let isOurs = framework == .keras
    foreign.elements.withUnsafeBufferPointer { source in
      result.elements.withUnsafeMutableBufferPointer { target in
        for pixel in 0..<pixels {
          for channel in 0..<channels {
            let from = inputs?[channel] ?? channel
            for column in 0..<columns {
              let to = outputs?[column] ?? column
              let place =
                isOurs
                ? (pixel * channels + from) * columns + to
                : (to * channels + from) * pixels + pixel
              target[(pixel * channels + channel) * columns + column] = source[place]
            }
          }
        }
      }
    }
    return result
  }
}
