// What every planned form is: an operation that plans make of another one, and that no file holds.

import AtelierKernels

/// An operation as a plan runs it: what plans alone know, such as the algorithm and what neighbours
/// do for each other, lies here and not in what model files describe.
public protocol PlannedOperation: Operation {
  /// The algorithm that was chosen, as plans are drawn; nil where there is nothing to choose.
  var algorithm: String? { get }
}

extension PlannedOperation {
  public var algorithm: String? { nil }

  /// Refuses: files hold the operations that plans are made of.
  public init(from decoder: any Decoder) throws {
    throw ShapeError("a planned \(Self.kind) is not read from files")
  }

  public func encode(to encoder: any Encoder) throws {
    throw ShapeError("a planned \(Self.kind) is not written to files")
  }
}

extension Graph {
  /// The graph with every operation in the form in which these kernels run it.
  func planned(_ kernels: Kernels) -> Graph {
    var result = self
    for (index, node) in nodes.enumerated() {
      let shapes = shapes(of: node)
      result.nodes[index].operation = checked { () throws(ShapeError) in
        try node.operation.planned(shapes, kernels)
      }
    }
    return result
  }
}

/// Runs a shape rule on shapes that tracing has accepted already.
func checked<Result>(_ body: () throws(ShapeError) -> Result) -> Result {
  do throws(ShapeError) {
    return try body()
  } catch {
    preconditionFailure("a validated node breaks its own shape rule: \(error)")
  }
}
