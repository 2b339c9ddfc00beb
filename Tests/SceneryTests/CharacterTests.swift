// The fictional characters: determinism, poses, landmarks, masks, and that sizes agree.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import AtelierScenery
import Foundation
import Testing

/// Both characters, prepared once for all tests.
private let renderers = FictionalCharacter.all.map { CharacterRenderer($0) }

private func distance(_ a: SIMD2<Float>, _ b: SIMD2<Float>) -> Float {
  let d = a - b
  return (d.x * d.x + d.y * d.y).squareRoot()
}

@Suite struct CharacterPoseTests {
  @Test func randomPosesStayInRangeAndVary() {
    var generator = RandomGenerator(seed: 3)
    let poses = (0..<200).map { _ in CharacterPose.random(using: &generator) }
    #expect(CharacterPose.parameters.count >= 8)
    for parameter in CharacterPose.parameters {
      let values = poses.map { $0[keyPath: parameter.path] }
      #expect(values.allSatisfy { parameter.range.contains($0) }, "\(parameter.name)")
      let wide = parameter.range.upperBound - parameter.range.lowerBound
      let low = values.min() ?? 0
      let high = values.max() ?? 0
      #expect(high - low > 0.6 * wide, "\(parameter.name) uses its range")
    }
    var again = RandomGenerator(seed: 3)
    #expect(CharacterPose.random(using: &again) == poses[0])
  }

  @Test func clipsAreSmoothSeededAndInRange() {
    let clip = CharacterPose.clip(count: 100, seed: 8)
    #expect(clip.count == 100)
    #expect(clip == CharacterPose.clip(count: 100, seed: 8))
    #expect(clip != CharacterPose.clip(count: 100, seed: 9))
    #expect(clip.allSatisfy { $0 == $0.clamped })
    for parameter in CharacterPose.parameters where parameter.name != "eyeOpening" {
      let wide = parameter.range.upperBound - parameter.range.lowerBound
      for (a, b) in zip(clip, clip.dropFirst()) {
        let change = abs(b[keyPath: parameter.path] - a[keyPath: parameter.path])
        #expect(change < 0.25 * wide, "\(parameter.name) jumps")
      }
    }
    #expect(CharacterPose.clip(count: 0, seed: 1).isEmpty)
  }

  @Test func posesAndCharactersSurviveCoding() throws {
    let pose = CharacterPose(yaw: 12, mouthOpening: 0.5)
    let data = try JSONEncoder().encode(pose)
    #expect(try JSONDecoder().decode(CharacterPose.self, from: data) == pose)
    let person = try JSONEncoder().encode(FictionalCharacter.solomon)
    #expect(
      try JSONDecoder().decode(FictionalCharacter.self, from: person) == FictionalCharacter.solomon)
  }

  @Test func wildValuesAreClamped() {
    let pose = CharacterPose(yaw: 500, roll: .nan, mouthOpening: -3).clamped
    #expect((pose.yaw, pose.roll, pose.mouthOpening) == (35, 0, 0))
  }
}

@Suite struct CharacterRendererTests {
  @Test(arguments: 0..<2)
  func aPictureIsDeterminedByItsPose(index: Int) throws {
    let pose = CharacterPose(yaw: 20, pitch: -5, mouthOpening: 0.4)
    let first = try renderers[index].picture(pose, size: 64)
    #expect((first.image.width, first.image.height, first.image.channels) == (64, 64, 3))
    #expect((first.mask.width, first.mask.height, first.mask.channels) == (64, 64, 1))
    #expect(first.image.samples.allSatisfy { (0...1).contains($0) }, "also refuses not-a-number")
    #expect(first.mask.samples.allSatisfy { (0...1).contains($0) })
    let fresh = CharacterRenderer(FictionalCharacter.all[index])
    #expect(try fresh.render(pose, size: 64) == first.image.bytes)
    var other = pose
    other.yaw = 10
    #expect(try renderers[index].render(other, size: 64) != first.image.bytes)
  }

