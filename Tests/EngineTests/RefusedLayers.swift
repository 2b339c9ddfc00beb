// One refused layer per bad argument, with the words of its error.

import AtelierEngine
import AtelierKernels

/// The list of refused layers.
enum RefusedLayers {
  /// All of them.
  static let all: [RefusedLayer] =
    convolutions + transposedConvolutions + pooling + unpooling + blocks + others + losses

  private static let image: Shape = [1, 5, 6, 4]
  private static let vectors: Shape = [3, 4]
  private static let imageText =
    "an image batch [batch, height, width, channels]; received [3, 4]"

  private static let convolutions: [RefusedLayer] = [
    RefusedLayer(
      "groups 0", image, Convolution2D(filters: 4, kernel: 3, groups: 0),
      says: "layer conv2d: 4 input channels do not divide into 0 groups"),
    RefusedLayer(
      "groups that do not divide the input", image, Convolution2D(filters: 6, kernel: 3, groups: 3),
      says: "layer conv2d: 4 input channels do not divide into 3 groups"),
    RefusedLayer(
      "groups that do not divide the filters", image,
      Convolution2D(filters: 3, kernel: 3, groups: 2, name: "wide"),
      says: "layer wide: 3 filters do not divide into 2 groups"),
    RefusedLayer(
      "no filters", image, Convolution2D(filters: 0, kernel: 3),
      says: "layer conv2d: parameter weight would have the empty shape [3, 3, 4, 0]"),
    RefusedLayer(
      "no kernel", image, Convolution2D(filters: 2, kernel: Extent(3, 0)),
      says: "layer conv2d: parameter weight would have the empty shape [3, 0, 4, 2]"),
    RefusedLayer(
      "stride 0", image, Convolution2D(filters: 2, kernel: 3, stride: Extent(1, 0)),
      says: "layer conv2d: stride, dilation and groups are positive"),
    RefusedLayer(
      "dilation −1", image, Convolution2D(filters: 2, kernel: 3, dilation: -1),
      says: "layer conv2d: stride, dilation and groups are positive"),
    RefusedLayer(
      "negative padding", image,
      Convolution2D(
        filters: 2, kernel: 3, padding: .explicit(top: 1, bottom: 0, left: -1, right: 2)),
      says: "layer conv2d: padding is not negative; received 1, 0, -1, 2"),
    RefusedLayer(
      "kernel > input", image, Convolution2D(filters: 2, kernel: 6, padding: .valid),
      says: "layer conv2d: a kernel of 6×6 (dilation 1×1) does not fit the padded input of 5×6"),
    RefusedLayer(
      "dilated kernel > input", image,
      Convolution2D(filters: 2, kernel: 3, padding: .symmetric(1), dilation: 4),
      says: "layer conv2d: a kernel of 3×3 (dilation 4×4) does not fit the padded input of 7×8"),
    RefusedLayer(
      "convolution of vectors", vectors, Convolution2D(filters: 2, kernel: 3),
      says: "layer conv2d: expected \(imageText)"),
    RefusedLayer(
      "one layer on other channels",
      says:
        "layer shared is called again with weight of shape [3, 3, 5, 2]; it has [3, 3, 4, 2]"
    ) { builder in
      let layer = Convolution2D(filters: 2, kernel: 3, name: "shared")
      _ = layer(builder.input("x", [1, 5, 6, 4]))
      _ = layer(builder.input("y", [1, 5, 6, 5]))
    },
    RefusedLayer(
      "dense of an image", image, Dense(units: 3),
      says: "layer dense: expected vectors [batch, features]; received [1, 5, 6, 4]"),
    RefusedLayer(
      "dense without units", vectors, Dense(units: 0),
      says: "layer dense: parameter weight would have the empty shape [4, 0]"),
  ]

