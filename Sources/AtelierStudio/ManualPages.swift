// Manual pages of the command line, one a job, out of the same forms that its help comes from.

import AtelierFiles
import AtelierWorkbench
import Foundation

/// Writes pages for `man`.
enum ManualPages {
  /// Writes a page for the tool and one for each job into a folder and gives their files.
  ///
  /// - Throws: `FileError` when a page cannot be written.
  static func write(to folder: URL) throws -> [String] {
    let studio = StudioDescription(Workshops.all)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    var pages = [("atelier", whole(studio))]
    for shop in studio.workshops {
      for job in shop.jobs {
        let words = job.name == shop.name ? [shop.name] : [shop.name, job.name]
        pages.append(
          ((["atelier"] + words).joined(separator: "-"), page(words, job)))
      }
    }
    return try pages.map { name, text in
      let file = folder.appendingPathComponent("\(name).1")
      try AtomicFile.write(Data(text.utf8), to: file)
      return file.relativePath
    }
  }

  private static func whole(_ studio: StudioDescription) -> String {
    var text = head("atelier", "a studio of encoders and decoders for images")
    text += ".SH SYNOPSIS\n.B atelier\n.I workshop\n.I verb\n[options]\n.SH COMMANDS\n"
    for shop in studio.workshops {
      for job in shop.jobs {
        let path = job.name == shop.name ? shop.name : "\(shop.name) \(job.name)"
        text += ".TP\n.B atelier \(escaped(path))\n\(escaped(job.summary))\n"
      }
    }
    return text
      + ".SH EXIT STATUS\n0 done, 64 wrong usage, 65 damaged data, 66 missing input, 70 fault "
      + "inside, 73 a result cannot be written, 130 interrupted.\n"
  }

  private static func page(_ words: [String], _ job: StudioDescription.Job) -> String {
    let name = (["atelier"] + words).joined(separator: " ")
    var text = head(name.replacingOccurrences(of: " ", with: "-"), job.summary)
    text += ".SH SYNOPSIS\n.B \(escaped(name))\n"
    for field in job.fields where field.isPositional {
      text += ".I \(escaped(field.valueName ?? field.name))\(field.isList ? " ..." : "")\n"
    }
    text += "[options]\n"
    if !job.guide.isEmpty { text += ".SH DESCRIPTION\n" + paragraphs(job.guide) }
    text += ".SH OPTIONS\n"
    for field in job.fields {
      let value = field.valueName.map { $0.isEmpty ? "" : " \\fI\(escaped($0))\\fR" } ?? ""
      let letter = field.letter.map { "\\fB\\-\($0)\\fR, " } ?? ""
      let title =
        field.isPositional
        ? "\\fI\(escaped(field.valueName ?? field.name))\\fR"
        : "\(letter)\\fB\\-\\-\(escaped(field.name))\\fR\(value)"
      text += ".TP\n\(title)\n\(escaped(field.help))\n"
    }
    return text + ".SH SEE ALSO\n.BR atelier (1)\n"
  }

  private static func head(_ name: String, _ summary: String) -> String {
    let sentence = summary.hasSuffix(".") ? String(summary.dropLast()) : summary
    return ".TH \(name.uppercased()) 1 \"\" \"\(StudioVersion.software)\"\n"
      + ".SH NAME\n\(escaped(name)) \\- \(escaped(sentence))\n"
  }

  /// Lines as they are, with indented ones kept so.
  private static func paragraphs(_ text: String) -> String {
    var result = ""
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      if line.isEmpty {
        result += ".PP\n"
      } else if line.hasPrefix("  ") {
        result += ".br\n\\&  \(escaped(line.trimmingCharacters(in: .whitespaces)))\n"
      } else {
        result += escaped(String(line)) + "\n"
      }
    }
    return result
  }

  /// A text whose backslashes, hyphens and first characters mean nothing to roff.
  private static func escaped(_ text: String) -> String {
    let plain = text.replacingOccurrences(of: "\\", with: "\\e")
      .replacingOccurrences(of: "-", with: "\\-")
    return plain.hasPrefix(".") || plain.hasPrefix("'") ? "\\&" + plain : plain
  }
}
