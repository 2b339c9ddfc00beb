// The page: embedded in the program, compressed once at the start.

import CStudioSite
import CZlib
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore

/// The files of the page.
struct Site: Sendable {
  /// One file.
  struct File: Sendable {
    let plain: Data
    let packed: Data
    let type: String
    let tag: String
  }

  /// The files by name.
  let files: [String: File]

  /// Reads what is embedded.
  init() {
    var files: [String: File] = [:]
    for index in 0..<Int(studio_site_count()) {
      let entry = studio_site_file(UInt32(index))
      guard let name = entry.name, let bytes = entry.bytes else { continue }
      let plain = Data(bytes: bytes, count: Int(entry.size))
      let packed = Self.packed(plain)
      let sum = plain.withUnsafeBytes {
        crc32(0, $0.bindMemory(to: UInt8.self).baseAddress, UInt32($0.count))
      }
      files[String(cString: name)] = File(
        plain: plain, packed: packed, type: MediaType.of(String(cString: name)),
        tag: "\"\(plain.count)-\(sum)\"")
    }
    self.files = files
  }

  /// The bytes as gzip; the plain ones when that fails.
  private static func packed(_ data: Data) -> Data {
    var stream = z_stream()
    let format = MAX_WBITS + 16
    guard
      deflateInit2_(
        &stream, 9, Z_DEFLATED, format, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
        Int32(MemoryLayout<z_stream>.size)) == Z_OK
    else { return data }
    defer { deflateEnd(&stream) }
    var input = Array(data)
    var output = [UInt8](repeating: 0, count: Int(deflateBound(&stream, UInt(data.count))) + 64)
    let result = input.withUnsafeMutableBufferPointer { source in
      output.withUnsafeMutableBufferPointer { target -> Int32 in
        stream.next_in = source.baseAddress
        stream.avail_in = UInt32(source.count)
        stream.next_out = target.baseAddress
        stream.avail_out = UInt32(target.count)
        return deflate(&stream, Z_FINISH)
      }
    }
    guard result == Z_STREAM_END else { return data }
    return Data(output.prefix(Int(stream.total_out)))
  }

  /// The answer to a request for a file; nil when there is none of that name.
  func answer(_ name: String, _ request: Request) -> Response? {
    guard let file = files[name] else { return nil }
    var headers: HTTPFields = [
      .contentType: file.type, .eTag: file.tag, .cacheControl: "no-cache",
    ]
    if request.headers[.ifNoneMatch] == file.tag {
      return Response(status: .notModified, headers: headers)
    }
    let takesPacked = request.headers[.acceptEncoding]?.contains("gzip") == true
    if takesPacked { headers[.contentEncoding] = "gzip" }
    headers[.vary] = "Accept-Encoding"
    return Response(
      status: .ok, headers: headers,
      body: ResponseBody(byteBuffer: ByteBuffer(bytes: takesPacked ? file.packed : file.plain)))
  }
}
