// Fields of parts that several requests have, and the words of the values that they hold.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import AtelierKernels
import AtelierZoo

extension Field {
  /// The pictures that a job works on.
  public static func inputs(
    _ path: FieldPath<Request, [String]>, _ help: String = "Pictures, or folders of them"
  ) -> Self { Self(list: "in", path, help, value: "in").positional.demanded }

  /// Where results go.
  public static func output(
    _ path: FieldPath<Request, String>,
    _ help: String = "A picture file for one input, else a folder", value: String = "out"
  ) -> Self { Self("output", path, help, value: value, kind: .output).letter("o").demanded }

  /// The model file.
  public static func model(
    _ path: FieldPath<Request, String>, _ help: String = "The model file"
  ) -> Self {
    Self("model", path, help, value: "file", kind: .file(["safetensors"])).demanded
  }
}

extension Field where Request == PictureAugmentation {
  /// The random changes that move pictures.
  static let movements: [Self] = [
    Self("shift", \.shift, "Move pictures by up to this much", value: "pixels").byDefault(nil),
    Self("rotate", \.rotation, "Turn pictures by up to this much", value: "degrees")
      .byDefault(nil),
    Self("zoom", \.zoom, "Scale pictures by up to this fraction", value: "fraction")
      .byDefault(nil),
    Self(flag: "flip", \.isFlipped, "Mirror half of the pictures left to right"),
  ]

  /// The random changes that cover pictures and their light.
  static let coverings: [Self] = [
    Self(
      "brightness", \.brightness, "Brighten or darken by up to this fraction", value: "fraction"
    ).byDefault(nil),
    Self("cutout", \.cutout, "Cover a random square of this side", value: "pixels", .from(0))
      .byDefault(nil),
  ]
}

extension ClassifierNetwork: ChoiceValue {
  public static var noun: String? { "a network" }
}

extension Unpooling: ChoiceValue {}

extension Precision: ChoiceValue {}

extension PixelSize: FieldValue {
  /// `HxW` or one number for both, in pixels.
  public init(word: String) throws {
    let parts = word.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
    guard parts.count <= 2, let height = parts.first ?? nil, let width = parts.last ?? nil,
      (1...16384).contains(height), (1...16384).contains(width)
    else {
      throw FieldError("expected HEIGHTxWIDTH in pixels, such as 96x128; received '\(word)'")
    }
    self.init(width: width, height: height)
  }
  public var word: String { "\(height)x\(width)" }
}
