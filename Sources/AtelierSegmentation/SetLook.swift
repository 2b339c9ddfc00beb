// A look at a set before anything learns from it: classes, counts, sizes, what makes no sense, and a
// sheet of pictures with their masks drawn.

import AtelierDatasets
import AtelierFiles
import AtelierImages
import AtelierWorkbench
import Foundation

/// What there is to see of a set.
struct SetLook {
  /// One row a class.
  var table: Table
  /// Pictures, their sizes, those without objects.
  var lines: [String]
  /// What makes little sense.
  var warnings: [String] = []
  /// Pictures, each beside itself with its masks drawn.
  var sheet: ByteImage

  /// The most pictures of a sheet.
  private static let mostPictures = 12
  /// The longest side of a picture on a sheet.
  private static let longestSide = 320
  /// Objects of fewer pixels are told as very small.
  private static let smallArea = 9.0

  /// Looks at a set of objects; throws `DatasetError` when a picture of the sheet cannot be read.
  init(_ set: InstanceData) throws {
    var areas = [[Double]](repeating: [], count: set.classNames.count)
    var pictures = [Int](repeating: 0, count: set.classNames.count)
    for item in set.items {
      for object in item.objects where !object.isCrowd {
        areas[object.classIndex].append(object.area)
      }
      for index in Set(item.objects.map(\.classIndex)) { pictures[index] += 1 }
    }
    let all = Double(max(areas.reduce(0) { $0 + $1.count }, 1))
    table = Table([
      "class", "objects", "share", "pictures", "smallest", "median", "largest (pixels)",
    ])
    for (index, name) in set.classNames.enumerated() {
      let sorted = areas[index].sorted()
      let sizes =
        sorted.isEmpty ? [] : [sorted[0], sorted[sorted.count / 2], sorted[sorted.count - 1]]
      table.append(
        [
          name, "\(sorted.count)", "\(NumberText.fixed(100 * Double(sorted.count) / all, 1)) %",
          "\(pictures[index])",
        ] + (sizes.isEmpty ? ["-", "-", "-"] : sizes.map { NumberText.fixed($0, 0) }))
    }
    let empty = set.items.filter { $0.objects.isEmpty }.count
    lines = [Self.sizes(set.items.map(\.size)) + ", \(empty) of them without objects"]
    let crowds = set.items.reduce(0) { $0 + $1.objects.count { $0.isCrowd } }
    if crowds > 0 { lines.append("\(crowds) crowds, which are not counted as objects") }
    let names = zip(set.classNames, areas).filter { $1.isEmpty }.map(\.0)
    if !names.isEmpty {
      warnings.append("no object is of the class \(names.joined(separator: ", "))")
    }
    let small = areas.joined().filter { $0 < Self.smallArea }.count
    if set.objectCount == 0 { warnings.append("there is no object at all: nothing can be learnt") }
    if small > 0 {
      warnings.append(
        "\(small) objects have fewer than \(Int(Self.smallArea)) pixels: specks, or slips of a pen")
    }
    if 2 * empty > set.count { warnings.append("more than half of the pictures have no object") }
    sheet = try Self.sheet(set.name, set.items.count) { index in
      let item = set.items[index]
      let picture = try item.picture()
      let outcome = try SegmentationOutcome(objects: item.objects, size: item.size)
      return (item.name, picture, outcome.overlay(on: picture, palette: set.palette))
    }
  }

  /// Looks at a set of pixels with classes.
  init(_ set: SegmentedImages) throws {
    let statistics = set.statistics
    let counted = Double(max(statistics.pixels.reduce(0, +), 1))
    var pictures = [Int](repeating: 0, count: set.palette.count)
    var ignored = 0
    for item in set.items {
      for label in Set(item.labels.labels) where Int(label) < pictures.count {
        pictures[Int(label)] += 1
      }
      ignored += item.labels.labels.reduce(0) { $0 + ($1 == LabelMap.ignored ? 1 : 0) }
    }
    table = Table(["class", "pixels", "share", "pictures"])
    for (index, name) in set.palette.names.enumerated() {
      let pixels = statistics.pixels[index]
      table.append([
        name, "\(pixels)", "\(NumberText.fixed(100 * Double(pixels) / counted, 2)) %",
        "\(pictures[index])",
      ])
      if pixels == 0 { warnings.append("no pixel is of the class \(name)") }
      if Double(pixels) > 0.99 * counted {
        warnings.append("more than 99 % of the pixels are of the class \(name)")
      }
    }
    let all = Double(set.items.reduce(0) { $0 + $1.image.pixelCount })
    let share = Double(ignored) / max(all, 1)
    lines = [
      Self.sizes(set.items.map(\.image.size))
        + ", \(NumberText.fixed(100 * share, 1)) % of the pixels do not count (255 or void)"
    ]
    if share > 0.5 {
      warnings.append("more than half of the pixels do not count: is 255 meant as a class?")
    }
    sheet = try Self.sheet(set.name, set.count) { index in
      let item = set.items[index]
      let outcome = SegmentationOutcome(labels: item.labels, palette: set.palette)
      return (item.name, item.image, outcome.overlay(on: item.image, palette: set.palette))
    }
  }

