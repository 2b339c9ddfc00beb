// Run folders: made once, held by one, opened again, and clear about what is wrong.

import AtelierTraining
import Foundation
import TestSupport
import Testing

private struct Request: Codable, Equatable {
  var network = "unet"
  var sigma = 25.0
  var steps = 100
  var seed: UInt64? = 3
}

@Suite struct RunFolderTests {
  @Test func aFolderIsMadeAndOpenedAgain() throws {
    try withScratchFolder { parent in
      let url = parent.appending(path: "deep").appending(path: "run")
      do {
        let folder = try RunFolder.create(at: url, configuration: Request())
        let stored = try folder.configuration(as: Request.self)
        #expect(stored == Request())
        #expect(!folder.hasState)
        #expect(FileManager.default.fileExists(atPath: folder.previewsURL.path))
      }
      let folder = try RunFolder.open(at: url)
      let stored: Request = try folder.configuration()
      #expect(stored == Request())
      try folder.replaceConfiguration(Request(steps: 200))
      let replaced = try folder.configuration(as: Request.self)
      #expect(replaced.steps == 200)
      let text = try String(contentsOf: folder.configurationURL, encoding: .utf8)
      #expect(text.hasPrefix("{\n  \"network\" : \"unet\",\n"))
    }
  }

  @Test func oneProcessHoldsAFolder() throws {
    try withScratchFolder { url in
      var folder: RunFolder? = try RunFolder.create(at: url, configuration: Request())
      #expect(folder != nil)
      let expected =
        "\(url.relativePath): another training "
        + "(process \(ProcessInfo.processInfo.processIdentifier)) holds this run folder"
      #expect(errorText { _ = try RunFolder.open(at: url) } == expected)
      #expect(
        errorText { _ = try RunFolder.create(at: url, configuration: Request()) } == expected)
      folder = nil
      #expect(errorText { _ = try RunFolder.open(at: url) } == nil)
      #expect(
        errorText { _ = try RunFolder.create(at: url, configuration: Request()) }
          == "\(url.relativePath): expected a new folder; it holds a run already (--resume goes on)"
      )
    }
  }

  @Test func whatIsNoRunIsNamed() throws {
    try withScratchFolder { url in
      let path = url.relativePath
      #expect(
        errorText { _ = try RunFolder.open(at: url) }
          == "\(path): expected a run folder; it holds no configuration.json")
      let missing = url.appending(path: "nothing")
      #expect(
        errorText { _ = try RunFolder.open(at: missing) }
          == "\(missing.relativePath): expected a run folder; there is nothing of that name")
      let file = url.appending(path: "file")
      try Data().write(to: file)
      #expect(
        errorText { _ = try RunFolder.open(at: file) }
          == "\(file.relativePath): expected a run folder; received a file")
      #expect(
        errorText { _ = try RunFolder.create(at: file, configuration: Request()) }?
          .hasPrefix("\(file.relativePath): cannot make the run folder") == true)
    }
  }

  @Test func anotherConfigurationIsNamed() throws {
    try withScratchFolder { url in
      let folder = try RunFolder.create(at: url, configuration: Request())
      let path = folder.configurationURL.relativePath
      try folder.expect(Request())
      try folder.expect(Request(steps: 7), except: ["steps"])
      #expect(
        errorText { try folder.expect(Request(steps: 7)) }
          == "\(path): the run has steps 100; received 7")
      #expect(
        errorText { try folder.expect(Request(network: "dncnn", seed: nil)) }
          == "\(path): the run has network \"unet\"; received \"dncnn\"")
      #expect(
        errorText { try folder.expect(Request(seed: nil)) }
          == "\(path): the run has seed 3; received unset")
      try Data("[1]".utf8).write(to: folder.configurationURL)
      #expect(errorText { try folder.expect(Request()) } == "\(path): expected a JSON object")
      try Data("{\"network\": 3}".utf8).write(to: folder.configurationURL)
      #expect(
        errorText { _ = try folder.configuration(as: Request.self) }?
          .hasPrefix("\(path): cannot be read as this run's configuration: network: ") == true)
    }
  }
}
