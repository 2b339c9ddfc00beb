// Answers: JSON, bytes, files, and errors as one line with the status that fits.

import AtelierFiles
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore

/// Makes responses.
enum Answer {
  /// A value as JSON.
  static func json(_ value: some Encodable, status: HTTPResponse.Status = .ok) throws -> Response {
    bytes(try JSONEncoder.ordered().encode(value), type: "application/json", status: status)
  }

  /// Bytes of a type.
  static func bytes(
    _ data: Data, type: String, status: HTTPResponse.Status = .ok
  ) -> Response {
    Response(
      status: status, headers: [.contentType: type],
      body: ResponseBody(byteBuffer: ByteBuffer(bytes: data)))
  }

  /// An error as JSON, or as a page for people.
  static func failure(
    _ status: HTTPResponse.Status, _ text: String, isPage: Bool = false
  ) -> Response {
    guard !isPage else {
      return bytes(Data((text + "\n").utf8), type: "text/plain; charset=utf-8", status: status)
    }
    let data = (try? JSONEncoder.ordered().encode(["error": text])) ?? Data()
    return bytes(data, type: "application/json", status: status)
  }

  /// An error of any kind.
  static func failure(_ error: any Error) -> Response {
    switch error {
    case let error as StudioError:
      let status: HTTPResponse.Status =
        switch error.kind {
        case .usage: .badRequest
        case .data: .unprocessableContent
        case .missingInput: .notFound
        case .cannotCreate: .conflict
        case .noMemory: .contentTooLarge
        }
      return failure(status, error.description)
    case let error as FileError:
      return failure(error.code == ENOENT ? .notFound : .conflict, error.description)
    case let error as any HTTPResponseError:
      return failure(error.status, error.status.reasonPhrase)
    case is DecodingError:
      return failure(.badRequest, "the request is not the JSON that is expected here")
    default:
      return failure(.internalServerError, "\(error)")
    }
  }

  /// A file, in parts, so that a large one costs no memory.
  static func file(_ url: URL, type: String? = nil, saveAs name: String? = nil) throws -> Response {
    let descriptor = open(url.path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
    var status = stat()
    guard descriptor >= 0, fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG
    else {
      if descriptor >= 0 { close(descriptor) }
      throw StudioError(.missingInput, "\(url.lastPathComponent): there is no such file any more")
    }
    let size = Int(status.st_size)
    let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    let body = ResponseBody(contentLength: size) { writer in
      var offset = 0
      while offset < size {
        let (bytes, code) = AtomicFile.read(
          handle.fileDescriptor, at: offset, count: min(256 << 10, size - offset))
        guard code == 0, !bytes.isEmpty else { throw CancellationError() }
        offset += bytes.count
        try await writer.write(ByteBuffer(bytes: bytes))
      }
      try await writer.finish(nil)
    }
    var response = Response(
      status: .ok, headers: [.contentType: type ?? MediaType.of(url.lastPathComponent)], body: body)
    response.headers[.contentLength] = "\(size)"
    // A picture is named by its place in a list: the browser must ask whether it is still the same.
    response.headers[.cacheControl] = "no-cache"
    response.headers[.eTag] = "\"\(size)-\(FileSizes.modified(status))\""
    if let name {
      let plain = name.filter { $0.isASCII && ($0.isLetter || $0.isNumber || "-_. ".contains($0)) }
      response.headers[.contentDisposition] = "attachment; filename=\"\(plain)\""
    }
    return response
  }
}

/// The types of files by their endings.
enum MediaType {
  static func of(_ name: String) -> String {
    switch name.split(separator: ".").last?.lowercased() {
    case "html": "text/html; charset=utf-8"
    case "css": "text/css; charset=utf-8"
    case "js": "text/javascript; charset=utf-8"
    case "svg": "image/svg+xml"
    case "png": "image/png"
    case "jpg", "jpeg": "image/jpeg"
    case "webp": "image/webp"
    case "gif": "image/gif"
    case "json": "application/json"
    case "csv", "txt", "jsonl", "log": "text/plain; charset=utf-8"
    default: "application/octet-stream"
    }
  }
}
