// The addresses of pictures: uploads, what jobs read and wrote, folders, sets of faces.

import AtelierFiles
import Foundation
import HTTPTypes
import Hummingbird

extension Routes {
  private struct Save: Decodable { var folder: String }
  private struct Remove: Decodable { var names: [String] }

  /// What a job wrote.
  private struct Results: Encodable {
    var files: [File]
    /// The report, as the tool printed it.
    var report: String
    var errors: String

    struct File: Encodable {
      var name: String
      var path: String
      var isPicture: Bool
      var bytes: Int
    }
  }

  func addPictures(to api: RouterGroup<Context>) {
    api.post("uploads") { request, _ in
      let name = request.uri.queryParameters.get("name") ?? "picture"
      return try Answer.json(try await studio.uploads.take(request, name: name), status: .created)
    }
    api.get("uploads/:id") { _, context in
      try Answer.file(try studio.uploads.file(try Self.id(context)))
    }
    api.delete("uploads") { _, _ in
      studio.uploads.removeAll()
      return Response(status: .noContent)
    }
    api.get("folders") { request, _ in
      try Answer.json(try studio.folders.list(request.uri.queryParameters.get("path") ?? "."))
    }
    api.get("jobs/:id/results") { _, context in try results(try Self.id(context)) }
    api.get("jobs/:id/results/:index") { request, context in
      let folder = JobFolder(studio.home, try Self.id(context))
      let (files, index) = (folder.resultFiles(), try Self.number(context))
      guard files.indices.contains(index) else {
        throw StudioError(.missingInput, "there is no result \(index)")
      }
      let isSaved = request.uri.queryParameters.get("save") != nil
      return try Answer.file(
        folder.results.appendingPathComponent(files[index]),
        saveAs: isSaved ? files[index].split(separator: "/").last.map(String.init) : nil)
    }
    api.get("jobs/:id/inputs/:index") { _, context in
      let job = try await studio.queue.job(try Self.id(context))
      let index = try Self.number(context)
      guard job.inputs.indices.contains(index) else {
        throw StudioError(.missingInput, "there is no picture \(index)")
      }
      return try Answer.file(URL(fileURLWithPath: job.inputs[index]))
    }
    api.post("jobs/:id/save") { request, context in
      let save: Save = try await Self.body(request)
      return try Answer.json(["files": try self.save(try Self.id(context), save.folder)])
    }
    addFaces(to: api.group("faces"))
    addDisk(to: api)
  }

  private func results(_ id: String) throws -> Response {
    let folder = JobFolder(studio.home, id)
    func text(_ url: URL) -> String {
      (try? InputFile.data(url, limit: 8 << 20)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }
    let files = folder.resultFiles().map { path in
      let place = folder.results.appendingPathComponent(path)
      return Results.File(
        name: place.lastPathComponent, path: place.path, isPicture: PictureNames.isPicture(path),
        bytes: FileSizes.bytes(place))
    }
    return try Answer.json(
      Results(files: files, report: text(folder.output), errors: text(folder.errors)))
  }

  /// Copies all results into a folder inside the roots; nothing that is there is replaced.
  private func save(_ id: String, _ name: String) throws -> Int {
    let folder = JobFolder(studio.home, id)
    let target = try studio.folders.newPlace(name)
    let files = folder.resultFiles()
    guard !files.isEmpty else { throw StudioError(.missingInput, "there are no results to save") }
    for path in files {
      let place = target.appendingPathComponent(path).path
      guard access(place, F_OK) != 0 else {
        throw StudioError(.cannotCreate, "\(place): is there already; choose another folder")
      }
    }
    for path in files {
      let place = target.appendingPathComponent(path)
      try AtomicFile.makeFolder(place.deletingLastPathComponent())
      let data = try Data(contentsOf: folder.results.appendingPathComponent(path))
      try AtomicFile.write(data, to: place)
    }
    return files.count
  }

  // MARK: - Faces

  private struct FaceSet: Encodable {
    var id: String
    var name: String
    var path: String
    var count: Int
  }

  private struct Face: Encodable {
    var name: String
    var sharpness: Double?
    var source: String?
  }

  private func addFaces(to faces: RouterGroup<Context>) {
    faces.get { _, _ in
      let sets = await studio.runs.faces.map { id, url in
        FaceSet(
          id: id, name: url.lastPathComponent, path: studio.folders.name(url),
          count: Self.pictures(in: url).count)
      }
      return try Answer.json(sets.sorted { $0.path < $1.path })
    }
    faces.get(":id") { _, context in
      let folder = try await faceFolder(try Self.id(context))
      return try Answer.json(Self.faces(in: folder))
    }
    faces.get(":id/pictures/:name") { _, context in
      let folder = try await faceFolder(try Self.id(context))
      let name = try context.parameters.require("name")
      // Only names that the list has are looked for.
      guard Self.pictures(in: folder).contains(name) else {
        throw StudioError(.missingInput, "there is no such face")
      }
      return try Answer.file(folder.appendingPathComponent(name))
    }
    faces.post(":id/remove") { request, context in
      let remove: Remove = try await Self.body(request)
      let folder = try await faceFolder(try Self.id(context))
      let known = Set(Self.pictures(in: folder))
      let bin = folder.appendingPathComponent("removed")
      try AtomicFile.makeFolder(bin)
      for name in remove.names where known.contains(name) {
        let place = bin.appendingPathComponent(name).path
        guard rename(folder.appendingPathComponent(name).path, place) == 0 else {
          throw StudioError(.cannotCreate, "\(place): \(String(cString: strerror(errno)))")
        }
      }
      return try Answer.json(Self.faces(in: folder))
    }
  }

  private func faceFolder(_ id: String) async throws -> URL {
    guard let folder = await studio.runs.faces[id] else {
      throw StudioError(.missingInput, "there is no such set of faces any more")
    }
    return folder
  }

  private static func pictures(in folder: URL) -> [String] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    return names.filter { PictureNames.isPicture($0) && !$0.hasPrefix(".") }.sorted()
  }

  /// The faces of a folder with what `alignments.json` says of each.
  private static func faces(in folder: URL) -> [Face] {
    struct Alignments: Decodable {
      struct Entry: Decodable {
        var crop: String?
        var sharpness: Double?
        var source: String?
      }
      var faces: [Entry]
    }
    let file = folder.appendingPathComponent("alignments.json")
    let data = try? InputFile.data(file, limit: 64 << 20)
    let entries = data.flatMap { try? JSONDecoder().decode(Alignments.self, from: $0) }?.faces ?? []
    let known = Dictionary(
      entries.compactMap { entry in entry.crop.map { ($0, entry) } }
    ) { first, _ in first }
    return pictures(in: folder).map { name in
      Face(name: name, sharpness: known[name]?.sharpness, source: known[name]?.source)
    }
  }

  // MARK: - Disk

  private struct Disk: Encodable {
    var free: Int?
    var uploads: Int
    var jobs: Int
    var reserve: Int
  }

  private func addDisk(to api: RouterGroup<Context>) {
    api.get("disk") { _, _ in
      try Answer.json(
        Disk(
          free: FileSizes.free(studio.home.url), uploads: FileSizes.bytes(studio.home.uploads),
          jobs: FileSizes.bytes(studio.home.jobs), reserve: studio.settings.reserve))
    }
  }
}
