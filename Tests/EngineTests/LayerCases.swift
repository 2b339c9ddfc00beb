// The one list of layer cases that the contract runs over: every public layer in several
// configurations.

import AtelierEngine
import AtelierKernels
import TestSupport

/// Every layer of the engine at work.
enum LayerCases {
  /// All cases.
  static let all: [LayerCase] =
    convolutions + transposedConvolutions + dense + pooling + unpooling + resampling + blocks
    + activations + arithmetic + normalizations + networks + foreign + LossCases.all

  private static func normal(_ shape: Shape, _ seed: UInt64 = 11) -> Tensor {
    .random(shape, seed: seed)
  }

  /// Numbers of which no two are closer than four steps of the differences.
  private static func distinct(_ shape: Shape) -> Tensor {
    .distinct(shape, seed: 12, spacing: 0.2)
  }

  private static let convolutions: [LayerCase] = [
    LayerCase("conv 1×1", normal([1, 3, 4, 2]), Convolution2D(filters: 3, kernel: 1)),
    // With one filter the power iteration is exact at once; with more its gradient holds in the limit
    // (SpectralNormalizationTests).
    LayerCase(
      "conv spectral", normal([2, 4, 5, 2]),
      Convolution2D(filters: 1, kernel: 3).spectrallyNormalized()),
    LayerCase(
      "sample shift", normal([3, 4, 5, 2]), fixed: Tensor([3, 2], [1, -2, 0, 0, -4, 1])
    ) { $0[0].applying(SampleShift(), with: [$0[1]]) },
    LayerCase("conv 3×3 same", normal([1, 5, 7, 3]), Convolution2D(filters: 4, kernel: 3)),
    LayerCase(
      "conv 3×3 same batch 3", normal([3, 6, 5, 2]), Convolution2D(filters: 5, kernel: 3)),
    LayerCase(
      "conv 3×3 valid no bias", normal([1, 6, 5, 3]),
      Convolution2D(filters: 4, kernel: 3, padding: .valid, hasBias: false)),
    LayerCase(
      "conv 5×3 explicit", normal([1, 6, 7, 2]),
      Convolution2D(
        filters: 3, kernel: Extent(5, 3), padding: .explicit(top: 2, bottom: 1, left: 0, right: 3))),
    LayerCase(
      "conv stride 2 same odd", normal([1, 7, 9, 3]),
      Convolution2D(filters: 4, kernel: 3, stride: 2)),
    LayerCase(
      "conv stride 2×3 valid", normal([3, 8, 9, 2]),
      Convolution2D(filters: 3, kernel: 3, stride: Extent(2, 3), padding: .valid)),
    LayerCase(
      "conv stride > kernel", normal([1, 8, 9, 2]),
      Convolution2D(filters: 3, kernel: 2, stride: 3, padding: .valid)),
    LayerCase(
      "conv 2×2 stride 2", normal([1, 8, 6, 4]),
      Convolution2D(filters: 6, kernel: 2, stride: 2, padding: .valid)),
    LayerCase(
      "conv dilation 2", normal([1, 9, 8, 2]), Convolution2D(filters: 3, kernel: 3, dilation: 2)),
    LayerCase(
      "conv dilation 2×3 valid stride 2", normal([1, 11, 12, 2]),
      Convolution2D(
        filters: 3, kernel: 3, stride: 2, padding: .valid, dilation: Extent(2, 3))),
    LayerCase(
      "conv groups 2", normal([1, 5, 6, 4]), Convolution2D(filters: 6, kernel: 3, groups: 2)),
    LayerCase(
      "conv depthwise", normal([3, 5, 6, 5]), Convolution2D(filters: 5, kernel: 3, groups: 5)),
    LayerCase(
      "conv kernel > input", normal([1, 2, 3, 2]), Convolution2D(filters: 3, kernel: 7)),
    LayerCase(
      "conv relu", normal([1, 6, 6, 3]),
      Convolution2D(filters: 5, kernel: 3, activation: .relu)
    ).with { $0.hasFarBiases = true },
    LayerCase(
      "conv leaky relu", normal([1, 6, 6, 3]),
      Convolution2D(filters: 5, kernel: 3, activation: .leakyReLU(slope: 0.2))
    ).with { $0.hasFarBiases = true },
    LayerCase(
      "conv silu", normal([1, 5, 5, 2]), Convolution2D(filters: 3, kernel: 3, activation: .silu)),
    LayerCase(
      "conv 3×3 many parts", normal([2, 33, 35, 20]),
      Convolution2D(filters: 36, kernel: 3, activation: .tanh)),
    LayerCase(
      "conv 3×3 tall", normal([1, 64, 9, 16]), Convolution2D(filters: 32, kernel: 3)),
  ]

