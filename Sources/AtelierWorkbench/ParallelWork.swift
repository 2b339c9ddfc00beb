// Work in parts: indices over all threads, rows of an input through a program of a fixed batch.

import AtelierEngine
import AtelierKernels

extension ThreadPool {
  /// What `body` gives for each index in `0..<count`, worked out on all threads.
  ///
  /// Throws the error of the first index that has one, after all are done.
  package func map<Value, Failure: Error>(
    _ count: Int, _ body: (Int) throws(Failure) -> Value
  ) throws(Failure) -> [Value] {
    var results = [Result<Value, Failure>?](repeating: nil, count: count)
    results.withUnsafeMutableBufferPointer { places in
      // Each part writes a place of its own.
      nonisolated(unsafe) let places = places
      parallelFor(count) { index in
        do throws(Failure) {
          places[index] = .success(try body(index))
        } catch {
          places[index] = .failure(error)
        }
      }
    }
    var values: [Value] = []
    for case let result? in results { values.append(try result.get()) }
    return values
  }
}

extension Program {
  /// Runs `count` rows of `input` in parts of its batch; says how many rows of each part count.
  package func run(_ rows: [Float], of count: Int, _ take: (_ present: Int) throws -> Void) throws {
    let batch = inputs.first?.shape.batch ?? 1
    let size = rows.count / max(count, 1)
    for first in stride(from: 0, to: count, by: batch) {
      let present = min(batch, count - first)
      // What is left of a former part stays behind the last rows; nobody reads what comes of it.
      try withInput("input") { input in
        _ = input.update(fromContentsOf: rows[first * size..<(first + present) * size])
      }
      try run()
      try take(present)
    }
  }
}
