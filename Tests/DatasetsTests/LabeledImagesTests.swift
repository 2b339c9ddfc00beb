// Sets with classes: IDX, CIFAR, class folders; what is damaged or does not fit is one line.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import Foundation
import Testing

/// A folder of its own under the temporary directory, removed at the end.
private struct Shelf: ~Copyable {
  let url: URL

  init() throws {
    url = FileManager.default.temporaryDirectory
      .appendingPathComponent("atelier-labeled-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  @discardableResult
  func write(_ bytes: [UInt8], _ name: String) throws -> URL {
    let file = url.appendingPathComponent(name)
    try FileManager.default.createDirectory(
      at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(bytes).write(to: file)
    return file
  }

  func picture(_ name: String, _ width: Int, _ height: Int, gray: UInt8) throws {
    let file = url.appendingPathComponent(name)
    try FileManager.default.createDirectory(
      at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try ImageFile.write(
      ByteImage(width: width, height: height, channels: 1, filledWith: gray), to: file)
  }
}

/// The text of the error that `body` throws; nil when it throws none.
private func line(_ body: () throws -> Void) -> String? {
  do {
    try body()
    return nil
  } catch { return "\(error)" }
}

/// Three pictures of 2×2: 0, 20, … 220.
private let pictures: [UInt8] =
  [0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 2] + (0..<12).map { UInt8(20 * $0) }
/// Labels 7, 2, 1.
private let labels: [UInt8] = [0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]
/// Both as Python's gzip module packs them (mtime 0).
private let packedPictures = "H4sIAAAAAAAC/2Ng4GBmYGAAYSYwFtGwCUip6Fmw5cQdAL1JqB8cAAAA"
private let packedLabels = "H4sIAAAAAAAC/2Ng4GBkYGBgZmdiBAAV+D5OCwAAAA=="
/// 60,000 zeros in 93 bytes.
private let packedZeros =
  "H4sIAAAAAAAC/+3BMQEAAADCoPVPbQ0PoAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
  + "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAC+DAWqJ1Fg6gAA"

private func unpacked(_ text: String) throws -> [UInt8] {
  [UInt8](try #require(Data(base64Encoded: text)))
}

@Suite struct IDXTests {
  @Test func plainAndPackedFilesGiveTheSameSet() throws {
    let shelf = try Shelf()
    let plain = try LabeledImages(
      images: shelf.write(pictures, "a-images-idx3-ubyte"),
      labels: shelf.write(labels, "a-labels-idx1-ubyte"))
    #expect(plain.count == 3 && plain.channels == 1)
    #expect(plain.size == PixelSize(width: 2, height: 2))
    #expect(plain.labels == [7, 2, 1])
    #expect(plain.classNames == (0..<10).map(String.init))
    #expect(plain.image(1).samples == [80, 100, 120, 140])
    #expect(plain.tensor([2]).elements == [160, 180, 200, 220].map { Float($0) / 255 })
    let packed = try LabeledImages(
      images: shelf.write(unpacked(packedPictures), "b.gz"),
      labels: shelf.write(unpacked(packedLabels), "c.gz"))
    #expect(packed.pixels == plain.pixels && packed.labels == plain.labels)
    // Two members one after the other are one file.
    let halves = try unpacked(packedPictures) + unpacked(packedLabels)
    let joined = line {
      _ = try LabeledImages(
        images: shelf.write(halves, "d.gz"), labels: shelf.write(labels, "d"))
    }
    #expect(joined?.hasSuffix("inflates to more than the 28 bytes that its header names") == true)
  }

  @Test func everyTruncationAndEveryBrokenByteIsRefusedOrHarmless() throws {
    let shelf = try Shelf()
    let good = try shelf.write(labels, "labels")
    let packed = try unpacked(packedPictures)
    for length in 0..<packed.count {
      let file = try shelf.write(Array(packed.prefix(length)), "cut.gz")
      let text = line { _ = try LabeledImages(images: file, labels: good) }
      #expect(text?.contains("cut.gz: expected ") == true, "\(length): \(text ?? "read")")
    }
    let expected = try LabeledImages(
      images: shelf.write(packed, "whole.gz"), labels: good)
    for index in packed.indices {
      var broken = packed
      broken[index] ^= 0x55
      let file = try shelf.write(broken, "broken.gz")
      if let set = try? LabeledImages(images: file, labels: good) {
        // Time, system and flags of the wrapper say nothing about the content.
        #expect(set.pixels == expected.pixels, "byte \(index)")
      }
    }
    for length in 0..<pictures.count {
      let file = try shelf.write(Array(pictures.prefix(length)), "cut")
      #expect(line { _ = try LabeledImages(images: file, labels: good) } != nil, "\(length)")
    }
  }

  @Test func whatIsTooLargeIsRefusedBeforeMemoryIsTaken() throws {
    let shelf = try Shelf()
    let good = try shelf.write(labels, "labels")
    let bomb = try shelf.write(unpacked(packedZeros), "bomb.gz")
    let text = line { _ = try LabeledImages(images: bomb, labels: good, memoryLimit: 50_000) }
    #expect(text?.hasSuffix("inflates to more than the 50000 bytes that are allowed") == true)
    let large = try shelf.write([UInt8](repeating: 0, count: 101), "large")
    let size = line { _ = try LabeledImages(images: large, labels: good, memoryLimit: 100) }
    #expect(size?.hasSuffix("large: expected at most 100 bytes, received 101") == true)
    let claims = try shelf.write(
      [0, 0, 8, 3] + [UInt8](repeating: 0xFF, count: 12), "claims")
    let claim = line { _ = try LabeledImages(images: claims, labels: good) }
    #expect(claim?.contains("its header names") == true)
  }

  @Test func wrongKindsAreNamed() throws {
    let shelf = try Shelf()
    let images = try shelf.write(pictures, "images")
    let tags = try shelf.write(labels, "labels")
    func text(_ images: URL, _ labels: URL) -> String? {
      line { _ = try LabeledImages(images: images, labels: labels) }
    }
    #expect(
      text(tags, tags)?.hasSuffix(
        "labels: expected an IDX file, whose first bytes are 0 0 8 3") == true)
    #expect(
      text(images, images)?.hasSuffix(
        "images: expected IDX bytes (type 8) with 1 axes, received type 8 with 3") == true)
    let four = try shelf.write([0, 0, 8, 1, 0, 0, 0, 4, 1, 2, 3, 4], "four")
    #expect(
      text(images, four)?.hasSuffix(
        "four: expected 3 labels for the pictures of images, received 4") == true)
    #expect(
      text(shelf.url, tags)?.hasSuffix(": expected a file, received a folder") == true)
  }

  @Test func foldersAreReadByPart() throws {
    let shelf = try Shelf()
    var others = labels
    others[8] = 9
    try shelf.write(unpacked(packedPictures), "train-images-idx3-ubyte.gz")
    try shelf.write(unpacked(packedLabels), "train-labels-idx1-ubyte.gz")
    try shelf.write(pictures, "t10k-images-idx3-ubyte")
    try shelf.write(others, "t10k-labels-idx1-ubyte")
    #expect(try LabeledImages.read(shelf.url, part: .training).labels == [7, 2, 1])
    #expect(try LabeledImages.read(shelf.url, part: .test).labels == [9, 2, 1])
    let names = (0..<10).map { "thing \($0)" }
    try shelf.write(Array(names.joined(separator: "\n").utf8), "classes.txt")
    let named = try LabeledImages.read(
      shelf.url.appendingPathComponent("t10k-images-idx3-ubyte"), part: .training)
    #expect(named.labels == [9, 2, 1] && named.classNames == names)
    try FileManager.default.removeItem(
      at: shelf.url.appendingPathComponent("t10k-labels-idx1-ubyte"))
    let text = line { _ = try LabeledImages.read(shelf.url, part: .test) }
    #expect(
      text?.hasSuffix(
        "expected its labels beside it as t10k-labels-idx1-ubyte; there is no such file") == true)
  }

