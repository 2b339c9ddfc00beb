// The layers of the face-swap designs: encoders and decoders that a graph is traced with.

import AtelierEngine
import AtelierKernels

/// What a decoder draws.
struct DrawnFace {
  let picture: SymbolicTensor
  let mask: SymbolicTensor?
}

/// An encoder and two decoders; calling one again shares its parameters.
struct FaceSwapParts {
  /// From a face to its code, [N, units].
  let narrowing: (SymbolicTensor) -> SymbolicTensor
  /// From a code to what the decoders take.
  let widening: (SymbolicTensor) -> SymbolicTensor
  private let decoders: [SwapFace: Decoder]
  private let matchings: [SwapFace: Dense]

  typealias Decoder = (SymbolicTensor) -> DrawnFace

  private init(
    units: Int, narrowing: @escaping (SymbolicTensor) -> SymbolicTensor,
    widening: @escaping (SymbolicTensor) -> SymbolicTensor, decoder: (SwapFace) -> Decoder
  ) {
    self.narrowing = narrowing
    self.widening = widening
    decoders = Dictionary(uniqueKeysWithValues: SwapFace.allCases.map { ($0, decoder($0)) })
    matchings = Dictionary(
      uniqueKeysWithValues: SwapFace.allCases.map { face in
        (face, Dense(units: units, isTrainable: false, name: face.parameterPrefix + "match"))
      })
  }

  /// The shared encoder.
  func encoder(_ face: SymbolicTensor) -> SymbolicTensor { widening(narrowing(face)) }

  /// The other person's code as a code of this one.
  func matching(_ face: SwapFace, _ code: SymbolicTensor) -> SymbolicTensor {
    matchings[face].map { $0(code) } ?? code
  }

  func decoder(_ face: SwapFace) -> Decoder {
    decoders[face] ?? { DrawnFace(picture: $0, mask: nil) }
  }

  private static let leaky = Activation.leakyReLU(slope: 0.1)

  /// A convolution to four times the filters and a pixel shuffle: twice the size.
  private static func upscale(
    _ filters: Int, _ name: String, isTrainable: Bool = true
  ) -> (SymbolicTensor) -> SymbolicTensor {
    let convolution = Convolution2D(
      filters: filters * 4, kernel: 3, activation: leaky, isTrainable: isTrainable, name: name)
    return { PixelShuffle2D(name: "\(name)/shuffle")(convolution($0)) }
  }

  /// The picture's convolution with its sigmoid, and the mask's: one more channel with weights of
  /// its own, so that models with and without a mask name the rest alike.
  private static func heads(
    _ face: SwapFace, kernel: Extent, padding: Padding, hasMask: Bool
  ) -> Decoder {
    func head(_ filters: Int, _ name: String) -> Convolution2D {
      Convolution2D(
        filters: filters, kernel: kernel, padding: padding, activation: .sigmoid,
        name: face.parameterPrefix + name)
    }
    let picture = head(3, "image")
    let mask = hasMask ? head(1, "mask") : nil
    return { DrawnFace(picture: picture($0), mask: mask?($0)) }
  }

  /// The network of 2017: `width` is the first convolution's filters, 128 in the original.
  ///
  /// Four 5×5 convolutions of stride 2, two dense layers without activation, one upscale; the
  /// decoders three more and a 5×5 convolution.
  static func original(width: Int, hasMask: Bool, isFrozen: Bool) -> FaceSwapParts {
    let trains = !isFrozen
    let downs = (0..<4).map { level in
      Convolution2D(
        filters: width << level, kernel: 5, stride: 2, padding: .symmetric(2), activation: leaky,
        isTrainable: trains, name: "encoder/down\(width << level)")
    }
    let deep = width * 8
    let narrow = Dense(units: deep, isTrainable: trains, name: "encoder/narrow")
    let wide = Dense(units: 16 * deep, isTrainable: trains, name: "encoder/wide")
    let up = upscale(width * 4, "encoder/up\(width * 4)", isTrainable: trains)
    return FaceSwapParts(units: deep) { face in
      let shrunk = downs.reduce(face) { $1($0) }
      return narrow(Flatten(name: "encoder/flatten")(shrunk))
    } widening: { code in
      up(Reshape([4, 4, deep], name: "encoder/reshape")(wide(code)))
    } decoder: { face in
      let ups = [width * 2, width, width / 2].map { upscale($0, "\(face.rawValue)/up\($0)") }
      let heads = heads(face, kernel: 5, padding: .symmetric(2), hasMask: hasMask)
      return { heads(ups.reduce($0) { $1($0) }) }
    }
  }

  /// A residual block of two 3×3 convolutions, started small so that it begins near the identity.
  private static func residual(
    _ filters: Int, _ name: String, isTrainable: Bool = true
  ) -> (SymbolicTensor) -> SymbolicTensor {
    func convolution(_ part: String, _ activation: Activation) -> Convolution2D {
      Convolution2D(
        filters: filters, kernel: 3, activation: activation,
        initializer: .scaledUniform(gain: 1 / 3), isTrainable: isTrainable, name: "\(name)/\(part)")
    }
    let (first, second) = (convolution("first", leaky), convolution("second", .identity))
    return { $0 + second(first($0)) }
  }

  /// The CPU's design: 3×3 convolutions of stride 2 down to 4×4×128, a dense bottleneck of 192,
  /// 8×8×96 for the decoders, which double with residual blocks between; 128 pixels have one level
  /// more on each side.
  static func slim(side: Int, hasMask: Bool, isFrozen: Bool) -> FaceSwapParts {
    let trains = !isFrozen
    let widths = side == 128 ? [16, 32, 64, 128, 128] : [32, 64, 128, 128]
    let downs = widths.enumerated().map { level, filters in
      Convolution2D(
        filters: filters, kernel: 3, stride: 2, padding: .symmetric(1), activation: leaky,
        isTrainable: trains, name: "encoder/down\(level + 1)")
    }
    let block = residual(64, "encoder/block", isTrainable: trains)
    let narrow = Dense(units: 192, isTrainable: trains, name: "encoder/narrow")
    let wide = Dense(
      units: 4 * 4 * 128, activation: leaky, isTrainable: trains, name: "encoder/wide")
    let up = upscale(96, "encoder/up", isTrainable: trains)
    return FaceSwapParts(units: 192) { face in
      var x = face
      for (down, filters) in zip(downs, widths) {
        x = down(x)
        if filters == 64 { x = block(x) }
      }
      return narrow(Flatten(name: "encoder/flatten")(x))
    } widening: { code in
      up(Reshape([4, 4, 128], name: "encoder/reshape")(wide(code)))
    } decoder: { face in
      let name = face.rawValue
      let levels = side == 128 ? [64, 32, 16, 16] : [64, 32, 16]
      let ups = levels.enumerated().map { upscale($1, "\(name)/up\($0 + 1)") }
      let blocks = [residual(64, "\(name)/block1"), residual(32, "\(name)/block2")]
      let heads = heads(face, kernel: 3, padding: .same, hasMask: hasMask)
      return { code in
        var x = code
        for (level, up) in ups.enumerated() {
          x = up(x)
          if level < blocks.count { x = blocks[level](x) }
        }
        return heads(x)
      }
    }
  }
}
