// Pictures of kinds that are not read here, through a program that reads them, where one is installed.

import AtelierFiles
import AtelierImages
import Foundation

/// A picture to read: the file itself, or what a program made of it.
public final class ForeignPicture {
  /// The extensions, in lower case, of the pictures that other programs read.
  public static let extensions: Set<String> = Set(kinds.flatMap(\.extensions))

  /// The file that can be read.
  public let path: String
  /// How it was read, in words, and what that leaves out; nil for a file that is read as it is.
  public let remark: String?
  /// Whether the picture is upright, whatever the file's Exif data say.
  public let isUpright: Bool
  private let folder: URL?

  /// Programs and their arguments for files of one kind, the best first.
  private struct Kind {
    let name: String
    let extensions: [String]
    let programs: [Program]
    let package: String
  }

  private struct Program {
    let name: String
    /// The arguments, with `IN` and `OUT` for the files.
    let arguments: [String]
    /// The file that it writes; with a dot in front, what it appends to the file that it reads.
    var output = "picture.png"
    /// Whether Exif, profile and the like come along.
    var keepsMetadata = false
    /// Whether the picture is turned upright, whatever the Exif data go on to say.
    var turns = true
  }

  private static let film = Program(
    name: "ffmpeg",
    arguments: ["-v", "error", "-nostdin", "-y"] + allowed + [
      "-i", "IN", "-frames:v", "1", "OUT",
    ])
  /// What ffmpeg may open: single pictures, from files (`FilmTools.allowed`).
  private static let allowed = [
    "-protocol_whitelist", "file", "-format_whitelist",
    "image2,mov,gif,bmp_pipe,exr_pipe,gif_pipe,hdr_pipe,j2k_pipe,jpegxl_pipe,pcx_pipe,psd_pipe",
  ]
  private static let magick = [
    Program(name: "magick", arguments: ["IN[0]", "-auto-orient", "OUT"], keepsMetadata: true),
    Program(name: "convert", arguments: ["IN[0]", "-auto-orient", "OUT"], keepsMetadata: true),
  ]

  private static let kinds: [Kind] = [
    Kind(
      name: "HEIC", extensions: ["heic", "heif", "hif"],
      programs: [
        Program(name: "heif-dec", arguments: ["IN", "OUT"], keepsMetadata: true),
        Program(name: "heif-convert", arguments: ["IN", "OUT"], keepsMetadata: true),
      ] + magick + [film], package: "libheif-examples"),
    Kind(
      name: "AVIF", extensions: ["avif"],
      programs: [
        Program(name: "heif-dec", arguments: ["IN", "OUT"], keepsMetadata: true),
        Program(name: "heif-convert", arguments: ["IN", "OUT"], keepsMetadata: true), film,
      ] + magick + [
        Program(name: "avifdec", arguments: ["IN", "OUT"], keepsMetadata: true, turns: false)
      ], package: "libheif-examples"),
    Kind(
      name: "JPEG XL", extensions: ["jxl"],
      programs: [Program(name: "djxl", arguments: ["IN", "OUT"], keepsMetadata: true), film]
        + magick, package: "libjxl-tools"),
    Kind(
      name: "raw",
      extensions: [
        "arw", "cr2", "cr3", "crw", "dng", "nef", "nrw", "orf", "pef", "raf", "raw", "rw2", "srw",
      ],
      programs: [
        Program(
          name: "dcraw_emu", arguments: ["-w", "-6", "-T", "IN"], output: ".tiff"),
        Program(
          name: "darktable-cli", arguments: ["IN", "OUT"], output: "picture.tif",
          keepsMetadata: true),
        Program(
          name: "rawtherapee-cli", arguments: ["-b16", "-t", "-Y", "-o", "OUT", "-c", "IN"],
          output: "picture.tif", keepsMetadata: true),
      ], package: "libraw-bin"),
    Kind(
      name: "OpenEXR", extensions: ["exr"],
      programs: [
        Program(
          name: "ffmpeg",
          arguments: [
            "-v", "error", "-nostdin", "-y", "-apply_trc", "iec61966_2_1",
          ] + allowed + ["-i", "IN", "-frames:v", "1", "OUT"])
      ] + magick, package: "ffmpeg"),
    Kind(
      name: "picture", extensions: ["bmp", "gif", "hdr", "jp2", "j2k", "pcx", "psd", "tga"],
      programs: [film] + magick, package: "ffmpeg"),
  ]

