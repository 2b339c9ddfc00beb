// Face swap: one encoder for both faces and a decoder for each; what A's decoder has learnt to
// draw, it draws in B's pose.
//
// The design is that of the deepfakes code of December 2017 (an autoencoder pair with a shared
// encoder; pixel shuffle after Shi and others: Real-Time Single Image and Video Super-Resolution
// Using an Efficient Sub-Pixel Convolutional Neural Network, 2016).

import AtelierEngine
import AtelierKernels

/// One of the two people of a face swap.
public enum SwapFace: String, Sendable, Hashable, Codable, CaseIterable {
  /// The first.
  case a
  /// The second.
  case b

  /// The other one.
  public var other: SwapFace { self == .a ? .b : .a }

  /// What the names of the decoder's parameters begin with: `a/` or `b/`.
  public var parameterPrefix: String { "\(rawValue)/" }
}

/// A shared encoder and two decoders, by design and size.
///
/// Pictures are [N, side, side, 3] in [0, 1]. Parameters have the same names in every graph
/// (`encoder/…`, `a/…`, `b/…`), so one `ParameterStore` for the training graph serves all others.
public struct FaceSwapNetwork: Sendable, Hashable, Codable {
  /// The designs.
  public enum Design: String, Sendable, Hashable, Codable, CaseIterable {
    /// The original: 82 million parameters, 64×64.
    case original
    /// The original with every width halved, 64×64.
    case half
    /// Small convolutions and residual blocks for CPUs, under 10 MB, 64×64 or 128×128.
    case slim

    /// The sides that it takes, in pixels.
    public var sides: [Int] { self == .slim ? [64, 128] : [64] }
  }

  /// What the names of the encoder's parameters begin with.
  public static let encoderPrefix = "encoder/"

  /// The design.
  public var design: Design
  /// Width and height of a face in pixels.
  public var side: Int
  /// Whether the decoders also draw a mask.
  public var hasMask: Bool

  /// Describes a network; whether the design takes the side is checked when a graph is made.
  public init(_ design: Design, side: Int = 64, hasMask: Bool = false) {
    self.design = design
    self.side = side
    self.hasMask = hasMask
  }

  /// Makes one person out of another: inputs `input`, outputs `output` and, with a mask, `mask`
  /// [N, side, side, 1].
  ///
  /// With `matchesCodes` the code goes through an affine map from the other person's codes to this
  /// one's, a dense layer `a/match` or `b/match`. The graph has the encoder and this decoder alone.
  /// - Throws: `ShapeError` when the design does not take the side.
  public func conversionGraph(
    batch: Int, to face: SwapFace, matchesCodes: Bool = false
  ) throws(ShapeError) -> Graph {
    let parts = try parts()
    return try Graph.trace { builder in
      let code = parts.narrowing(builder.input("input", shape(batch)))
      let matched = matchesCodes ? parts.matching(face, code) : code
      output(parts.decoder(face)(parts.widening(matched)), "", builder)
    }
  }

  /// Draws each input by both decoders, as previews need it: input `input`, outputs `output_a`,
  /// `output_b` (and `mask_a`, `mask_b`), and with `matchesCodes` `swap_a` and `swap_b`, drawn of
  /// matched codes; the encoder runs once.
  ///
  /// - Throws: `ShapeError` when the design does not take the side.
  public func previewGraph(batch: Int, matchesCodes: Bool = false) throws(ShapeError) -> Graph {
    let parts = try parts()
    return try Graph.trace { builder in
      let code = parts.narrowing(builder.input("input", shape(batch)))
      let wide = parts.widening(code)
      for face in SwapFace.allCases {
        output(parts.decoder(face)(wide), "_\(face.rawValue)", builder)
        guard matchesCodes else { continue }
        let matched = parts.widening(parts.matching(face, code))
        builder.output("swap_\(face.rawValue)", parts.decoder(face)(matched).picture)
      }
    }
  }

  /// The codes of faces, by the narrowing half of the encoder: `input` to `code` [N, units].
  ///
  /// - Throws: `ShapeError` when the design does not take the side.
  public func codeGraph(batch: Int) throws(ShapeError) -> Graph {
    let parts = try parts()
    return try Graph.trace { builder in
      builder.output("code", parts.narrowing(builder.input("input", shape(batch))))
    }
  }

  /// The autoencoders of one or both people: inputs `a`, `b`, outputs `output_a`, `output_b` (and
  /// `mask_a`, `mask_b`).
  ///
  /// With `cycles` each person's autoencoder also runs on the inputs `swapped_a` and `swapped_b`,
  /// which give the outputs `cycle_a` and `cycle_b`. Where it `joins`, the shared encoder runs once
  /// on all faces; results are the same.
  /// - Throws: `ShapeError` when the design does not take the side or `faces` is empty.
  public func reconstructionGraph(
    batch: Int, faces: [SwapFace] = SwapFace.allCases, isEncoderFrozen: Bool = false,
    cycles: Bool = false, joins: Bool = true
  ) throws(ShapeError) -> Graph {
    guard !faces.isEmpty, Set(faces).count == faces.count else {
      throw ShapeError("a face swap trains on a, b or both; received \(faces.map(\.rawValue))")
    }
    let parts = try parts(isEncoderFrozen: isEncoderFrozen)
    let graph = try Graph.trace { builder in
      for face in faces {
        let code = parts.encoder(builder.input(face.rawValue, shape(batch)))
        output(parts.decoder(face)(code), "_\(face.rawValue)", builder)
        guard cycles else { continue }
        let swapped = parts.encoder(builder.input("swapped_\(face.rawValue)", shape(batch)))
        builder.output("cycle_\(face.rawValue)", parts.decoder(face)(swapped).picture)
      }
    }
    return joins ? try graph.joiningSharedCalls() : graph
  }

