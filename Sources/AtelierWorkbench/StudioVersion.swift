// The version of the studio, as results and the command line name it.

/// The version of the studio.
public enum StudioVersion {
  /// Major, minor and patch (semantic versioning).
  public static let current = "0.1.0"
  /// What metadata call the program.
  public static let software = "Atelier \(current)"
}