  /// How many pictures there are and of which sizes.
  private static func sizes(_ sizes: [PixelSize]) -> String {
    let sorted = Set(sizes).sorted {
      ($0.width * $0.height, $0.width) < ($1.width * $1.height, $1.width)
    }
    guard let first = sorted.first, let last = sorted.last else { return "no pictures" }
    let text = sorted.count == 1 ? "all \(first)" : "\(sorted.count) sizes from \(first) to \(last)"
    return "\(sizes.count) pictures, \(text)"
  }

  /// Some pictures, evenly from all, two and two.
  private static func sheet(
    _ title: String, _ count: Int,
    _ draw: (Int) throws -> (name: String, picture: ByteImage, drawn: ByteImage)
  ) throws -> ByteImage {
    let shown = min(count, mostPictures)
    var cells: [PictureGrid.Cell] = []
    for place in 0..<shown {
      let (name, picture, drawn) = try draw(place * count / shown)
      cells.append(
        PictureGrid.Cell(picture.rgb.fitted(within: longestSide), caption: name.drawable))
      cells.append(PictureGrid.Cell(drawn.fitted(within: longestSide)))
    }
    let rows = stride(from: 0, to: cells.count, by: 4).map {
      Array(cells[$0..<min($0 + 4, cells.count)])
    }
    return PictureGrid(title: title.drawable, rows: rows).render()
  }
}

/// Which set is looked at.
public struct SegmentInspectRequest: JobRequest, Hashable {
  public var data = ""
  public var part = SegmentationPart.training
  public var output: String?

  public init() {}

  public static var form: Form<Self> {
    Form(
      Self(),
      fields: [
        Field(
          "data", \.data, "The set: pictures and masks, or the files of an annotation tool",
          value: "dir", kind: .source
        ).demanded,
        Field("part", \.part, "The part of a set with parts: train, val or test", value: "part"),
        Field(
          "output", \.output, "Draw a sheet of pictures with their masks", value: "file",
          kind: .output
        ).letter("o"),
      ])
  }
}

/// Looks at a set before anything learns from it.
public enum SegmentInspect: Job {
  public static let workshop = "segment"
  public static let name = "inspect"
  public static let summary = "Look at a set before a training: classes, counts, sizes, masks."
  public static let guide = """
    Reads what a training would read and tells what it found: the classes, how many objects or \
    pixels each has, in how many pictures, how large they are, which pictures have none, and what \
    makes little sense. Every training writes the same sheet into its run folder as data.png.

    EXAMPLES
      atelier segment inspect --data labelme/ -o sheet.png
      atelier segment inspect --data camvid --part val
    """

  /// What a program reads.
  private struct Value: Encodable {
    let kind: String
    let table: [[String]]
    let remarks: [String]
    let warnings: [String]
  }

  public static func run(_ request: SegmentInspectRequest, in place: JobPlace) throws -> Report {
    let url = URL(fileURLWithPath: request.data)
    try StudioFiles.expectPresent([request.data])
    let set = try SegmentationSet.read(url, request.part)
    let look =
      switch set {
      case .objects(let set): try SetLook(set)
      case .classes(let set): try SetLook(set)
      }
    for line in set.remarks { place.remark(line) }
    var report = Report(
      value: Value(
        kind: set.kind, table: look.table.rows, remarks: look.lines + set.remarks,
        warnings: look.warnings))
    report.say(look.table)
    report.say("")
    for line in look.lines { report.say(line) }
    for line in look.warnings { report.say("warning: \(line)") }
    if let output = request.output {
      try PictureJob.write(look.sheet, to: output, place: place)
      report.files = [output]
      report.say("picture: \(output)")
    }
    return report
  }
}
