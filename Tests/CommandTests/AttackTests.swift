// `atelier attack` as a process: noise trained, measured, drawn into pictures; a duel.

import Atelier
import Foundation
import Testing

@Suite(.enabled(if: CommandTool.isBuilt, "the executable atelier was not built"))
struct AttackTests {
  /// A bench with a trained classifier `run/last.safetensors`.
  private func trained() throws -> Workbench {
    let bench = try ClassifyBench.make()
    let outcome = try bench.run(
      "classify", "train", "--data", "data", "--network", "lenet-5", "--size", "16x16", "--run",
      "run", "--batch", "8", "--steps", "30", "--quiet", "--hold-out", "0")
    #expect(outcome.status == 0, "\(outcome.errors)")
    return bench
  }

  @Test func aTrainedNoiseIsMeasuredBesideOtherAttacks() throws {
    let bench = try ClassifyBench.make()
    let trained = try bench.run(
      "classify", "train", "--data", "data", "--network", "lenet-5", "--size", "16x16", "--run",
      "run", "--batch", "8", "--steps", "30", "--quiet", "--hold-out", "0")
    #expect(trained.status == 0, "\(trained.errors)")
    let noise = try bench.run(
      "attack", "train", "--victim", "run/last.safetensors", "--data", "data", "--run", "noise",
      "--epsilon", "16/255", "--batch", "8", "--steps", "3", "--network", "unet", "--json")
    #expect(noise.status == 0, "\(noise.errors)")
    #expect(try ClassifyBench.object(noise)["step"] as? Int == 3)
    let further = try bench.run(
      "attack", "train", "--run", "noise", "--resume", "--steps", "5", "--quiet", "--json")
    #expect(try ClassifyBench.object(further)["step"] as? Int == 5)
    let measured = try bench.run(
      "attack", "evaluate", "--victim", "run/last.safetensors", "--data", "data", "--generator",
      "noise/last.safetensors", "--attacks",
      "random,fgsm,pgd-3x2-mixed,pgd-2-smooth,cw-1x2,square-5",
      "--epsilon",
      "4/255,0.5", "--json")
    #expect(measured.status == 0, "\(measured.errors)")
    let rows = try #require(try ClassifyBench.object(measured)["rows"] as? [[String: Any]])
    #expect(rows.count == 14)
    let reports = rows.compactMap { $0["report"] as? [String: Any] }
    #expect(
      reports.compactMap { $0["attack"] as? String }
        == [
          "generator", "generator", "random noise", "random noise", "FGSM", "FGSM",
          "PGD-3 x 2, mixed", "PGD-3 x 2, mixed", "PGD-2, smooth", "PGD-2, smooth", "CW-L2 1 x 2",
          "CW-L2 1 x 2", "Square 5",
          "Square 5",
        ])
    let steps = reports.compactMap { $0["largest_steps"] as? Int }
    for (index, largest) in steps.enumerated() {
      #expect(largest <= (index % 2 == 0 ? 4 : 127), "\(index)")
    }
    #expect(reports.allSatisfy { $0["count"] as? Int == 12 })
    let text = try bench.run(
      "attack", "evaluate", "--victim", "run/last.safetensors", "run/last.safetensors", "--data",
      "data", "--attacks", "fgsm", "--per-class", "--first", "7")
    #expect(text.output.contains("kept exactly after rounding to 8 bits"), "\(text.errors)")
    #expect(text.output.contains("protocol: test, the first 7, all 7 pictures"))
  }

  /// Generators draw in the precision asked for; what judges, and other attacks, stay float32.
  @Test func precisionIsThatOfTheGenerators() throws {
    let bench = try trained()
    let noise = try bench.run(
      "attack", "train", "--victim", "run/last.safetensors", "--data", "data", "--run", "noise",
      "--epsilon", "0.5", "--batch", "8", "--steps", "3", "--hold-out", "0", "--quiet")
    #expect(noise.status == 0, "\(noise.errors)")
    var lengths: [[Double]] = []
    for precision in Precision.allCases {
      let measured = try bench.run(
        "attack", "evaluate", "--victim", "run/last.safetensors", "--data", "data", "--generator",
        "noise/last.safetensors", "--attacks", "pgd-3", "--precision", precision.rawValue, "--json")
      #expect(measured.status == 0, "\(measured.errors)")
      let isThere = Kernels(precision: precision).precision == precision
      #expect(measured.errors.contains("does not multiply") == !isThere)
      let rows = try #require(try ClassifyBench.object(measured)["rows"] as? [[String: Any]])
      lengths.append(
        try rows.map {
          try #require(($0["report"] as? [String: Any])?["mean_l2"] as? Double)
        })
    }
    let isThere = Kernels(precision: .bfloat16).precision == .bfloat16
    #expect((lengths[0][0] != lengths[1][0]) == isThere && lengths[0][1] == lengths[1][1])
  }

  @Test func picturesAreAttackedAndJudgedAsFiles() throws {
    let bench = try trained()
    let noise = try bench.run(
      "attack", "train", "--victim", "run/last.safetensors", "--data", "data", "--run", "noise",
      "--epsilon", "0.5", "--batch", "8", "--steps", "40", "--quiet", "--discriminator", "0.1")
    #expect(noise.status == 0, "\(noise.errors)")
    let outcome = try bench.run(
      "attack", "data/test", "none.png", "--model", "noise/last.safetensors", "--victim",
      "run/last.safetensors", "-o", "out", "--epsilon", "0.4", "--json")
    #expect(outcome.status == 66)
    #expect(outcome.errors == "atelier: none.png: no such file or folder\n")
    let report = try ClassifyBench.object(outcome)
    let files = try #require(report["files"] as? [[String: Any]])
    #expect(files.count == 12 && report["counted"] as? Int == 12)
    let fooled = files.count { $0["success"] as? Bool == true }
    #expect(report["fooled"] as? Int == fooled)
    let victim = try Classifier([ModelFile.read(from: bench.path("run/last.safetensors"))])
    for file in files {
      // The folder says the class, the written file decides.
      let label = try #require(file["label"] as? String)
      let place = try #require(file["output"] as? String)
      #expect(place.contains("/\(label)/"))
      #expect((51...102).contains(file["largest_steps"] as? Int ?? 999))
      let seen = try victim.classify(ImageFile.read(bench.path(place).path), top: 1)[0]
      #expect((file["after"] as? [String: Any])?["name"] as? String == seen.name)
      #expect((file["success"] as? Bool) == (seen.name != label))
      for ending in ["noise", "heat", "sheet"] {
        let other = place.replacingOccurrences(of: ".png", with: "-\(ending).png")
        #expect(try ImageFile.size(bench.path(other).path).width >= 16, "\(other)")
      }
    }
    let over = try bench.run(
      "attack", "data/test/dark/1.png", "--model", "noise/last.safetensors", "--victim",
      "run/last.safetensors", "-o", "data/test/dark")
    #expect(over.status == 64)
    #expect(
      over.errors
        == "atelier: data/test/dark/1.png: the result would overwrite an input; name another place\n"
    )
    try FileManager.default.copyItem(
      at: bench.path("data/test/dark/1.png"), to: bench.path("1-noise.png"))
    let both = try bench.run(
      "attack", "data/test/dark/1.png", "1-noise.png", "--model", "noise/last.safetensors",
      "--victim", "run/last.safetensors", "-o", "both")
    #expect(both.status == 64)
    #expect(
      both.errors == "atelier: data/test/dark/1.png and 1-noise.png would both be written to "
        + "both/1-noise.png\n")
    let plain = try bench.run(
      "attack", "data/test/dark/1.png", "--model", "noise/last.safetensors", "--victim",
      "run/last.safetensors", "-o", "one")
    #expect(plain.output.contains(" of 1 that count\nprotocol: success: taken for any other class"))
  }

  @Test func victimsAreCrossedDefendedAndChecked() throws {
    let bench = try trained()
    for (name, channels) in [("d", 1), ("d3", 3)] {
      let denoiser = try Graph.trace { builder in
        let input = builder.input("input", [1, 8, 8, channels])
        builder.output("output", Convolution2D(filters: channels, kernel: 3)(input))
      }
      try ModelFile.write(
        Model(
          graph: denoiser, store: ParameterStore(for: [denoiser], seed: 1),
          information: ModelInformation(task: "denoise", architecture: "one layer")),
        to: bench.path("\(name).safetensors"))
    }
    for copy in ["b.safetensors", "run/other.safetensors"] {
      try FileManager.default.copyItem(
        at: bench.path("run/last.safetensors"), to: bench.path(copy))
    }
    let outcome = try bench.run(
      "attack", "evaluate", "--victim", "run/last.safetensors", "b.safetensors", "--data", "data",
      "--attacks", "fgsm", "--epsilon", "0.1,0.4", "--transfer", "--plot", "sweep.png",
      "--check-gradients", "--quiet", "--json")
    #expect(outcome.status == 0, "\(outcome.errors)")
    let report = try ClassifyBench.object(outcome)
    let rows = try #require(report["rows"] as? [[String: Any]])
    #expect(rows.count == 8)
    let pairs = rows.map { "\($0["source"] ?? "") \($0["victim"] ?? "")" }
    #expect(Set(pairs).count == 4)
    #expect((report["checks"] as? [Any])?.count == 4)
    #expect(try ImageFile.size(bench.path("sweep.png").path).width == 960)
    let text = try bench.run(
      "attack", "evaluate", "--victim", "run/last.safetensors", "b.safetensors", "--data", "data",
      "--attacks", "fgsm", "--epsilon", "0.4", "--transfer", "--quiet")
    #expect(text.output.contains("success % of FGSM at 0.4:\nmade on \\ judged by"))
    #expect(text.output.contains("(1) run/last.safetensors, (2) b.safetensors"))
    let beside = try bench.run(
      "attack", "evaluate", "--victim", "run/last.safetensors", "run/other.safetensors", "--data",
      "data", "--attacks", "fgsm", "--first", "4", "--quiet")
    #expect(beside.output.contains("\nother.safetensors  FGSM"), "\(beside.output)")
    let wrong = try bench.run(
      "attack", "evaluate", "--victim", "run/last.safetensors", "--data", "data", "--attacks",
      "fgsm", "--denoiser", "d.safetensors")
    #expect(wrong.status == 65, "\(wrong.errors)")
    #expect(wrong.errors.contains("expected a denoiser of 3 channels for 16x16, received one of 1"))
    let defended = try bench.run(
      "attack", "evaluate", "--victim", "run/last.safetensors", "--data", "data", "--attacks",
      "fgsm", "--denoiser", "d3.safetensors", "--json", "--quiet")
    let made = try #require(try ClassifyBench.object(defended)["rows"] as? [[String: Any]])
    let behind = "run/last.safetensors behind d3.safetensors"
    #expect(
      made.map { "\($0["source"] ?? "") | \($0["victim"] ?? "")" } == [
        "run/last.safetensors | run/last.safetensors", "run/last.safetensors | \(behind)",
        "\(behind) | \(behind)",
      ])
  }

  @Test func aGeneratorIsTrainedThroughADenoiser() throws {
    let bench = try trained()
    let denoiser = try Graph.trace { builder in
      builder.output("output", 1 * builder.input("input", [1, 8, 8, 3]))
    }
    try ModelFile.write(
      Model(
        graph: denoiser, store: ParameterStore(for: [denoiser], seed: 1),
        information: ModelInformation(task: "denoise", architecture: "nothing")),
      to: bench.path("same.safetensors"))
    let outcome = try bench.run(
      "attack", "train", "--victim", "run/last.safetensors", "--data", "data", "--batch", "8",
      "--steps", "2", "--hold-out", "0", "--quiet", "--run", "through", "--denoiser",
      "same.safetensors")
    #expect(outcome.status == 0, "\(outcome.errors)")
    let stored = try String(contentsOf: bench.path("through/configuration.json"), encoding: .utf8)
    #expect(stored.contains("same.safetensors"))
    let resumed = try bench.run(
      "attack", "train", "--run", "through", "--resume", "--denoiser", "same.safetensors")
    #expect(resumed.status == 64 && resumed.errors.contains("leave out --denoiser"))
    let missing = try bench.run(
      "attack", "train", "--victim", "run/last.safetensors", "--data", "data", "--run", "none",
      "--denoiser", "none.safetensors")
    #expect(missing.status == 66, "\(missing.errors)")
  }

  @Test func aDuelRunsAndGoesOn() throws {
    let bench = try ClassifyBench.make()
    let checked = try bench.run(
      "attack", "train", "--antagonist", "--classifier", "strided", "--data", "data", "--epsilon",
      "51/255", "--run", "duel", "--check")
    #expect(checked.status == 0, "\(checked.errors)")
    let object = try ClassifyBench.object(checked)
    #expect(object["classifier"] as? String == "strided" && object["warmUp"] as? Int == 100)
    #expect(!FileManager.default.fileExists(atPath: bench.path("duel").path))
    // Pictures of class folders come in 64x64, as for a new classifier.
    let first = try bench.run(
      "attack", "train", "--antagonist", "--classifier", "strided", "--data", "data", "--epsilon",
      "0.1", "--pgd-share", "0.5", "--pgd-steps", "2", "--pgd-start", "squares", "--pgd-smooth",
      "--batch", "8", "--steps", "3", "--hold-out", "4", "--validate-every", "2", "--shift", "2",
      "--rotate", "5", "--zoom", "0.25",
      "--flip", "--run", "duel", "--quiet")
    #expect(first.status == 0, "\(first.errors)")
    let further = try bench.run(
      "attack", "train", "--run", "duel", "--resume", "--steps", "5", "--json", "--quiet")
    #expect(further.status == 0, "\(further.errors)")
    #expect(try ClassifyBench.object(further)["step"] as? Int == 5)
    #expect(try ImageFile.size(bench.path("duel/curves.png").path).width == 960)
    let measured = try bench.run(
      "attack", "evaluate", "--victim", "duel/last.safetensors", "--data", "data", "--generator",
      "duel/generator.safetensors", "--json")
    #expect(measured.status == 0, "\(measured.errors)")
    let changed = try bench.run(
      "attack", "train", "--run", "duel", "--resume", "--balance", "0.1", "--antagonist", "--flip")
    #expect(changed.status == 64)
    #expect(changed.errors.contains("leave out --flip, --balance"))
    let configuration = try String(
      contentsOf: bench.path("duel/configuration.json"), encoding: .utf8)
    for text in [
      "Start\" : \"squares", "shift\" : 2", "rotation\" : 5", "zoom\" : 0.25", "isFlipped\" : true",
    ] {
      #expect(configuration.contains(text), "\(text)")
    }
  }
}