  private static let transposedConvolutions: [RefusedLayer] = [
    RefusedLayer(
      "transposed: groups 0", image, TransposedConvolution2D(filters: 2, kernel: 3, groups: 0),
      says: "layer conv2d_transpose: 2 filters do not divide into 0 groups"),
    RefusedLayer(
      "transposed: groups that do not divide the filters", image,
      TransposedConvolution2D(filters: 3, kernel: 3, groups: 2),
      says: "layer conv2d_transpose: 3 filters do not divide into 2 groups"),
    RefusedLayer(
      "transposed: groups that do not divide the input", image,
      TransposedConvolution2D(filters: 3, kernel: 3, groups: 3),
      says: "layer conv2d_transpose: 4 input channels do not divide into 3 groups"),
    RefusedLayer(
      "transposed: stride −2", image, TransposedConvolution2D(filters: 3, kernel: 3, stride: -2),
      says: "layer conv2d_transpose: stride, dilation and groups are positive"),
    RefusedLayer(
      "output padding = stride", image,
      TransposedConvolution2D(filters: 2, kernel: 3, stride: 2, padding: .valid, outputPadding: 2),
      says: "layer conv2d_transpose: output padding must be smaller than stride or dilation; "
        + "received 2×2"),
    RefusedLayer(
      "output padding > stride", image,
      TransposedConvolution2D(
        filters: 2, kernel: 3, stride: 2, padding: .valid, outputPadding: Extent(1, 3)),
      says: "layer conv2d_transpose: output padding must be smaller than stride or dilation; "
        + "received 1×3"),
    RefusedLayer(
      "output padding −1", image,
      TransposedConvolution2D(
        filters: 2, kernel: 3, stride: 2, padding: .valid, outputPadding: Extent(-1, 0)),
      says: "layer conv2d_transpose: output padding must be smaller than stride or dilation; "
        + "received -1×0"),
    RefusedLayer(
      "transposed: more padding than output", [1, 1, 1, 4],
      TransposedConvolution2D(filters: 2, kernel: 3, padding: .symmetric(2)),
      says: "layer conv2d_transpose: the output would be -1×-1; padding is too large"),
    RefusedLayer(
      "transposed convolution of vectors", vectors, TransposedConvolution2D(filters: 2, kernel: 3),
      says: "layer conv2d_transpose: expected \(imageText)"),
  ]

  private static let pooling: [RefusedLayer] = [
    RefusedLayer(
      "window 0", image, MaxPool2D(window: Extent(0, 2)),
      says: "layer max_pooling2d: window and stride are positive"),
    RefusedLayer(
      "pool stride 0", image, AveragePool2D(window: 2, stride: 0),
      says: "layer average_pooling2d: window and stride are positive"),
    RefusedLayer(
      "negative pool padding", image, MaxPool2D(padding: .symmetric(-1)),
      says: "layer max_pooling2d: padding is not negative"),
    RefusedLayer(
      "pool padding = window", image, MaxPool2D(stride: 1, padding: .symmetric(2)),
      says: "layer max_pooling2d: padding must be smaller than the window of 2×2; "
        + "received 2, 2, 2, 2"),
    RefusedLayer(
      "window > input", image, AveragePool2D(window: 6),
      says: "layer average_pooling2d: a window of 6×6 does not fit the padded input of 5×6"),
    RefusedLayer(
      "max pool of vectors", vectors, MaxPool2D(),
      says: "layer max_pooling2d: max-pool-2d expects \(imageText)"),
    RefusedLayer(
      "average pool of vectors", vectors, AveragePool2D(),
      says: "layer average_pooling2d: average-pool-2d expects \(imageText)"),
    RefusedLayer(
      "global pool of vectors", vectors, GlobalAveragePool2D(),
      says: "layer global_average_pooling2d: global-average-pool expects "
        + imageText),
  ]

