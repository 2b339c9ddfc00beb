// Which pictures are read and where each result goes, settled before any work begins.

import Atelier
import Foundation

/// One picture to read and the file to write.
struct PictureTask: Equatable {
  /// The name for people: the path as given, or below the given folder.
  let name: String
  /// The file to read.
  let input: String
  /// The file to write.
  let output: String

  /// The file of the picture that shows before and after, beside the result.
  var comparison: String {
    (output as NSString).deletingPathExtension + "-compare.png"
  }
}

/// The pictures of one call.
struct PicturePlan {
  let tasks: [PictureTask]
  /// Inputs that are not there, with the reason.
  let missing: [(name: String, message: String)]

  /// Expands inputs and names results.
  ///
  /// - Parameters:
  ///   - inputs: Files and folders.
  ///   - output: A file when there is one input file and the name ends as a picture's; or a folder.
  /// - Throws: `StudioError` when a result would overwrite an input or another result.
  init(inputs: [String], output: String) throws {
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
      let files = try ImageFolder.list(URL(fileURLWithPath: input))
      // Results of an earlier call may lie below the folder that is read.
      let fresh = files.filter { !Self.canonical($0.url.path).hasPrefix(target + "/") }
      guard !fresh.isEmpty else {
        missing.append((input, "\(input): the folder holds no PNG or JPEG"))
        continue
      }
      found += fresh.map { ($0.name, (input as NSString).appendingPathComponent($0.name)) }
    }
    let isFile = inputs.count == 1 && !hasFolder && Self.isPictureName(output)
    tasks = found.map { name, path in
      let place =
        isFile ? output : (output as NSString).appendingPathComponent(Self.resultName(name))
      return PictureTask(name: name, input: path, output: place)
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

  /// Whether a name ends as a picture's that can be written, and is no folder.
  private static func isPictureName(_ path: String) -> Bool {
    var isFolder: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue {
      return false
    }
    return ["png", "jpg", "jpeg"].contains((path as NSString).pathExtension.lowercased())
  }

  /// The result's name: the input's, as PNG where the input's format is not written.
  private static func resultName(_ name: String) -> String {
    ["png", "jpg", "jpeg"].contains((name as NSString).pathExtension.lowercased())
      ? name : (name as NSString).deletingPathExtension + ".png"
  }

  /// A path that is equal for equal files, also through links and for files that are not there yet.
  private static func canonical(_ path: String) -> String {
    let url = URL(fileURLWithPath: path).standardizedFileURL
    guard !FileManager.default.fileExists(atPath: url.path) else {
      return url.resolvingSymlinksInPath().path
    }
    let folder = url.deletingLastPathComponent()
    guard folder.path != url.path else { return url.path }
    return canonical(folder.path) + "/" + url.lastPathComponent
  }
}
