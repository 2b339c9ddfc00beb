// Texts as words of a shell, for commands that people copy.

import Foundation

/// A text as one word of a shell.
public enum ShellWord {
  /// The text, in quotes where it needs them.
  public static func quoted(_ text: String) -> String {
    let plain = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:,=+@%")
    if !text.isEmpty, text.allSatisfy({ plain.contains($0) }) { return text }
    return "'" + text.replacingOccurrences(of: "'", with: "'\\''") + "'"
  }
}
