// The shapes scenes: seeded, independent of each other, with masks that are exactly what is drawn.

import AtelierDatasets
import AtelierImages
import AtelierScenery
import Foundation
import TestSupport
import Testing

@Suite struct ShapesTests {
  @Test func aSceneIsDeterminedBySeedAndIndex() throws {
    let scenes = try ShapesScenes(seed: 4)
    let later = scenes.scene(7)
    _ = scenes.scene(0)
    #expect(later.picture == (try ShapesScenes(seed: 4).scene(7).picture))
    #expect(later.objects == (try ShapesScenes(seed: 4).scene(7).objects))
    #expect(later.picture != scenes.scene(8).picture)
    #expect(later.picture != (try ShapesScenes(seed: 5).scene(7).picture))
  }

  @Test(arguments: [
    PixelSize(width: 128, height: 128), PixelSize(width: 97, height: 61),
    PixelSize(width: 16, height: 40),
  ])
  func masksLabelsAndBoxesAgree(size: PixelSize) throws {
    let scenes = try ShapesScenes(seed: 11, size: size)
    for index in 0..<40 {
      let scene = scenes.scene(index)
      #expect(scene.picture.size == size && scene.picture.channels == 3)
      #expect((1...5).contains(scene.objects.count), "scene \(index)")
      var labels = [UInt8](repeating: 0, count: size.width * size.height)
      for object in scene.objects {
        #expect(object.mask.area >= 12, "scene \(index)")
        #expect(object.mask.bounds == object.box)
        for place in labels.indices where object.mask.pixels[place] {
          #expect(labels[place] == 0, "two objects show one pixel in scene \(index)")
          labels[place] = UInt8(object.classIndex + 1)
        }
      }
      #expect(labels == scene.labels.labels)
    }
  }

  @Test func countsAndClassesAreThoseAskedFor() throws {
    let scenes = try ShapesScenes(seed: 3)
    var counts: Set<Int> = []
    var classes: Set<Int> = []
    for index in 0..<60 {
      counts.insert(scenes.scene(index).objects.count)
      classes.formUnion(scenes.scene(index).objects.map(\.classIndex))
    }
    #expect(counts == [1, 2, 3, 4, 5])
    #expect(classes == [0, 1, 2])
    #expect(scenes.classNames == ["circle", "square", "triangle"])
    #expect(scenes.palette.names == ["background", "circle", "square", "triangle"])
  }

  /// Areas of shapes that nothing hides, against geometry: π r², 2 r², 3√3/4 r², by the box of a circle.
  @Test func aCircleIsRoundAndARingHasAHole() throws {
    let circles = try ShapesScenes(seed: 8, kinds: [.circle], objectCounts: 1...1)
    let rings = try ShapesScenes(seed: 8, kinds: [.ring], objectCounts: 1...1)
    var whole = 0
    for index in 0..<30 {
      let circle = circles.scene(index).objects[0]
      let ring = rings.scene(index).objects[0]
      let inside = circle.box.x > 0 && circle.box.y > 0 && circle.box.x + circle.box.width < 128
      guard inside, circle.box.y + circle.box.height < 128 else { continue }
      whole += 1
      let expected = Double.pi / 4 * circle.box.width * circle.box.height
      #expect(abs(Double(circle.mask.area) / expected - 1) < 0.06)
      #expect(circle.mask.outlines.count == 1)
      #expect(ring.mask.outlines.map(\.isHole) == [false, true])
      #expect(ring.box == circle.box)
    }
    #expect(whole >= 8)
  }

  /// The mean colour inside a mask is another one than just outside: masks lie where the picture shows them.
  @Test func masksLieOnTheDrawnShapes() throws {
    let scenes = try ShapesScenes(seed: 21, objectCounts: 1...1)
    for index in 0..<20 {
      let scene = scenes.scene(index)
      let mask = scene.objects[0].mask
      var sums = [SIMD3<Double>](repeating: .zero, count: 2)
      var counts = [0.0, 0.0]
      for y in 0..<128 {
        for x in 0..<128 {
          let side = mask[x, y] ? 1 : 0
          counts[side] += 1
          for channel in 0..<3 {
            sums[side][channel] += Double(scene.picture[x, y, channel])
          }
        }
      }
      let gap = sums[0] / counts[0] - sums[1] / counts[1]
      #expect((gap * gap).sum().squareRoot() > 40, "scene \(index)")
    }
  }

  @Test func impossibleScenesAreRefused() {
    #expect(
      errorLine { _ = try ShapesScenes(seed: 1, size: PixelSize(width: 8, height: 64)) }
        == "a shapes scene has 16...2048 pixels per side; received 8x64")
    #expect(
      errorLine { _ = try ShapesScenes(seed: 1, kinds: []) }
        == "shapes scenes need kinds of shapes, each once; received []")
    #expect(
      errorLine { _ = try ShapesScenes(seed: 1, objectCounts: 0...3) }
        == "a shapes scene has 1...20 shapes; received 0...3")
  }
}
