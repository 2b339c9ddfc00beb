// A film as a job writes it: the result, and where asked before and after side by side.

import AtelierFiles
import AtelierImages
import AtelierMedia

/// A film that is written frame by frame, with a comparison beside it where one is asked for.
package struct FilmResult {
  private let task: MediaFile
  private let result: FilmWriter
  private let comparison: FilmWriter?

  /// Begins to write films like the one that is read, and says what they do not keep of it; throws
  /// `StudioError` when they cannot be written.
  package init(
    _ task: MediaFile, size: PixelSize, _ information: FilmInformation, _ tools: FilmTools,
    options: FilmWriter.Options, compares: Bool, in place: JobPlace
  ) throws {
    self.task = task
    try PictureJob.writing(task.output) {}
    if !information.isConstantRate {
      place.remark(
        "\(task.input): its frames are shown for unequal times; the result has "
          + "\(NumberText.fixed(information.framesPerSecond, 2)) frames a second throughout")
    }
    let losses = information.losses(matroska: FilmWriter.isMatroska(task.output))
    if !losses.isEmpty {
      place.remark("\(task.input): the result does not keep \(losses.joined(separator: ", "))")
    }
    result = try FilmWriter(
      task.output, size: size, like: task.input, information, tools: tools, options: options)
    comparison =
      compares
      ? try FilmWriter(
        task.comparison, size: PixelSize(width: 2 * size.width, height: size.height),
        like: task.input, information, tools: tools, options: options) : nil
  }

  /// The comparison's file; nil where none is written.
  package var comparisonFile: String? { comparison == nil ? nil : task.comparison }

  /// Adds a frame, in three channels, and what it came from.
  package func write(_ after: ByteImage, before: ByteImage) throws {
    try result.write(after)
    guard let comparison else { return }
    var pair = ByteImage(width: 2 * after.width, height: after.height, channels: 3)
    pair.paste(before, x: 0, y: 0)
    pair.paste(after, x: after.width, y: 0)
    try comparison.write(pair)
  }

  /// Ends the films, puts them in their places, and tells of them.
  package func finish(in place: JobPlace) throws {
    try result.finish()
    try comparison?.finish()
    for path in [task.output] + [comparisonFile].compactMap(\.self) { place.send(.saved(path)) }
  }

  /// Removes what was written.
  package func abandon() {
    result.abandon()
    comparison?.abandon()
  }
}