  private static let unpooling: [RefusedLayer] = [
    RefusedLayer(
      "mirror of no pool",
      says:
        "layer max_unpooling2d: there is no max pool named pool2 to mirror; "
        + "there are [\"pool0\", \"pool1\"]"
    ) { builder in
      let x = MaxPool2D(name: "pool1")(builder.input("x", [1, 8, 8, 1]))
      _ = MaxUnpool2D(mirroring: "pool2")(MaxPool2D(name: "pool0")(x))
    },
    RefusedLayer(
      "mirror of a pool of other channels",
      says:
        "layer max_unpooling2d: the mirror pool of an input [1, 8, 8, 1] gives [1, 4, 4, 1]; "
        + "received values [1, 4, 4, 3] and switches [1, 4, 4, 1]"
    ) { builder in
      let x = MaxPool2D(name: "pool")(builder.input("x", [1, 8, 8, 1]))
      _ = MaxUnpool2D(mirroring: "pool")(Convolution2D(filters: 3, kernel: 3)(x))
    },
    RefusedLayer(
      "nearest window 0", image, NearestUnpool2D(window: Extent(2, 0)),
      says: "layer nearest_unpooling2d: unpooling takes an image batch and a positive window; "
        + "received [1, 5, 6, 4]"),
    RefusedLayer(
      "nails of vectors", vectors, BedOfNailsUnpool2D(),
      says: "layer bed_of_nails_unpooling2d: unpooling takes an image batch and a positive window; "
        + "received [3, 4]"),
    RefusedLayer(
      "bilinear factor 0", image, BilinearUpsample2D(factor: 0),
      says: "layer bilinear_upsampling2d: unpooling takes an image batch and a positive window; "
        + "received [1, 5, 6, 4]"),
    RefusedLayer(
      "bilinear size 0",
      says:
        "layer resize: resizing takes an image batch and positive sizes; received [1, 5, 6, 4]"
    ) { builder in
      _ = builder.input("x", [1, 5, 6, 4])
        .applying(BilinearResizeOperation(.size(Extent(0, 4))), name: "resize")
    },
    RefusedLayer(
      "shuffle of 6 channels", [1, 2, 2, 6], PixelShuffle2D(),
      says: "layer pixel_shuffle2d: pixel shuffle expects an image batch with channels divisible "
        + "by 4; received [1, 2, 2, 6]"),
    RefusedLayer(
      "space to depth of odd sizes", image, SpaceToDepth2D(),
      says: "layer space_to_depth2d: expected an image batch with sizes divisible by 2×2; "
        + "received [1, 5, 6, 4]"),
    RefusedLayer(
      "subsample of odd sizes",
      says:
        "layer sub: expected an image batch with sizes divisible by 2×2; received [1, 5, 6, 4]"
    ) { builder in
      _ = builder.input("x", [1, 5, 6, 4]).applying(Subsample(window: 2), name: "sub")
    },
  ]

  private static let blocks: [RefusedLayer] = [
    RefusedLayer(
      "reshape to another count", vectors, Reshape([5]),
      says: "layer reshape: reshape to [3, 5] does not fit the 12 elements of [3, 4]"),
    RefusedLayer(
      "reshape to negative sizes", vectors, Reshape([-2, -2]),
      says: "layer reshape: reshape to [3, -2, -2] does not fit the 12 elements of [3, 4]"),
    RefusedLayer(
      "negative border", image, Pad2D(Border(top: 0, bottom: -1, left: 0, right: 0)),
      says: "layer padding2d: a border is not negative"),
    RefusedLayer(
      "reflected border = image", image,
      Pad2D(Border(top: 5, bottom: 0, left: 0, right: 0), mode: .reflect),
      says: "layer padding2d: a reflected border must be smaller than the image; "
        + "received [1, 5, 6, 4]"),
    RefusedLayer(
      "padding of vectors", vectors, Pad2D(Border(1)),
      says: "layer padding2d: pad-2d expects \(imageText)"),
    RefusedLayer(
      "cropping everything", image, Crop2D(Border(top: 2, bottom: 3, left: 0, right: 0)),
      says: "layer cropping2d: cropping leaves nothing of [1, 5, 6, 4]"),
    RefusedLayer(
      "negative cropping", image, Crop2D(Border(top: -1, bottom: 0, left: 0, right: 0)),
      says: "layer cropping2d: cropping leaves nothing of [1, 5, 6, 4]"),
    RefusedLayer(
      "concatenation of other sizes",
      says:
        "layer concatenate: concatenate expects equal sizes but for the channels; "
        + "received [[1, 2, 2, 1], [1, 2, 3, 1]]"
    ) { builder in
      _ = concatenate(builder.input("x", [1, 2, 2, 1]), builder.input("y", [1, 2, 3, 1]))
    },
    RefusedLayer(
      "slice beyond the channels", says: "layer slice: channels 2..<5 expected in 4 channels"
    ) { builder in
      _ = builder.input("x", [3, 4]).applying(ChannelSlice(start: 2, count: 3), name: "slice")
    },
    RefusedLayer(
      "embedding beyond the total", says: "layer embed: 4 channels from 2 do not fit into 5"
    ) { builder in
      _ = builder.input("x", [3, 4]).applying(ChannelEmbed(start: 2, total: 5), name: "embed")
    },
  ]

