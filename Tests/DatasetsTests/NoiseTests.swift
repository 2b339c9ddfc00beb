// The statistics, ranges and determinism of the noise models.

import AtelierDatasets
import AtelierEngine
import Foundation
import Testing

/// The first four moments of a sample, in double precision.
private struct Moments {
  var mean = 0.0
  var variance = 0.0
  var skewness = 0.0
  var kurtosis = 0.0

  init(_ values: [Float]) {
    let count = Double(values.count)
    mean = values.reduce(0) { $0 + Double($1) } / count
    var sums = (0.0, 0.0, 0.0)
    for value in values {
      let distance = Double(value) - mean
      sums.0 += distance * distance
      sums.1 += distance * distance * distance
      sums.2 += distance * distance * distance * distance
    }
    variance = sums.0 / count
    skewness = sums.1 / count / pow(variance, 1.5)
    kurtosis = sums.2 / count / variance / variance
  }
}

@Suite struct NoiseTests {
  private func noised(
    _ noise: NoiseModel, value: Float = 0.5, side: Int = 1024, channels: Int = 1, seed: UInt64 = 3
  ) -> (values: [Float], sigma: Float) {
    var generator = RandomGenerator(seed: seed)
    var values = [Float](repeating: value, count: side * side * channels)
    let sigma = noise.apply(
      to: &values, width: side, height: side, channels: channels, using: &generator)
    return (values, sigma)
  }

  @Test func gaussianHasTheMomentsOfTheNormalDistribution() {
    let (values, sigma) = noised(.gaussian(sigma: 25...25), side: 2048)
    let moments = Moments(values)
    #expect(sigma == Float(25) / 255)
    #expect(abs(moments.mean - 0.5) < 2e-4)
    #expect(abs(moments.variance.squareRoot() - 25 / 255) < 2e-4)
    #expect(abs(moments.skewness) < 0.006)
    #expect(abs(moments.kurtosis - 3) < 0.012)
  }

  @Test func gaussianFillsItsTailsAndMiddle() {
    let (values, sigma) = noised(.gaussian(sigma: 51...51), value: 0, side: 2048)
    let count = Double(values.count)
    // The shares beyond 1, 2, 3 and the ziggurat's tail at 3.6541 of a standard normal
    // distribution.
    for (bound, share) in [
      (1.0, 0.317311), (2, 0.0455003), (3, 0.0026998), (3.6541529, 0.00025803),
    ] {
      let beyond = values.count { abs(Double($0)) > bound * Double(sigma) }
      let deviation = (share * (1 - share) / count).squareRoot()
      #expect(abs(Double(beyond) / count - share) < 4 * deviation, "beyond \(bound)")
    }
    let positive = values.count { $0 > 0 }
    #expect(abs(Double(positive) / count - 0.5) < 0.001)
  }

  @Test func neighboursAreNotCorrelated() {
    let (values, sigma) = noised(.gaussian(sigma: 25...25), value: 0)
    for lag in [1, 2, 1024] {
      var sum = 0.0
      for index in lag..<values.count { sum += Double(values[index] * values[index - lag]) }
      #expect(abs(sum / Double(values.count)) / Double(sigma * sigma) < 0.005)
    }
  }

  @Test(arguments: [0.5, 2, 9, 11, 40, 400] as [Float])
  func poissonHasMeanAndVarianceOfItsCount(mean: Float) {
    let peak = mean / 0.5
    let (values, sigma) = noised(.poisson(peak: peak...peak))
    let moments = Moments(values)
    let variance = 0.5 / Double(peak)
    #expect(abs(moments.mean - 0.5) < 4 * (variance / 1_048_576).squareRoot())
    #expect(abs(moments.variance / variance - 1) < 0.012)
    #expect(abs(moments.skewness - 1 / Double(mean).squareRoot()) < 0.02)
    #expect(abs(Double(sigma) - variance.squareRoot()) < 1e-5)
    #expect(values.allSatisfy { ($0 * peak - ($0 * peak).rounded()).magnitude < 1e-3 })
  }

  @Test func poissonOfBlackIsBlack() {
    #expect(noised(.poisson(peak: 1...50), value: 0, side: 16).values.allSatisfy { $0 == 0 })
  }

  @Test func saltAndPepperReplacesTheGivenShare() {
    let (values, sigma) = noised(.saltAndPepper(probability: 0.2...0.2))
    let count = Double(values.count)
    #expect(abs(Double(values.count { $0 == 0 }) / count - 0.1) < 0.0015)
    #expect(abs(Double(values.count { $0 == 1 }) / count - 0.1) < 0.0015)
    #expect(abs(Double(values.count { $0 == 0.5 }) / count - 0.8) < 0.002)
    #expect(abs(sigma - (0.2 * 0.25 as Float).squareRoot()) < 1e-5)
  }

