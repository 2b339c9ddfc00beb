// How faces are laid into crops.

import AtelierFaceSwap
import AtelierImages
import AtelierVision
import AtelierWorkbench
import Testing

struct FaceAlignmentTests {
  @Test func `eyes are laid onto fixed points and back`() throws {
    let eyes = EyePair(leftX: 100, leftY: 80, rightX: 132, rightY: 80)
    let face = FoundFace(
      box: PlaneBox(x: 76, y: 48, width: 80, height: 80), eyes: eyes, neighbors: 8)
    #expect(face.confidence == 0.5 && face.isConfirmed)
    let aligner = FaceAligner(size: 256)
    let alignment = try #require(aligner.alignment(of: face))
    #expect(alignment.basis == .eyes)
    #expect(alignment.matrix(PlanePoint(100, 80)) == PlanePoint(96, 112))
    #expect(alignment.matrix(PlanePoint(132, 80)) == PlanePoint(160, 112))
    #expect(alignment.inverse(PlanePoint(160, 112)) == PlanePoint(132, 80))
    var without = face
    without.eyes = nil
    #expect(!without.isConfirmed)
    let byBox = try #require(aligner.alignment(of: without))
    #expect(byBox.basis == .box)
    #expect(distance(byBox.matrix(PlanePoint(76, 48)), PlanePoint(48, 48)) < 1e-9)
    #expect(distance(byBox.matrix(PlanePoint(156, 128)), PlanePoint(208, 208)) < 1e-9)
    without.box.width = 0
    without.box.height = 0
    #expect(aligner.alignment(of: without) == nil)
    let crop = aligner.crop(ByteImage(width: 20, height: 10, channels: 3), alignment)
    #expect(crop.size == PixelSize(width: 256, height: 256))
  }

  private func distance(_ a: PlanePoint, _ b: PlanePoint) -> Double {
    ((a.x - b.x) * (a.x - b.x) + (a.y - b.y) * (a.y - b.y)).squareRoot()
  }
}
