// What a saved state says is held to its range, and a changed bit of it is seen.

import AtelierFiles
import AtelierInterchange
import AtelierTraining
import Foundation
import TestSupport
import Testing

@Suite struct StoredNumbersTests {
  private static let configuration = TrainingConfiguration(
    steps: 6, saveInterval: 3, snapshotInterval: 2, averageDecay: 0.9, seed: 5)

  private func training(in url: URL, steps: Int = 6) throws -> SmallTraining {
    let isThere = FileManager.default.fileExists(
      atPath: url.appending(path: "configuration.json").path)
    // A process that another test starts holds what is open here until it runs its program.
    var tries = 0
    func open() throws -> RunFolder {
      do { return try RunFolder.open(at: url) } catch let error as TrainingError
        where tries < 200 && error.description.contains("holds this run folder")
      {
        tries += 1
        Thread.sleep(forTimeInterval: 0.01)
        return try open()
      }
    }
    let folder =
      isThere ? try open() : try RunFolder.create(at: url, configuration: Self.configuration)
    var configuration = Self.configuration
    configuration.steps = steps
    return try SmallTraining(.adam(learningRate: 0.01), configuration, folder: folder)
  }

  /// Replaces a number of a saved state, by the keys that lead to it; its old seal is left out.
  private func edit(_ url: URL, _ path: [String], _ value: Any) throws {
    let state = url.appending(path: "state.safetensors")
    var file = try SafetensorsFile.read(from: state)
    let text = try #require(file.metadata["state"])
    let whole = try JSONSerialization.jsonObject(with: Data(text.utf8))
    func replaced(_ object: Any, _ path: ArraySlice<String>) throws -> Any {
      guard let key = path.first else { return value }
      if var list = object as? [Any] {
        let index = try #require(Int(key))
        list[index] = try replaced(list[index], path.dropFirst())
        return list
      }
      var entries = try #require(object as? [String: Any])
      entries[key] = try replaced(entries[key] ?? 0, path.dropFirst())
      return entries
    }
    let data = try JSONSerialization.data(withJSONObject: try replaced(whole, path[...]))
    file.metadata["state"] = String(decoding: data, as: UTF8.self)
    file.metadata["checksum"] = nil
    try file.write(to: state)
  }

  @Test(
    arguments: [
      (["counters", "step"], -1), (["counters", "step"], 1 << 60), (["counters", "step"], 5),
      (["counters", "faults"], -1), (["counters", "badValidations"], -3),
      (["counters", "lastFaultStep"], -1), (["counters", "learningRateScale"], -1),
      (["counters", "learningRateScale"], 3), (["counters", "seconds"], -2),
      (["counters", "lossWeight"], -1), (["counters", "bestStep"], -1),
      (["counters", "validatedStep"], -7), (["current", "step"], -1), (["lastGood", "step"], -1),
      (["lastGood", "step"], 99), (["current", "averageUpdates"], -1),
      (["current", "counters", "0", "steps"], -1),
      (["current", "counters", "0", "momentumProduct"], 2), (["plateaus", "0", "badCount"], -1),
    ] as [([String], Int)])
  func `a number that no training saves is refused`(_ path: [String], _ value: Int) throws {
    try withScratchFolder { parent in
      let url = parent.appending(path: "run")
      _ = try training(in: url).loop.run()
      try edit(url, path, value)
      let error = #expect(throws: TrainingError.self) {
        _ = try training(in: url, steps: 9).loop.run()
      }
      #expect(error?.kind == .data)
      #expect(
        error?.description.contains("state.safetensors: the numbers of the training's state: ")
          == true, "\(error?.description ?? "")")
    }
  }

  @Test func `a state without a seal is read, one with a changed bit is not`() throws {
    try withScratchFolder { parent in
      let url = parent.appending(path: "run")
      _ = try training(in: url).loop.run()
      let state = url.appending(path: "state.safetensors")
      let bytes = [UInt8](try Data(contentsOf: state))
      let header = 8 + bytes[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
      for place in stride(from: header, to: bytes.count, by: 97) {
        var damaged = bytes
        damaged[place] ^= 1 << (place % 8)
        try Data(damaged).write(to: state)
        let error = #expect(throws: SafetensorsError.self) {
          _ = try training(in: url, steps: 9).loop.run()
        }
        #expect(error?.reason == .malformed)
      }
      try Data(bytes).write(to: state)
      try edit(url, ["counters", "step"], 6)
      #expect(try training(in: url, steps: 9).loop.run().step == 9)
    }
  }

  @Test func `what a run folder lacks or holds has a kind`() throws {
    func kind(_ body: () throws -> Void) -> StudioError.Kind? {
      do { try body() } catch { return (error as? TrainingError)?.kind }
      return nil
    }
    try withScratchFolder { parent in
      let url = parent.appending(path: "run")
      #expect(kind { _ = try RunFolder.open(at: url) } == .missingInput)
      _ = try training(in: url).loop.run()
      #expect(
        kind { _ = try RunFolder.create(at: url, configuration: Self.configuration) }
          == .cannotCreate)
      let file = url.appending(path: "configuration.json")
      for text in ["", "{", "[]", "{\"steps\": \"many\"}"] {
        try Data(text.utf8).write(to: file)
        #expect(
          kind { _ = try RunFolder.open(at: url).configuration(as: TrainingConfiguration.self) }
            == .data, "\(text)")
      }
      try FileManager.default.removeItem(at: url.appending(path: "run.lock"))
      try FileManager.default.createDirectory(
        at: url.appending(path: "run.lock"), withIntermediateDirectories: false)
      #expect(kind { _ = try RunFolder.open(at: url) } == .cannotCreate)
      // A folder that cannot be made, because a file is there.
      #expect(
        kind { _ = try RunFolder.create(at: file, configuration: Self.configuration) }
          == .cannotCreate)
    }
  }

  @Test func `a byte order mark before a configuration says nothing`() throws {
    try withScratchFolder { parent in
      let url = parent.appending(path: "run")
      let folder = try RunFolder.create(at: url, configuration: Self.configuration)
      let data = try Data(contentsOf: folder.configurationURL)
      try (Data([0xEF, 0xBB, 0xBF]) + data).write(to: folder.configurationURL)
      #expect(try folder.configuration(as: TrainingConfiguration.self) == Self.configuration)
      try folder.expect(Self.configuration)
    }
  }

  @Test func `what killed trainings left in the previews is removed`() throws {
    try withScratchFolder { parent in
      let url = parent.appending(path: "run")
      _ = try training(in: url).loop.run()
      let process = Process()
      process.executableURL = URL(filePath: "/usr/bin/env")
      process.arguments = ["true"]
      try process.run()
      process.waitUntilExit()
      let name = ".atelier-\(process.processIdentifier)-abc-1.partial"
      for place in [url, url.appending(path: "previews")] {
        try Data().write(to: place.appending(path: name))
      }
      _ = try RunFolder.open(at: url)
      #expect(try !names(in: url).contains(name))
      #expect(try names(in: url.appending(path: "previews")).isEmpty)
    }
  }
}
