// A film on its way through a denoiser: frame by frame with its neighbours, sound and colours as
// they came.

import AtelierFiles
import AtelierImages
import AtelierKernels
import AtelierMedia
import AtelierTraining
import AtelierVision
import AtelierWorkbench
import AtelierZoo
import Foundation

/// One film that is denoised.
final class DenoiseFilm {
  /// The frames that say what the noise looks like: one of so many, of the first so many.
  private static let (sampleStep, sampleEnd) = (12, 49)

  /// How the noise was found and what takes it out.
  let work: DenoiseWork
  /// The number of frames that were written.
  private(set) var frames = 0
  /// The file that shows before and after; nil where none was asked for.
  private(set) var comparison: String?
  /// The size of the frames.
  private(set) var size = PixelSize(width: 0, height: 0)
  private let task: MediaFile
  private let request: DenoiseRunRequest
  private let tools: FilmTools
  private let place: JobPlace

  /// Looks at the first frames of a film; throws `StudioError` when it is none, or when ffmpeg is not
  /// there.
  init(
    _ task: MediaFile, _ request: DenoiseRunRequest, _ shelf: DenoiserShelf, in place: JobPlace
  ) throws {
    (self.task, self.request, self.place) = (task, request, place)
    tools = try FilmTools()
    let reader = try FilmReader(task.input, tools: tools)
    defer { reader.stop() }
    var found: [DenoiseWork] = []
    for number in 0..<Self.sampleEnd {
      guard let frame = try reader.next() else { break }
      size = frame.size
      if number.isMultiple(of: Self.sampleStep) {
        found.append(try DenoiseWork(frame, request, shelf, isFilm: true))
      }
    }
    // One level for the whole film: a level that changes from frame to frame is seen as flicker.
    found.sort { $0.sigma < $1.sigma }
    guard !found.isEmpty else {
      throw StudioError(.data, "\(task.input): expected a film with frames, received none")
    }
    work = found[found.count / 2]
  }

  /// Denoises all frames and writes the film; gives false, and writes nothing, when it was
  /// interrupted.
  func run() throws -> Bool {
    if work.finding.isLeftAlone {
      place.remark("\(task.input): hardly any noise; its frames go through as they are")
    }
    let reader = try FilmReader(task.input, tools: tools)
    defer { reader.stop() }
    let progress = ProgressCounter("frames", place)
    let reach = work.finding.isLeftAlone ? 0 : request.neighbours
    var window = FrameWindow(reach: reach)
    var result: FilmResult?
    while !place.interrupt.isRaised {
      let frame = try reader.next()
      if let frame {
        if result == nil {
          size = frame.size
          var options = FilmWriter.Options()
          options.rateFactor = request.rateFactor
          result = try FilmResult(
            task, size: size, reader.information, tools, options: options,
            compares: request.compare, in: place)
        }
        try StudioError.unless(
          frame.size == size, .data,
          "\(task.input): expected frames of one size, received \(size) and \(frame.size)")
        window.append(frame)
      }
      while let (present, others) = window.next(isLast: frame == nil) {
        try result?.write(try denoised(present, with: others), before: present)
        frames += 1
        progress.show(frames, reader.information.frameCount)
      }
      if frame == nil { break }
    }
    guard !place.interrupt.isRaised else {
      result?.abandon()
      return false
    }
    try result?.finish(in: place)
    comparison = result?.comparisonFile
    return true
  }

  /// A frame without noise, in 8 bits.
  private func denoised(_ frame: ByteImage, with others: [ByteImage]) throws -> ByteImage {
    guard !work.finding.isLeftAlone else { return frame }
    guard !others.isEmpty, work.sigma > 0 else {
      return try work.run(frame, map: try work.noiseMap(of: frame)).bytes
    }
    let fused = FrameFusion(sigma: work.sigma).fused(
      frame, with: others, pool: place.kernels.pool)
    let map =
      try work.noiseMap(of: frame)?.multiplied(by: fused.shares)
      ?? fused.shares.scaled(by: work.sigma / 255)
    return try work.run(fused.image, map: map).bytes
  }
}

/// Frames in order, each given out with those around it.
struct FrameWindow {
  private let reach: Int
  private var frames: [ByteImage] = []
  /// The place of the next frame among those that are kept.
  private var present = 0

  /// Makes a window of so many frames before and after each.
  init(reach: Int) { self.reach = reach }

  /// Takes the next frame of the film.
  mutating func append(_ frame: ByteImage) { frames.append(frame) }

  /// The next frame whose neighbours are there, with these; nil when more frames must come.
  mutating func next(isLast: Bool) -> (present: ByteImage, others: [ByteImage])? {
    guard present < frames.count, isLast || present + reach < frames.count else { return nil }
    let around = max(present - reach, 0)...min(present + reach, frames.count - 1)
    let result = (frames[present], around.filter { $0 != present }.map { frames[$0] })
    present += 1
    if present > reach {
      frames.removeFirst(present - reach)
      present = reach
    }
    return result
  }
}

extension FloatImage {
  /// The map with every value times a number.
  fileprivate func scaled(by factor: Float) -> FloatImage {
    FloatImage(
      width: width, height: height, channels: channels, samples: samples.map { factor * $0 })
  }

  /// The map times another of the same size.
  fileprivate func multiplied(by other: FloatImage) -> FloatImage {
    FloatImage(
      width: width, height: height, channels: channels,
      samples: zip(samples, other.samples).map { $0 * $1 })
  }
}
