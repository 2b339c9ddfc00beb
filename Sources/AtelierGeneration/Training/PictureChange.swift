// Random changes of whatever a critic sees, through which the generator's gradients pass.
//
// Zhao, Liu, Lin, Zhu, Han: Differentiable Augmentation for Data-Efficient GAN Training (2020).

import AtelierEngine
import AtelierKernels
import AtelierWorkbench

/// A kind of change; real and drawn pictures get it alike, each picture its own.
public enum PictureChange: String, Sendable, Hashable, Codable, CaseIterable, ChoiceValue {
  /// Brightness, contrast and, of colours, saturation.
  case color
  /// Moves by up to an eighth of the sides, zeros where nothing comes from.
  case translation
  /// A square of half the sides becomes zeros.
  case cutout

  public static var noun: String? { "a change" }

  /// Pictures [N, H, W, C] in [0, 1] after changes, whose random numbers are inputs of the graph
  /// named `NAME_…`.
  static func changed(
    _ picture: SymbolicTensor, by changes: [PictureChange], _ name: String
  ) -> SymbolicTensor {
    changes.reduce(picture) { $1.changed($0, name) }
  }

  private func changed(_ picture: SymbolicTensor, _ name: String) -> SymbolicTensor {
    let (builder, shape) = (picture.builder, picture.shape)
    func number(_ what: String) -> SymbolicTensor {
      builder.input("\(name)_\(what)", [shape.batch, 1, 1, 1])
    }
    func broadcast(
      _ x: SymbolicTensor, _ rule: BinaryOperator, _ y: SymbolicTensor
    ) -> SymbolicTensor {
      x.applying(BroadcastBinaryOperation(rule), with: [y])
    }
    /// The distance to the mean over axes made larger or smaller.
    func spread(_ x: SymbolicTensor, _ axes: [Int], _ factor: SymbolicTensor) -> SymbolicTensor {
      let mean = x.applying(ReduceOperation(.mean, axes: axes))
      let distance = broadcast(broadcast(x, .subtract, mean), .multiply, factor)
      return broadcast(distance, .add, mean)
    }
    switch self {
    case .color:
      var changed = broadcast(picture, .add, number("brightness"))
      if shape.channels > 1 { changed = spread(changed, [3], number("saturation")) }
      return spread(changed, [1, 2, 3], number("contrast"))
    case .translation:
      let distances = builder.input("\(name)_distances", [shape.batch, 2])
      return picture.applying(SampleShift(), with: [distances])
    case .cutout:
      let mask = builder.input("\(name)_mask", [shape.batch, shape.height, shape.width, 1])
      return broadcast(picture, .multiply, mask)
    }
  }

  /// The random numbers of the changes of `batch` pictures under the names of the inputs.
  static func numbers(
    _ changes: [PictureChange], _ name: String, _ shape: Shape,
    using generator: inout RandomGenerator
  ) -> [String: Tensor] {
    let batch = shape.batch
    var numbers: [String: Tensor] = [:]
    func uniform(_ range: ClosedRange<Float>) -> Tensor {
      Tensor([batch, 1, 1, 1], (0..<batch).map { _ in generator.uniform(range) })
    }
    for change in changes {
      switch change {
      case .color:
        // Half of the range of [−1, 1] that the paper moves brightness by.
        numbers["\(name)_brightness"] = uniform(-0.25...0.25)
        numbers["\(name)_contrast"] = uniform(0.5...1.5)
        if shape.channels > 1 { numbers["\(name)_saturation"] = uniform(0...2) }
      case .translation:
        var distances: [Float] = []
        for _ in 0..<batch {
          for side in [shape.height, shape.width] {
            let most = (side + 4) / 8
            distances.append(Float(generator.index(below: 2 * most + 1) - most))
          }
        }
        numbers["\(name)_distances"] = Tensor([batch, 2], distances)
      case .cutout: numbers["\(name)_mask"] = mask(shape, using: &generator)
      }
    }
    return numbers
  }

  /// Ones with a square of half the sides of zeros, whose middle lies anywhere in the picture.
  private static func mask(
    _ shape: Shape, using generator: inout RandomGenerator
  ) -> Tensor {
    let (height, width) = (shape.height, shape.width)
    var mask = Tensor([shape.batch, height, width, 1], repeating: 1)
    for sample in 0..<shape.batch {
      let top = generator.index(below: height) - height / 4
      let left = generator.index(below: width) - width / 4
      for row in max(top, 0)..<min(top + height / 2, height) {
        for column in max(left, 0)..<min(left + width / 2, width) {
          mask.elements[(sample * height + row) * width + column] = 0
        }
      }
    }
    return mask
  }
}