  @Test func publishedSets() throws {
    guard let path = ProcessInfo.processInfo.environment["ATELIER_DATA"] else {
      print("SKIPPED: ATELIER_DATA names no folder of published sets")
      return
    }
    let root = URL(fileURLWithPath: path)
    for (name, mean, deviation) in [("mnist", 0.1307, 0.3081), ("fashion-mnist", 0.2860, 0.3530)] {
      let training = try LabeledImages.read(root.appending(path: name), part: .training)
      #expect(training.count == 60_000 && training.size == PixelSize(width: 28, height: 28))
      // The figures that everybody's normalization has.
      let statistics = training.statistics
      #expect(abs(Double(statistics.mean[0]) - mean) < 5e-5)
      #expect(abs(Double(statistics.deviation[0]) - deviation) < 5e-5)
      let test = try LabeledImages.read(root.appending(path: name), part: .test)
      #expect(test.count == 10_000 && Set(test.labels).count == 10)
    }
    let cifar = try LabeledImages.read(root.appending(path: "cifar10-subset"), part: .training)
    #expect(cifar.count == 3000 && cifar.classNames[0] == "airplane" && cifar.channels == 3)
    // The first labels of data_batch_1: frog, truck, truck, deer, automobile.
    #expect(Array(cifar.labels.prefix(5)) == [6, 9, 9, 4, 1])
  }
}

@Suite struct CIFARTests {
  private func record(_ labels: [UInt8], red: UInt8) -> [UInt8] {
    labels + (0..<3072).map { UInt8(truncatingIfNeeded: Int(red) + $0 / 1024 * 50 + $0 % 7) }
  }

