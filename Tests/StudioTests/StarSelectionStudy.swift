// How the numbers of `StarSelection` were chosen: figures of the nuclei's validation part for each
// of many choices; runs only where a model is named.

import AtelierDatasets
import AtelierImages
import AtelierKernels
import AtelierSegmentation
import AtelierWorkbench
import Foundation
import TestSupport
import Testing

@Suite("Choice of star selections")
struct StarSelectionStudy {
  private static let model = ProcessInfo.processInfo.environment["ATELIER_STAR_MODEL"]
  private static let data = ProcessInfo.processInfo.environment["ATELIER_DATA"]

  @Test(.enabled(if: model != nil && data != nil, "no model and data are named"))
  func figuresOfManyChoices() throws {
    let file = URL(fileURLWithPath: try #require(Self.model))
    guard case .objects(let any) = try SegmentationModel(contentsOf: file),
      let segmenter = any as? StarSegmenter
    else { return }
    let set = try InstanceData.read(
      URL(fileURLWithPath: try #require(Self.data)).appendingPathComponent("nuclei"),
      part: .validation)
    let fields = try set.items.map { try segmenter.field(of: try $0.picture(), score: 0.02) }
    var choices: [(name: String, selection: StarSelection)] = [("as it is", StarSelection())]
    func add(_ name: String, _ change: (inout StarSelection) -> Void) {
      var selection = StarSelection()
      change(&selection)
      choices.append((name, selection))
    }
    for value: Float in [0.2, 0.3, 0.5, 0.6] { add("overlap \(value)") { $0.overlap = value } }
    for value: Float in [0.4, 0.8, 1.6, 2.4] { add("tightness \(value)") { $0.tightness = value } }
    for value: Float in [1, 1.15, 1.25, 1.5] { add("reach \(value)") { $0.reach = value } }
    for value: Float in [0, 0.25, 1, 2] { add("agreement \(value)") { $0.agreement = value } }
    for (name, selection) in choices {
      var measured = selection
      measured.score = 0.02
      var evaluation = InstanceEvaluation(classNames: set.classNames, detectionLimit: 300)
      for (item, field) in zip(set.items, fields) {
        evaluation.add(
          truth: item.objects,
          detections: StarObjects.found(in: field, segmenter.detector.network, measured))
      }
      let report = evaluation.report(data: "val")
      print("\(name): AP \(report.masks.ap ?? 0), AP50 \(report.masks.ap50 ?? 0)")
    }
    for score: Float in [0.3, 0.35, 0.4, 0.45, 0.5] {
      var selection = StarSelection()
      selection.score = score
      var evaluation = InstanceEvaluation(
        classNames: set.classNames, detectionLimit: 1000, sureScore: Double(score))
      for (item, field) in zip(set.items, fields) {
        let found = StarObjects.found(in: field, segmenter.detector.network, selection)
        evaluation.add(truth: item.objects, detections: found.filter { $0.score >= Double(score) })
      }
      let report = evaluation.report(data: "val")
      print(
        "score \(score): contest \(report.contest?.score ?? 0), panoptic "
          + "\(report.panoptic?.quality ?? 0)")
    }
  }
}