  @Test func correlatedKeepsItsDeviationAndSmoothsByItsRadius() {
    let (values, sigma) = noised(
      .correlated(sigma: 25...25, blurRadius: 1.5), value: 0, side: 512, channels: 2)
    let moments = Moments(values)
    #expect(abs(moments.variance.squareRoot() / Double(sigma) - 1) < 0.01)
    // The correlation at distance d of a field blurred by a Gaussian of radius r is exp(-d² / 4r²).
    for distance in [1, 2, 3] {
      var along = 0.0
      var down = 0.0
      var across = 0.0
      let count = Double(500 * 500)
      for y in 0..<500 {
        for x in 0..<500 {
          let at = Double(values[(y * 512 + x) * 2])
          along += at * Double(values[(y * 512 + x + distance) * 2])
          down += at * Double(values[((y + distance) * 512 + x) * 2])
          across += at * Double(values[(y * 512 + x) * 2 + 1])
        }
      }
      let expected = exp(-Double(distance * distance) / 9)
      #expect(abs(along / count / moments.variance - expected) < 0.025)
      #expect(abs(down / count / moments.variance - expected) < 0.025)
      #expect(abs(across / count / moments.variance) < 0.025)
    }
  }

  @Test func correlatedOfRadiusZeroIsWhite() {
    let white = noised(.gaussian(sigma: 25...25), side: 32, seed: 5).values
    #expect(noised(.correlated(sigma: 25...25, blurRadius: 0), side: 32, seed: 5).values == white)
  }

  @Test func strengthsCoverTheirRangeEvenly() {
    var generator = RandomGenerator(seed: 8)
    var patch = [Float](repeating: 0, count: 1)
    var counts = [Int](repeating: 0, count: 10)
    for _ in 0..<10_000 {
      let noise = NoiseModel.gaussian(sigma: 10...60)
      let sigma = noise.apply(to: &patch, width: 1, height: 1, channels: 1, using: &generator) * 255
      #expect((10...60.001).contains(sigma))
      counts[min(9, Int((sigma - 10) / 5))] += 1
    }
    #expect(counts.allSatisfy { (880...1120).contains($0) }, "\(counts)")
  }

  @Test(
    arguments: [
      .gaussian(sigma: 0...50), .poisson(peak: 5...60), .saltAndPepper(probability: 0...0.3),
      .correlated(sigma: 5...40, blurRadius: 1),
    ] as [NoiseModel])
  func sameSeedSameBits(noise: NoiseModel) throws {
    let first = noised(noise, side: 33, channels: 3, seed: 11)
    let second = noised(noise, side: 33, channels: 3, seed: 11)
    let other = noised(noise, side: 33, channels: 3, seed: 12)
    #expect(first.values == second.values)
    #expect(first.sigma == second.sigma)
    #expect(first.values != other.values)
    let data = try JSONEncoder().encode(noise)
    #expect(try JSONDecoder().decode(NoiseModel.self, from: data) == noise)
    #expect(try NoiseModel(parsing: noise.description) == noise)
  }

  @Test func generatorMovesByTheSameAmountForEverySize() {
    var states: Set<RandomGenerator> = []
    for side in [1, 7, 32] {
      var generator = RandomGenerator(seed: 2)
      var values = [Float](repeating: 0.3, count: side * side)
      NoiseModel.poisson(peak: 3...9).apply(
        to: &values, width: side, height: side, channels: 1, using: &generator)
      states.insert(generator)
    }
    #expect(states.count == 1)
  }

  @Test func protocolNoiseBelongsToSeedAndImage() {
    func noise(_ seed: UInt64, _ image: Int) -> [Float] {
      var values = [Float](repeating: 1, count: 10_000)
      NoiseModel.addProtocolNoise(to: &values, sigma: 25, seed: seed, imageIndex: image)
      return values
    }
    #expect(noise(0, 3) == noise(0, 3))
    #expect(noise(0, 3) != noise(0, 4))
    #expect(noise(0, 3) != noise(1, 3))
    let values = noise(0, 0)
    #expect(values.contains { $0 > 1 }, "the noise of the protocol is not clipped")
    #expect(abs(Moments(values).variance.squareRoot() * 255 - 25) < 0.7)
  }

  @Test(
    arguments: [
      "", "gaussian", "gaussian:", "gaussian:x", "gaussian:50-10", "gaussian:1-2-3",
      "gaussian:300", "gaussian:-5", "gaussian:nan", "gaussian:inf", "poisson:0",
      "salt-and-pepper:1.5", "correlated:25", "correlated:25,x", "correlated:25,99", "pink:3",
      "gaussian:25,3",
    ])
  func wrongTextsAreRefused(text: String) {
    #expect(throws: DatasetError.self) { try NoiseModel(parsing: text) }
  }

  @Test func textsAreRead() throws {
    #expect(try NoiseModel(parsing: "gaussian:25") == .gaussian(sigma: 25...25))
    #expect(try NoiseModel(parsing: "gaussian:0-50") == .gaussian(sigma: 0...50))
    #expect(try NoiseModel(parsing: "poisson:10-60") == .poisson(peak: 10...60))
    #expect(
      try NoiseModel(parsing: "salt-and-pepper:0.05") == .saltAndPepper(probability: 0.05...0.05))
    #expect(
      try NoiseModel(parsing: "correlated:10-40,1.5")
        == .correlated(sigma: 10...40, blurRadius: 1.5))
  }
}