  @Test func planesBecomePixels() throws {
    let shelf = try Shelf()
    try shelf.write(record([3], red: 10) + record([9], red: 60), "data_batch_1.bin")
    try shelf.write(record([0], red: 20), "data_batch_2.bin")
    try shelf.write(record([5], red: 30), "test_batch.bin")
    let names = (0..<10).map { "kind \($0)" }
    try shelf.write(Array((names.joined(separator: "\n") + "\n\n").utf8), "batches.meta.txt")
    let set = try LabeledImages.read(shelf.url, part: .training)
    #expect(set.labels == [3, 9, 0] && set.classNames == names)
    #expect(set.size == PixelSize(width: 32, height: 32) && set.channels == 3)
    let image = set.image(1)
    #expect((0..<3).map { image[0, 0, $0] } == [60, 112, 164])
    #expect(image[5, 2, 0] == 66)
    #expect(try LabeledImages.read(shelf.url, part: .test).labels == [5])
  }

  @Test func hundredClassesAndWrongLengths() throws {
    let shelf = try Shelf()
    let file = try shelf.write(record([4, 77], red: 1), "train.bin")
    let set = try LabeledImages(cifar: [file])
    #expect(set.labels == [77] && set.classNames.count == 100)
    let text = line {
      _ = try LabeledImages(cifar: [shelf.write([UInt8](repeating: 0, count: 3075), "odd.bin")])
    }
    #expect(
      text?.hasSuffix(
        "odd.bin: expected records of 3073 (CIFAR-10) or 3074 bytes (CIFAR-100), received 3075 "
          + "bytes") == true)
    let label = line {
      _ = try LabeledImages(cifar: [shelf.write(record([10], red: 0), "label.bin")])
    }
    #expect(label == "label.bin: picture 0 has label 10; there are 10 classes")
    #expect(line { _ = try LabeledImages(cifar: [file], layout: .ten) } != nil)
  }
}

@Suite struct ClassFolderTests {
  private let form = PictureForm(width: 8, height: 4, mode: .gray)

  @Test func namesAreSortedAndPicturesFitted() throws {
    let shelf = try Shelf()
    try shelf.picture("train/dog/1.png", 40, 30, gray: 10)
    try shelf.picture("train/cat/deep/2.png", 7, 50, gray: 20)
    try shelf.picture("train/cat/1.png", 8, 4, gray: 30)
    try shelf.picture("test/cat/1.png", 9, 9, gray: 40)
    try shelf.picture("test/dog/1.png", 9, 9, gray: 50)
    try shelf.write([1], "train/.hidden/notes.txt")
    let set = try LabeledImages.read(shelf.url, part: .training, form: form)
    #expect(set.classNames == ["cat", "dog"] && set.labels == [0, 0, 1])
    #expect(set.size == PixelSize(width: 8, height: 4))
    #expect((0..<3).map { set.image($0)[3, 2, 0] } == [30, 20, 10])
    let test = try LabeledImages.read(shelf.url, part: .test, form: form)
    #expect(test.image(1).samples == [UInt8](repeating: 50, count: 32))
    let whole = try LabeledImages.read(
      shelf.url.appendingPathComponent("test"), part: .training, form: form)
    #expect(whole.labels == [0, 1])
  }

  @Test func aPictureIsCutAtItsMiddle() throws {
    // Left, middle and right thirds of a wide picture.
    let wide = ByteImage(
      width: 12, height: 4, channels: 1,
      samples: (0..<48).map { [UInt8](arrayLiteral: 0, 100, 200)[$0 % 12 / 4] })
    let square = wide.fitted(to: PixelSize(width: 4, height: 4), channels: 3)
    #expect(square.samples == [UInt8](repeating: 100, count: 48))
    let tall = wide.oriented(.quarterTurn).fitted(to: PixelSize(width: 2, height: 2), channels: 1)
    #expect(tall.samples == [100, 100, 100, 100])
    let enlarged = square.fitted(to: PixelSize(width: 9, height: 9), channels: 1)
    #expect(enlarged.samples == [UInt8](repeating: 100, count: 81))
  }

  @Test func whatIsMissingIsNamed() throws {
    let shelf = try Shelf()
    func text() -> String? {
      line { _ = try LabeledImages.read(shelf.url, part: .test, form: form) }
    }
    #expect(
      text()?.hasSuffix(
        "expected IDX files, CIFAR's .bin files or one folder a class; there are none") == true)
    try shelf.picture("cat/1.png", 4, 4, gray: 1)
    #expect(
      text()?.hasSuffix(
        "expected one folder for each of two or more classes, received cat") == true)
    try FileManager.default.createDirectory(
      at: shelf.url.appendingPathComponent("dog"), withIntermediateDirectories: true)
    #expect(text()?.hasSuffix("/dog: the folder holds no picture") == true)
    try shelf.write(Array("no picture".utf8), "dog/1.png")
    #expect(text()?.hasPrefix("not usable as a picture of a class: ") == true)
    let none = line {
      _ = try LabeledImages.read(shelf.url.appendingPathComponent("none"), part: .test)
    }
    #expect(none?.hasSuffix("none: no such file or folder") == true)
    let large = line {
      _ = try LabeledImages(
        classFolders: shelf.url, size: PixelSize(width: 100, height: 100), mode: .color,
        memoryLimit: 1000)
    }
    #expect(large?.hasSuffix("take more than 1000 bytes; use a smaller size") == true)
  }
}
