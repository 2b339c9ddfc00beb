// COCO's figures, equal to those of the reference; the contest's score, computed by hand.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import AtelierScenery
import AtelierSegmentation
import AtelierWorkbench
import Foundation
import Testing

@Suite struct InstanceEvaluationTests {
  /// What pycocotools found (Tests/Fixtures/coco/make_fixtures.py).
  private struct Expected: Decodable {
    struct Figures: Decodable {
      let all: [String: Double]
      let classes: [String: [Double]]
    }
    struct Limited: Decodable { let ap: Double }
    let masks: Figures
    let boxes: Figures
    let masksLimit: Limited
    let boxesLimit: Limited

    enum CodingKeys: String, CodingKey {
      case masks, boxes
      case masksLimit = "masks_limit_3"
      case boxesLimit = "boxes_limit_3"
    }
  }

  private static func fixture(_ name: String) -> URL {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Fixtures/coco/\(name)")
  }

  private func report(limit: Int) throws -> InstanceReport {
    let document = try COCODocument.read(Self.fixture("truth.json"))
    let results = try COCODocument.readResults(Self.fixture("results.json"))
    let truth = try document.objects(file: "truth")
    let found = try document.objects(of: results, file: "results")
    var evaluation = InstanceEvaluation(
      classNames: document.categories.map(\.name), detectionLimit: limit)
    for (truth, found) in zip(truth, found) { evaluation.add(truth: truth, detections: found) }
    return evaluation.report(data: "fixture")
  }

  private func expectEqual(
    _ received: Double?, _ expected: Double?, _ name: String,
    _ location: SourceLocation = #_sourceLocation
  ) throws {
    let expected = try #require(expected, "\(name)", sourceLocation: location)
    // The reference says -1 where nothing counts.
    guard expected >= 0 else {
      #expect(received == nil, "\(name)", sourceLocation: location)
      return
    }
    let value = try #require(received, "\(name)", sourceLocation: location)
    #expect(abs(value - expected) < 1e-9, "\(name)", sourceLocation: location)
  }

  @Test func figuresAreThoseOfTheReference() throws {
    let expected = try JSONDecoder().decode(
      Expected.self, from: Data(contentsOf: Self.fixture("expected.json")))
    let report = try report(limit: 100)
    for (figures, expected) in [(report.masks, expected.masks), (report.boxes, expected.boxes)] {
      let text = try JSONEncoder().encode(figures)
      let values = try JSONDecoder().decode([String: Double].self, from: text)
      #expect(expected.all.count == 12)
      for (name, value) in expected.all { try expectEqual(values[name], value, name) }
    }
    #expect(report.classes.map(\.name) == ["leaf", "stone", "shell", "ghost"])
    for figures in report.classes {
      for (one, all) in [
        (figures.masks, expected.masks.classes), (figures.boxes, expected.boxes.classes),
      ] {
        let values = try #require(all[figures.name])
        try expectEqual(one.ap, values[0], figures.name)
        try expectEqual(one.ap50, values[1], figures.name)
        try expectEqual(one.ap75, values[2], figures.name)
      }
    }
    let limited = try self.report(limit: 3)
    try expectEqual(limited.masks.ap, expected.masksLimit.ap, "masks, at most 3")
    try expectEqual(limited.boxes.ap, expected.boxesLimit.ap, "boxes, at most 3")
  }

  @Test func theTruthItselfIsPerfect() throws {
    let data = try InstanceData(ShapesScenes(seed: 9), count: 12)
    var evaluation = InstanceEvaluation(classNames: data.classNames)
    for item in data.items { evaluation.add(truth: item.objects, detections: item.objects) }
    let report = evaluation.report(data: data.name)
    #expect(report.masks.ap == 1 && report.boxes.ap == 1 && report.masks.ar == 1)
    #expect(report.objects == data.objectCount && report.detections == data.objectCount)
    let contest = try #require(report.contest)
    #expect(contest.score == 1 && contest.score50 == 1 && contest.foregroundIoU == 1)
    #expect(report.protocol.contains("at most 100 detections a class and picture"))
    #expect(report.table.count == 5)
    let nothing = InstanceEvaluation(classNames: ["a"]).report(data: "none")
    #expect(nothing.masks.ap == nil && nothing.contest == nil)
    #expect(nothing.table.last?.contains("-") == true)
  }

  /// Objects of 10 pixels: one met with 9 of 10 pixels, one with 6 of 10, one missed, one invented.
  @Test func theContestScoreIsThatOfTheHand() throws {
    func strip(_ row: Int, _ columns: Range<Int>, score: Double = 1) throws -> EncodedObject {
      var mask = BinaryMask(width: 12, height: 5)
      for x in columns { mask[x, row] = true }
      return EncodedObject(classIndex: 0, mask: RunLengthMask(mask), score: score)
    }
    var evaluation = InstanceEvaluation(classNames: ["cell"])
    evaluation.add(
      truth: [try strip(0, 0..<10), try strip(1, 0..<10), try strip(2, 0..<10)],
      detections: [
        try strip(0, 0..<9, score: 0.9), try strip(1, 0..<6, score: 0.8),
        try strip(3, 0..<10, score: 0.7),
      ])
    let contest = try #require(evaluation.report(data: "hand").contest)
    // Overlap 0.9 is above 8 thresholds, 0.6 above 2: two right of 4, one of 5, or none of 6.
    #expect(abs(contest.score - (2 * 2.0 / 4 + 6 * 1.0 / 5) / 10) < 1e-12)
    #expect(contest.score50 == 0.5)
    #expect(contest.foregroundIoU == 15.0 / 40)
    evaluation.add(truth: [], detections: [])
    let both = try #require(evaluation.report(data: "hand").contest)
    #expect(abs(both.score - (0.22 + 1) / 2) < 1e-12)
  }

  @Test func measuringTellsKindsApart() throws {
    let scenes = try InstanceData(ShapesScenes(seed: 9), count: 4)
    let data = try InstanceData(
      name: "kinds", classNames: scenes.classNames,
      items: scenes.items.enumerated().map { index, item in
        InstanceData.Item(
          name: item.name, size: item.size, objects: item.objects,
          kind: index < 3 ? "good" : "bad", source: item.source)
      })
    var calls = 0
    let report = try data.measure(
      "truth", progress: { calls = $0 },
      detect: { _ in calls < 3 ? scenes.items[calls].objects : [] })
    #expect(calls == 4)
    #expect(report.kinds["good"]?.masks.ap == 1 && report.kinds["bad"]?.masks.ap == 0)
    #expect(report.all.pictures == 4 && report.kinds["good"]?.pictures == 3)
    #expect(report.lines.filter { $0.contains("contest score") }.count == 3)
    let text = try JSONEncoder().encode(report)
    #expect(try JSONDecoder().decode(InstanceSetReport.self, from: text) == report)
  }
}
