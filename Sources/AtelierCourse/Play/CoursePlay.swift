// `course play`: a network learns a game by playing it; curves, a film before and after, the model.

import AtelierEngine
import AtelierFiles
import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierMedia
import AtelierTraining
import AtelierWorkbench
import Foundation

/// The games by name.
public enum GameKind: String, ChoiceValue, Hashable, Codable {
  /// A falling ball.
  case `catch`
  /// The way out.
  case maze
}

extension LearnerKind: ChoiceValue {}

/// Which game is learnt, how and how long.
public struct PlayRequest: JobRequest, Hashable {
  public var game = GameKind.catch
  var learner = LearnerKind.values
  public var output = ""
  public var rounds = 3000
  public var minutes: Double?
  public var games = 1000
  public var seed: UInt64 = 1

  public init() {}

  public static var form: Form<Self> {
    Form([
      Field("game", \.game, "The game", value: "name"),
      Field("learner", \.learner, "Deep Q-learning, or a policy gradient", value: "name"),
      .output(\.output, "The folder of curves, films and the model", value: "folder"),
      Field(
        "rounds", \.rounds, "Rounds of learning: a move in each of 16 games", value: "n",
        .from(1)),
      Field(
        "minutes", \.minutes, "Stop after so many minutes", value: "minutes", .notNegative
      ).byDefault("no limit"),
      Field("games", \.games, "Games to measure on", value: "n", .from(1)),
      Field("seed", \.seed, "The seed of weights and games", value: "seed"),
    ])
  }
}

/// How well a game is played; encodes to the JSON that `--json` prints.
public struct PlayReport: Sendable, Hashable, Codable {
  public var game: String
  public var learner: String
  /// Rounds that were learnt.
  public var rounds: Int
  /// Games that were played meanwhile.
  public var played: Int
  /// Seconds of learning.
  public var seconds: Double
  /// The share of games that were won before and after learning.
  public var wonBefore: Double
  public var won: Double
  /// The mean of what a game brought.
  public var meanReturn: Double
  /// How many moves a game took over the fewest possible; nil where the game's length is its own.
  public var detour: Double?
  public var files: [String]
}

/// Learns a game.
public enum CoursePlay: Job {
  public static let workshop = "course"
  public static let name = "play"
  public static let summary = "Learn a game from its pixels by playing it."
  public static let guide = """
    catch: a ball falls, a bar of three pixels has to be below it. maze: find the way out of a \
    maze of 9x9 pixels from any place. dqn learns what each move is worth (deep Q-learning with a \
    memory of 20,000 moves and a target network), policy learns chances of moves (a policy \
    gradient with the picture's worth as baseline). Games are measured by the best move without \
    any lot. Written are curves.png, games.png (a game before and after, frame by frame), \
    games.mp4 where ffmpeg is installed, and model.safetensors.

    EXAMPLES
      atelier course play --game catch -o out/catch
      atelier course play --game maze --learner policy --rounds 14000 -o out/maze
    """
  public static let heedsInterrupt = true

  public static func run(_ request: PlayRequest, in place: JobPlace) throws -> Report {
    switch request.game {
    case .catch: try run(CatchGame.self, request, place)
    case .maze: try run(MazeGame.self, request, place)
    }
  }

  private static func run<Played: Game>(
    _ game: Played.Type, _ request: PlayRequest, _ place: JobPlace
  ) throws -> Report {
    let course =
      switch request.learner {
      case .values:
        try PlayCourse(
          ValueLearner<Played>(seed: request.seed, kernels: place.kernels), request, place)
      case .chances:
        try PlayCourse(
          ChanceLearner<Played>(seed: request.seed, kernels: place.kernels), request, place)
      }
    return course.report
  }
}

/// A learner's way from the first game to the measured ones.
private struct PlayCourse {
  let report: Report

