// What every result of a face swap says about itself: synthetic, by which model, to whom, by what.

import AtelierFiles
import AtelierImages
import AtelierWorkbench
import AtelierZoo
import Foundation

/// Where a swapped picture comes from, for the metadata of its file.
public struct Provenance: Sendable, Hashable {
  /// The model file's name.
  public let model: String
  /// The SHA-256 digest of the model file, hexadecimal.
  public let digest: String
  /// Whose face was drawn.
  public let face: SwapFace

  /// Describes where a swapped picture comes from; throws when the model file cannot be read.
  public init(model: URL, face: SwapFace) throws {
    self.model = model.lastPathComponent
    digest = FileDigest.sha256(try Data(contentsOf: model, options: .mappedIfSafe))
    self.face = face
  }

  /// One sentence for people.
  public var sentence: String {
    "Synthetic picture: face swap to \(face.rawValue) by \(StudioVersion.software), model \(model) "
      + "(sha256 \(digest))"
  }

  /// The metadata of a picture's file: text and an XMP packet with IPTC's digital source type.
  public var pictureMetadata: [String: String] {
    ["Software": StudioVersion.software, "Comment": sentence, ImageWriteOptions.xmpKey: packet]
  }

  /// The metadata of a film.
  public var filmMetadata: [String: String] {
    ["comment": sentence, "encoding_tool": StudioVersion.software]
  }

  /// Composite of a captured picture and what a trained algorithm made (IPTC NewsCodes).
  private static let sourceType =
    "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"

  private var packet: String {
    func escaped(_ text: String) -> String {
      text.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "<", with: "&lt;")
        .replacingOccurrences(of: ">", with: "&gt;").replacingOccurrences(of: "\"", with: "&quot;")
    }
    return """
      <?xpacket begin="\u{FEFF}" id="W5M0MpCehiHzreSzNTczkc9d"?>
      <x:xmpmeta xmlns:x="adobe:ns:meta/">
       <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
        <rdf:Description rdf:about=""
          xmlns:xmp="http://ns.adobe.com/xap/1.0/"
          xmlns:dc="http://purl.org/dc/elements/1.1/"
          xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
          xmp:CreatorTool="\(escaped(StudioVersion.software))"
          Iptc4xmpExt:DigitalSourceType="\(Self.sourceType)">
         <dc:description><rdf:Alt><rdf:li xml:lang="x-default">\(escaped(sentence))</rdf:li>\
      </rdf:Alt></dc:description>
        </rdf:Description>
       </rdf:RDF>
      </x:xmpmeta>
      <?xpacket end="r"?>
      """
  }
}
