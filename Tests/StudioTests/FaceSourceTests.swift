// Where faces come from besides the search: boxes, alignments, aligned crops; each good and damaged.

import AtelierFaceSwap
import AtelierImages
import AtelierVision
import AtelierWorkbench
import Foundation
import TestSupport
import Testing

struct BoxTableTests {
  private func boxes(_ text: String) throws -> BoxTable {
    try BoxTable(text: text, name: "boxes.csv")
  }

  @Test func `columns are found by name, pictures by the end of their path`() throws {
    let table = try boxes(
      """
      folder,file,clip,frame,x,y,size,source
      a,one.jpg,c,3,10,20,30,detected
      a,one.jpg,c,3,50,20,30,detected
      b,one.jpg,c,4,1,2,3,"by hand, twice"
      b,film.mp4,c,7,4,5,6,x

      """)
    #expect(table.count == 4)
    let first = PlaneBox(x: 10, y: 20, width: 30, height: 30)
    #expect(
      table.boxes(of: "/data/a/one.jpg") == [
        first, first.corrected(scale: 1, right: 4 / 3, down: 0),
      ])
    #expect(table.boxes(of: "b/./one.jpg") == [PlaneBox(x: 1, y: 2, width: 3, height: 3)])
    // Two pictures of this name: neither is meant. One film of its name: it is.
    #expect(table.boxes(of: "/else/one.jpg").isEmpty)
    #expect(table.boxes(of: "/else/film.mp4", frame: 7).count == 1)
    #expect(table.boxes(of: "/else/film.mp4", frame: 8).isEmpty)
    let plain = try boxes("\u{FEFF}HEIGHT,width,y,x,file\r\n4,3,2,1,p.png\r\n")
    #expect(plain.boxes(of: "p.png") == [PlaneBox(x: 1, y: 2, width: 3, height: 4)])
  }

  @Test(arguments: [
    ("", "line 1: expected the columns file, x, y and size (or width and height), received "),
    ("file,x,y\n", "line 1: expected the columns file, x, y and size"),
    ("file,x,y,size\na,1,2\n", "line 2: expected 4 fields, received 3"),
    ("file,x,y,size\na,1,2,3\nb,1,2,0\n", "line 3: expected a box of numbers with a positive size"),
    ("file,x,y,size\na,1,2,inf\n", "line 2: expected a box of numbers with a positive size"),
    ("file,x,y,size\na,1,2,three\n", "received a,1,2,three"),
  ])
  func `damaged tables name the line`(_ text: String, _ part: String) {
    let line = errorLine { _ = try boxes(text) }
    #expect(line?.hasPrefix("boxes.csv line ") == true)
    #expect(line?.contains(part) == true, "\(line ?? "no error")")
  }
}

struct FaceAdviceTests {
  @Test func `where no face was found, the limits that were set are named`() {
    var source = FaceSource()
    #expect(source.advice.contains("set --smallest (without it a tenth of the shorter side)"))
    #expect(!source.advice.contains("--min-confidence"))
    source.options.smallest = 80
    source.options.leastConfidence = 0.5
    source.detector = "yunet.onnx"
    #expect(
      source.advice == "lower --min-confidence (now 0.5), lower --smallest (now 80.0 pixels), "
        + "or tell where faces are with --boxes")
    source.boxes = "b.csv"
    #expect(source.advice.hasPrefix("see whether b.csv names these pictures"))
  }
}

struct FaceAlignmentsTests {
  private let entry = FaceAlignments.Entry(
    source: "clips/a.mp4", frame: 12, face: 0, crop: "a-000012-0.png",
    box: PlaneBox(x: 1, y: 2, width: 30, height: 30),
    eyes: EyePair(leftX: 9, leftY: 14, rightX: 22, rightY: 15), basis: .eyes,
    matrix: AffineMap(a: 2, b: 0.5, c: -3, d: -0.5, e: 2, f: 7), sharpness: 0.02, confidence: 0.9)

  @Test func `a list comes back, and its faces lie as they did`() throws {
    try withScratchFolder { folder in
      let file = folder.appending(path: "alignments.json")
      let list = FaceAlignments(software: "test", cropSize: 256, faces: [entry])
      try list.write(to: file)
      let read = try FaceAlignments(contentsOf: file)
      #expect(read == list)
      let image = ByteImage(width: 40, height: 40, channels: 3)
      let locator = FaceLocator(.alignments(read))
      let faces = try locator.faces(in: image, of: "/elsewhere/a.mp4", frame: 12)
      #expect(faces.map(\.alignment.matrix) == [entry.matrix])
      #expect(faces.map(\.box) == [entry.box] && faces[0].confidence == 0.9)
      #expect(try locator.faces(in: image, of: "/elsewhere/a.mp4", frame: 13).isEmpty)
      #expect(try locator.faces(in: image, of: "/elsewhere/a.mp4").isEmpty)
      // Crops of half the size: the same place at half the scale.
      let small = try FaceLocator(.alignments(read), aligner: FaceAligner(size: 128))
        .faces(in: image, of: "a.mp4", frame: 12)
      #expect(small[0].alignment.matrix == entry.matrix.followed(by: .scaling(0.5)))
      var strict = FaceLocator.Options()
      strict.leastConfidence = 0.95
      #expect(
        try FaceLocator(.alignments(read), options: strict)
          .faces(in: image, of: "a.mp4", frame: 12).isEmpty)
    }
  }

  @Test func `damaged lists are refused in one line`() throws {
    try withScratchFolder { folder in
      let file = folder.appending(path: "a.json")
      let good = FaceAlignments(software: "test", cropSize: 256, faces: [entry])
      try good.write(to: file)
      let text = try String(contentsOf: file, encoding: .utf8)
      let cases: [(String, String, String)] = [
        ("\"version\" : 1", "\"version\" : 2", "expected alignments of version 1, received 2"),
        ("\"crop_size\" : 256", "\"crop_size\" : 9999", "expected a crop_size in 32...1024"),
        ("\"face\" : 0", "\"face\" : \"x\"", "received another kind of value at faces.0.face"),
        ("    0.5,", "    4e400,", "expected alignments as JSON"),
        ("{", "[", "received no JSON"),
      ]
      for (old, new, expected) in cases {
        let damaged = text.replacingOccurrences(of: old, with: new)
        #expect(damaged != text, "\(old)")
        try Data(damaged.utf8).write(to: file)
        let line = errorLine { _ = try FaceAlignments(contentsOf: file) }
        #expect(line?.contains(expected) == true, "\(line ?? "no error")")
        #expect(line?.contains("\n") == false)
      }
      var flat = good
      flat.faces[0].matrix = AffineMap(a: 1, b: 2, c: 0, d: 2, e: 4, f: 0)
      try flat.write(to: file)
      let line = errorLine { _ = try FaceAlignments(contentsOf: file) }
      #expect(line?.contains("expected matrices with an inverse") == true)
      let missing = errorLine {
        _ = try FaceAlignments(contentsOf: folder.appending(path: "none.json"))
      }
      #expect(missing?.hasSuffix("none.json: expected a file of alignments, received none") == true)
    }
  }
}
