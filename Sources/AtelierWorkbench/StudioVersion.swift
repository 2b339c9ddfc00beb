// The version of the studio, as results and the command line name it.

import AtelierKernels
import Foundation

/// The version of the studio.
public enum StudioVersion {
  /// Major, minor and patch (semantic versioning).
  public static let current = "0.1.0"
  /// What metadata call the program.
  public static let software = "Atelier \(current)"

  /// The commit that the tool was built from, nil where it was built in another way than by `make`.
  ///
  /// `make` writes it beside the executable; it is looked up once, when it is asked for.
  public static let commit: String? = {
    guard
      let place = Bundle.main.executableURL?.resolvingSymlinksInPath().deletingLastPathComponent()
    else { return nil }
    for name in ["atelier.commit", "../share/atelier/commit"] {
      let file = place.appendingPathComponent(name).standardized
      if let text = try? String(contentsOf: file, encoding: .utf8) {
        return text.trimmingCharacters(in: .whitespacesAndNewlines)
      }
    }
    return nil
  }()

  /// Version, commit and the instruction set that the kernels use here.
  public static var full: String {
    "\(current) (commit \(commit ?? "unknown"), \(InstructionSet.preferred.rawValue))"
  }
}
