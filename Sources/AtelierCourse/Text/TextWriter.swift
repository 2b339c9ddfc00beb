// A network that writes: characters drawn one after the other by what it guesses of the next.

import AtelierEngine
import AtelierFiles
import AtelierInterchange
import AtelierKernels
import Foundation

/// Writes texts with a model of characters; used by one thread at a time.
final class TextWriter {
  /// The task that models of this kind name.
  static let task = "text"

  let alphabet: Alphabet
  private let program: Program
  private let length: Int

  /// Takes a model; throws `StudioError` when it is none of text.
  init(_ model: Model, _ store: ParameterStore? = nil, kernels: Kernels) throws {
    let names = model.information.classNames
    guard model.information.task == Self.task, let input = model.graph.input(named: "input"),
      case let shape = model.graph.values[input].shape, shape.rank == 4,
      shape.channels == names.count, names.allSatisfy({ $0.count == 1 })
    else {
      throw StudioError(
        .data,
        "expected a model of text by characters, received one for the task "
          + model.information.task)
    }
    alphabet = Alphabet(names.compactMap(\.first))
    length = shape[1]
    program = try Program(
      model.graph.reshaped(["input": shape.withBatch(1)]).specialized(for: .infer),
      parameters: store ?? model.store(), kernels: kernels)
  }

  /// A text that goes on from a beginning by so many characters.
  ///
  /// - Throws: `StudioError` when the model knows no character of a beginning.
  func write(
    after beginning: String, count: Int, temperature: Float, seed: UInt64,
    isStopped: () -> Bool = { false }
  ) throws -> String {
    var numbers = alphabet.numbers(beginning)
    if numbers.isEmpty {
      guard beginning.isEmpty, let first = alphabet.number("\n") ?? alphabet.number(" ") else {
        throw StudioError(
          .usage, "the model knows no character of the beginning '\(beginning)'")
      }
      numbers = [first]
    }
    var generator = RandomGenerator(seed: seed)
    var text = ""
    for _ in 0..<count where !isStopped() {
      let next = Sampling.place(
        of: try guess(after: numbers.suffix(length)), temperature: temperature, using: &generator)
      numbers.append(next)
      text.append(alphabet.characters[next])
    }
    return text
  }

  /// Logits of what follows a passage of at most the network's length.
  private func guess(after passage: ArraySlice<Int>) throws -> [Float] {
    let count = alphabet.characters.count
    try program.withInput("input") { input in
      input.update(repeating: 0)
      for (place, number) in passage.enumerated() { input[place * count + number] = 1 }
    }
    try program.run()
    // What comes behind the passage changes nothing before it.
    let last = passage.count - 1
    return try program.withOutput("output") { Array($0[last * count..<(last + 1) * count]) }
  }
}