  private static let transposedConvolutions: [LayerCase] = [
    LayerCase(
      "transposed 2×2 stride 2", normal([1, 4, 5, 3]),
      TransposedConvolution2D(filters: 4, kernel: 2, stride: 2)),
    LayerCase(
      "transposed 3×3 stride 2 same", normal([3, 4, 3, 4]),
      TransposedConvolution2D(filters: 3, kernel: 3, stride: 2)),
    LayerCase(
      "transposed 4×4 stride 2 valid", normal([1, 3, 4, 2]),
      TransposedConvolution2D(filters: 3, kernel: 4, stride: 2, padding: .valid)),
    LayerCase(
      "transposed output padding", normal([1, 4, 4, 2]),
      TransposedConvolution2D(
        filters: 3, kernel: 3, stride: Extent(2, 3), padding: .symmetric(1),
        outputPadding: Extent(1, 2))),
    LayerCase(
      "transposed dilation 2", normal([1, 5, 4, 2]),
      TransposedConvolution2D(filters: 3, kernel: 3, padding: .valid, dilation: 2)),
    LayerCase(
      "transposed dilation 3 output padding", normal([1, 4, 5, 2]),
      TransposedConvolution2D(
        filters: 3, kernel: 2, stride: 2, padding: .valid, outputPadding: 2, dilation: 3)),
    LayerCase(
      "transposed groups 2", normal([1, 4, 3, 6]),
      TransposedConvolution2D(filters: 4, kernel: 3, stride: 2, groups: 2, hasBias: false)),
    LayerCase(
      "transposed stride > kernel", normal([1, 3, 4, 2]),
      TransposedConvolution2D(filters: 3, kernel: 2, stride: 3, padding: .valid)),
    LayerCase(
      "transposed explicit", normal([1, 5, 6, 3]),
      TransposedConvolution2D(
        filters: 2, kernel: 3, padding: .explicit(top: 1, bottom: 0, left: 2, right: 1))),
    LayerCase(
      "transposed relu", normal([1, 4, 5, 3]),
      TransposedConvolution2D(filters: 4, kernel: 3, stride: 2, activation: .relu)
    ).with { $0.hasFarBiases = true },
    LayerCase(
      "transposed many parts", normal([2, 17, 19, 18]),
      TransposedConvolution2D(filters: 20, kernel: 2, stride: 2, padding: .valid)),
  ]

  private static let dense: [LayerCase] = [
    LayerCase("dense", normal([1, 7]), Dense(units: 5)),
    LayerCase("dense batch 3 no bias", normal([3, 10]), Dense(units: 4, hasBias: false)),
    LayerCase("dense tanh", normal([3, 6]), Dense(units: 33, activation: .tanh)),
    LayerCase("dense wide", normal([3, 300]), Dense(units: 70, activation: .sigmoid)),
  ]

