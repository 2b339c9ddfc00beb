// The one list of operations: model files and the contract tests read it.

/// All operations that a graph can hold (`BatchStatistics` apart, which only plans make).
public enum OperationRegistry {
  /// Every operation type, by family.
  public static let all: [any Operation.Type] = [
    ConvolutionOperation.self, TransposedConvolutionOperation.self, ConvolutionWeightGradient.self,
    ChannelSum.self,
    MaxPoolOperation.self, MaxUnpoolOperation.self, SwitchGather.self,
    AveragePoolOperation.self, AveragePoolGradient.self, GlobalAveragePoolOperation.self,
    GlobalAveragePoolGradient.self,
    NearestUnpoolOperation.self, SumPool.self, BedOfNailsUnpoolOperation.self, Subsample.self,
    BilinearResizeOperation.self, BilinearResizeGradient.self, PixelShuffleOperation.self,
    SpaceToDepthOperation.self, RegionAlignOperation.self, RegionAlignGradient.self,
    ConcatenateOperation.self, ChannelSlice.self, ChannelEmbed.self, PadOperation.self,
    PadGradient.self,
    CropOperation.self, ReshapeOperation.self, JoinBatches.self, SplitBatch.self,
    ActivationOperation.self, ActivationGradient.self, BinaryOperation.self, AffineOperation.self,
    ClampOperation.self,
    ClampGradient.self, FillOperation.self, MeanOperation.self, Broadcast.self,
    SoftmaxOperation.self, SoftmaxGradient.self,
    BatchNormalizationOperation.self, BatchNormalizationGradient.self,
    GroupNormalizationOperation.self,
    GroupNormalizationGradient.self, DropoutOperation.self,
    PointwiseLossOperation.self, PointwiseLossGradient.self,
    SparseCrossEntropy.self, SparseCrossEntropyGradient.self,
    CategoricalCrossEntropy.self, CategoricalCrossEntropyGradient.self,
    MarginLoss.self, MarginLossGradient.self, DiceLoss.self, DiceLossGradient.self,
    SparseDiceLoss.self, SparseDiceLossGradient.self,
    TransposeOperation.self, RegroupOperation.self, ExpandOperation.self, ReduceOperation.self,
    MaximumMask.self, GatherOperation.self, ScatterSum.self,
    BroadcastBinaryOperation.self, MatrixProductOperation.self,
    ParametricReLUOperation.self, ParametricReLUGradient.self,
    LocalResponseOperation.self, LocalResponseGradient.self,
    ResizeOperation.self, ResizeGradient.self, OrientedGradientsOperation.self,
    RecurrentOperation.self, RecurrentGradient.self,
    SpectralNormalizationOperation.self, SpectralNormalizationGradient.self,
    SampleShift.self,
  ]

  private static let byKind: [String: any Operation.Type] = Dictionary(
    uniqueKeysWithValues: all.map { ($0.kind, $0) })

  /// The operation type of a kind, nil when there is none.
  public static func type(of kind: String) -> (any Operation.Type)? { byKind[kind] }
}
