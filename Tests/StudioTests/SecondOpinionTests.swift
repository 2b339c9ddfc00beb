// When a second network is asked about a photograph, and what becomes of both results.

import AtelierDenoising
import AtelierImages
import Testing

struct SecondOpinionTests {
  @Test func `small changes ask nobody, large ones give the second its full share`() throws {
    func weight(_ size: Float, _ flatness: Float = 1) -> SecondOpinion.Weight? {
      SecondOpinion.weight(after: PictureChange(rootMeanSquare: size, flatness: flatness))
    }
    #expect(weight(0.6) == nil)
    let half = try #require(weight(0.95))
    #expect(abs(half.share - 0.375) < 1e-5 && abs(half.sigma - 8.425) < 1e-5)
    #expect(weight(4)?.share == 0.75 && weight(4)?.sigma == 13)
    // What goes where little else is was texture.
    #expect(weight(4, 1.25) == nil)
    #expect(abs((weight(4, 1.15)?.share ?? 0) - 0.375) < 1e-5)
  }

  @Test func `changes count colours alone, blending leaves equal samples alone`() {
    var before = WordImage(width: 3, height: 2, channels: 4, filledWith: 100)
    var after = before
    // One colour of one pixel by a fifth of white: 51 of 255 in one of 18 colours.
    before.samples[4] = 0
    after.samples[4] = 13107
    let change = before.change(to: after)
    #expect(abs(change.rootMeanSquare - 51 / Float(18).squareRoot()) < 1e-3)
    #expect(change.flatness == 1)
    let blended = before.blended(with: after, share: 0.5)
    #expect(blended.samples[4] == 6554 || blended.samples[4] == 6553)
    #expect(blended.samples.enumerated().allSatisfy { $0.offset == 4 || $0.element == 100 })
  }

  @Test func `the middle part begins at a block`() {
    let image = ByteImage(
      width: 100, height: 70, channels: 1, samples: (0..<7000).map { UInt8($0 % 100) })
    let part = image.middlePart(side: 32)
    #expect(part.width == 32 && part.height == 32 && part.samples[0] == 32)
    #expect(image.middlePart(side: 200).width == 100)
  }
}
