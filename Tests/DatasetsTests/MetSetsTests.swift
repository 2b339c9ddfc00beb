// Sets as people have them: each kind of fault was met and reported by somebody; the right value is the test.

import AtelierDatasets
import AtelierImages
import Foundation
import TestSupport
import Testing

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// Writes a picture of one gray, its folder made.
private func picture(_ folder: URL, _ name: String, gray: UInt8 = 90, side: Int = 8) throws {
  let file = folder.appending(path: name)
  try FileManager.default.createDirectory(
    at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
  try ImageFile.write(
    ByteImage(width: side, height: side, channels: 1, filledWith: gray), to: file)
}

/// Writes bytes, the folder made.
private func write(_ folder: URL, _ name: String, _ bytes: [UInt8]) throws {
  let file = folder.appending(path: name)
  try FileManager.default.createDirectory(
    at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
  try Data(bytes).write(to: file)
}

/// An IDX file of bytes.
private func idx(_ sizes: [Int], _ bytes: [UInt8]) -> [UInt8] {
  [0, 0, 8, UInt8(sizes.count)] + sizes.flatMap { [0, 0, UInt8($0 >> 8), UInt8($0 & 255)] } + bytes
}

@Suite struct MetClassesTests {
  private let form = PictureForm(width: 4, height: 4, mode: .gray)

  /// Folders of one picture each, whose gray is 20 times the number that the folder is named by.
  private func numbered(_ folder: URL, _ count: Int) throws {
    for number in 0..<count { try picture(folder, "\(number)/x.png", gray: UInt8(20 * number)) }
  }

  @Test func `names of folders decide, also when they are numbers`() throws {
    try withScratchFolder { folder in
      let (learnt, tested) = (folder.appending(path: "a"), folder.appending(path: "b"))
      try numbered(learnt, 12)
      try numbered(tested, 10)
      let names = try LabeledImages.read(learnt, part: .training, form: form).classNames
      #expect(names == ["0", "1", "10", "11", "2", "3", "4", "5", "6", "7", "8", "9"])
      let test = try LabeledImages.read(tested, part: .test, form: form).ordered(as: names)
      for index in 0..<10 {
        #expect(names[test.labels[index]] == "\(test.image(index).samples[0] / 20)")
      }
      #expect(
        errorLine {
          _ = try LabeledImages.read(learnt, part: .test, form: form).ordered(as: ["0", "1"])
        }
          == "a: its class '10' is none of the model's, which are 0, 1")
      // Names of folders are no numbers of outputs.
      #expect(
        errorLine {
          _ = try LabeledImages.read(tested, part: .test, form: form)
            .ordered(as: (0..<10).map { "item \($0)" })
        }?.hasPrefix("b: its class '0' is none of the model's") == true)
    }
  }

  /// What a model learnt, and what it is tested on.
  @Test(arguments: [
    ((0..<12).map { "0\($0)" }, ["02", "010", "07"]), (["1", "2", "10"], ["10", "2"]),
    (["-1", "0", "1"], ["1"]), (["2019", "2020", "2021", "1999"], ["2021", "1999"]),
    (["0 cats", "1 dogs", "10 elks", "2 foxes"], ["2 foxes", "1 dogs"]),
    (["1.0", "1.5", "1.25"], ["1.5", "1.25", "1.0"]), (["x3", "3", "30"], ["30", "3"]),
  ])
  func `whatever folders are called, names decide`(_ learnt: [String], _ tested: [String]) throws {
    try withScratchFolder { folder in
      for (index, name) in learnt.enumerated() {
        try picture(folder, "a/\(name)/x.png", gray: UInt8(20 * index))
        if tested.contains(name) { try picture(folder, "b/\(name)/x.png", gray: UInt8(20 * index)) }
      }
      // One folder alone makes no set.
      if tested.count == 1 { try picture(folder, "b/\(learnt[0])/x.png", gray: 0) }
      let names = try LabeledImages.read(folder.appending(path: "a"), part: .training, form: form)
        .classNames
      #expect(names.sorted() == learnt.sorted())
      let test = try LabeledImages.read(folder.appending(path: "b"), part: .test, form: form)
        .ordered(as: names)
      for (index, label) in test.labels.enumerated() {
        #expect(names[label] == learnt[Int(test.image(index).samples[0]) / 20])
      }
      try picture(folder, "b/unknown/x.png")
      let line = errorLine {
        _ = try LabeledImages.read(folder.appending(path: "b"), part: .test, form: form)
          .ordered(as: names)
      }
      #expect(line?.hasPrefix("b: its class 'unknown' is none of the model's") == true)
    }
  }

  @Test func `numbers without names keep their places, or find them`() throws {
    try withScratchFolder { folder in
      try write(folder, "train-images-idx3-ubyte", idx([2, 1, 1], [7, 9]))
      try write(folder, "train-labels-idx1-ubyte", idx([2], [3, 10]))
      let set = try LabeledImages.read(folder, part: .training)
      #expect(!set.hasNames && set.classNames.count == 11)
      let items = (0..<11).map { "item \($0)" }
      #expect(try set.ordered(as: items).labels == [3, 10])
      // A model of folders called 0 to 11 knows them by name.
      let folders = ["0", "1", "10", "11", "2", "3", "4", "5", "6", "7", "8", "9"]
      #expect(try set.ordered(as: folders).labels == [5, 2])
      #expect(errorLine { _ = try set.ordered(as: ["a", "b"]) } != nil)
    }
  }

  @Test func `as many names as the labels need are enough`() throws {
    try withScratchFolder { folder in
      try write(folder, "train-images-idx3-ubyte", idx([4, 1, 1], [1, 2, 3, 4]))
      try write(folder, "train-labels-idx1-ubyte", idx([4], [0, 3, 2, 1]))
      func names(_ text: String) throws -> LabeledImages {
        try write(folder, "classes.txt", Array(text.utf8))
        return try LabeledImages.read(folder, part: .training)
      }
      #expect(try names("cat\ndog\nelk\nfox\n").classNames == ["cat", "dog", "elk", "fox"])
      #expect(try names("cat\ndog\nelk\nfox\nnone\n").classNames.count == 5)
      let line = errorLine { _ = try names("cat\ndog\nelk\n") }
      #expect(
        line?.hasSuffix("expected 4 or more class names, received 3") == true, "\(line ?? "")")
      #expect(line?.contains("classes.txt: ") == true)
      // A test part without the last class fits the same model.
      _ = try names("cat\ndog\nelk\nfox\n")
      try write(folder, "t10k-images-idx3-ubyte", idx([1, 1, 1], [1]))
      try write(folder, "t10k-labels-idx1-ubyte", idx([1], [1]))
      let test = try LabeledImages.read(folder, part: .test)
      #expect(try test.ordered(as: ["cat", "dog", "elk", "fox"]).labels == [1])
      // Names of folders are those that there are, no more and no less.
      let named = folder.appending(path: "named")
      try numbered(named, 3)
      let set = try LabeledImages.read(named, part: .training, form: form)
      #expect(errorLine { _ = try set.naming(["a", "b", "c", "d"]) } != nil)
    }
  }

  @Test func `parts are parts, whatever else lies beside them`() throws {
    try withScratchFolder { folder in
      for part in ["train", "test"] {
        for name in ["cats", "dogs"] { try picture(folder, "\(part)/\(name)/x.png") }
      }
      try picture(folder, "previews/x.png")
      try picture(folder, "@eaDir/x/y.png")
      try picture(folder, "train/@eaDir/x.png")
      try picture(folder, "train/$RECYCLE.BIN/x.png")
      for part in DataPart.allCases {
        #expect(
          try LabeledImages.read(folder, part: part, form: form).classNames == ["cats", "dogs"])
      }
      let line = errorLine {
        _ = try LabeledImages.read(
          folder.appending(path: "train/cats"), part: .training, form: form)
      }
      #expect(line != nil)
    }
    try withScratchFolder { folder in
      // A class may be called as a part is.
      for name in ["train", "tram", "bus"] { try picture(folder, "\(name)/x.png") }
      let set = try LabeledImages.read(folder, part: .training, form: form)
      #expect(set.classNames == ["bus", "train", "tram"])
      #expect(set.summary.hasSuffix(": 3 pictures of 3 classes: bus 1, train 1, tram 1"))
    }
  }

  @Test func `what can be read is taken, and the rest counted and named`() throws {
    try withScratchFolder { folder in
      for name in ["a", "b"] { try picture(folder, "\(name)/1.png") }
      try write(folder, "a/2.png", [0x89, 0x50, 0x4E, 0x47, 1, 2, 3])
      try write(folder, "b/notes.txt", Array("hello".utf8))
      #expect(mkfifo(folder.appending(path: "b/pipe.png").path, 0o600) == 0)
      #expect(mkfifo(folder.appending(path: "a/pipe").path, 0o600) == 0)
      let set = try LabeledImages.read(folder, part: .training, form: form)
      #expect(set.labels == [0, 1])
      #expect(set.leftOut.count == 2, "\(set.leftOut)")
      #expect(set.leftOut.first?.contains("a/2.png: expected a") == true)
      #expect(
        set.leftOut.last?.hasSuffix(
          ": 3 files are left out, no picture by name or content: a/pipe, b/notes.txt, b/pipe.png")
          == true)
      try FileManager.default.removeItem(at: folder.appending(path: "a/1.png"))
      let line = errorLine { _ = try LabeledImages.read(folder, part: .training, form: form) }
      #expect(line?.hasPrefix("not usable as a picture of a class: ") == true)
      #expect(line?.contains("a/2.png") == true)
    }
  }

  @Test func `a byte order mark before names says nothing, other text is refused by name`() throws {
    try withScratchFolder { folder in
      try write(folder, "train-images-idx3-ubyte", idx([2, 1, 1], [1, 2]))
      try write(folder, "train-labels-idx1-ubyte", idx([2], [0, 1]))
      try write(folder, "classes.txt", [0xEF, 0xBB, 0xBF] + Array("cat\r\ndog\r\n".utf8))
      #expect(try LabeledImages.read(folder, part: .training).classNames == ["cat", "dog"])
      try write(folder, "classes.txt", [0xFF, 0xFE, 0x63, 0, 0x61, 0])
      let line = errorLine { _ = try LabeledImages.read(folder, part: .training) }
      #expect(
        line?.hasSuffix(
          "classes.txt: expected class names, one a line, as text in UTF-8, received text in UTF-16"
        )
          == true)
    }
  }
}

