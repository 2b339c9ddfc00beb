// The system's cascade files, faces of real pictures where they are there.

import AtelierImages
import AtelierKernels
import AtelierScenery
import AtelierVision
import Foundation
import Testing

struct FaceFinderTests {
  @Test(arguments: [
    ("haarcascade_frontalface_default", 25, 24), ("haarcascade_frontalface_alt", 22, 20),
    ("haarcascade_frontalface_alt2", 20, 20), ("haarcascade_eye", 24, 20),
    ("haarcascade_eye_tree_eyeglasses", 30, 20), ("lbpcascade_frontalface", 20, 24),
  ])
  func `the system's cascades load`(_ name: String, _ stages: Int, _ width: Int) throws {
    let library = CascadeLibrary()
    guard let path = try? library.path(of: name) else {
      print("SKIPPED: loading \(name) (install the package opencv-data)")
      return
    }
    let cascade = try CascadeFile.read(path)
    #expect(cascade.name == name && cascade.stages.count == stages && cascade.width == width)
    #expect(cascade.isBinaryPattern == name.hasPrefix("lbp"))
    #expect(cascade.hasTiltedFeatures == name.hasSuffix("eyeglasses"))
  }

  @Test func `faces near those of a frame before are found in their order, or one is lost`() throws
  {
    guard let finder = try? FaceFinder() else {
      print("SKIPPED: faces near others (install the package opencv-data)")
      return
    }
    // Two drawn people side by side.
    var image = ByteImage(width: 440, height: 200, channels: 3, filledWith: 90)
    for (index, character) in [FictionalCharacter.solomon, .maeve].enumerated() {
      let drawn = try CharacterRenderer(character).render(CharacterPose(), size: 200)
      image.paste(drawn, x: 220 * index + 10, y: 0)
    }
    let faces = finder.faces(in: image).filter(\.isConfirmed).sorted { $0.box.x < $1.box.x }
    try #require(faces.count == 2)
    let moved = faces.map { $0.box.corrected(scale: 1.05, right: 0.04, down: -0.03) }
    for boxes in [moved, moved.reversed()] {
      let near = try #require(finder.faces(in: image, near: boxes))
      try #require(near.count == 2)
      for (face, box) in zip(near, boxes) {
        let whole = try #require(
          faces.max { $0.box.intersectionOverUnion(box) < $1.box.intersectionOverUnion(box) })
        #expect(face.box.intersectionOverUnion(whole.box) > 0.8)
        let (eyes, others) = (try #require(face.eyes), try #require(whole.eyes))
        #expect(abs(eyes.leftX - others.leftX) < 4 && abs(eyes.rightY - others.rightY) < 4)
      }
    }
    let one = try #require(finder.faces(in: image, near: [moved[1]]))
    #expect(one.count == 1 && one[0].box.x > 200)
    // Where there was a face and is none now, or one of another size, nothing is said of the others.
    var elsewhere = moved[0]
    elsewhere.y += 150
    #expect(finder.faces(in: image, near: [moved[1], elsewhere]) == nil)
    #expect(
      finder.faces(in: image, near: [moved[0].corrected(scale: 2.5, right: 0, down: 0)]) == nil)
    // A face that only touches the former one's place is another one.
    var aside = faces[0].box
    aside.x += 0.28 * aside.width
    aside.y += 0.28 * aside.height
    try #require(aside.intersectionOverUnion(faces[0].box) < 0.4)
    #expect(finder.faces(in: image, near: [aside]) == nil)
    #expect(finder.faces(in: image, near: [])?.isEmpty == true)
  }

  /// Every 57th frame of the speakers: all faces, no others, the same on one thread and two.
  @Test func `faces of real frames are found`() throws {
    guard let data = ProcessInfo.processInfo.environment["ATELIER_DATA"] else {
      print("SKIPPED: faces of frames (set ATELIER_DATA to the folder of the data sets)")
      return
    }
    guard let finder = try? FaceFinder() else {
      print("SKIPPED: faces of frames (install the package opencv-data)")
      return
    }
    let folder = "\(data)/faces-grid"
    let lines = try String(contentsOfFile: "\(folder)/boxes.csv", encoding: .utf8)
      .split(separator: "\n").dropFirst().enumerated().filter { $0.offset.isMultiple(of: 57) }
    let pools = [ThreadPool(threads: 1), ThreadPool(threads: 2)]
    var (found, wrong, eyes) = (0, 0, 0)
    for (_, line) in lines {
      let fields = line.split(separator: ",").map(String.init)
      let place = try fields[4...6].map { try #require(Double($0)) }
      let box = PlaneBox(x: place[0], y: place[1], width: place[2], height: place[2])
      let image = try ImageFile.read("\(folder)/\(fields[0])/\(fields[1])")
      let faces = finder.faces(in: image, pool: pools[0])
      #expect(faces == finder.faces(in: image, pool: pools[1]))
      let hits = faces.filter { $0.box.intersectionOverUnion(box) >= 0.5 }
      found += hits.isEmpty ? 0 : 1
      wrong += faces.count - min(hits.count, 1)
      eyes += hits.first?.eyes == nil ? 0 : 1
    }
    print("faces of frames: \(found) of \(lines.count), \(wrong) false, eyes in \(eyes)")
    #expect(found == lines.count && wrong == 0 && lines.count >= 10)
  }
}
