// How operations are made from other frameworks' attributes, where layers are not in between.

import AtelierKernels

extension ConvolutionAttributes {
  /// Makes attributes.
  package init(strides: Extent, padding: Padding, dilation: Extent, groups: Int) {
    self.init(stride: strides, padding: padding, dilation: dilation, groups: groups)
  }
}

extension ConvolutionOperation {
  /// Makes a convolution, or a dense layer of default attributes.
  package init(_ attributes: ConvolutionAttributes, hasBias: Bool) {
    self.init(attributes: attributes, epilogue: FusedEpilogue(hasBias: hasBias))
  }

  /// Makes a dense layer.
  package static func dense(hasBias: Bool) -> Self {
    Self(ConvolutionAttributes(), hasBias: hasBias)
  }
}

extension TransposedConvolutionOperation {
  /// Makes a transposed convolution.
  package init(_ attributes: ConvolutionAttributes, outputPadding: Extent, hasBias: Bool) {
    self.init(
      attributes: attributes, outputPadding: outputPadding,
      epilogue: FusedEpilogue(hasBias: hasBias))
  }
}

extension MaxPoolOperation {
  /// Makes a max pooling.
  package init(_ attributes: PoolAttributes) { self.init(attributes: attributes) }
}

extension AveragePoolOperation {
  /// Makes an average pooling.
  package init(_ attributes: PoolAttributes, countsPadding: Bool) {
    self.init(attributes: attributes, countIncludesPadding: countsPadding)
  }
}

extension GlobalAveragePoolOperation {
  /// Makes a global average pooling.
  package static var standard: Self { Self() }
}

extension ActivationOperation {
  /// Makes an activation.
  package init(_ activation: Activation) { self.init(activation: activation) }
}

extension SoftmaxOperation {
  /// Makes a softmax.
  package static var standard: Self { Self() }
}

extension ConcatenateOperation {
  /// Makes a concatenation.
  package static var standard: Self { Self() }
}

extension PadOperation {
  /// Makes a padding.
  package init(_ border: Border, _ mode: PaddingMode) { self.init(border: border, mode: mode) }
}

extension CropOperation {
  /// Makes a cropping.
  package init(_ border: Border) { self.init(border: border) }
}

extension PixelShuffleOperation {
  /// Makes a pixel shuffle.
  package init(_ block: Int) { self.init(block: block) }
}

extension SpaceToDepthOperation {
  /// Makes a space-to-depth.
  package init(_ block: Int) { self.init(block: block) }
}

extension BatchNormalizationOperation {
  /// Makes a batch normalization of this epsilon and of this weight of a new batch.
  package init(_ epsilon: Float, newBatch momentum: Float) {
    self.init(epsilon: epsilon, momentum: momentum)
  }
}

extension GroupNormalizationOperation {
  /// Makes a normalization of so many groups, 0 for one a channel.
  package init(_ groups: Int, _ epsilon: Float) { self.init(groups: groups, epsilon: epsilon) }
}

extension DropoutOperation {
  /// Makes a dropout.
  package init(_ rate: Float, _ stream: UInt64) { self.init(rate: rate, stream: stream) }
}