  private static let pooling: [LayerCase] = [
    LayerCase("max pool", distinct([1, 4, 6, 3]), MaxPool2D()),
    LayerCase("max pool odd batch 3", distinct([3, 5, 7, 2]), MaxPool2D()),
    LayerCase("max pool 3 stride 2", distinct([1, 7, 8, 2]), MaxPool2D(window: 3, stride: 2)),
    LayerCase(
      "max pool same", distinct([1, 5, 5, 2]), MaxPool2D(window: 3, stride: 2, padding: .same)),
    LayerCase(
      "max pool stride > window", distinct([1, 7, 8, 2]),
      MaxPool2D(window: Extent(2, 1), stride: 3)),
    LayerCase(
      "max pool many parts", distinct([2, 33, 40, 17]),
      MaxPool2D()),
    LayerCase("average pool", normal([1, 4, 6, 3]), AveragePool2D()),
    LayerCase(
      "average pool same", normal([3, 5, 7, 2]),
      AveragePool2D(window: 3, stride: 2, padding: .same)),
    LayerCase(
      "average pool with padding counted", normal([1, 5, 6, 2]),
      AveragePool2D(window: 3, stride: 2, padding: .symmetric(1), countIncludesPadding: true)),
    LayerCase("global max pool", distinct([3, 5, 4, 3]), GlobalMaxPool2D()),
    LayerCase("global average pool", normal([3, 5, 4, 3]), GlobalAveragePool2D()),
  ]

  private static let unpooling: [LayerCase] = [
    LayerCase("max unpool", [distinct([1, 4, 6, 3])]) {
      MaxUnpool2D(mirroring: "pool")(MaxPool2D(name: "pool")($0[0]))
    },
    LayerCase("max unpool odd of another tensor", [distinct([3, 5, 7, 2]), normal([3, 2, 3, 2])]) {
      let pooled = MaxPool2D(name: "pool")($0[0])
      return MaxUnpool2D(mirroring: "pool")(pooled * $0[1])
    },
    LayerCase("max unpool overlapping", [distinct([1, 7, 6, 2])]) {
      let pool = MaxPool2D(window: 3, stride: 2, padding: .same, name: "pool")
      return MaxUnpool2D(mirroring: "pool")(pool($0[0]))
    },
    LayerCase("nearest unpool", normal([1, 3, 4, 3]), NearestUnpool2D()),
    LayerCase("nearest unpool 3×1", normal([3, 3, 2, 2]), NearestUnpool2D(window: Extent(3, 1))),
    LayerCase("bed of nails", normal([1, 3, 4, 3]), BedOfNailsUnpool2D()),
    LayerCase(
      "bed of nails 2×3", normal([3, 3, 2, 2]), BedOfNailsUnpool2D(window: Extent(2, 3))),
  ]

  private static let resampling: [LayerCase] = [
    LayerCase("bilinear", normal([1, 4, 3, 2]), BilinearUpsample2D()),
    LayerCase("bilinear 3×2", normal([3, 3, 5, 2]), BilinearUpsample2D(factor: Extent(3, 2))),
    LayerCase("bilinear to a smaller size", [normal([1, 7, 8, 2])]) {
      $0[0].applying(BilinearResizeOperation(.size(Extent(3, 5))))
    },
    LayerCase("pixel shuffle", normal([1, 3, 2, 12]), PixelShuffle2D()),
    LayerCase("pixel shuffle 3", normal([3, 2, 2, 9]), PixelShuffle2D(block: 3)),
    LayerCase("space to depth", normal([3, 4, 6, 3]), SpaceToDepth2D()),
    LayerCase(
      "region align", normal([2, 6, 7, 3]),
      fixed: Tensor(
        [4, 5], [1, 0.7, 1.1, 5.2, 4.9, 0, 2, 2, 3, 3, -1, 0, 0, 0, 0, 0, -3, -2, 3.5, 9])
    ) {
      $0[0].applying(RegionAlignOperation(size: Extent(3, 2), scale: 1), with: [$0[1]])
    },
    LayerCase(
      "region align of half scale", normal([1, 5, 5, 40]),
      fixed: Tensor([2, 5], [0, 1, 2, 9, 8.5, 0, 3, 0, 10, 6])
    ) {
      $0[0].applying(
        RegionAlignOperation(size: Extent(7, 7), scale: 0.5, samples: 3), with: [$0[1]])
    },
    LayerCase("subsample", [normal([1, 4, 6, 3])]) { $0[0].applying(Subsample(window: 2)) },
    LayerCase("sum pool", [normal([1, 4, 6, 3])]) {
      $0[0].applying(SumPool(window: Extent(2, 3)))
    },
  ]

