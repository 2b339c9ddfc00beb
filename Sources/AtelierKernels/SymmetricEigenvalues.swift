// Eigenvalues and eigenvectors of small symmetric matrices, by the LAPACK that OpenBLAS brings.

import COpenBLAS

/// Eigenvalues of symmetric matrices.
public enum SymmetricEigenvalues {
  /// The eigenvalues of a symmetric matrix [size, size], size at least 1, in ascending order.
  ///
  /// One thread does it, whatever the machine has: more would change the order of sums, and fight our own pool.
  public static func of(_ matrix: [Double], size: Int) -> [Double] {
    var matrix = matrix
    return solve("N", &matrix, size)
  }

  /// The same with the eigenvectors, of length 1, as the rows of a matrix [size, size] in the same order.
  public static func withVectors(
    of matrix: [Double], size: Int
  ) -> (values: [Double], vectors: [Double]) {
    var matrix = matrix
    let values = solve("V", &matrix, size)
    // LAPACK's columns are our rows.
    return (values, matrix)
  }

  private static func solve(_ job: String, _ matrix: inout [Double], _ size: Int) -> [Double] {
    precondition(size > 0 && matrix.count == size * size, "expected \(size)×\(size) numbers")
    openblas_set_num_threads(1)
    var eigenvalues = [Double](repeating: 0, count: size)
    var work = [Double](repeating: 0, count: 34 * size)
    var order = Int32(size)
    var workCount = Int32(work.count)
    var information: Int32 = 0
    dsyev_(job, "U", &order, &matrix, &order, &eigenvalues, &work, &workCount, &information)
    precondition(information == 0, "dsyev ends with \(information)")
    return eigenvalues
  }
}
