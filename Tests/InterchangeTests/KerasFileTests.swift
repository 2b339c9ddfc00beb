// Keras's weight files: names, sizes and numbers of both layouts, and what is refused.

import AtelierEngine
import AtelierInterchange
import Foundation
import TestSupport
import Testing

@Suite("Weight files of Keras")
struct KerasFileTests {
  /// Element i of the fixtures' datasets of a name.
  private func ramp(_ name: String, _ shape: Shape) -> Tensor {
    Tensor(shape, (0..<shape.count).map { Float($0) / 4 - Float(name.count) })
  }

  @Test("Keras 2: layers, names without their repetition, no optimizer") func second() throws {
    let weights = try ForeignWeights.read(from: foreignFixture("keras2.h5"))
    #expect(weights.framework == .keras)
    let tensors = Dictionary(uniqueKeysWithValues: weights.tensors.map { ($0.name, $0) })
    #expect(
      tensors.keys.sorted() == [
        "conv/bias", "conv/kernel", "dense/bias", "dense/kernel", "norm/beta", "norm/gamma",
        "norm/moving_mean", "norm/moving_variance",
      ])
    #expect(tensors["conv/kernel"]?.tensor() == ramp("kernel", [3, 3, 2, 4]))
    #expect(tensors["norm/moving_variance"]?.tensor() == ramp("moving_variance", [4]))
    #expect(tensors["dense/kernel"]?.tensor() == ramp("kernel", [4, 3]))
  }

  @Test("Keras 3: numbered variables, half and double precision") func third() throws {
    let weights = try ForeignWeights.read(from: foreignFixture("keras3.weights.h5"))
    let tensors = Dictionary(uniqueKeysWithValues: weights.tensors.map { ($0.name, $0) })
    #expect(tensors["layers/conv2d/vars/0"]?.type == .float64)
    #expect(tensors["layers/conv2d/vars/0"]?.tensor() == ramp("0", [1, 1, 3, 2]))
    #expect(tensors["layers/dense/vars/1"]?.type == .float16)
    #expect(tensors["layers/dense/vars/1"]?.tensor() == ramp("1", [2]))
  }

  @Test("layouts are Keras's own: kernels stay, depthwise ones change their last axes")
  func layouts() {
    let conversion = ForeignConversion(.keras)
    let kernel = ramp("kernel", [3, 3, 2, 4])
    #expect(conversion.fits(kernel.shape, [3, 3, 2, 4], .convolution))
    #expect(conversion.convert(kernel, to: [3, 3, 2, 4], .convolution) == kernel)
    #expect(conversion.fits([3, 3, 8, 1], [3, 3, 1, 8], .convolution))
    #expect(!conversion.fits([3, 3, 8, 2], [3, 3, 1, 8], .convolution))
    #expect(conversion.torchShape([3, 3, 2, 4]) == [4, 2, 3, 3])
    let dense = ramp("kernel", [12, 3])
    #expect(conversion.convert(dense, to: [12, 3], .dense(height: 2, width: 3)) == dense)
  }

  @Test("compressed datasets are refused with the way out") func chunked() {
    #expect(
      foreignFault(foreignFixture("chunked.h5"))?.hasSuffix(
        "dataset \"dense/dense/kernel:0\": expected numbers in one piece, received chunks; copy the "
          + "weights without compression") == true)
  }

  @Test("what is no HDF5 is refused, empty files too", arguments: [0, 1, 7, 8, 9, 300])
  func none(count: Int) throws {
    try withScratchFolder { folder in
      let file = folder.appending(path: "w.h5")
      try Data(repeating: 0x89, count: count).write(to: file)
      #expect(foreignFault(file)?.contains("expected weights of PyTorch") == true)
    }
  }

  @Test("9,000 mutated files are read or refused in one line") func mutated() throws {
    let files = try ["keras2.h5", "keras3.weights.h5", "chunked.h5"].map {
      try Data(contentsOf: foreignFixture($0))
    }
    let before = peakMemory()
    var (read, refused) = (0, 0)
    for seed in 0..<9000 {
      var generator = RandomGenerator(seed: 12, UInt64(seed))
      var data = files[seed % files.count]
      for _ in 0...generator.index(below: 8) {
        let place = generator.index(below: data.count)
        switch generator.index(below: 8) {
        case 0: data.removeSubrange(place..<min(data.count, place + generator.index(below: 9)))
        case 1: data.insert(UInt8(generator.index(below: 256)), at: place)
        case 2, 3: data[place] ^= 1 << UInt8(generator.index(below: 8))
        default:
          // Numbers of eight bytes are addresses more often than not.
          let start = place / 8 * 8
          guard start + 8 <= data.count else { continue }
          data[start] = UInt8(generator.index(below: 256))
          data[start + 1] = UInt8(generator.index(below: 16))
        }
        if data.count < 16 { break }
      }
      if let text = foreignFault(data) {
        refused += 1
        #expect(!text.contains { $0.isNewline } && text.utf8.count < 1000, "seed \(seed): \(text)")
      } else {
        read += 1
      }
    }
    print("mutated files of Keras: \(refused) refused, \(read) read")
    #expect(read > 300 && refused > 500)
    expectMemory(since: before, below: 256)
  }
}
