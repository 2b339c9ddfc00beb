// Work on a list of pictures: list, work, write, count failures; one rule for all workshops.

import AtelierDatasets
import AtelierFiles
import AtelierImages
import AtelierMedia
import AtelierTraining
import Foundation

/// A loop over pictures, or whatever comes one by one, in which a failure does not stop the others.
public enum PictureJob {
  /// Works on tasks one after the other; results are those of the tasks that did not fail.
  ///
  /// What a picture's own data is to blame for is counted and told at the end; any other error ends
  /// the loop, because the next picture would meet it, too. The work gets its counter, such as
  /// `[2/10]`.
  public static func run<Task, Result>(
    _ tasks: [Task], name: (Task) -> String, in place: JobPlace, failures: inout [InputFailure],
    unit: String = "pictures", _ work: (_ task: Task, _ counter: String) throws -> Result
  ) throws -> [Result] {
    var results: [Result] = []
    let progress = ProgressCounter(unit, place)
    for (index, task) in tasks.enumerated() {
      do {
        results.append(try work(task, "[\(index + 1)/\(tasks.count)]"))
      } catch let error as StudioError where ![.data, .noMemory].contains(error.kind) {
        throw error
      } catch {
        failures.append(InputFailure(file: name(task), error))
      }
      progress.show(index + 1, tasks.count)
      if place.interrupt.isRaised {
        place.remark("interrupted after \(index + 1) of \(tasks.count) \(unit)")
        break
      }
    }
    return results
  }

  /// The pictures that inputs name: files, and what folders hold; others are appended to the
  /// failures.
  package static func pictures(
    _ inputs: [String], _ failures: inout [InputFailure]
  ) -> [(name: String, url: URL)] {
    var files: [(name: String, url: URL)] = []
    for input in inputs {
      do {
        try StudioFiles.expectPresent([input])
        let found = try ImageFolder.list(
          URL(fileURLWithPath: input), extensions: MediaFile.pictureExtensions)
        try StudioError.unless(
          !found.isEmpty, .missingInput, "\(input): the folder holds no picture")
        files += found
      } catch {
        failures.append(InputFailure(file: input, error))
      }
    }
    return files
  }

  /// Reads a picture of any kind in 8 bits, of another kind through a program that reads it.
  package static func read(_ path: String, in place: JobPlace? = nil) throws -> ByteImage {
    let source = try ForeignPicture(path)
    if let remark = source.remark { place?.remark(remark) }
    guard source.isUpright else { return try ImageFile.read(source.path) }
    let page = try PictureReader(source.path, isUpright: true).nextPage()
    return try page?.image.bytes ?? ImageFile.read(source.path)
  }

  /// Writes results into a folder that is made; any error becomes `StudioError` of the kind
  /// `cannotCreate`, or `noMemory` for want of that.
  public static func writing<Result>(_ path: String, _ body: () throws -> Result) throws -> Result {
    do {
      let folder = (path as NSString).deletingLastPathComponent
      if !folder.isEmpty {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      }
      return try body()
    } catch {
      let kind: StudioError.Kind =
        ErrorLine.kind(error) == .noMemory ? .noMemory : .cannotCreate
      throw StudioError(kind, ErrorLine.text(error))
    }
  }

  /// Writes a picture that names its program; throws as `writing` does.
  public static func write(
    _ picture: ByteImage, to path: String, quality: Int = 92, place: JobPlace? = nil
  ) throws {
    try writing(path) {
      try ImageFile.write(
        picture, to: path, options: .init(quality: quality, metadata: ["Software": "Atelier"]))
    }
    place?.send(.saved(path))
  }
}
