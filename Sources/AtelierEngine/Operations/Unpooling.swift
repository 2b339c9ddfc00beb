// Nearest and bed-of-nails unpooling with their adjoints, sum pooling and subsampling: four linear maps in two pairs.

import AtelierKernels

/// A linear map between images and images whose pixels stand for disjoint windows, and its adjoint the other way.
///
/// The two members of a pair name each other, and that is all that differentiation needs.
public protocol WindowMap: Operation {
  /// The map the other way, which is also the gradient.
  associatedtype Adjoint: WindowMap
  /// The window that a pixel of the small image stands for.
  var window: Extent { get }
  /// Whether the map goes from the small image to the large one.
  static var enlarges: Bool { get }
  /// Makes a map of this window.
  init(window: Extent)
  /// The kernel of both sides' sizes, source and result.
  typealias Kernel =
    (Kernels) -> (UnpoolGeometry, UnsafePointer<Float>, UnsafeMutablePointer<Float>) -> Void
  /// What runs.
  static var kernel: Kernel { get }
}

extension WindowMap {
  /// [N, h, w, C] gives [N, h · wh, w · ww, C] when the map enlarges, else the other way round, and the sizes must divide.
  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 1)
    return [Self.enlarges ? try window.enlarged(inputs[0]) : try window.reduced(inputs[0])]
  }

  public func run(_ context: borrowing ExecutionContext) {
    let small = Self.enlarges ? context.shapes.inputs[0] : context.shapes.outputs[0]
    Self.kernel(context.kernels)(window.unpooling(small), context.input(0), context.output)
  }

  /// The adjoint of the upstream gradient.
  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    [try context.one(Adjoint(window: window), [context.upstream])]
  }
}

/// Nearest-neighbour unpooling: each value is repeated over its window.
public struct NearestUnpoolOperation: WindowMap {
  public typealias Adjoint = SumPool
  public static let kind = "nearest-unpool-2d"
  public static let enlarges = true
  public static var kernel: Kernel { Kernels.nearestUnpool }
  public var window: Extent

  public init(window: Extent) { self.window = window }
}

/// Sum over disjoint windows: the adjoint of nearest-neighbour unpooling.
public struct SumPool: WindowMap {
  public typealias Adjoint = NearestUnpoolOperation
  public static let kind = "sum-pool-2d"
  public static let enlarges = false
  public static var kernel: Kernel { Kernels.sumPool }
  public var window: Extent

  public init(window: Extent) { self.window = window }
}

/// Bed-of-nails unpooling: each value in the top-left corner of its window, zeros elsewhere.
public struct BedOfNailsUnpoolOperation: WindowMap {
  public typealias Adjoint = Subsample
  public static let kind = "bed-of-nails-unpool-2d"
  public static let enlarges = true
  public static var kernel: Kernel { Kernels.bedOfNailsUnpool }
  public var window: Extent

  public init(window: Extent) { self.window = window }
}

/// The top-left value of each window: the adjoint of bed-of-nails unpooling.
public struct Subsample: WindowMap {
  public typealias Adjoint = BedOfNailsUnpoolOperation
  public static let kind = "subsample-2d"
  public static let enlarges = false
  public static var kernel: Kernel { Kernels.subsample }
  public var window: Extent

  public init(window: Extent) { self.window = window }
}

extension Extent {
  /// An image shape with each pixel grown to this window.
  func enlarged(_ shape: Shape) throws(ShapeError) -> Shape {
    guard shape.rank == 4, height > 0, width > 0 else {
      throw ShapeError("unpooling takes an image batch and a positive window; received \(shape)")
    }
    return [shape.batch, shape.height * height, shape.width * width, shape.channels]
  }

  /// The sizes of an unpooling of a small image by this window.
  func unpooling(_ small: Shape, channels: Int? = nil) -> UnpoolGeometry {
    UnpoolGeometry(
      batch: small.batch, height: small.height, width: small.width,
      channels: channels ?? small.channels, windowHeight: height, windowWidth: width)
  }

  /// An image shape with each window shrunk to one pixel; the sizes must divide.
  func reduced(_ shape: Shape) throws(ShapeError) -> Shape {
    guard shape.rank == 4, height > 0, width > 0, shape.height % height == 0,
      shape.width % width == 0
    else {
      throw ShapeError(
        "expected an image batch with sizes divisible by \(height)×\(width); received \(shape)")
    }
    return [shape.batch, shape.height / height, shape.width / width, shape.channels]
  }
}