  /// The differentiated graph of a training step.
  ///
  /// Inputs: `a` and `b`, the warped faces; `target_a` and `target_b`, what they should become;
  /// with a mask `target_mask_a` and `target_mask_b` [N, side, side, 1]; with a priority
  /// `features_a` and `features_b`, 1 where eyes and mouth are, else 0. Outputs: `loss`, the sum
  /// over the people, `loss_a` and `loss_b`, the pictures' parts alone, `error_a` and `error_b`,
  /// the pictures' mean absolute errors, and those of `reconstructionGraph`. Joint mode trains
  /// both; sequential mode trains `[.a]`, then `[.b]` with a frozen encoder, on the same store.
  ///
  /// `maskWeight` is the factor of the mask's absolute error; absolute errors of eyes and mouth
  /// count `featurePriority` times, 1 leaves `features_a` and `features_b` out. `cycleWeight` is
  /// the factor of the loss of `swapped_a` through A's autoencoder against `target_a`, where
  /// `swapped_a` is what B's decoder draws of A, and the same of B; 0 leaves these inputs out. It
  /// is back-translation: the encoder learns that the other's drawn face means the same pose
  /// (Lample and others: Unsupervised Machine Translation Using Monolingual Corpora Only, 2018).
  /// - Throws: `ShapeError` when the design does not take the side or `faces` is empty.
  public func trainingGraph(
    batch: Int, faces: [SwapFace] = SwapFace.allCases, isEncoderFrozen: Bool = false,
    loss: FaceSwapLoss = .absolute, maskWeight: Float = 0.5, featurePriority: Float = 1,
    cycleWeight: Float = 0, joins: Bool = true
  ) throws(ShapeError) -> Graph {
    let graph = try reconstructionGraph(
      batch: batch, faces: faces, isEncoderFrozen: isEncoderFrozen, cycles: cycleWeight > 0,
      joins: joins)
    return try graph.specialized(for: .train).extended { builder, symbols in
      var total: SymbolicTensor?
      func add(_ term: SymbolicTensor) { total = total.map { $0 + term } ?? term }
      for face in faces.map(\.rawValue) {
        guard let picture = symbols["output_\(face)"] else { continue }
        let wanted = builder.input("target_\(face)", picture.shape)
        let error = loss.loss(picture, wanted)
        builder.output("output_\(face)", picture)
        builder.output("loss_\(face)", error)
        builder.output(
          "error_\(face)", loss == .absolute ? error : Loss.absoluteError(picture, wanted))
        add(error)
        if featurePriority != 1 {
          let features = builder.input("features_\(face)", picture.shape)
          add((featurePriority - 1) * Loss.absoluteError(picture * features, wanted * features))
        }
        if let cycle = symbols["cycle_\(face)"] { add(cycleWeight * loss.loss(cycle, wanted)) }
        guard let mask = symbols["mask_\(face)"] else { continue }
        let target = builder.input("target_mask_\(face)", mask.shape)
        builder.output("mask_\(face)", mask)
        add(maskWeight * Loss.absoluteError(mask, target))
      }
      if let total { builder.output("loss", total) }
    }.differentiated()
  }

  /// Makes a picture, and a mask where there is one, outputs whose names end in `suffix`.
  private func output(_ drawn: DrawnFace, _ suffix: String, _ builder: GraphBuilder) {
    builder.output("output\(suffix)", drawn.picture)
    if let mask = drawn.mask { builder.output("mask\(suffix)", mask) }
  }

  private func shape(_ batch: Int) -> Shape {
    .image(batch: batch, height: side, width: side, channels: 3)
  }

  private func parts(isEncoderFrozen: Bool = false) throws(ShapeError) -> FaceSwapParts {
    guard design.sides.contains(side) else {
      let sides = design.sides.map(String.init).joined(separator: " or ")
      throw ShapeError("\(design.rawValue) takes faces of \(sides) pixels; received \(side)")
    }
    switch design {
    case .original: return .original(width: 128, hasMask: hasMask, isFrozen: isEncoderFrozen)
    case .half: return .original(width: 64, hasMask: hasMask, isFrozen: isEncoderFrozen)
    case .slim: return .slim(side: side, hasMask: hasMask, isFrozen: isEncoderFrozen)
    }
  }
}

/// What a face swap makes small.
public enum FaceSwapLoss: String, Sendable, Hashable, Codable, CaseIterable {
  /// The mean absolute error, as the original.
  case absolute
  /// The structural dissimilarity (1 − SSIM) / 2 (Wang and others 2004).
  case dissimilarity
  /// The sum of both: sharper than the first alone, truer in colour than the second.
  case mixed

  /// The loss of the engine.
  public var loss: Loss {
    let dissimilarity = Loss.Weighted(weight: 0.5, loss: .structuralSimilarity)
    switch self {
    case .absolute: return .absoluteError
    case .dissimilarity: return .sum([dissimilarity])
    case .mixed: return .sum([Loss.Weighted(weight: 1, loss: .absoluteError), dissimilarity])
    }
  }
}
