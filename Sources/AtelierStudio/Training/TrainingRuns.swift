// The run folder of every workshop's training: made or opened for a request, its logs and previews.

import AtelierImages
import AtelierTraining
import Foundation

/// What a training is told; stored as the configuration of its run folder.
public protocol FormerTrainingRequest: Codable, Sendable {
  /// The names of stored properties that a resume may change: limits and intervals.
  static var changeable: Set<String> { get }
}

extension FormerTrainingRequest {
  /// Reads the request that a run folder holds.
  ///
  /// - Parameter run: The run folder.
  /// - Throws: `TrainingError` when the folder holds no run of this kind.
  init(ofRun run: URL) throws {
    self = try RunFolder.open(at: run).configuration(as: Self.self)
  }

  /// The folder of a new training, or that of the run that goes on.
  ///
  /// - Parameters:
  ///   - run: The run folder.
  ///   - isResuming: Whether it holds a run whose request equals this one, but for what may change.
  /// - Returns: The folder, with this request stored in it.
  /// - Throws: `TrainingError` when there is a run already, none, or one of another request.
  func folder(at run: URL, isResuming: Bool) throws -> RunFolder {
    guard isResuming else { return try RunFolder.create(at: run, configuration: self) }
    let folder = try RunFolder.open(at: run)
    try folder.expect(self, except: Self.changeable)
    try folder.replaceConfiguration(self)
    return folder
  }
}

extension RunFolder {
  /// Stores a picture of the training by step, whenever a preview is due.
  func previews(_ picture: @escaping (_ step: Int) throws -> ByteImage) -> PreviewListener {
    PreviewListener { [previewsURL] step in
      let name = "step-" + String(format: "%07d", step) + ".png"
      try ImageFile.write(picture(step), to: previewsURL.appending(path: name))
    }
  }
}
