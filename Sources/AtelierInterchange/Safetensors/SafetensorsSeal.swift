// The seal of a model file: a hash of all that is in it, by which a changed bit is seen.

import AtelierEngine
import AtelierFiles

extension SafetensorsFile {
  /// The key of the seal in the metadata.
  static let sealKey = "checksum"
  /// What stands before the digits.
  private static let sealPrefix = "xxh64:"

  /// The file with a seal over its metadata and tensors.
  ///
  /// It counts what the file holds, not how: names in order of their bytes, types, sizes and data. A
  /// tool that changes any of them on purpose leaves the entry out.
  package var sealed: SafetensorsFile {
    var copy = self
    copy.metadata[Self.sealKey] = Self.sealPrefix + contentHash
    return copy
  }

  /// Checks the seal of a file that has one.
  /// - Throws: `SafetensorsError` when it is broken.
  func expectWholeSeal() throws(SafetensorsError) {
    guard let seal = metadata[Self.sealKey], seal.hasPrefix(Self.sealPrefix) else { return }
    let received = Self.sealPrefix + contentHash
    guard seal == received else {
      throw SafetensorsError(
        file: name, reason: .malformed,
        message:
          "expected what has the checksum \(quoted(seal)), received \(quoted(received)): the "
          + "file was damaged or changed after it was written")
    }
  }

  private var contentHash: String {
    var text: [UInt8] = []
    func add(_ parts: [String]) {
      for part in parts {
        text += part.utf8
        text.append(0)
      }
    }
    func precedes(_ one: String, _ other: String) -> Bool {
      one.utf8.lexicographicallyPrecedes(other.utf8)
    }
    for key in metadata.keys.sorted(by: precedes) where key != Self.sealKey {
      add([key, metadata[key] ?? ""])
    }
    for entry in entries.sorted(by: { precedes($0.name, $1.name) }) {
      let sizes = entry.shape.dimensions.map(String.init).joined(separator: ",")
      add([
        entry.name, entry.type.rawValue, sizes,
        ContentHash.text(entry.withBytes { ContentHash.xxh64($0) }),
      ])
    }
    return ContentHash.text(ContentHash.xxh64(text))
  }
}