  private static let blocks: [LayerCase] = [
    LayerCase("flatten", normal([3, 2, 3, 2]), Flatten()),
    LayerCase("reshape", normal([3, 12]), Reshape([2, 3, 2])),
    LayerCase(
      "pad zero", normal([1, 3, 4, 2]), Pad2D(Border(top: 1, bottom: 2, left: 0, right: 3))),
    LayerCase(
      "pad replicate", normal([3, 3, 4, 2]),
      Pad2D(Border(top: 1, bottom: 2, left: 0, right: 3), mode: .replicate)),
    LayerCase(
      "pad reflect", normal([1, 4, 5, 2]),
      Pad2D(Border(top: 1, bottom: 3, left: 0, right: 4), mode: .reflect)),
    LayerCase(
      "crop", normal([3, 5, 6, 2]), Crop2D(Border(top: 1, bottom: 0, left: 2, right: 1))),
    LayerCase("channel slice", [normal([3, 2, 2, 5])]) {
      $0[0].applying(ChannelSlice(start: 1, count: 3))
    },
    LayerCase("channel embed", [normal([3, 2, 2, 3])]) {
      $0[0].applying(ChannelEmbed(start: 2, total: 6))
    },
    LayerCase("concatenate", [normal([1, 3, 2, 2]), normal([1, 3, 2, 1]), normal([1, 3, 2, 4])]) {
      concatenate($0)
    },
    LayerCase("join batches", [normal([1, 3, 2, 2]), normal([2, 3, 2, 2])]) {
      joinBatches($0)
    },
    LayerCase("split batch", [normal([3, 2, 2, 2])]) {
      let parts = $0[0].splitBatch(sizes: [1, 2])
      return joinBatches([parts[1], 2 * parts[0]])
    },
    LayerCase("concatenate with itself", [normal([3, 4])]) { concatenate($0[0], $0[0]) },
  ]

  private static let activations: [LayerCase] = [
    LayerCase("relu", distinct([1, 3, 4, 2]), Activate(.relu)),
    LayerCase("leaky relu", distinct([3, 7]), Activate(.leakyReLU(slope: 0.1))),
    LayerCase("elu", distinct([3, 3]), Activate(.elu(alpha: 0.7))),
    LayerCase("silu", normal([1, 3, 4, 2]), Activate(.silu)),
    LayerCase("gelu", normal([1, 3, 4, 2]), Activate(.gelu)),
    LayerCase("sigmoid", normal([3, 5]), Activate(.sigmoid)),
    LayerCase("tanh", normal([3, 5]), Activate(.tanh)),
    LayerCase("identity", normal([3, 5]), Activate(.identity)),
    LayerCase("softmax", normal([3, 5]), Softmax()),
    LayerCase("softmax of pixels", normal([1, 3, 2, 4]), Softmax()),
    LayerCase("silu many parts", normal([2, 40, 41, 8]), Activate(.silu)),
    LayerCase("dropout", normal([1, 5, 6, 4]), Dropout(0.3)),
    LayerCase("dropout at inference", normal([1, 5, 6, 4]), Dropout(0.3))
      .with { $0.purpose = .infer },
  ]

