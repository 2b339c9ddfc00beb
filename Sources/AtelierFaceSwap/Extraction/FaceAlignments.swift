// The file alignments.json: which faces were found where, how they lie in crops, how good they are.

import AtelierFiles
import AtelierImages
import AtelierVision
import AtelierWorkbench
import Foundation

/// The faces of a set of pictures and films, as `alignments.json` holds them.
public struct FaceAlignments: Sendable, Codable, Equatable {
  /// The version of the format that this code writes and reads.
  public static let version = 1
  /// The sides of a crop that are read and written, in pixels.
  public static let cropSizes = 32...1024
  /// The largest file that is read, in bytes.
  static let largestSize = 512 << 20

  /// One face.
  public struct Entry: Sendable, Codable, Equatable {
    /// The picture or film, as it was named.
    public var source: String
    /// The frame of a film, from 0; nil for a picture.
    public var frame: Int?
    /// The number of the face in its picture, from 0, the most certain first.
    public var face: Int
    /// The crop's file, below the folder of the alignments; nil when none was written.
    public var crop: String?
    /// The face from brow to chin, in pixels of the picture.
    public var box: PlaneBox
    /// The eyes, in pixels of the picture; nil where the crop was laid by the box.
    public var eyes: EyePair?
    /// Eyes, nose and mouth, in pixels of the picture; nil where the detector does not tell them.
    public var points: FacePoints?
    /// What the crop was laid by.
    public var basis: AlignedFace.Basis
    /// From the picture to the crop, pixel centres at halves: the six numbers of a 2×3 matrix.
    public var matrix: AffineMap
    /// `Image.sharpness` of the crop.
    public var sharpness: Double
    /// How sure the detector was, in [0, 1]; 1 for boxes from a file.
    public var confidence: Double

    /// A face; see the properties.
    public init(
      source: String, frame: Int?, face: Int, crop: String?, box: PlaneBox, eyes: EyePair?,
      points: FacePoints? = nil, basis: AlignedFace.Basis, matrix: AffineMap, sharpness: Double,
      confidence: Double
    ) {
      self.source = source
      self.frame = frame
      self.face = face
      self.crop = crop
      self.box = box
      self.eyes = eyes
      self.points = points
      self.basis = basis
      self.matrix = matrix
      self.sharpness = sharpness
      self.confidence = confidence
    }
  }

  /// The format's version.
  public var version = Self.version
  /// What wrote the file.
  public var software: String
  /// Columns and rows of the crops that the matrices lead to.
  public var cropSize: Int
  /// The faces, by source and frame.
  public var faces: [Entry]

  enum CodingKeys: String, CodingKey {
    case version, software, faces
    case cropSize = "crop_size"
  }

  /// A list of faces.
  public init(software: String, cropSize: Int, faces: [Entry]) {
    self.software = software
    self.cropSize = cropSize
    self.faces = faces
  }

  /// Reads a file; throws `StudioError` that names the file and what is wrong with it.
  public init(contentsOf url: URL) throws {
    let data = try TextFile.data(url, limit: Self.largestSize, kind: "alignments")
    do {
      let head = try JSONDecoder().decode(Head.self, from: data)
      try StudioError.unless(
        head.version == Self.version, .data,
        "\(url.relativePath): expected alignments of version \(Self.version), received "
          + "\(head.version)")
      self = try JSONDecoder().decode(FaceAlignments.self, from: data)
    } catch let error as DecodingError {
      throw StudioError(
        .data, "\(url.relativePath): expected alignments as JSON, received \(error.place)")
    }
    try check(name: url.relativePath)
  }

  /// What every version has.
  private struct Head: Decodable { let version: Int }

  private func check(name: String) throws {
    try StudioError.unless(
      Self.cropSizes.contains(cropSize), .data,
      "\(name): expected a crop_size in \(Self.cropSizes), received \(cropSize)")
    for (index, face) in faces.enumerated() where face.matrix.inverse == nil {
      throw StudioError(
        .data,
        "\(name): expected matrices with an inverse, received \(face.matrix.elements) for face "
          + "\(index)")
    }
  }

  /// Writes the file beside and renames it; throws `FileError` when it cannot be written.
  public func write(to url: URL) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
    try AtomicFile.write(try encoder.encode(self) + Data("\n".utf8), to: url)
  }
}

extension DecodingError {
  /// What is wrong and where, in a few words of one line.
  var place: String {
    let (text, context): (String, Context?) =
      switch self {
      case .keyNotFound(let key, let context): ("no key \(key.stringValue)", context)
      case .typeMismatch(_, let context), .valueNotFound(_, let context):
        ("another kind of value", context)
      case .dataCorrupted(let context):
        (context.codingPath.isEmpty ? "no JSON" : context.debugDescription, context)
      @unknown default: ("something else", nil)
      }
    let path = context?.codingPath.map { $0.intValue.map(String.init) ?? $0.stringValue } ?? []
    return path.isEmpty ? text : "\(text) at \(path.joined(separator: "."))"
  }
}

/// Reading of small files of text.
enum TextFile {
  /// The bytes of a file; throws `StudioError` when it is missing or larger than the limit.
  static func data(_ url: URL, limit: Int, kind: String) throws -> Data {
    let name = url.relativePath
    guard
      let attributes = try? FileManager.default.attributesOfItem(
        atPath: url.resolvingSymlinksInPath().path),
      attributes[.type] as? FileAttributeType == .typeRegular
    else { throw StudioError(.missingInput, "\(name): expected a file of \(kind), received none") }
    let size = (attributes[.size] as? NSNumber)?.intValue ?? 0
    try StudioError.unless(
      size <= limit, .data, "\(name): expected at most \(limit) bytes of \(kind), received \(size)")
    do { return try Data(contentsOf: url) } catch {
      throw StudioError(.missingInput, "\(name): expected a readable file of \(kind)")
    }
  }
}
