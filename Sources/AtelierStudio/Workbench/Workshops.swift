// The registry of workshops, which every front end reads.

/// All workshops of the studio.
public enum Workshops {
  /// In the order in which people see them.
  public static let all: [any Workshop.Type] = [
    DenoiseWorkshop.self, ClassifyWorkshop.self, ModelWorkshop.self, SamplesWorkshop.self,
    BenchWorkshop.self,
  ]
}
