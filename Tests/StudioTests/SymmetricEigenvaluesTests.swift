// Eigenvectors of symmetric matrices: they are of length 1, at right angles, and only stretched.

import AtelierEngine
import AtelierKernels
import AtelierWorkbench
import Testing

@Suite("Symmetric eigenvalues")
struct SymmetricEigenvaluesTests {
  @Test("vectors are stretched by their values", arguments: [1, 2, 7, 40])
  func vectors(size: Int) {
    var generator = RandomGenerator(seed: UInt64(size))
    var matrix = [Double](repeating: 0, count: size * size)
    for row in 0..<size {
      for column in 0...row {
        let value = Double(generator.normal())
        matrix[row * size + column] = value
        matrix[column * size + row] = value
      }
    }
    let (values, vectors) = SymmetricEigenvalues.withVectors(of: matrix, size: size)
    #expect(values == values.sorted())
    let alone = SymmetricEigenvalues.of(matrix, size: size)
    for (one, other) in zip(values, alone) { #expect(abs(one - other) < 1e-10) }
    for first in 0..<size {
      let vector = Array(vectors[first * size..<(first + 1) * size])
      for row in 0..<size {
        let turned = (0..<size).reduce(0) { $0 + matrix[row * size + $1] * vector[$1] }
        #expect(abs(turned - values[first] * vector[row]) < 1e-9)
      }
      for second in 0..<size {
        let product = (0..<size).reduce(0) { $0 + vector[$1] * vectors[second * size + $1] }
        #expect(abs(product - (first == second ? 1 : 0)) < 1e-10)
      }
    }
  }
}
