// How long a step on several ranks takes, against times worked out by hand.

import AtelierTraining
import Testing

@Suite struct StepForecastTests {
  private func network(bandwidth: Double = 1e9, delay: Double = 1e-3) -> NetworkForm {
    var network = NetworkForm(bandwidth: bandwidth, delay: delay)
    (network.perMessage, network.poll) = (0, 0)
    return network
  }

  @Test func oneRankWaitsForNobody() {
    let step = StepForecast(
      shard: 2, rest: 0.5, adding: 0, buckets: [.init(ready: 1, bytes: 1e9)])
    let found = step.step(ranks: 1, shards: 4, over: network())
    #expect(found.seconds == 8.5)
    #expect(found.waiting == 0)
  }

  @Test func whatIsExchangedBesideTheBackwardPassCostsNothing() {
    // A bucket of 1 GB is there at 1 s of 3: half of it goes and comes, a second in all.
    let early = StepForecast(
      shard: 3, rest: 0, adding: 0, buckets: [.init(ready: 1, bytes: 1e9)])
    let found = early.step(ranks: 2, shards: 2, over: network(delay: 0))
    #expect(found.seconds == 3)
    #expect(found.waiting == 0)
    var late = early
    late.buckets[0].ready = 3
    #expect(late.step(ranks: 2, shards: 2, over: network(delay: 0)).seconds == 4)
  }

  @Test func bucketsGoOneAfterTheOther() {
    let step = StepForecast(
      shard: 3, rest: 0, adding: 0,
      buckets: [.init(ready: 2.5, bytes: 1e9), .init(ready: 3, bytes: 1e9)])
    // The first is there at 3.5, the second a second later.
    #expect(step.step(ranks: 2, shards: 2, over: network(delay: 0)).seconds == 4.5)
  }

  @Test func everyMessageHasItsDelay() {
    let step = StepForecast(shard: 1, rest: 0, adding: 0, buckets: [.init(ready: 1, bytes: 0)])
    // There and back, and two rounds of telling over one hop each.
    let seconds = step.step(ranks: 2, shards: 2, over: network(delay: 0.25)).seconds
    #expect(seconds == 1 + 2 * 0.25 + 2 * 0.25)
    // Eight ranks tell each other in three hops.
    let eight = step.step(ranks: 8, shards: 8, over: network(delay: 0.25)).seconds
    #expect(eight == 1 + 2 * 0.25 + 6 * 0.25)
  }

  @Test func shardsThatDoNotDivideCostTheLargestShare() {
    let step = StepForecast(shard: 1, rest: 0, adding: 0, buckets: [])
    #expect(step.step(ranks: 3, shards: 4, over: network(delay: 0)).seconds == 2)
    #expect(step.step(ranks: 4, shards: 4, over: network(delay: 0)).seconds == 1)
  }

  @Test func sumsTakeTheirTime() {
    let step = StepForecast(
      shard: 1, rest: 0, adding: 1e-9, buckets: [.init(ready: 1, bytes: 1e9)])
    #expect(step.step(ranks: 2, shards: 2, over: network(delay: 0)).seconds == 3)
  }
}
