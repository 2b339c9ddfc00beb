// The addresses of models: the list, what the tool says of one, and its weights for pictures of
// filters.

import AtelierFiles
import Foundation
import HTTPTypes
import Hummingbird

extension Routes {
  /// The tensors of a model file by its head.
  private struct Tensor: Codable {
    var name: String
    var shape: [Int]
    var kind: String
    var start: Int
    var end: Int
  }

  /// The most bytes of a tensor that a page is given.
  private static let largestTensor = 8 << 20

  func addModels(to api: RouterGroup<Context>) {
    api.get("models") { _, _ in try Answer.json(try await studio.shippedModels()) }
    for what in ["summary", "plan"] {
      api.get("models/:kind/:id/\(what)") { request, context in
        var words = ["model", what, try await modelFile(context)]
        if let size = request.uri.queryParameters.get("size") {
          guard size.count < 24, size.allSatisfy({ $0.isNumber || $0 == "x" }) else {
            throw StudioError(.usage, "expected a size such as 96x96")
          }
          words += ["--size", size]
        }
        let (tool, asked) = (studio.tool, words)
        return Answer.bytes(
          try await studio.checks.run { try await tool.json(asked) }, type: "application/json")
      }
    }
    api.get("models/:kind/:id/tensors") { _, context in
      try Answer.json(try Self.tensors(try await modelFile(context)))
    }
    api.get("models/:kind/:id/tensors/:index") { _, context in
      let file = try await modelFile(context)
      let (tensors, index) = (try Self.tensors(file), try Self.number(context))
      guard tensors.indices.contains(index) else {
        throw StudioError(.missingInput, "there is no tensor \(index)")
      }
      return Answer.bytes(
        try Self.bytes(of: tensors[index], in: file), type: "application/octet-stream")
    }
  }

  /// The file of a shipped model by its number, or of a run by its identity.
  private func modelFile(_ context: Context) async throws -> String {
    switch try context.parameters.require("kind") {
    case "shipped":
      let (models, index) = (try await studio.shippedModels(), try Self.number(context, "id"))
      guard models.indices.contains(index) else {
        throw StudioError(.missingInput, "there is no model \(index)")
      }
      return models[index].file
    case "run":
      let files = try studio.runs.files(try Self.id(context)).files
      for name in ["best.safetensors", "last.safetensors"] {
        let place = files.url.appendingPathComponent(name).path
        if access(place, R_OK) == 0 { return place }
      }
      throw StudioError(.missingInput, "\(files.name): no model was saved yet")
    default: throw StudioError(.missingInput, "there is no such address")
    }
  }

  private static func tensors(_ path: String) throws -> [Tensor] {
    let name = URL(fileURLWithPath: path).lastPathComponent
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw StudioError(.missingInput, "\(name): cannot be read") }
    defer { close(descriptor) }
    let mark = AtomicFile.read(descriptor, at: 0, count: 8).bytes
    let length = mark.reversed().reduce(0) { $0 << 8 | Int($1) }
    guard mark.count == 8, mark[7] == 0, (2...64 << 20).contains(length),
      let object = try? JSONSerialization.jsonObject(
        with: Data(AtomicFile.read(descriptor, at: 8, count: length).bytes)) as? [String: Any]
    else {
      throw StudioError(
        .data, "\(name): expected a safetensors file, received something else of that name")
    }
    return object.compactMap { key, value -> Tensor? in
      guard let entry = value as? [String: Any], let shape = entry["shape"] as? [Int],
        let range = entry["data_offsets"] as? [Int], let kind = entry["dtype"] as? String,
        range.count == 2, 0 <= range[0], range[0] <= range[1]
      else { return nil }
      return Tensor(
        name: key, shape: shape, kind: kind, start: 8 + length + range[0],
        end: 8 + length + range[1])
    }
    .sorted { ($0.start, $0.name) < ($1.start, $1.name) }
  }

  private static func bytes(of tensor: Tensor, in path: String) throws -> Data {
    let count = tensor.end - tensor.start
    guard count <= largestTensor else {
      throw StudioError(.noMemory, "\(tensor.name): expected at most \(largestTensor >> 20) MB")
    }
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw StudioError(.missingInput, "the model cannot be read") }
    defer { close(descriptor) }
    let (bytes, code) = AtomicFile.read(descriptor, at: tensor.start, count: count)
    guard code == 0, bytes.count == count else {
      throw StudioError(.data, "\(tensor.name): the file is shorter than its head says")
    }
    return Data(bytes)
  }
}
