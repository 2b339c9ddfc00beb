// The options that say where faces are, shared by the commands that look for them.

import ArgumentParser
import Atelier
import Foundation

/// How faces are found and laid into crops.
struct FaceSourceOptions: ParsableArguments {
  /// What crops are laid by.
  enum Alignment: String, CaseIterable, ExpressibleByArgument {
    case eyes
    case box
  }

  @Option(
    help: ArgumentHelp(
      "Take boxes from a CSV file with the columns file, x, y, size (or width, height), and "
        + "maybe folder and, for films, frame.", valueName: "csv"))
  var boxes: String?

  @Option(
    help: ArgumentHelp(
      "Lay crops by eyes, or by box (default: eyes, where they are found).", valueName: "what"))
  var align: Alignment = .eyes

  @Option(
    help: ArgumentHelp(
      "OpenCV's cascade files (default: ATELIER_CASCADES or the system's).", valueName: "dir"))
  var cascades: String?

  @Option(
    help: ArgumentHelp(
      "The smallest face's width (default: a tenth of the shorter side).", valueName: "pixels"))
  var smallest: Double?

  @Option(help: ArgumentHelp("The most faces of a picture (default: all).", valueName: "n"))
  var faces: Int?

  @Option(
    help: ArgumentHelp("The least confidence of the search, 0 to 1.", valueName: "part"))
  var minConfidence = 0.0

  func validate() throws {
    if let smallest, !(smallest >= 20 && smallest <= 1e5) {
      throw ValidationError("--smallest takes 20 to 100000; received \(smallest)")
    }
    if let faces, !(1...10_000).contains(faces) {
      throw ValidationError("--faces takes 1 to 10000; received \(faces)")
    }
    guard (0...1).contains(minConfidence) else {
      throw ValidationError("--min-confidence takes 0 to 1; received \(minConfidence)")
    }
  }

  /// The options of a locator.
  private var options: FaceLocator.Options {
    var options = FaceLocator.Options()
    options.smallest = smallest
    options.mostFaces = faces
    options.leastConfidence = minConfidence
    options.usesEyes = align == .eyes
    return options
  }

  /// A locator for faces that are searched or come from boxes.
  ///
  /// - Parameters:
  ///   - size: The side of a crop in pixels.
  ///   - global: Says so when boxes are used without eyes.
  /// - Returns: The locator.
  /// - Throws: `StudioError` when the boxes cannot be read or the cascades are missing.
  func locator(size: Int = 256, _ global: GlobalOptions) throws -> FaceLocator {
    let library = CascadeLibrary(folder: cascades)
    let origin: FaceLocator.Origin
    if let boxes {
      let table = try BoxTable(contentsOf: URL(fileURLWithPath: boxes))
      var finder: FaceFinder?
      if align == .eyes {
        do { finder = try FaceFinder(library: library) } catch {
          guard cascades == nil else { throw error }
          global.remark("crops are laid by the boxes alone: \(Failure(error).message)")
        }
      }
      origin = .boxes(table, finder)
    } else {
      origin = .search(try FaceFinder(library: library))
    }
    return locator(origin, size: size)
  }

  /// A locator of another origin under the same options.
  func locator(_ origin: FaceLocator.Origin, size: Int = 256) -> FaceLocator {
    FaceLocator(origin, options: options, aligner: FaceAligner(size: size))
  }
}
