// Kernels that pictures are filtered with: the known ones by name, others out of rows of numbers.

import AtelierFiles
import Foundation

/// The weights that a filter lays on a pixel's surroundings.
public struct FilterKernel: Sendable, Hashable {
  /// Weights in a row, at least 1.
  public let width: Int
  /// Rows, at least 1.
  public let height: Int
  /// height · width weights, row by row from the top.
  public let weights: [Float]

  /// The most weights in a row or column.
  public static let largestSide = 255

  /// A kernel of given weights; its middle is (width / 2, height / 2), as SciPy has it.
  /// - Precondition: the number of weights fits, neither side is above `largestSide`.
  public init(width: Int, height: Int, weights: [Float]) {
    precondition(width * height == weights.count && !weights.isEmpty, "weights do not fit")
    precondition(max(width, height) <= Self.largestSide, "a kernel's side is at most 255")
    self.width = width
    self.height = height
    self.weights = weights
  }

  /// Reads rows of numbers: `0,1,0;1,-4,1;0,1,0`; rows end with a semicolon or a line, numbers with
  /// a comma or spaces.
  /// - Throws: `ImageError` that names `name`.
  public init(parsing text: some StringProtocol, name: String) throws(ImageError) {
    let rows = text.split { $0 == ";" || $0.isNewline }.map { row in
      row.split { $0 == "," || $0.isWhitespace }
    }.filter { !$0.isEmpty }
    let wanted = "rows of equally many numbers, such as 0,1,0;1,-4,1;0,1,0"
    guard let width = rows.first?.count else {
      throw ImageError(.argument, name: name, expected: wanted, received: "none")
    }
    let sides = "1 to \(Self.largestSide) rows and columns"
    guard width <= Self.largestSide, rows.count <= Self.largestSide else {
      throw ImageError(
        .argument, name: name, expected: sides, received: "\(rows.count) x \(width)")
    }
    var weights: [Float] = []
    for (index, row) in rows.enumerated() {
      guard row.count == width else {
        throw ImageError(
          .argument, name: name, expected: wanted,
          received: "\(row.count) in row \(index + 1) after \(width)")
      }
      for word in row {
        guard let value = Float(word), value.isFinite else {
          throw ImageError(.argument, name: name, expected: wanted, received: "'\(word)'")
        }
        weights.append(value)
      }
    }
    self.init(width: width, height: rows.count, weights: weights)
  }

  /// The same weights with rows and columns exchanged.
  public var transposed: FilterKernel {
    FilterKernel(
      width: height, height: width,
      weights: (0..<width).flatMap { x in (0..<height).map { weights[$0 * width + x] } })
  }

  /// The response of a pattern that is white exactly where weights are positive; 0 where none is.
  public var fullResponse: Float { weights.reduce(0) { $0 + max($1, 0) } }
}

/// What lies beyond a picture's border when it is filtered.
public enum FilterBorder: String, Sendable, Hashable, Codable, CaseIterable {
  /// The picture mirrored, its edge pixels twice: d c b a | a b c d (SciPy's `reflect`).
  case reflect
  /// The nearest edge pixel goes on (SciPy's `nearest`).
  case replicate
  /// Zeros (SciPy's `constant`).
  case zero

  /// The row or column of a picture that stands at `index`; nil for zeros.
  func place(_ index: Int, of count: Int) -> Int? {
    if index >= 0 && index < count { return index }
    switch self {
    case .zero: return nil
    case .replicate: return index < 0 ? 0 : count - 1
    case .reflect:
      let period = 2 * count
      let turn = ((index % period) + period) % period
      return turn < count ? turn : period - 1 - turn
    }
  }
}

/// A filter by its name: kernels one after the other, or the strength of two of them together.
public struct PictureFilter: Sendable, Hashable {
  /// What a filter does.
  public enum Work: Sendable, Hashable {
    /// Correlates with each kernel in turn.
    case kernels([FilterKernel])
    /// The length of the vector of two responses.
    case magnitude(FilterKernel, FilterKernel)
  }

