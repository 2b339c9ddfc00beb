// Lifetimes become offsets: exact ones on small plans, and no overlap on random ones.

import AtelierEngine
import TestSupport
import Testing

@Suite("Memory plan")
struct MemoryPlanTests {
  private func plan(_ buffers: (count: Int, first: Int, last: Int)...) -> MemoryPlan {
    MemoryPlan(buffers.map { BufferLifetime(count: $0.count, first: $0.first, last: $0.last) })
  }

  @Test("nothing") func empty() {
    #expect(plan().offsets == [])
    #expect(plan().count == 0)
    #expect(plan((0, 0, 5)).count == 0)
  }

  @Test("buffers that live together lie side by side, the largest first") func together() {
    let plan = plan((16, 0, 1), (32, 0, 1))
    #expect(plan.offsets == [32, 0])
    #expect(plan.count == 48)
  }

  @Test("a buffer takes the place of one that is dead") func reuse() {
    let plan = plan((16, 0, 1), (32, 1, 2), (16, 2, 3))
    #expect(plan.offsets == [32, 0, 32])
    #expect(plan.count == 48)
  }

  @Test("offsets are whole cache lines") func alignment() {
    let plan = plan((1, 0, 1), (17, 0, 1), (16, 0, 1))
    #expect(plan.offsets == [48, 0, 32])
    #expect(plan.count == 64)
  }

  @Test("reading in the last step and being written in it is living together") func touching() {
    #expect(plan((16, 0, 1), (16, 1, 2)).offsets == [0, 16])
    #expect(plan((16, 0, 1), (16, 2, 3)).offsets == [0, 0])
  }

  @Test("the smallest gap that holds it") func bestFit() {
    let plan = plan(
      (112, 0, 9), (96, 0, 4), (80, 0, 9), (64, 0, 4), (48, 0, 9), (32, 5, 9), (80, 5, 9))
    // The 80 fits the gap of 96 that the second leaves, the 32 that of 64 that the fourth leaves.
    #expect(plan.offsets == [0, 112, 208, 288, 352, 288, 112])
    #expect(plan.count == 400)
  }

  @Test("300 random sets of lifetimes: no two live buffers overlap")
  func random() {
    var generator = RandomGenerator(seed: 61)
    var reused = 0
    for _ in 0..<300 {
      let steps = 1 + generator.index(below: 40)
      let buffers = (0..<1 + generator.index(below: 60)).map { _ in
        let first = generator.index(below: steps)
        return BufferLifetime(
          count: generator.index(below: 8) == 0 ? 0 : 1 + generator.index(below: 200),
          first: first, last: min(first + generator.index(below: 12), steps))
      }
      let plan = MemoryPlan(buffers)
      expectDisjoint(buffers, plan)
      // Never more than side by side, never less than what lives at once.
      let sizes = buffers.map { ($0.count + 15) / 16 * 16 }
      #expect(plan.count <= sizes.reduce(0, +))
      for step in 0...steps {
        let alive = buffers.indices.filter { buffers[$0].first <= step && step <= buffers[$0].last }
        #expect(alive.reduce(0) { $0 + sizes[$1] } <= plan.count)
      }
      if plan.count < sizes.reduce(0, +) { reused += 1 }
      #expect(MemoryPlan(buffers) == plan)
    }
    #expect(reused > 200)
  }
}

/// Checks that no two buffers that live at once share memory, and that all lie in the arena.
func expectDisjoint(
  _ buffers: [BufferLifetime], _ plan: MemoryPlan, _ comment: String = "",
  sourceLocation: SourceLocation = #_sourceLocation
) {
  for index in buffers.indices {
    let (offset, end) = (plan.offsets[index], plan.offsets[index] + buffers[index].count)
    if offset % MemoryPlan.alignment != 0 || offset < 0 || end > plan.count {
      Issue.record("\(comment): buffer \(index) at \(offset)", sourceLocation: sourceLocation)
    }
    for other in buffers.indices.dropFirst(index + 1)
    where buffers[index].overlaps(buffers[other]) {
      let start = plan.offsets[other]
      let isApart = end <= start || start + buffers[other].count <= offset
      if !isApart {
        Issue.record(
          "\(comment): buffers \(index) and \(other) overlap", sourceLocation: sourceLocation)
      }
    }
  }
}
