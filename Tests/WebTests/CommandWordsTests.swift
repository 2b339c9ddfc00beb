// Words of a form as a command line, and whose field a sentence of the tool is about.

import AtelierFiles
import AtelierWeb
import Foundation
import Testing

@Suite struct CommandWordsTests {
  private func form() throws -> JobForm {
    let text = """
      {"name":"run","trains":false,"fields":[
      {"name":"in","kind":"source","list":true,"positional":true,"value_name":"in"},
      {"name":"output","kind":"output","list":false,"positional":false},
      {"name":"sigma","kind":"number","list":false,"positional":false},
      {"name":"sigma-map","kind":"text","list":false,"positional":false},
      {"name":"noise","kind":"text","list":true,"positional":false},
      {"name":"ensemble","kind":"flag","list":false,"positional":false}]}
      """
    return try JSONDecoder().decode(JobForm.self, from: Data(text.utf8))
  }

  @Test func wordsStandWhereTheToolReadsThem() throws {
    let words = [
      "in": ["a b.png", "-c.png"], "output": ["-o"], "sigma": ["-2"], "noise": ["x", "y"],
      "ensemble": [""], "threads": ["2"],
    ]
    let arguments = try CommandWords.arguments("denoise run", words, try form())
    #expect(
      arguments == [
        "denoise", "run", "a b.png", "./-c.png", "--output", "./-o", "--sigma=-2", "--noise", "x",
        "y", "--ensemble", "--threads", "2",
      ])
    #expect(
      CommandWords.line(arguments)
        == "atelier denoise run 'a b.png' ./-c.png --output ./-o --sigma=-2 --noise x y --ensemble --threads 2"
    )
  }

  @Test func strangersAreRefused() throws {
    for words in [["events": ["/etc/passwd"]], ["check": [""]], ["rm": ["-rf"]]] {
      #expect(throws: StudioError.self) {
        _ = try CommandWords.arguments("denoise run", words, try form())
      }
    }
    #expect(throws: StudioError.self) {
      _ = try CommandWords.arguments("denoise run", ["sigma": ["1\0"]], try form())
    }
    #expect(throws: StudioError.self) {
      _ = try CommandWords.arguments(
        "denoise run", ["sigma": [String(repeating: "1", count: 5000)]], try form())
    }
  }

  @Test(
    arguments: [
      ("--sigma takes 0 to 255; received 300 (see atelier denoise run --help)", "sigma"),
      ("The value 'x' is invalid for '--sigma-map <map>': expected", "sigma-map"),
      ("Missing expected argument '<in>'", "in"),
      ("Missing expected argument '--run <folder>'", "run"),
      ("cannot be read", nil),
    ] as [(String, String?)])
  func sentencesNameTheirField(_ sentence: String, _ field: String?) throws {
    #expect(CommandWords.field(in: sentence, of: try form()) == field)
  }

  @Test func theSentenceOfTheToolIsFound() {
    let outcome = Tool.Outcome(
      code: 64, output: "", errors: "a remark\natelier: bad.png: expected a picture\n")
    #expect(outcome.complaint == "bad.png: expected a picture")
  }
}
