// Games that are drawn in pixels: catch a falling ball, find the way out of a maze.

import AtelierEngine

/// What a move brought.
struct GameStep: Sendable, Hashable {
  /// The reward.
  let reward: Float
  /// Whether the game is over.
  let isOver: Bool
}

/// A game that a network plays by what it sees.
protocol Game: Sendable {
  /// The name on the command line.
  static var name: String { get }
  /// The pictures' rows, columns and channels.
  static var size: (height: Int, width: Int, channels: Int) { get }
  /// The number of moves to choose from.
  static var moves: Int { get }
  /// How much a reward a move later is worth.
  static var discount: Float { get }
  /// What a game that was won gave in all, at least.
  static var goal: Float { get }
  /// A game that begins by lot.
  init(using generator: inout RandomGenerator)
  /// The picture [height, width, channels] in [0, 1].
  var picture: [Float] { get }
  /// Makes a move of 0..<moves.
  mutating func play(_ move: Int) -> GameStep
}

extension Game {
  /// Floats of a picture.
  static var count: Int { size.height * size.width * size.channels }
}

/// A ball falls through a field of 10 × 10 pixels, and a bar of three pixels at its foot has to be
/// below it at the end: 1 when it is, −1 when not (Mnih and others 2014).
struct CatchGame: Game {
  static let name = "catch"
  static let size = (height: 10, width: 10, channels: 1)
  static let moves = 3
  static let discount: Float = 0.95
  static let goal: Float = 1

  private var row = 0
  private let column: Int
  /// The bar's middle.
  private var bar: Int

  init(using generator: inout RandomGenerator) {
    column = generator.index(below: 10)
    bar = 1 + generator.index(below: 8)
  }

  var picture: [Float] {
    var pixels = [Float](repeating: 0, count: Self.count)
    for x in bar - 1...bar + 1 { pixels[90 + x] = 1 }
    pixels[row * 10 + column] = 1
    return pixels
  }

  /// Left, nothing or right.
  mutating func play(_ move: Int) -> GameStep {
    bar = min(max(bar + move - 1, 1), 8)
    row += 1
    guard row == 9 else { return GameStep(reward: 0, isOver: false) }
    return GameStep(reward: abs(bar - column) <= 1 ? 1 : -1, isOver: true)
  }
}

/// A maze of 9 × 9 pixels, the same in every game, entered at any free place; the way out is in a
/// corner: 1 there, −0.01 a move, over after 60 moves.
struct MazeGame: Game {
  static let name = "maze"
  static let size = (height: 9, width: 9, channels: 3)
  static let moves = 4
  static let discount: Float = 0.97
  /// At most 60 moves.
  static let goal: Float = 0.4

  /// Walls by row and column, carved by a walk that turns back at dead ends, some of them opened.
  static let walls: [Bool] = {
    var generator = RandomGenerator(seed: 4)
    var walls = [Bool](repeating: true, count: 81)
    var path = [10]
    walls[10] = false
    while let place = path.last {
      let ways = [-18, 18, -2, 2].filter { way in
        let (row, column) = (place / 9 + way / 9, place % 9 + way % 9)
        return (1..<8).contains(row) && (1..<8).contains(column) && walls[row * 9 + column]
      }
      guard !ways.isEmpty else {
        path.removeLast()
        continue
      }
      let way = ways[generator.index(below: ways.count)]
      walls[place + way / 2] = false
      walls[place + way] = false
      path.append(place + way)
    }
    return walls
  }()

  /// The place of the way out.
  static let exit = 7 * 9 + 7

  /// Moves from every free place to the way out; nil for walls.
  static let distances: [Int?] = {
    var distances = [Int?](repeating: nil, count: 81)
    distances[exit] = 0
    var edge = [exit]
    while !edge.isEmpty {
      var next: [Int] = []
      for place in edge {
        for way in steps where !walls[place + way] && distances[place + way] == nil {
          distances[place + way] = (distances[place] ?? 0) + 1
          next.append(place + way)
        }
      }
      edge = next
    }
    return distances
  }()

  private static let steps = [-9, 9, -1, 1]

  private(set) var place: Int
  private(set) var made = 0

  init(using generator: inout RandomGenerator) {
    let free = Self.walls.indices.filter { !Self.walls[$0] && $0 != Self.exit }
    place = free[generator.index(below: free.count)]
  }

  /// Walls gray, the way out green, the player red.
  var picture: [Float] {
    var pixels = [Float](repeating: 0, count: Self.count)
    for (index, isWall) in Self.walls.enumerated() where isWall {
      for channel in 0..<3 { pixels[3 * index + channel] = 0.5 }
    }
    pixels[3 * Self.exit + 1] = 1
    pixels[3 * place] = 1
    return pixels
  }

  /// Up, down, left or right; walls stop.
  mutating func play(_ move: Int) -> GameStep {
    let next = place + Self.steps[move]
    if !Self.walls[next] { place = next }
    made += 1
    if place == Self.exit { return GameStep(reward: 1, isOver: true) }
    return GameStep(reward: -0.01, isOver: made == 60)
  }
}