@Suite struct MetMasksTests {
  /// Writes pictures with masks that a closure gives by column and row.
  private func set(
    _ folder: URL, classes: String? = nil, side: Int = 24, _ mask: (Int, Int) -> UInt8
  ) throws {
    for name in ["a", "b"] {
      try picture(folder, "images/\(name).png", side: side)
      let samples = (0..<side * side).map { mask($0 % side, $0 / side) }
      let file = folder.appending(path: "masks/\(name).png")
      try FileManager.default.createDirectory(
        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try ImageFile.write(
        ByteImage(width: side, height: side, channels: 1, samples: samples), to: file)
    }
    if let classes { try write(folder, "classes.txt", Array(classes.utf8)) }
  }

  private func line(_ folder: URL, palette: ClassPalette? = nil) -> String? {
    errorLine { _ = try SegmentedImages.read(folder, part: .training, palette: palette) }
  }

  @Test func `masks of 0 and 255 are no classes and much that does not count`() throws {
    func half(_ x: Int, _ y: Int) -> UInt8 { x < 12 ? 0 : 255 }
    for (classes, word) in [
      (nil, "pixels 0 or 255 alone"), ("sky\nobject\n", "of the class sky or"),
    ] {
      try withScratchFolder { folder in
        try set(folder, classes: classes, half)
        #expect(line(folder)?.contains(word) == true, "\(line(folder) ?? "read")")
      }
    }
    try withScratchFolder { folder in
      try set(folder, half)
      // The classes of a model say no more about 255.
      let model = ClassPalette([
        .init(name: "sky", color: [0, 0, 0]), .init(name: "tree", color: [9, 9, 9]),
      ])
      #expect(line(folder, palette: model)?.contains("of the class sky or 255 alone") == true)
    }
    try withScratchFolder { folder in
      try set(folder, classes: "0 sky\n255 object\n", half)
      let found = try #require(try SegmentedImages.read(folder, part: .training))
      #expect(found.palette.names == ["sky", "object"] && found.statistics.pixels == [576, 576])
      #expect(found.summary.hasSuffix(": 2 pictures of 2 classes: sky 50.0 %, object 50.0 %"))
    }
    try withScratchFolder { folder in
      // Whoever names what does not count means it.
      try set(folder, classes: "0 sky\n1 tree\n255 void\n", half)
      #expect(line(folder) == nil)
    }
    try withScratchFolder { folder in
      try set(folder) { _, _ in 255 }
      #expect(line(folder)?.contains("received pixels 255 alone") == true)
    }
  }

  /// A mask by name, the names beside it, and what is told.
  @Test(
    arguments: [
      ("0 or 255", "sky\nroad\ntree\n", "of the class sky or 255 alone"),
      ("1 or 255", nil, "received pixels 1 or 255 alone"),
      ("0 or 255", "0 sky\n1 object\n", "of the class sky or"),
      ("one full, one empty", nil, "pixels 0 or 255 alone"),
      ("0 or 1", nil, nil), ("0 or 255", "0 sky\n255 object\n", nil),
    ] as [(String, String?, String?)])
  func `sets of masks without two classes are refused`(
    _ kind: String, _ classes: String?, _ words: String?
  ) throws {
    try withScratchFolder { folder in
      try set(folder, classes: classes) { x, _ in
        switch kind {
        case "1 or 255": x < 12 ? 1 : 255
        case "0 or 1": x < 12 ? 0 : 1
        case "0 or 255": x < 12 ? 0 : 255
        default: 0
        }
      }
      if kind.hasPrefix("one") {
        try ImageFile.write(
          ByteImage(width: 24, height: 24, channels: 1, filledWith: 255),
          to: folder.appending(path: "masks/b.png"))
      }
      let line = line(folder)
      #expect(words.map { line?.contains($0) == true } ?? (line == nil), "\(line ?? "read")")
    }
  }

  @Test func `smoothed masks are not taken for masks of many classes`() throws {
    func disc(_ scale: Double, _ high: Double) -> (Int, Int) -> UInt8 {
      { x, y in
        let distance =
          ((Double(x) - 11.3) * (Double(x) - 11.3) + (Double(y) - 11.7) * (Double(y) - 11.7))
          .squareRoot()
        return UInt8(min(max((8 - distance) / scale + 0.5, 0), 1) * high)
      }
    }
    for (scale, high) in [(1.0, 200.0), (1, 255), (1, 128), (2, 255), (1.5, 100)] {
      try withScratchFolder { folder in
        try set(folder, disc(scale, high))
        #expect(
          line(folder)?.contains("values that stand only where others meet") == true,
          "\(scale) \(high): \(line(folder) ?? "read")")
      }
    }
    try withScratchFolder { folder in
      // Many classes of areas, of which one is a thin line between two others.
      try set(folder) { x, y in x == 11 ? 5 : UInt8((x / 6) + 4 * (y / 6)) }
      #expect(line(folder) == nil)
    }
    try withScratchFolder { folder in
      try set(folder, classes: "a\nb\n", disc(1, 200))
      #expect(line(folder)?.contains("has label") == true)
    }
  }

  @Test func `broken pictures and masks are left out by name`() throws {
    try withScratchFolder { folder in
      try set(folder) { x, _ in x < 12 ? 0 : 1 }
      try picture(folder, "images/c.png", side: 24)
      try write(folder, "masks/c.png", [0x89, 0x50])
      try write(folder, "images/d.png", [0x89, 0x50])
      try picture(folder, "masks/d.png", side: 24)
      try write(folder, "images/readme.md", [65])
      let found = try #require(try SegmentedImages.read(folder, part: .training))
      #expect(found.items.map(\.name) == ["a.png", "b.png"])
      #expect(found.leftOut.count == 3)
      #expect(found.leftOut[0].contains("masks/c.png") && found.leftOut[1].contains("images/d.png"))
      #expect(found.leftOut[2].contains("1 file is left out"))
      #expect(!found.hasNames)
      for name in ["a", "b"] { try write(folder, "images/\(name).png", [1]) }
      #expect(line(folder)?.contains("images/a.png") == true)
      // A mask that is missing is a mistake of the set, not a broken file.
      try FileManager.default.removeItem(at: folder.appending(path: "masks/d.png"))
      #expect(line(folder)?.contains("there is no mask") == true)
    }
  }
}
