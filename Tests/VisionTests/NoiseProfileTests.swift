// What noise looks like: white, correlated, dependent on brightness, or none.

import AtelierDatasets
import AtelierImages
import AtelierScenery
import AtelierVision
import Foundation
import TestSupport
import Testing

struct NoiseProfileTests {
  /// Brightness rising from left to right, in three channels.
  private var ramp: ByteImage {
    ByteImage(width: 512, height: 256, channels: 3) { samples in
      for index in samples.indices { samples[index] = UInt8(40 + index / 3 % 512 * 180 / 512) }
    }
  }

  /// A picture with normal noise of a deviation (of 255) that depends on brightness, blurred or
  /// not.
  private func noisy(
    _ image: ByteImage, radius: Float = 0, sigma: (Float) -> Float
  ) -> ByteImage {
    let noise = NoiseModel.correlated(sigma: 255...255, blurRadius: radius).pair(
      of: ByteImage(width: image.width, height: image.height, channels: 3), seed: 9, index: 0
    ).noisy
    return FloatImage(
      width: image.width, height: image.height, channels: 3,
      samples: zip(image.floats.samples, noise.samples).map {
        $0 + $1 * sigma($0 * 255) / 255
      }
    ).bytes
  }

  @Test(arguments: [Float(4), 10, 25])
  func `white noise is white and as strong as it is`(_ sigma: Float) {
    let profile = NoiseProfile(of: noisy(ramp) { _ in sigma })
    #expect(abs(profile.sigma / sigma - 1) < 0.1, "\(profile.sigma)")
    #expect(profile.correlationLength == 1)
    #expect(profile.kind == .white)
    #expect(profile.channels.count == 3)
  }

  @Test func `correlated noise is a camera's and tells over how many pixels`() {
    var lengths: [Int] = []
    for radius in [Float(0.6), 1, 1.5] {
      let profile = NoiseProfile(of: noisy(ramp, radius: radius) { _ in 6 })
      #expect(profile.kind == .camera)
      #expect(abs(profile.sigma / 6 - 1) < 0.3, "\(profile.sigma)")
      lengths.append(profile.correlationLength)
      // A Gaussian blur of this radius correlates neighbours by exp(-1 / (4 radius²)).
      let expected = exp(-1 / (4 * radius * radius))
      #expect(abs(profile.autocorrelation[1] - expected) < 0.15)
    }
    #expect(lengths == lengths.sorted() && lengths[0] >= 2 && lengths[2] > lengths[0])
  }

  @Test func `levels follow the brightness`() throws {
    let profile = NoiseProfile(of: noisy(ramp) { 2 + $0 / 16 })
    for levels in profile.channels {
      #expect(levels.count >= 8)
      for level in levels {
        #expect(abs(level.sigma / (2 + level.brightness / 16) - 1) < 0.2)
      }
    }
    #expect(profile.signalDependence > 2)
    #expect(abs(profile.sigma - 10) < 1.5)
  }

  @Test func `white noise of scenes is seen to be white nearly everywhere`() throws {
    var others: [SceneKind] = []
    for kind in SceneKind.allCases {
      let clean = try scene(kind, width: 256, height: 192, isGray: false)
      let profile = NoiseProfile(of: TestSupport.noisy(clean, sigma: 20).bytes)
      if profile.kind != .white { others.append(kind) }
    }
    // Texture without any flat part is taken for correlated noise.
    #expect(others.count <= 3, "\(others)")
  }

  @Test func `flat and tiny pictures tell nothing wrong`() {
    for value in [UInt8(0), 7, 128, 255] {
      let flat = ByteImage(width: 96, height: 64, channels: 1, filledWith: value)
      let profile = NoiseProfile(of: flat)
      #expect(profile.sigma == 0)
      #expect(profile.correlationLength == 1)
      #expect(profile.kind == (profile.isKnown ? .none : .camera))
    }
    for (width, height) in [(1, 1), (31, 400), (15, 16)] {
      let profile = NoiseProfile(of: ByteImage(width: width, height: height, channels: 4))
      #expect(!profile.isKnown && profile.sigma == 0)
      #expect(profile.autocorrelation.count == NoiseProfile.lags)
    }
  }

  @Test func `alpha and 16 bits change nothing`() {
    let picture = noisy(ramp) { _ in 8 }
    let profile = NoiseProfile(of: picture)
    #expect(NoiseProfile(of: picture.withAlpha) == profile)
    #expect(NoiseProfile(of: picture.words).channels == profile.channels)
  }
}
