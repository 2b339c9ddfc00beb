// Heads of pictures, folders inside the roots, names of uploads.

import AtelierFiles
import AtelierWeb
import Foundation
import Testing

@Suite struct PictureTests {
  @Test func headsSayKindAndSize() {
    let png: [UInt8] =
      [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0, 0, 0, 13] + Array("IHDR".utf8)
      + [0, 0, 1, 0, 0, 0, 0, 9]
    #expect(PictureHeader(png) == PictureHeader(ending: "png", width: 256, height: 9))
    let jpeg: [UInt8] = [
      0xFF, 0xD8, 0xFF, 0xE0, 0, 4, 0, 0, 0xFF, 0xFF, 0xC2, 0, 11, 8, 0, 7, 1, 2, 3, 0,
    ]
    #expect(PictureHeader(jpeg) == PictureHeader(ending: "jpg", width: 258, height: 7))
    let riff = Array("RIFF".utf8) + [0, 0, 0, 0] + Array("WEBPVP8X".utf8)
    let webp = riff + [10, 0, 0, 0, 0, 0, 0, 0, 99, 0, 0, 4, 1, 0]
    #expect(PictureHeader(webp) == PictureHeader(ending: "webp", width: 100, height: 261))
    let tiff: [UInt8] =
      [0x49, 0x49, 42, 0, 8, 0, 0, 0, 2, 0, 0, 1, 3, 0, 1, 0, 0, 0, 64, 1, 0, 0]
      + [1, 1, 4, 0, 1, 0, 0, 0, 0, 1, 0, 0]
    #expect(PictureHeader(tiff) == PictureHeader(ending: "tiff", width: 320, height: 256))
  }

  @Test func cutAndHostileHeadsAreNoPictures() {
    let png: [UInt8] =
      [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0, 0, 0, 13] + Array("IHDR".utf8)
      + [0, 0, 0, 0, 0, 0, 0, 9]
    #expect(PictureHeader(png) == nil)
    #expect(PictureHeader([]) == nil)
    #expect(PictureHeader(Array("<html>".utf8)) == nil)
    #expect(PictureHeader([0xFF, 0xD8, 0xFF, 0xE0, 0, 0, 0, 0, 0, 0, 0, 0, 0]) == nil)
    for count in 0..<png.count { _ = PictureHeader(Array(png.prefix(count))) }
    var seed: UInt64 = 1
    for _ in 0..<2000 {
      var bytes: [UInt8] = [
        [0xFF, 0xD8], [0x49, 0x49, 42, 0], [0x4D, 0x4D, 0, 42], Array("RIFF".utf8),
      ][
        Int(seed >> 60) % 4]
      for _ in 0..<60 {
        seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        bytes.append(UInt8(seed >> 56))
      }
      _ = PictureHeader(bytes)
    }
  }

  @Test(arguments: [
    ("photo.png", "photo"), ("../../etc/passwd", "passwd"), ("a b;c.jpg", "a-b-c"), ("", "picture"),
    ("-rf.png", "rf"), ("...", "picture"), ("Fête 1.webp", "Fête-1"), ("\0.png", "picture"),
  ])
  func namesOfUploadsAreFit(_ name: String, _ plain: String) {
    #expect(Uploads.plainName(name) == plain)
  }

  @Test(arguments: [
    "", "0123456789abcde", "0123456789ABCDEF", "../../../../../..", "0123456789abcde/",
  ])
  func identitiesAreDigits(_ text: String) {
    #expect(throws: StudioError.self) { _ = try Identity.checked(text) }
  }

  @Test func foldersEndAtTheRoots() async throws {
    try await withFolder { folder in
      try folder.put("x", "root/in/a.png")
      try folder.put("x", "outside/secret.png")
      let root = folder.appendingPathComponent("root")
      symlink(
        folder.appendingPathComponent("outside").path, root.appendingPathComponent("away").path)
      symlink(root.appendingPathComponent("in").path, root.appendingPathComponent("here").path)
      let folders = Folders(roots: [root])
      for path in [
        "..", "../outside", "away", "away/secret.png", "/etc", "in/../../outside", "in/../..",
      ] {
        #expect(throws: StudioError.self) { _ = try folders.place(path) }
        #expect(throws: StudioError.self) { _ = try folders.newPlace(path + "/new/run") }
      }
      #expect(try folders.place("here").path == root.appendingPathComponent("in").path)
      #expect(try folders.newPlace("new/run").path == root.appendingPathComponent("new/run").path)
      #expect(folders.name(root.appendingPathComponent("in")) == "in")
      let listing = try folders.list(".")
      #expect(listing.entries.map(\.name) == ["away", "here", "in"])
      #expect(!listing.hasParent)
      // A sister folder whose name only begins like the root's is outside.
      try folder.put("x", "root2/a.png")
      #expect(throws: StudioError.self) {
        _ = try folders.place(folder.appendingPathComponent("root2").path)
      }
      #expect(folders.pictures(["in", "away"], extra: root).count == 1)
    }
  }
}