  init<Taught: Learner>(
    _ learner: Taught, _ request: PlayRequest, _ place: JobPlace
  ) throws {
    let contest = try Contest(learner, request, place.kernels)
    let before = try contest.measure()
    let first = try contest.frames()
    var returns: [Float] = []
    let start = Date()
    var rounds = 0
    let progress = ProgressCounter("rounds", place)
    while rounds < request.rounds, !place.interrupt.isRaised {
      let elapsed = Date().timeIntervalSince(start)
      let share = request.minutes.map { elapsed / (60 * max($0, 1e-9)) } ?? 0
      if share >= 1 { break }
      returns += try learner.learn(
        progress: max(share, Double(rounds) / Double(request.rounds)))
      rounds += 1
      if rounds % 100 == 0 { progress.show(rounds, request.rounds) }
    }
    let seconds = Date().timeIntervalSince(start)
    let after = try contest.measure()
    var found = PlayReport(
      game: request.game.rawValue, learner: request.learner.rawValue, rounds: rounds,
      played: returns.count, seconds: seconds, wonBefore: before.won, won: after.won,
      meanReturn: after.mean, detour: after.detour, files: [])
    found.files = try Self.write(
      contest, returns, first, try contest.frames(), found, learner, request, place)
    report = Self.told(found, request)
  }

  /// Writes curves, frames, the film and the model.
  private static func write<Taught: Learner>(
    _ contest: Contest<Taught>, _ returns: [Float], _ before: [ByteImage], _ after: [ByteImage],
    _ found: PlayReport, _ learner: Taught, _ request: PlayRequest, _ place: JobPlace
  ) throws -> [String] {
    func path(_ name: String) -> String {
      (request.output as NSString).appendingPathComponent(name)
    }
    try PictureJob.write(
      curves(returns, title: "\(found.game), \(found.learner)"), to: path("curves.png"),
      place: place)
    try PictureJob.write(
      PlayPictures.table(before, after), to: path("games.png"), place: place)
    var files = ["curves.png", "games.png"].map(path)
    if let tools = try? FilmTools() {
      try PlayPictures.film(before, after, to: path("games.mp4"), tools)
      files.append(path("games.mp4"))
      place.send(.saved(path("games.mp4")))
    } else {
      place.remark("no film is written: ffmpeg is not installed")
    }
    let model = try Model(
      graph: learner.network.graph(batch: 1), store: learner.store,
      information: ModelInformation(
        task: "play", architecture: "play-\(found.learner)", preprocessing: "pixel / 255",
        training: [
          "game": found.game, "rounds": "\(found.rounds)", "seed": "\(request.seed)",
        ], figures: ["won": found.won]))
    try PictureJob.writing(path("model.safetensors")) {
      try ModelFile.write(model, to: URL(fileURLWithPath: path("model.safetensors")))
    }
    place.send(.saved(path("model.safetensors")))
    return files + [path("model.safetensors")]
  }

  /// What games brought over the games, as means of a hundred.
  private static func curves(_ returns: [Float], title: String) -> ByteImage {
    let means = stride(from: 0, to: returns.count, by: 100).map { first -> SIMD2<Double> in
      let part = returns[first..<min(first + 100, returns.count)]
      return SIMD2(Double(first), Double(part.reduce(0, +) / Float(part.count)))
    }
    return LinePlot(
      title: title, xLabel: "games", yLabel: "mean return of 100 games",
      series: [LinePlot.Series("", points: means)]
    ).render()
  }

  private static func told(_ found: PlayReport, _ request: PlayRequest) -> Report {
    var report = Report(value: found)
    func percent(_ share: Double) -> String { NumberText.fixed(100 * share, 1) + " %" }
    var table = Table(["game", "learner", "won before", "won", "mean return"], leftColumns: 2)
    table.append([
      found.game, found.learner, percent(found.wonBefore), percent(found.won),
      NumberText.fixed(found.meanReturn, 3),
    ])
    report.say(table)
    if let detour = found.detour {
      report.say("a game that was won took \(NumberText.fixed(detour, 2)) times the fewest moves")
    }
    report.say(
      "\(request.games) games by the best move, seed \(request.seed); learnt in \(found.rounds) "
        + "rounds, \(found.played) games, \(NumberText.fixed(found.seconds, 1)) s")
    for file in found.files { report.note(file) }
    report.files = found.files
    return report
  }
}

