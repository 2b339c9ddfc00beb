// The registry of workshops, which every front end reads.

import AtelierAdversarial
import AtelierClassification
import AtelierCourse
import AtelierDenoising
import AtelierFaceSwap
import AtelierGeneration
import AtelierSegmentation
import AtelierWorkbench
import Synchronization

/// All workshops of the studio.
public enum Workshops {
  private static let registered = Mutex<[any Workshop.Type]>([])

  /// Those of the house in the order in which people see them, then what was registered.
  public static var all: [any Workshop.Type] {
    [
      DenoiseWorkshop.self, SwapWorkshop.self, SegmentWorkshop.self, ClassifyWorkshop.self,
      AttackWorkshop.self, GenerateWorkshop.self, FilterWorkshop.self, CourseWorkshop.self,
      ModelWorkshop.self, SamplesWorkshop.self, BenchWorkshop.self, Describe.self,
    ] + registered.withLock { $0 }
  }

  /// Adds a workshop of another module under a new name, for all front ends of this process.
  public static func register(_ workshop: any Workshop.Type) {
    precondition(!all.contains { $0.name == workshop.name }, "two workshops \(workshop.name)")
    registered.withLock { $0.append(workshop) }
  }
}
