// TensorBoard event files: scalars and pictures by step, appended record by record.
//
//   record  ┌─────────────┬───────────────────────┬───────┬─────────────────────┐
//           │ length: u64 │ masked CRC-32C of the │ event │ masked CRC-32C of   │
//           │             │ length: u32           │       │ the event: u32      │
//           └─────────────┴───────────────────────┴───────┴─────────────────────┘
//   all little-endian
//
//   event   { double wall_time = 1; int64 step = 2; string file_version = 3 (first record only);
//             Summary summary = 5 }
//   Summary { repeated Value value = 1 }
//   Value   { string tag = 1; float simple_value = 2; Image image = 4 }
//   Image   { int32 height = 1; int32 width = 2; int32 colorspace = 3;
//             bytes encoded_image_string = 4 }

import Foundation

/// Appends to one event file of a folder that TensorBoard shows; usable from any thread.
public struct TensorBoardWriter: Sendable {
  /// A picture of an event.
  public struct Picture: Sendable {
    /// The bytes of a PNG file.
    public var png: Data
    /// Rows in pixels.
    public var height: Int
    /// Columns in pixels.
    public var width: Int
    /// 1 gray, 2 gray and alpha, 3 RGB, 4 RGBA.
    public var channels: Int

    /// Makes a picture of PNG bytes whose size the caller knows.
    public init(png: Data, height: Int, width: Int, channels: Int) {
      self.png = png
      self.height = height
      self.width = width
      self.channels = channels
    }
  }

  private static let overhead = 16
  private let file: AppendingFile

  /// Makes a new event file `events.out.tfevents.<seconds>.<host>.<process>.<number>` in a folder.
  ///
  /// The folder must exist; `host` is by default the system's, `wallTime` in seconds since 1970.
  /// - Throws: When the file cannot be made.
  public init(
    folder: URL, host: String? = nil, wallTime: Double = Date().timeIntervalSince1970
  ) throws(FileError) {
    let seconds = String(Int64(min(max(wallTime, 0), 1e15)))
    let padded = String(repeating: "0", count: max(0, 10 - seconds.count)) + seconds
    let hostName = (host ?? Self.systemHostName()).map { $0 == "/" ? "-" : $0 }
    var number = 0
    while true {
      let name = "events.out.tfevents.\(padded).\(String(hostName)).\(getpid()).\(number)"
      do {
        file = try AppendingFile(folder.appendingPathComponent(name), .new)
        break
      } catch {
        guard error.code == EEXIST else { throw error }
        number += 1
      }
    }
    try append(wallTime: wallTime, step: 0) { $0.string(3, "brain.Event:2") }
  }

  /// Goes on with an event file.
  ///
  /// It keeps `length` bytes, as `length` gave them when the state was saved; nil keeps every whole
  /// record and cuts what a kill has torn.
  /// - Throws: When the file cannot be opened, or `length` is not the end of one of its records.
  public init(continuing url: URL, keeping length: Int? = nil) throws(FileError) {
    file = try AppendingFile(url, .existing)
    let end = try Self.endOfRecords(file, limit: length ?? file.length)
    if let length, length != end {
      throw FileError(
        file: url.relativePath,
        message: "expected the end of a record at byte \(length), received whole records "
          + "up to byte \(end)")
    }
    try file.truncate(to: end)
  }

  /// The event file.
  public var url: URL { file.url }

  /// The bytes of the file; a run state that stores them can go on from here.
  public var length: Int { file.length }

  /// Appends scalars of one step by tag; a slash in a tag groups the charts.
  ///
  /// - Throws: When the system cannot write; the file is as before then.
  public func append(
    _ scalars: KeyValuePairs<String, Float>, step: Int,
    wallTime: Double = Date().timeIntervalSince1970
  ) throws(FileError) {
    try append(scalars.map { ($0.key, $0.value) }, step: step, wallTime: wallTime)
  }

  /// Appends scalars of one step by tag, in order, as one event.
  ///
  /// - Throws: When the system cannot write; the file is as before then.
  public func append(
    _ scalars: [(tag: String, value: Float)], step: Int,
    wallTime: Double = Date().timeIntervalSince1970
  ) throws(FileError) {
    try append(wallTime: wallTime, step: step) { event in
      event.message(5) { summary in
        for (tag, scalar) in scalars {
          summary.message(1) { value in
            value.string(1, tag)
            value.float(2, scalar)
          }
        }
      }
    }
  }

  /// Appends a picture under its name in TensorBoard.
  ///
  /// - Throws: When the system cannot write; the file is as before then.
  public func append(
    _ picture: Picture, tag: String, step: Int, wallTime: Double = Date().timeIntervalSince1970
  ) throws(FileError) {
    try append(wallTime: wallTime, step: step) { event in
      event.message(5) { summary in
        summary.message(1) { value in
          value.string(1, tag)
          value.message(4) { image in
            image.integer(1, Int64(picture.height))
            image.integer(2, Int64(picture.width))
            image.integer(3, Int64(picture.channels))
            image.data(4, Array(picture.png))
          }
        }
      }
    }
  }

  /// Syncs the file to the medium.
  public func sync() throws(FileError) { try file.sync() }

  // MARK: - Records

  private func append(
    wallTime: Double, step: Int, _ encode: (inout ProtobufEncoder) -> Void
  ) throws(FileError) {
    var event = ProtobufEncoder()
    event.double(1, wallTime)
    if step != 0 { event.integer(2, Int64(step)) }
    encode(&event)
    let length = littleEndianBytes([UInt64(event.bytes.count)])
    var record = Data(capacity: event.bytes.count + Self.overhead)
    record.append(contentsOf: length)
    record.append(contentsOf: littleEndianBytes([CyclicRedundancyCheck.masked(length)]))
    record.append(contentsOf: event.bytes)
    record.append(contentsOf: littleEndianBytes([CyclicRedundancyCheck.masked(event.bytes)]))
    try file.append(record)
  }

  /// The end of the last record that lies whole and sound in the first `limit` bytes.
  private static func endOfRecords(_ file: AppendingFile, limit: Int) throws(FileError) -> Int {
    let limit = min(limit, file.length)
    var end = 0
    while limit - end >= overhead {
      let prefix = try file.read(at: end, count: 12)
      guard CyclicRedundancyCheck.masked(prefix[..<8]) == unsigned(prefix[8...]),
        let length = Int(exactly: prefix[..<8].reversed().reduce(0) { $0 << 8 | UInt64($1) }),
        length <= limit - end - overhead
      else { break }
      let event = try file.read(at: end + 12, count: length + 4)
      guard CyclicRedundancyCheck.masked(event[..<length]) == unsigned(event[length...]) else {
        break
      }
      end += length + overhead
    }
    return end
  }

  private static func unsigned(_ bytes: ArraySlice<UInt8>) -> UInt32 {
    bytes.reversed().reduce(0) { $0 << 8 | UInt32($1) }
  }

  /// The system's name of the machine, without asking any name server.
  private static func systemHostName() -> String {
    var buffer = [CChar](repeating: 0, count: 256)
    guard gethostname(&buffer, buffer.count - 1) == 0 else { return "localhost" }
    let name = String(
      decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    return name.isEmpty ? "localhost" : name
  }
}