  private static let others: [RefusedLayer] = [
    RefusedLayer(
      "dropout of all", vectors, Dropout(1),
      says: "layer dropout: a dropout rate lies in [0, 1); received 1.0"),
    RefusedLayer(
      "negative dropout", vectors, Dropout(-0.5, name: "drop"),
      says: "layer drop: a dropout rate lies in [0, 1); received -0.5"),
    RefusedLayer(
      "groups that do not divide the channels", image, GroupNormalization(groups: 3),
      says: "layer group_normalization: 4 channels do not divide into 3 groups"),
    RefusedLayer(
      "negative groups", image, GroupNormalization(groups: -2),
      says: "layer group_normalization: 4 channels do not divide into -2 groups"),
    RefusedLayer(
      "normalization of a line", [4], BatchNormalization(),
      says: "layer batch_normalization: expected a batch; received [4]"),
    RefusedLayer(
      "sum of other sizes", says: "layer add: add expects equal shapes; received [3, 4] and [3, 5]"
    ) { builder in _ = builder.input("x", [3, 4]) + builder.input("y", [3, 5]) },
    RefusedLayer(
      "product of other sizes",
      says: "layer multiply: multiply expects equal shapes; received [3, 4] and [4, 3]"
    ) { builder in _ = builder.input("x", [3, 4]) * builder.input("y", [4, 3]) },
    RefusedLayer("clamp upside down", says: "layer clamp: clamp expects 1.0 ≤ 0.5") { builder in
      _ = builder.input("x", [3, 4])
        .applying(ClampOperation(lower: 1, upper: 0.5), name: "clamp")
    },
    RefusedLayer("empty input", says: "input x needs positive sizes; received [0, 4]") {
      _ = $0.input("x", [0, 4])
    },
    RefusedLayer("two inputs of one name", says: "there are two inputs named x") {
      _ = ($0.input("x", [1, 4]), $0.input("x", [1, 4]))
    },
    RefusedLayer("two outputs of one name", says: "there are two outputs named y") {
      let x = $0.input("x", [1, 4])
      $0.output("y", x)
      $0.output("y", x)
    },
  ]

  private static func loss(
    _ name: String, _ prediction: Shape, _ target: Shape, _ loss: Loss, says text: String
  ) -> RefusedLayer {
    RefusedLayer(name, says: text) { builder in
      _ = loss(builder.input("x", prediction), builder.input("y", target))
    }
  }

  private static let losses: [RefusedLayer] = [
    loss(
      "squared error of other sizes", [3, 4], [3, 5], .squaredError,
      says: "layer loss: pointwise-loss expects a target of shape [3, 4]; received [3, 5]"),
    loss(
      "labels of other rows", [3, 4], [2, 1], .crossEntropy(),
      says: "layer loss: expected 3 labels for logits [3, 4]; received [2, 1]"),
    loss(
      "class weights of other classes", [3, 4], [3, 1], .crossEntropy(classWeights: [1, 2, 3]),
      says: "layer loss: sparse-cross-entropy expects class weights of shape [4]; received [3]"),
    loss(
      "distributions of other sizes", [3, 4], [3, 1], .categoricalCrossEntropy,
      says: "layer loss: categorical-cross-entropy expects target distributions of shape [3, 4]; "
        + "received [3, 1]"),
    loss(
      "margin labels of other rows", [3, 4], [3, 2], .margin(isTargeted: true, kappa: 0),
      says: "layer loss: expected 3 labels for logits [3, 4]; received [3, 2]"),
    loss(
      "Dice of other sizes", [3, 4], [4, 3], .dice(smooth: 1),
      says: "layer loss: dice-loss expects targets of shape [3, 4]; received [4, 3]"),
    loss(
      "a sum of nothing", [3, 4], [3, 4], .sum([]), says: "a sum of losses needs at least one term"),
  ]
}