  @Test func wrongSizesAreRefused() {
    for size in [-1, 0, 31, 1025] {
      let error = #expect(throws: DatasetError.self) {
        try renderers[0].render(CharacterPose(), size: size)
      }
      #expect(
        error?.description
          == "a character's picture has 32...1024 pixels per side; received \(size)")
    }
  }

  @Test(arguments: 0..<2)
  func mouthAndEyesFollowTheirParameters(index: Int) throws {
    var last: Float = -1
    for step in 0...10 {
      let pose = CharacterPose(yaw: 15, pitch: 8, mouthOpening: Float(step) / 10)
      let marks = renderers[index].landmarks(pose, size: 256)
      let gap = distance(marks.upperLip, marks.lowerLip)
      #expect(gap > last, "the mouth opens from step to step")
      last = gap
    }
    let still = renderers[index].landmarks(CharacterPose(smile: 0), size: 256)
    let smiling = renderers[index].landmarks(CharacterPose(smile: 1), size: 256)
    #expect(
      distance(smiling.leftMouth, smiling.rightMouth)
        > distance(still.leftMouth, still.rightMouth))
    #expect(smiling.leftMouth.y < still.leftMouth.y)
    let awake = try renderers[index].render(CharacterPose(), size: 128)
    let asleep = try renderers[index].render(CharacterPose(eyeOpening: 0), size: 128)
    let eye = renderers[index].landmarks(CharacterPose(), size: 128).leftEye
    let (x, y) = (Int(eye.x), Int(eye.y))
    #expect(awake[x, y, 0] != asleep[x, y, 0])
  }

  @Test(arguments: 0..<2)
  func rollTurnsLandmarksExactly(index: Int) {
    let size = 256
    let straight = CharacterPose(yaw: 18, pitch: -7, x: 0.03, y: -0.02, scale: 1.05)
    var tilted = straight
    tilted.roll = 15
    let center = SIMD2<Float>(0.5 + straight.x, 0.47 + straight.y) * Float(size)
    let angle = 15 * Float.pi / 180
    let before = renderers[index].landmarks(straight, size: size).all
    let after = renderers[index].landmarks(tilted, size: size).all
    for (a, b) in zip(before, after) {
      let d = a - center
      let turned =
        center
        + SIMD2(cos(angle) * d.x - sin(angle) * d.y, sin(angle) * d.x + cos(angle) * d.y)
      #expect(distance(turned, b) < 0.01)
    }
  }

  @Test(arguments: 0..<2)
  func landmarksLieInThePictureAndInTheMask(index: Int) throws {
    var generator = RandomGenerator(seed: 12)
    var poses = (0..<12).map { _ in CharacterPose.random(using: &generator) }
    for yaw in [-35, 35] as [Float] {
      for pitch in [-20, 20] as [Float] {
        for roll in [-15, 15] as [Float] {
          poses.append(
            CharacterPose(
              yaw: yaw, pitch: pitch, roll: roll, x: yaw > 0 ? 0.06 : -0.06,
              y: pitch > 0 ? -0.05 : 0.05, scale: 1.12, mouthOpening: 1, smile: 1))
        }
      }
    }
    for pose in poses {
      let picture = try renderers[index].picture(pose, size: 96)
      for (number, mark) in picture.landmarks.all.enumerated() {
        #expect((0..<96).contains(mark.x) && (0..<96).contains(mark.y), "\(number) \(pose)")
        guard (1..<95).contains(mark.x), (1..<95).contains(mark.y) else { continue }
        var best: Float = 0
        for y in Int(mark.y) - 1...Int(mark.y) + 1 {
          for x in Int(mark.x) - 1...Int(mark.x) + 1 { best = max(best, picture.mask[x, y, 0]) }
        }
        #expect(best > 0.3, "landmark \(number) \(pose)")
      }
      let share = picture.mask.samples.reduce(0, +) / Float(96 * 96)
      #expect((0.08...0.6).contains(share), "the mask covers \(share)")
      let box = picture.box
      let nose = SIMD2<Double>(picture.landmarks.noseTip)
      #expect(nose.x > box.x && nose.x < box.x + box.width)
      #expect(nose.y > box.y && nose.y < box.y + box.height)
    }
  }

  @Test func theSamePoseIsTheSamePlaceForBoth() throws {
    let pose = CharacterPose(yaw: -20, pitch: 6, roll: 5, mouthOpening: 0.6)
    let a = try renderers[0].picture(pose, size: 128)
    let b = try renderers[1].picture(pose, size: 128)
    #expect(a.box == b.box)
    for (first, second) in zip(a.landmarks.all, b.landmarks.all) {
      #expect(distance(first, second) < 5)
    }
    #expect(try Metrics.psnr(a.image, b.image) < 18, "two people, not one")
  }

  @Test(arguments: 0..<2)
  func sizesAgree(index: Int) throws {
    let pose = CharacterPose(yaw: 10, smile: 0.5)
    let small = try renderers[index].picture(pose, size: 64).image
    let large = try renderers[index].picture(pose, size: 256).image
    var samples = [Float](repeating: 0, count: 64 * 64 * 3)
    for y in 0..<256 {
      for x in 0..<256 {
        for channel in 0..<3 {
          samples[(y / 4 * 64 + x / 4) * 3 + channel] += large[x, y, channel] / 16
        }
      }
    }
    let reduced = FloatImage(width: 64, height: 64, channels: 3, samples: samples)
    #expect(try Metrics.psnr(small, reduced) > 30)
  }
}
