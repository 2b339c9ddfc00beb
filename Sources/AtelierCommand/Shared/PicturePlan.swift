// Which pictures are read and where each result goes, settled before any work begins.

import ArgumentParser
import Atelier
import Foundation

/// The pictures, and where a command takes them the films, of one call.
struct PicturePlan {
  let tasks: [MediaFile]
  /// Inputs that are not there, with the reason.
  let missing: [(name: String, message: String)]

  /// Expands inputs and names results.
  ///
  /// - Parameters:
  ///   - inputs: Files and folders.
  ///   - output: A file when there is one input file and the name ends as a picture's, or for a
  ///     film as a film's; or a folder.
  ///   - extensions: The files that a folder's listing takes.
  /// - Throws: `StudioError` when a result would overwrite an input or another result.
  init(
    inputs: [String], output: String, extensions: Set<String> = ImageFolder.extensions
  ) throws {
    let takesFilms = !extensions.isDisjoint(with: FilmTools.extensions)
    var found: [(name: String, path: String)] = []
    var missing: [(name: String, message: String)] = []
    var hasFolder = false
    let target = Self.canonical(output)
    for input in inputs {
      var isFolder: ObjCBool = false
      guard FileManager.default.fileExists(atPath: input, isDirectory: &isFolder) else {
        missing.append((input, "\(input): no such file or folder"))
        continue
      }
      guard isFolder.boolValue else {
        found.append(((input as NSString).lastPathComponent, input))
        continue
      }
      hasFolder = true
      let files = try ImageFolder.list(URL(fileURLWithPath: input), extensions: extensions)
      // Results of an earlier call may lie below the folder that is read.
      let fresh = files.filter { !Self.canonical($0.url.path).hasPrefix(target + "/") }
      guard !fresh.isEmpty else {
        let kinds = takesFilms ? "picture or film" : "PNG or JPEG"
        missing.append((input, "\(input): the folder holds no \(kinds)"))
        continue
      }
      found += fresh.map { ($0.name, (input as NSString).appendingPathComponent($0.name)) }
    }
    let isFilm = takesFilms && FilmTools.isFilm(found.first?.path ?? "")
    let isFile = inputs.count == 1 && !hasFolder && Self.isFileName(output, isFilm: isFilm)
    tasks = found.map { name, path in
      let place =
        isFile
        ? output
        : (output as NSString).appendingPathComponent(Self.resultName(name, takesFilms))
      return MediaFile(name: name, input: path, output: place)
    }
    self.missing = missing
    try checkOutputs()
  }

  private func checkOutputs() throws {
    let read = Set(tasks.map { Self.canonical($0.input) })
    var written: [String: String] = [:]
    for task in tasks {
      let output = Self.canonical(task.output)
      guard !read.contains(output) else {
        throw StudioError(
          .usage, "\(task.output): the result would overwrite an input; name another place")
      }
      if let other = written.updateValue(task.input, forKey: output) {
        throw StudioError(
          .usage, "\(other) and \(task.input) would both be written to \(task.output)")
      }
    }
  }

  /// Whether a name ends as a picture's or a film's that can be written, and is no folder.
  private static func isFileName(_ path: String, isFilm: Bool) -> Bool {
    var isFolder: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue {
      return false
    }
    let extensions = isFilm ? FilmTools.writtenExtensions : ["png", "jpg", "jpeg"]
    return extensions.contains((path as NSString).pathExtension.lowercased())
  }

  /// The result's name: the input's, as PNG or MP4 where the input's format is not written.
  private static func resultName(_ name: String, _ takesFilms: Bool) -> String {
    let isFilm = takesFilms && FilmTools.isFilm(name)
    let written = isFilm ? FilmTools.writtenExtensions : ["png", "jpg", "jpeg"]
    return written.contains((name as NSString).pathExtension.lowercased())
      ? name : (name as NSString).deletingPathExtension + (isFilm ? ".mp4" : ".png")
  }

  /// A path that is equal for equal files, also through links and for files that are not there yet.
  static func canonical(_ path: String) -> String {
    let url = URL(fileURLWithPath: path).standardizedFileURL
    guard !FileManager.default.fileExists(atPath: url.path) else {
      return url.resolvingSymlinksInPath().path
    }
    let folder = url.deletingLastPathComponent()
    guard folder.path != url.path else { return url.path }
    return canonical(folder.path) + "/" + url.lastPathComponent
  }
}

/// A picture or film that could not be read or converted.
struct PictureFailure: Encodable {
  let file: String
  let error: String
  let code: Failure.Code

  enum CodingKeys: String, CodingKey { case file, error }

  /// The inputs of a plan that are not there, and what failed later.
  static func list(_ plan: PicturePlan, _ failures: [MediaFailure]) -> [PictureFailure] {
    plan.missing.map { PictureFailure(file: $0.name, error: $0.message, code: .missingInput) }
      + failures.map {
        let failure = Failure($0.error)
        return PictureFailure(file: $0.file, error: failure.message, code: failure.code)
      }
  }

  /// Says what failed, a line each, and ends with the fitting code if there is any.
  static func complain(_ failures: [PictureFailure]) throws {
    for failure in failures { Console.complain(failure.error) }
    guard let first = failures.first else { return }
    let code = failures.contains { $0.code == .missingInput } ? .missingInput : first.code
    throw ExitCode(code.rawValue)
  }
}
