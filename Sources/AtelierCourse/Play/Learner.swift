// Two ways to learn a game: deep Q-learning with replay and a target network, and a policy gradient
// with a baseline.

import AtelierEngine
import AtelierKernels
import AtelierTraining

/// How a game is learnt.
enum LearnerKind: String, Sendable, Hashable, Codable, CaseIterable {
  /// Deep Q-learning (Mnih and others 2015).
  case values = "dqn"
  /// The policy gradient with a baseline (Williams 1992).
  case chances = "policy"
}

/// Something that plays games side by side and learns from them.
protocol Learner: AnyObject {
  associatedtype Played: Game
  /// The parameters.
  var store: ParameterStore { get }
  /// The network for a batch.
  var network: PlayNetwork { get }
  /// Plays and learns a little; gives what the games that ended meanwhile brought in all.
  /// `progress` is the share of the training that is done.
  func learn(progress: Double) throws -> [Float]
}

extension PlayNetwork {
  init<Played: Game>(_ game: Played.Type, hasWorth: Bool) {
    self.init(
      height: Played.size.height, width: Played.size.width, channels: Played.size.channels,
      moves: Played.moves, hasWorth: hasWorth)
  }
}

extension Collection<Float> {
  /// The place of the largest, the first of equal ones.
  var largestPlace: Int {
    var (best, place) = (-Float.infinity, 0)
    for (index, value) in enumerated() where value > best { (best, place) = (value, index) }
    return place
  }
}

/// A network over parameters that are learnt, which says something of many pictures at once.
final class Player {
  /// Pictures at once.
  let batch: Int
  private let program: Program
  private let moves: Int

  init(_ network: PlayNetwork, _ store: ParameterStore, batch: Int, kernels: Kernels) throws {
    self.batch = batch
    moves = network.moves
    program = try Program(
      network.graph(batch: batch).specialized(for: .infer), parameters: store, kernels: kernels)
  }

  /// What the network gives for up to `batch` pictures, a row of `moves` each.
  func rows(_ pictures: [[Float]]) throws -> [[Float]] {
    try program.withInput("input") { input in
      for (index, picture) in pictures.enumerated() {
        for (place, value) in picture.enumerated() { input[index * picture.count + place] = value }
      }
    }
    try program.run()
    return try program.withOutput("output") { values in
      pictures.indices.map { Array(values[$0 * moves..<($0 + 1) * moves]) }
    }
  }
}

/// Deep Q-learning (Mnih and others 2015): moves of a network that is partly replaced by lot, kept in
/// a memory; values learnt from moves drawn from it, towards those of an older copy of the network,
/// in which the move is chosen by the younger one (van Hasselt, Guez and Silver 2016).
final class ValueLearner<Played: Game>: Learner {
  /// One move in the memory.
  private struct Memory {
    let before: [Float]
    let move: Int
    let step: GameStep
    let after: [Float]
  }

  private static var games: Int { 16 }
  private static var batch: Int { 64 }
  private static var capacity: Int { 20_000 }
  private static var updatesBetweenCopies: Int { 100 }

  let store: ParameterStore
  let network: PlayNetwork
  private let older: ParameterStore
  private let training: Program
  private let optimizer: OptimizerState
  private let player: Player
  private let judge: Player
  private let choice: Player
  private var games: [Played]
  private var totals: [Float]
  private var memory: [Memory] = []
  private var nextPlace = 0
  private var updates = 0
  private var generator: RandomGenerator

  init(seed: UInt64, kernels: Kernels) throws {
    network = PlayNetwork(Played.self, hasWorth: false)
    let graph = try network.valueTraining(batch: Self.batch)
    store = try ParameterStore(for: [graph], seed: seed)
    older = try ParameterStore(for: [graph], seed: seed)
    training = try Program(graph, parameters: store, kernels: kernels, seed: seed)
    optimizer = try OptimizerState(
      Optimizer(.adam(), learningRate: 1e-3, normLimit: 10), store: store,
      entries: training.trainedEntries, kernels: kernels)
    player = try Player(network, store, batch: Self.games, kernels: kernels)
    judge = try Player(network, older, batch: Self.batch, kernels: kernels)
    choice = try Player(network, store, batch: Self.batch, kernels: kernels)
    var lots = RandomGenerator(seed: seed, 0x914E)
    games = (0..<Self.games).map { _ in Played(using: &lots) }
    totals = games.map { _ in 0 }
    generator = lots
  }

  func learn(progress: Double) throws -> [Float] {
    // By lot at first, hardly at the end.
    let share = Float(max(0.02, 1 - 2.5 * progress))
    let pictures = games.map(\.picture)
    let rows = try player.rows(pictures)
    var ended: [Float] = []
    for index in games.indices {
      let isByLot = generator.uniform() < share
      let move = isByLot ? generator.index(below: Played.moves) : rows[index].largestPlace
      let step = games[index].play(move)
      totals[index] += step.reward
      keep(
        Memory(before: pictures[index], move: move, step: step, after: games[index].picture))
      guard step.isOver else { continue }
      ended.append(totals[index])
      totals[index] = 0
      games[index] = Played(using: &generator)
    }
    if memory.count >= 1000 { try update() }
    return ended
  }

  private func keep(_ moment: Memory) {
    if memory.count < Self.capacity {
      memory.append(moment)
    } else {
      memory[nextPlace] = moment
      nextPlace = (nextPlace + 1) % Self.capacity
    }
  }