  /// The name as it was asked for.
  public let name: String
  /// What it does.
  public let work: Work

  /// A filter of one kernel.
  public init(name: String, kernel: FilterKernel) {
    self.name = name
    work = .kernels([kernel])
  }

  private init(name: String, work: Work) {
    self.name = name
    self.work = work
  }

  /// The names that `named` knows.
  public static let names = [
    "blur", "gaussian:SIGMA", "sharpen", "emboss", "laplacian", "sobel-x", "sobel-y", "edges",
  ]

  /// The filter of a name; nil for a name that is not known.
  ///
  /// `blur` is the mean of 3 × 3 pixels; `gaussian:σ` is cut off at four deviations, as SciPy's;
  /// `edges` is the length of Sobel's gradient (Sobel and Feldman 1968).
  /// - Throws: `ImageError` for a Gaussian's deviation out of range.
  public static func named(_ name: String) throws(ImageError) -> PictureFilter? {
    func three(_ weights: [Float]) -> Work {
      .kernels([FilterKernel(width: 3, height: 3, weights: weights)])
    }
    let sobel = FilterKernel(width: 3, height: 3, weights: [-1, 0, 1, -2, 0, 2, -1, 0, 1])
    switch name {
    case "blur": return Self(name: name, work: three([Float](repeating: 1 / 9, count: 9)))
    case "sharpen": return Self(name: name, work: three([0, -1, 0, -1, 5, -1, 0, -1, 0]))
    case "emboss": return Self(name: name, work: three([-2, -1, 0, -1, 1, 1, 0, 1, 2]))
    case "laplacian": return Self(name: name, work: three([0, 1, 0, 1, -4, 1, 0, 1, 0]))
    case "sobel-x": return Self(name: name, work: .kernels([sobel]))
    case "sobel-y": return Self(name: name, work: .kernels([sobel.transposed]))
    case "edges": return Self(name: name, work: .magnitude(sobel, sobel.transposed))
    default:
      guard name.hasPrefix("gaussian:") else { return nil }
      let word = name.dropFirst("gaussian:".count)
      guard let sigma = Double(word), sigma > 0, sigma <= 31 else {
        throw ImageError(
          .argument, name: name, expected: "a deviation above 0, of at most 31 pixels",
          received: "'\(word)'")
      }
      let radius = Int(4 * sigma + 0.5)
      let values = (-radius...radius).map { exp(-0.5 * pow(Double($0) / sigma, 2)) }
      let sum = values.reduce(0, +)
      let row = FilterKernel(
        width: values.count, height: 1, weights: values.map { Float($0 / sum) })
      return Self(name: name, work: .kernels([row.transposed, row]))
    }
  }

  /// The filter that a word asks for: a name, rows of numbers, or a text file with rows of numbers.
  /// - Throws: `ImageError` for a word that is none of them, `FileError` for a file that cannot be
  ///   read.
  public init(parsing word: String) throws {
    if let known = try Self.named(word) {
      self = known
    } else if FileManager.default.fileExists(atPath: word) {
      let data = try InputFile.data(URL(fileURLWithPath: word), limit: 1 << 20)
        .withoutByteOrderMark
      let kernel = try FilterKernel(parsing: String(decoding: data, as: UTF8.self), name: word)
      let stem = ((word as NSString).lastPathComponent as NSString).deletingPathExtension
      self.init(name: stem, kernel: kernel)
    } else if word.contains(where: \.isNumber), !word.contains("/"), !word.hasSuffix(".txt") {
      self.init(name: word, kernel: try FilterKernel(parsing: word, name: "the kernel \(word)"))
    } else {
      throw ImageError(
        .argument, name: "the kernel \(word)",
        expected: "\(Self.names.joined(separator: ", ")), a file, or rows of numbers",
        received: "none of them")
    }
  }
}