  /// Takes a file as it is, or converts it when its name is of another kind and its content is none
  /// that is read here.
  /// - Throws: `StudioError` that says what to install, or that the program does not read it.
  public init(
    _ path: String, environment: [String: String] = ProcessInfo.processInfo.environment
  ) throws {
    let ending = (path as NSString).pathExtension.lowercased()
    guard let kind = Self.kinds.first(where: { $0.extensions.contains(ending) }),
      FileManager.default.fileExists(atPath: path), !Self.isRead(path, ending)
    else {
      (self.path, remark, isUpright, folder) = (path, nil, false, nil)
      return
    }
    guard let (program, tool) = Self.program(of: kind, environment) else {
      let names = kind.programs.map(\.name).joined(separator: ", ")
      throw StudioError(
        .data,
        "\(path): a \(kind.name) file needs one of the programs \(names), and none is in PATH; "
          + "install one (apt-get install \(kind.package))")
    }
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
      "atelier-\(UUID().uuidString)")
    do {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    } catch {
      throw StudioError(.cannotCreate, "\(folder.path): \(error.localizedDescription)")
    }
    // Programs read a link of a plain name: whatever stands in a file's name is no option, protocol
    // or pattern of theirs.
    let link = folder.appendingPathComponent("source." + ending).path
    let made =
      program.output.hasPrefix(".")
      ? link + program.output : folder.appendingPathComponent(program.output).path
    do {
      try FileManager.default.createSymbolicLink(
        atPath: link, withDestinationPath: URL(fileURLWithPath: path).standardizedFileURL.path)
      try Self.run(tool, program, from: link, to: made, name: path)
    } catch let error as StudioError {
      try? FileManager.default.removeItem(at: folder)
      throw error
    } catch {
      try? FileManager.default.removeItem(at: folder)
      throw StudioError(.cannotCreate, "\(folder.path): \(error.localizedDescription)")
    }
    self.path = made
    self.folder = folder
    isUpright = program.turns
    remark =
      "\(path): read by \(program.name)"
      + (program.keepsMetadata ? "" : ", which leaves Exif and colour profile out")
  }

  deinit { if let folder { try? FileManager.default.removeItem(at: folder) } }

  /// Whether the content is of a kind that is read here, whatever the name says; a DNG is a TIFF
  /// whose first page is a preview.
  private static func isRead(_ path: String, _ ending: String) -> Bool {
    guard let format = ImageFile.format(ofContent: path) else { return false }
    return format != .tiff || ["bmp", "gif", "psd", "heic"].contains(ending)
  }

  private static func program(
    of kind: Kind, _ environment: [String: String]
  ) -> (Program, tool: String)? {
    for program in kind.programs {
      if let tool = FilmTools.program(program.name, environment) { return (program, tool) }
    }
    return nil
  }

  private static func run(
    _ tool: String, _ program: Program, from link: String, to made: String, name: String
  ) throws {
    // ImageMagick is told the kind, or what stands in the file would choose it: scripts, links.
    let ending = (link as NSString).pathExtension
    let coder = ending == "hif" ? "heic" : ending
    let places = ["IN": link, "IN[0]": "\(coder):\(link)[0]", "OUT": made]
    let child = try ChildProcess(
      tool, program.arguments.map { places[$0] ?? $0 }, input: .nothing, output: .nothing)
    let status = child.wait()
    guard status == 0, FileManager.default.fileExists(atPath: made) else {
      throw StudioError(
        .data,
        "\(name): expected a picture that \(program.name) reads, received one that it does not"
          + child.lastWords)
    }
  }
}
