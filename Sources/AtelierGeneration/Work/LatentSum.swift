// Sums of codes by the numbers of their pictures: "1,4,9-2,3+7" is the mean of three, less the mean
// of two, plus one.
//
// Radford, Metz, Chintala: Unsupervised Representation Learning with Deep Convolutional Generative
// Adversarial Networks (2015), section 6.3.2.

import AtelierEngine
import AtelierWorkbench

/// A sum of means of codes, by the pictures' numbers.
public struct LatentSum: Sendable, Hashable, Codable, FieldValue {
  /// One mean with its sign.
  public struct Term: Sendable, Hashable, Codable {
    /// Whether it is taken away.
    public var isNegative = false
    /// The numbers of the pictures whose codes' mean it is, at least one.
    public var numbers: [Int]
  }

  /// The terms in order, at least one.
  public var terms: [Term]

  /// Makes a sum.
  public init(_ terms: [Term]) { self.terms = terms }

  public init(word: String) throws {
    let mistake = FieldError(
      "expected numbers of pictures with commas, + and -, such as 1,4,9-2,3+7; received '\(word)'")
    var terms: [Term] = []
    var text = Substring(word)
    while !text.isEmpty {
      let isNegative = text.first == "-"
      if isNegative || text.first == "+" { text.removeFirst() } else if !terms.isEmpty { break }
      let group = text.prefix { $0 != "+" && $0 != "-" }
      text = text.dropFirst(group.count)
      let numbers = group.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
      let found = numbers.compactMap { $0 }
      guard found.count == numbers.count, found.allSatisfy({ (0...1_000_000).contains($0) }) else {
        throw mistake
      }
      terms.append(Term(isNegative: isNegative, numbers: found))
    }
    guard !terms.isEmpty, terms.count <= 16 else { throw mistake }
    self.terms = terms
  }

  public var word: String {
    terms.enumerated().map { index, term in
      (term.isNegative ? "-" : index == 0 ? "" : "+")
        + term.numbers.map(String.init).joined(separator: ",")
    }.joined()
  }

  /// The codes of the terms and, behind them, of the sum, each as long as codes usually are: means
  /// of codes are shorter, and a generator has not seen such.
  func codes(_ generator: PictureGenerator, seed: UInt64) -> Tensor {
    let latent = generator.latent
    var sum = [Float](repeating: 0, count: latent)
    var rows: [[Float]] = []
    for term in terms {
      let codes = generator.codes(term.numbers, seed: seed)
      var mean = [Float](repeating: 0, count: latent)
      for row in 0..<term.numbers.count {
        for index in 0..<latent {
          mean[index] += codes.elements[row * latent + index] / Float(term.numbers.count)
        }
      }
      for index in 0..<latent { sum[index] += term.isNegative ? -mean[index] : mean[index] }
      rows.append(Self.usual(mean))
    }
    return Tensor([rows.count + 1, latent], (rows + [Self.usual(sum)]).flatMap { $0 })
  }

  /// A code of the same direction and the length that codes have in the mean.
  static func usual(_ code: [Float]) -> [Float] {
    let length = code.reduce(0) { $0 + $1 * $1 }.squareRoot()
    guard length > 0 else { return code }
    let factor = Float(code.count).squareRoot() / length
    return code.map { $0 * factor }
  }
}
