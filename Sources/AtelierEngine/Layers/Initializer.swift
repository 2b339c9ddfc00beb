// How parameters start: seeded initialisers.

/// How a parameter starts.
///
/// Fans are those of the shape [kernel height, kernel width, in, out], [in, out] or [out].
public enum Initializer: Sendable, Hashable, Codable {
  /// All zeros.
  case zeros
  /// All ones.
  case ones
  /// These numbers, row-major.
  case values([Float])
  /// Uniform with variance 2 / (in + out) (Glorot and Bengio 2010; Xavier).
  case glorotUniform
  /// Normal with variance 2 / (in + out) (Glorot and Bengio 2010; Xavier).
  case glorotNormal
  /// Uniform with variance 2 / in (He and others 2015).
  case heUniform
  /// Normal with variance 2 / in (He and others 2015).
  case heNormal
  /// Uniform with variance 1 / in (LeCun and others 1998).
  case lecunUniform
  /// Normal with variance 1 / in (LeCun and others 1998).
  case lecunNormal
  /// Uniform with variance gain / in; gain 1/3 is PyTorch's default for convolutions.
  case scaledUniform(gain: Float)
  /// Uniform in [−bound, bound].
  case uniform(bound: Float)
  /// Normal with this deviation.
  case normal(deviation: Float)
  /// Orthogonal columns of the [everything else, out] matrix times `gain` (Saxe and others 2014).
  case orthogonal(gain: Float)

  /// The starting numbers for a shape.
  public func values(shape: Shape, using generator: inout RandomGenerator) -> [Float] {
    let count = shape.count
    let out = shape.channels
    let receptive = shape.rank == 4 ? shape[0] * shape[1] : 1
    let fanIn = Float(shape.rank >= 2 ? count / max(out, 1) : count)
    let fanOut = Float(receptive * out)
    switch self {
    case .zeros: return [Float](repeating: 0, count: count)
    case .ones: return [Float](repeating: 1, count: count)
    case .values(let values):
      precondition(values.count == count, "\(count) starting values expected for \(shape)")
      return values
    case .glorotUniform: return Self.uniform(count, (6 / (fanIn + fanOut)).squareRoot(), &generator)
    case .glorotNormal: return Self.normal(count, (2 / (fanIn + fanOut)).squareRoot(), &generator)
    case .heUniform: return Self.uniform(count, (6 / fanIn).squareRoot(), &generator)
    case .heNormal: return Self.normal(count, (2 / fanIn).squareRoot(), &generator)
    case .lecunUniform: return Self.uniform(count, (3 / fanIn).squareRoot(), &generator)
    case .lecunNormal: return Self.normal(count, (1 / fanIn).squareRoot(), &generator)
    case .scaledUniform(let gain):
      return Self.uniform(count, (3 * gain / fanIn).squareRoot(), &generator)
    case .uniform(let bound): return Self.uniform(count, bound, &generator)
    case .normal(let deviation): return Self.normal(count, deviation, &generator)
    case .orthogonal(let gain):
      return Self.orthogonal(rows: count / max(out, 1), columns: out, gain: gain, &generator)
    }
  }

  private static func uniform(
    _ count: Int, _ bound: Float, _ generator: inout RandomGenerator
  ) -> [Float] {
    var result = [Float](repeating: 0, count: count)
    for index in 0..<count { result[index] = generator.uniform(-bound...bound) }
    return result
  }

  private static func normal(
    _ count: Int, _ deviation: Float, _ generator: inout RandomGenerator
  ) -> [Float] {
    var result = [Float](repeating: 0, count: count)
    for index in 0..<count { result[index] = deviation * generator.normal() }
    return result
  }

  /// Gram–Schmidt, twice for stability, over the shorter side of a normal matrix.
  private static func orthogonal(
    rows: Int, columns: Int, gain: Float, _ generator: inout RandomGenerator
  ) -> [Float] {
    let length = max(rows, columns)
    let vectors = min(rows, columns)
    var basis: [[Float]] = []
    for _ in 0..<vectors {
      var vector = normal(length, 1, &generator)
      for _ in 0..<2 {
        for other in basis {
          let dot = zip(vector, other).reduce(Float(0)) { $0 + $1.0 * $1.1 }
          for index in 0..<length { vector[index] -= dot * other[index] }
        }
        let norm = vector.reduce(Float(0)) { $0 + $1 * $1 }.squareRoot()
        for index in 0..<length { vector[index] /= norm }
      }
      basis.append(vector)
    }
    var result = [Float](repeating: 0, count: rows * columns)
    for row in 0..<rows {
      for column in 0..<columns {
        result[row * columns + column] =
          gain * (rows >= columns ? basis[column][row] : basis[row][column])
      }
    }
    return result
  }
}
