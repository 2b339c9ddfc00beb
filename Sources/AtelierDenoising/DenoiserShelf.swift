// Denoisers by file, so that a folder of pictures reads each model once.

import AtelierInterchange
import AtelierKernels
import AtelierVision
import AtelierWorkbench
import Foundation

/// Denoisers by file, each read once.
public final class DenoiserShelf {
  private let path: String?
  private let kernels: Kernels
  /// For work whose size matters more than the last bit.
  private let fast: Kernels
  private var denoisers: [String: Denoiser] = [:]

  /// Makes a shelf with one model for every picture, or the shipped ones.
  public init(path: String?, kernels: Kernels) {
    self.path = path
    self.kernels = kernels
    fast = Kernels(
      pool: kernels.pool, instructionSet: kernels.instructionSet, precision: .bfloat16)
  }

  /// How products are multiplied, in quick work and in other.
  func precision(isQuick: Bool) -> Precision { isQuick ? fast.precision : kernels.precision }

  /// The denoiser for a picture, and the file that it came from.
  public func denoiser(isGray: Bool) throws -> (denoiser: Denoiser, file: String) {
    try denoiser(path.map(ShippedModels.file(of:)) ?? ShippedModels.file(isGray: isGray))
  }

  /// The denoiser for a picture with this noise, and the file that it came from: the one for
  /// Gaussian noise where noise is white, else the one for photographs where it is shipped.
  ///
  /// Quick work is multiplied in bfloat16 where the CPU does that.
  public func denoiser(
    isGray: Bool, noise: NoiseProfile.Kind, isQuick: Bool = false
  ) throws -> (denoiser: Denoiser, file: String) {
    if path == nil, noise != .white, let photo = ShippedModels.photoFile {
      return try denoiser(photo, isQuick: isQuick)
    }
    return try denoiser(
      path.map(ShippedModels.file(of:)) ?? ShippedModels.file(isGray: isGray), isQuick: isQuick)
  }

  private func denoiser(
    _ file: URL, isQuick: Bool = false
  ) throws -> (denoiser: Denoiser, file: String) {
    let key = "\(precision(isQuick: isQuick).rawValue) \(file.path)"
    if let known = denoisers[key] { return (known, file.path) }
    let made = try Denoiser(ModelFile.read(from: file), kernels: isQuick ? fast : kernels)
    denoisers[key] = made
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