  private func update() throws {
    if updates % Self.updatesBetweenCopies == 0 { older.restore(store.snapshot()) }
    let moments = (0..<Self.batch).map { _ in memory[generator.index(below: memory.count)] }
    let after = moments.map(\.after)
    let (worths, choices) = (try judge.rows(after), try choice.rows(after))
    try training.withInput("input") { input in
      for (index, moment) in moments.enumerated() {
        for (place, value) in moment.before.enumerated() {
          input[index * Played.count + place] = value
        }
      }
    }
    var made = [Float](repeating: 0, count: Self.batch * Played.moves)
    var target = made
    for (index, moment) in moments.enumerated() {
      let future = moment.step.isOver ? 0 : worths[index][choices[index].largestPlace]
      made[index * Played.moves + moment.move] = 1
      target[index * Played.moves + moment.move] =
        moment.step.reward + Played.discount * future
    }
    let shape: Shape = [Self.batch, Played.moves]
    try training.setInput("made", Tensor(shape, made))
    try training.setInput("target", Tensor(shape, target))
    try training.run(step: UInt64(updates))
    optimizer.step(
      gradients: training.gradients, learningRate: optimizer.learningRate(step: updates))
    updates += 1
  }
}

/// The policy gradient (Williams 1992): whole games by the network's own chances, moves made likelier
/// by how much more they brought than the network thought the picture worth.
final class ChanceLearner<Played: Game>: Learner {
  private static var games: Int { 16 }
  /// Moves a learning step.
  private static var batch: Int { 256 }

  let store: ParameterStore
  let network: PlayNetwork
  private let training: Program
  private let optimizer: OptimizerState
  private let player: Player
  private var games: [Played]
  /// Pictures, moves and rewards of the games that are going on.
  private var tapes: [[(picture: [Float], move: Int, reward: Float)]]
  /// Moves of games that ended, with what came after them.
  private var waiting: [(picture: [Float], move: Int, result: Float)] = []
  private var updates = 0
  private var generator: RandomGenerator

  init(seed: UInt64, kernels: Kernels) throws {
    network = PlayNetwork(Played.self, hasWorth: true)
    let graph = try network.chanceTraining(batch: Self.batch, variety: 0.02)
    store = try ParameterStore(for: [graph], seed: seed)
    training = try Program(graph, parameters: store, kernels: kernels, seed: seed)
    optimizer = try OptimizerState(
      Optimizer(.adam(), learningRate: 2e-3, normLimit: 1), store: store,
      entries: training.trainedEntries, kernels: kernels)
    player = try Player(network, store, batch: Self.games, kernels: kernels)
    worths = try Program(
      network.graph(batch: Self.batch).specialized(for: .infer), parameters: store,
      kernels: kernels)
    var lots = RandomGenerator(seed: seed, 0x914F)
    games = (0..<Self.games).map { _ in Played(using: &lots) }
    tapes = games.map { _ in [] }
    generator = lots
  }

  private let worths: Program

  func learn(progress: Double) throws -> [Float] {
    let pictures = games.map(\.picture)
    let rows = try player.rows(pictures)
    var ended: [Float] = []
    for index in games.indices {
      let move = drawn(rows[index])
      let step = games[index].play(move)
      tapes[index].append((pictures[index], move, step.reward))
      guard step.isOver else { continue }
      ended.append(tapes[index].reduce(0) { $0 + $1.reward })
      var result: Float = 0
      for moment in tapes[index].reversed() {
        result = moment.reward + Played.discount * result
        waiting.append((moment.picture, moment.move, result))
      }
      tapes[index] = []
      games[index] = Played(using: &generator)
    }
    while waiting.count >= Self.batch {
      try update(Array(waiting.prefix(Self.batch)), progress: progress)
      waiting.removeFirst(Self.batch)
    }
    return ended
  }

  /// A move by the chances that logits give.
  private func drawn(_ logits: [Float]) -> Int { Sampling.place(of: logits, using: &generator) }

  /// Learns from moves, less and less with the training's progress.
  private func update(
    _ moments: [(picture: [Float], move: Int, result: Float)], progress: Double
  ) throws {
    for program in [worths, training] {
      try program.withInput("input") { input in
        for (index, moment) in moments.enumerated() {
          for (place, value) in moment.picture.enumerated() {
            input[index * Played.count + place] = value
          }
        }
      }
    }
    try worths.run()
    let thought = try worths.output("worth").elements
    let gains = moments.indices.map { moments[$0].result - thought[$0] }
    let mean = gains.reduce(0, +) / Float(gains.count)
    let variance = gains.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Float(gains.count)
    // Where every game goes well gains are noise alone, which must not be made large: a maze that was
    // solved was forgotten by it.
    let scale = 1 / max(variance.squareRoot(), 0.2)
    var advantage = [Float](repeating: 0, count: Self.batch * Played.moves)
    for (index, moment) in moments.enumerated() {
      advantage[index * Played.moves + moment.move] = gains[index] * scale
    }
    try training.setInput("advantage", Tensor([Self.batch, Played.moves], advantage))
    try training.setInput("result", Tensor([Self.batch, 1], moments.map(\.result)))
    try training.run(step: UInt64(updates))
    optimizer.step(
      gradients: training.gradients,
      learningRate: optimizer.learningRate(step: updates) * max(1 - progress, 0.05))
    updates += 1
  }
}
