// What a classifier reads of its pictures: pixels, or histograms of oriented gradients.

import AtelierKernels
import AtelierWorkbench

/// What a classifier reads of a picture.
public enum FeatureKind: String, ChoiceValue, Hashable, Codable {
  /// Its pixels, normalized.
  case pixels
  /// Histograms of oriented gradients (Dalal and Triggs 2005).
  case hog
}

extension OrientedGradients.Normalization: ChoiceValue {}

/// What a classifier reads, with its numbers; its entries stand in its request as one.
public struct FeatureForm: Sendable, Hashable, Codable {
  /// What it reads.
  public var kind = FeatureKind.pixels
  /// The numbers of the histograms.
  public var numbers = OrientedGradients()

  public init() {}

  /// The histograms that are read; nil for pixels.
  public var histograms: OrientedGradients? { kind == .hog ? numbers : nil }

  static let fields: [Field<Self>] = [
    Field("features", \.kind, "What the network reads", value: "kind"),
    Field(
      "orientations", \.numbers.orientations, "Directions of gradients over half a turn",
      value: "n", .from(1, to: 64)),
    Field(
      "cell", \.numbers.cell, "The side of a histogram's cell", value: "pixels", .from(1, to: 256)),
    Field(
      "block", \.numbers.block, "Cells along the side of a block", value: "n", .from(1, to: 256)),
    Field(
      "block-norm", \.numbers.normalization, "How a block's histograms are normalized",
      value: "norm"),
  ]

  /// Refuses numbers of histograms that nothing reads.
  static func check(_ words: FieldWords) throws {
    guard words["features"]?.last != FeatureKind.hog.rawValue else { return }
    for name in ["orientations", "cell", "block", "block-norm"] where words[name] != nil {
      throw FieldError("--\(name) is for --features hog")
    }
  }
}
