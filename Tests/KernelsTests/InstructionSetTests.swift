// The instruction set that the environment asks for, and what happens to one that is not there.

import AtelierKernels
import Foundation
import Testing

@Suite("Instruction sets")
struct InstructionSetTests {
  @Test func theBaselineIsAlwaysThereAndTheFastestIsLast() {
    #expect(InstructionSet.available.first == .baseline)
    #expect(InstructionSet.available == InstructionSet.available.sorted())
  }

  // In processes of their own, since the variable is read once.
  @Test func theVariableForcesOne() async {
    await #expect(processExitsWith: .success) {
      setenv("ATELIER_ISA", "baseline", 1)
      exit(Kernels().instructionSet == .baseline ? 0 : 1)
    }
    await #expect(processExitsWith: .success) {
      setenv("ATELIER_ISA", "avx2", 1)
      let isThere = InstructionSet.available.contains(.avx2)
      exit(Kernels().instructionSet == (isThere ? .avx2 : .baseline) ? 0 : 1)
    }
  }

  @Test func aVariableThatNamesNoneIsAsNone() async {
    await #expect(processExitsWith: .success) {
      setenv("ATELIER_ISA", "quantum", 1)
      exit(Kernels().instructionSet == InstructionSet.available.last ? 0 : 1)
    }
  }
}
