// Which pictures are read and where each result goes, settled before any work begins.

import AtelierDatasets
import AtelierFiles
import AtelierImages
import AtelierMedia
import Foundation

/// The pictures, and where a command takes them the films, of one call.
public struct PicturePlan {
  /// What is read, and where its result goes.
  public let tasks: [MediaFile]
  /// Inputs that are not there, with the reason.
  public let missing: [InputFailure]
  /// What was left out of folders, in words.
  public let remarks: [String]

  /// Expands inputs and names results; the output is a folder, or a file for one input whose name
  /// ends as a picture's or film's.
  ///
  /// With an ending, an input's first result is its stem and that, in the folder. `further` are the
  /// files that are written with a result, `others` those of the whole call. Throws `StudioError`
  /// when any of them would overwrite an input or another.
  public init(
    inputs: [String], output: String, extensions: Set<String> = MediaFile.pictureExtensions,
    ending: String? = nil, further: (MediaFile) -> [String] = { _ in [] },
    others: [String?] = []
  ) throws {
    let takesFilms = !extensions.isDisjoint(with: FilmTools.extensions)
    var found: [(name: String, path: String)] = []
    var missing: [InputFailure] = []
    var hasFolder = false
    var remarks: [String] = []
    let target = Self.canonical(output)
    for input in inputs {
      guard let isFolder = StudioFiles.isFolder(input) else {
        missing.append(
          InputFailure(file: input, error: "\(input): no such file or folder", kind: .missing))
        continue
      }
      guard isFolder else {
        found.append(((input as NSString).lastPathComponent, input))
        continue
      }
      hasFolder = true
      let (files, strangers) = try ImageFolder.listing(
        URL(fileURLWithPath: input), extensions: extensions)
      // Results of an earlier call may lie below the folder that is read.
      let fresh = files.filter { !Self.canonical($0.url.path).hasPrefix(target + "/") }
      guard !fresh.isEmpty else {
        let kinds = takesFilms ? "picture or film" : "picture"
        missing.append(
          InputFailure(
            file: input, error: "\(input): the folder holds no \(kinds)", kind: .missing))
        continue
      }
      if let remark = ImageFolder.leftOutLine(strangers, in: input) { remarks.append(remark) }
      found += fresh.map { ($0.name, (input as NSString).appendingPathComponent($0.name)) }
    }
    let isFilm = takesFilms && FilmTools.isFilm(found.first?.path ?? "")
    let isFile = inputs.count == 1 && !hasFolder && Self.isFileName(output, isFilm: isFilm)
    // Of pictures of one name in two formats that become one, each keeps its own ending, too.
    let results = found.map { Self.resultName($0.name, takesFilms) }
    let counts = Dictionary(results.map { ($0, 1) }, uniquingKeysWith: +)
    tasks = zip(found, results).map { file, result in
      let (name, path) = file
      if let ending {
        let stem = (name as NSString).deletingPathExtension
        let place = (output as NSString).appendingPathComponent(stem + ending)
        return MediaFile(name: name, input: path, output: place)
      }
      let place =
        isFile
        ? output
        : (output as NSString).appendingPathComponent(
          counts[result] == 1 || result == name
            ? result : "\(name).\((result as NSString).pathExtension)")
      return MediaFile(name: name, input: path, output: place)
    }
    self.missing = missing
    self.remarks = remarks
    try Self.refuseCollisions(
      tasks.map { ($0.input, [$0.output] + further($0)) }, others: others.compactMap(\.self))
  }

  /// The first five of many lines, and how many there are.
  package static func few(_ lines: [String], of what: String) -> [String] {
    lines.count <= 6 ? lines : lines.prefix(5) + ["\(lines.count) \(what); these are the first 5"]
  }

  /// Throws `StudioError` where a result, or one of the other files of a call, would overwrite an
  /// input or another file that is written.
  ///
  /// Paths are compared by their bytes, as file systems do: texts that look alike may be two files.
  package static func refuseCollisions(
    _ tasks: [(input: String, outputs: [String])], others: [String] = []
  ) throws {
    func key(_ path: String) -> [UInt8] { Array(canonical(path).utf8) }
    let read = Set(tasks.map { key($0.input) })
    var written: [[UInt8]: String] = [:]
    for (input, outputs) in tasks + others.map({ ($0, [$0]) }) {
      for file in outputs {
        let output = key(file)
        try StudioError.unless(
          !read.contains(output), .usage,
          "\(file): the result would overwrite an input; name another place")
        if let other = written.updateValue(input, forKey: output) {
          throw StudioError(
            .usage,
            other == input || input == file
              ? "\(other): two of its results would be written to \(file)"
              : "\(other) and \(input) would both be written to \(file)")
        }
      }
    }
  }

  /// Whether a name ends as a picture's or a film's that can be written, and is no folder.
  private static func isFileName(_ path: String, isFilm: Bool) -> Bool {
    StudioFiles.isFolder(path) != true && isWritten(path, isFilm)
  }

  /// The result's name: the input's, as PNG or MP4 where the input's format is not written.
  private static func resultName(_ name: String, _ takesFilms: Bool) -> String {
    let isFilm = takesFilms && FilmTools.isFilm(name)
    return isWritten(name, isFilm)
      ? name : (name as NSString).deletingPathExtension + (isFilm ? ".mp4" : ".png")
  }

  /// Whether files of this ending are written.
  private static func isWritten(_ name: String, _ isFilm: Bool) -> Bool {
    (isFilm ? FilmTools.writtenExtensions : ImageFile.writtenExtensions)
      .contains((name as NSString).pathExtension.lowercased())
  }

  /// A path that is equal for equal files, also through links and for files that are not there yet.
  public static func canonical(_ path: String) -> String {
    let url = URL(fileURLWithPath: path).standardizedFileURL
    guard !FileManager.default.fileExists(atPath: url.path) else {
      return url.resolvingSymlinksInPath().path
    }
    let folder = url.deletingLastPathComponent()
    guard folder.path != url.path else { return url.path }
    return canonical(folder.path) + "/" + url.lastPathComponent
  }
}

extension MediaFile {
  /// The name without its ending.
  package var stem: String { (name as NSString).deletingPathExtension }

  /// What reads the films among files, and how many pictures and each so many-th frames there are.
  ///
  /// Without films there are no tools; where a film does not say its length there is no number.
  package static func films(
    of files: [MediaFile], every step: Int = 1
  ) throws -> (tools: FilmTools?, frames: Int?) {
    let films = files.filter(\.isFilm)
    guard !films.isEmpty else { return (nil, files.count) }
    let tools = try FilmTools()
    let lengths = films.compactMap { (try? tools.information($0.input))?.frameCount }
    guard lengths.count == films.count else { return (tools, nil) }
    return (tools, files.count - films.count + lengths.reduce(0) { $0 + $1 / step })
  }
}
