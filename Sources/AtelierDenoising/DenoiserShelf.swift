// Denoisers by file, so that a folder of pictures reads each model once.

import AtelierInterchange
import AtelierKernels
import AtelierWorkbench
import Foundation

/// Denoisers by file, each read once.
public final class DenoiserShelf {
  private let path: String?
  private let kernels: Kernels
  private var denoisers: [String: Denoiser] = [:]

  /// Makes a shelf with one model for every picture, or the shipped ones.
  public init(path: String?, kernels: Kernels) {
    self.path = path
    self.kernels = kernels
  }

  /// The denoiser for a picture, and the file that it came from.
  public func denoiser(isGray: Bool) throws -> (denoiser: Denoiser, file: String) {
    let file = try path.map { URL(fileURLWithPath: $0) } ?? ShippedModels.file(isGray: isGray)
    if let known = denoisers[file.path] { return (known, file.path) }
    let made = try Denoiser(ModelFile.read(from: file), kernels: kernels)
    denoisers[file.path] = made
    return (made, file.path)
  }
}

extension Field {
  /// The denoising model, where the shipped ones will do.
  static func denoiser(_ path: FieldPath<Request, String?>) -> Self {
    Self("model", path, "The model", value: "file", kind: .file(["safetensors"]))
      .byDefault("the shipped ones")
  }
}
