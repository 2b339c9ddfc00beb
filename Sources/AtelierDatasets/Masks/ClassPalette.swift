// The classes that a segmentation tells apart: their names, and the colours they are shown in.

/// The classes of a segmentation, in the order of their indices.
public struct ClassPalette: Sendable, Hashable, Codable {
  /// One class.
  public struct Entry: Sendable, Hashable, Codable {
    /// Its name, as tables and files print it.
    public var name: String
    /// Red, green and blue of its colour in pictures.
    public var color: [UInt8]

    /// A class by its name and colour.
    /// - Precondition: the colour has three values.
    public init(name: String, color: [UInt8]) {
      precondition(color.count == 3, "a colour has red, green and blue")
      self.name = name
      self.color = color
    }
  }

  /// The classes; a class's place is its index.
  public var entries: [Entry]

  /// A palette of given classes.
  public init(_ entries: [Entry]) { self.entries = entries }

  /// How many classes there are.
  public var count: Int { entries.count }
  /// The classes' names.
  public var names: [String] { entries.map(\.name) }
}