/// Games by a learner's best moves.
private final class Contest<Taught: Learner> {
  private let player: Player
  private let games: Int
  private let seed: UInt64

  init(_ learner: Taught, _ request: PlayRequest, _ kernels: Kernels) throws {
    games = request.games
    seed = request.seed
    player = try Player(learner.network, learner.store, batch: 50, kernels: kernels)
  }

  /// The share of games that are won, what a game brings, and the moves over the fewest.
  func measure() throws -> (won: Double, mean: Double, detour: Double?) {
    var generator = RandomGenerator(seed: seed, 0x7E57)
    var (won, sum) = (0, 0.0)
    var (made, fewest) = (0, 0)
    for first in stride(from: 0, to: games, by: player.batch) {
      var field = (first..<min(first + player.batch, games)).map { _ in
        Taught.Played(using: &generator)
      }
      let starts = field
      var totals = field.map { _ in Float(0) }
      var isOver = field.map { _ in false }
      while isOver.contains(false) {
        let rows = try player.rows(field.map(\.picture))
        for index in field.indices where !isOver[index] {
          let step = field[index].play(rows[index].largestPlace)
          totals[index] += step.reward
          isOver[index] = step.isOver
        }
      }
      for index in field.indices {
        sum += Double(totals[index])
        guard totals[index] >= Taught.Played.goal else { continue }
        won += 1
        if let maze = field[index] as? MazeGame, let start = starts[index] as? MazeGame {
          made += maze.made
          fewest += MazeGame.distances[start.place] ?? 0
        }
      }
    }
    return (
      Double(won) / Double(games), sum / Double(games),
      fewest > 0 ? Double(made) / Double(fewest) : nil
    )
  }

  /// The pictures of three games, one after the other.
  func frames() throws -> [ByteImage] {
    var generator = RandomGenerator(seed: seed, 0xF117)
    var frames: [ByteImage] = []
    for _ in 0..<3 {
      var game = Taught.Played(using: &generator)
      var isOver = false
      while !isOver {
        frames.append(PlayPictures.frame(game))
        isOver = game.play(try player.rows([game.picture])[0].largestPlace).isOver
      }
      frames.append(PlayPictures.frame(game))
    }
    return frames
  }
}

/// Pictures of games.
private enum PlayPictures {
  /// A game's picture as it is.
  static func frame<Played: Game>(_ game: Played) -> ByteImage {
    FloatImage(
      width: Played.size.width, height: Played.size.height, channels: Played.size.channels,
      samples: game.picture
    ).bytes.rgb
  }

  /// The first frames before learning above those after it.
  static func table(_ before: [ByteImage], _ after: [ByteImage]) -> ByteImage {
    PictureGrid(
      rowTitles: ["before", "after"],
      rows: [before, after].map { $0.prefix(12).map { PictureGrid.Cell($0) } }, magnification: 8,
      padding: 6
    ).render()
  }

  /// A film of eight frames a second, before learning at the left, after it at the right.
  static func film(
    _ before: [ByteImage], _ after: [ByteImage], to path: String, _ tools: FilmTools
  ) throws {
    var writer: FilmWriter?
    for index in 0..<max(before.count, after.count) {
      let frame = PictureGrid.row([
        ("before", before[min(index, before.count - 1)]),
        ("after", after[min(index, after.count - 1)]),
      ])
      var grid = frame
      grid.magnification = 16
      let picture = grid.render().rgb
      // Colour at half resolution needs even sides.
      let even = picture.cropped(
        x: 0, y: 0, width: picture.width / 2 * 2, height: picture.height / 2 * 2)
      let film =
        try writer
        ?? FilmWriter(
          path, size: even.size, like: "",
          FilmInformation(rate: "8/1", framesPerSecond: 8), tools: tools)
      writer = film
      try film.write(even)
    }
    try writer?.finish()
  }
}