  private static let arithmetic: [LayerCase] = [
    LayerCase("add", [normal([1, 3, 2, 2], 1), normal([1, 3, 2, 2], 2)]) { $0[0] + $0[1] },
    LayerCase("add to itself", [normal([3, 4])]) { $0[0] + $0[0] },
    LayerCase("subtract", [normal([3, 4], 1), normal([3, 4], 2)]) { $0[0] - $0[1] },
    LayerCase("multiply", [normal([3, 4], 1), normal([3, 4], 2)]) { $0[0] * $0[1] },
    LayerCase("square", [normal([3, 4], 1)]) { $0[0] * $0[0] },
    LayerCase(
      "divide", [normal([3, 4], 1), .uniform([3, 4], in: 1...2, seed: 2).signed(seed: 3)]
    ) { $0[0] / $0[1] },
    LayerCase("maximum", [distinct([3, 4]), .random([3, 4], seed: 2, scale: 0.01)]) {
      $0[0].applying(BinaryOperation(.maximum), with: [$0[1]])
    },
    LayerCase("scale and shift", [normal([3, 4])]) { (-1.5 * $0[0]) + 0.25 },
    LayerCase("clamp", [distinct([3, 4])]) { $0[0].clamped(-0.5...0.7) },
    LayerCase("mean", [normal([3, 4])]) { $0[0].mean() },
  ]

  private static let normalizations: [LayerCase] = [
    LayerCase("batch normalization", normal([3, 4, 5, 3]), BatchNormalization()),
    LayerCase("batch normalization of vectors", normal([7, 5]), BatchNormalization()),
    LayerCase("batch normalization at inference", normal([3, 4, 5, 3]), BatchNormalization())
      .with { $0.purpose = .infer },
    LayerCase(
      "batch normalization many parts", normal([2, 40, 41, 18]), BatchNormalization(momentum: 0.3)),
    LayerCase("batch normalization relu", [normal([3, 4, 5, 3])]) {
      Activate(.relu)(BatchNormalization()($0[0]))
    }.with { $0.step = 0.002 },
    LayerCase("group normalization", normal([3, 4, 3, 6]), GroupNormalization(groups: 2)),
    LayerCase(
      "group normalization one group", normal([1, 4, 3, 6]), GroupNormalization(groups: 1)),
    LayerCase("instance normalization", normal([3, 4, 5, 3]), InstanceNormalization()),
    LayerCase(
      "standardization of gray", normal([3, 4, 5, 1]),
      Standardization(mean: [0.3], deviation: [0.2])),
    LayerCase(
      "standardization of colour", normal([2, 4, 5, 3]),
      Standardization(mean: [0.5, -0.25, 0], deviation: [0.25, 2, 1])),
  ]

  private static let networks: [LayerCase] = [
    LayerCase(
      "residual block", [normal([1, 6, 5, 4])]
    ) { inputs in
      let x = inputs[0]
      let inner = Convolution2D(filters: 4, kernel: 3, activation: .relu)(x)
      return x + Convolution2D(filters: 4, kernel: 3)(inner)
    }.with { $0.hasFarBiases = true },
    LayerCase("convolution, normalization, relu", [normal([2, 5, 6, 3])]) { inputs in
      let x = Convolution2D(filters: 5, kernel: 3, hasBias: false)(inputs[0])
      return Activate(.silu)(BatchNormalization()(x))
    },
    LayerCase("folded normalization", [normal([2, 5, 6, 3])]) { inputs in
      let x = Convolution2D(filters: 5, kernel: 3)(inputs[0])
      return Activate(.silu)(BatchNormalization()(x))
    }.with { $0.purpose = .infer },
    LayerCase("folded normalization of weights that are not packed", [normal([1, 1, 3, 300])]) {
      BatchNormalization()(Convolution2D(filters: 70, kernel: 1)($0[0]))
    }.with { $0.purpose = .infer },
    LayerCase("one layer called twice", [normal([1, 4, 5, 3])]) { inputs in
      let layer = Convolution2D(filters: 3, kernel: 3, activation: .tanh)
      return layer(layer(inputs[0]))
    },
    LayerCase(
      "sequential", normal([2, 6, 6, 2]),
      Sequential {
        Convolution2D(filters: 4, kernel: 3, activation: .tanh)
        AveragePool2D()
        Flatten()
        Dense(units: 3)
        Softmax()
      }),
  ]
}
