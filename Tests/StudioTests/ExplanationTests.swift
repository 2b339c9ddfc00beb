// Explanations of networks whose answers are known, and the story of the biased set.

import AtelierClassification
import AtelierDatasets
import AtelierEngine
import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierWorkbench
import Foundation
import TestSupport
import Testing

/// [1, 6, 6, 1] → two 1×1 convolution maps (x and 1 − x) → mean → logits (first map, second map).
private func twoMaps() throws -> Model {
  let graph = try Graph.trace { builder in
    let input = builder.input("input", [1, 6, 6, 1])
    let maps = Convolution2D(filters: 2, kernel: 1, name: "maps")(input)
    let mean = GlobalAveragePool2D(name: "mean")(maps)
    builder.output("output", Dense(units: 2, hasBias: false, name: "dense")(mean))
  }
  let store = try ParameterStore(for: [graph], seed: 1)
  try store.set("maps/weight", Tensor([1, 1, 1, 2], [1, -1]))
  try store.set("maps/bias", Tensor([2], [0, 1]))
  try store.set("dense/weight", Tensor([2, 2], [3, -1, 0, 5]))
  return try Model(
    graph: graph, store: store,
    information: ModelInformation(
      task: "classify", architecture: "maps", classNames: ["bright", "dark"]))
}

/// Dark with one bright square of 2×2 at (3, 1).
private let spot = ByteImage(
  width: 6, height: 6, channels: 1,
  samples: (0..<36).map { (3...4).contains($0 % 6) && (1...2).contains($0 / 6) ? 255 : 0 })

@Suite struct ExplanationTests {
  @Test func saliencyIsTheGradientOfTheLogit() throws {
    let explainer = try ClassifierExplainer(twoMaps())
    // Logits: 3 · mean(x), and −mean(x) + 5 · mean(1 − x): slopes 3 / 36 and −6 / 36.
    for (index, slope) in [(0, 3.0 / 36), (1, 6.0 / 36)] {
      let heat = try explainer.saliency(spot, class: index)
      #expect(heat.samples.allSatisfy { abs(Double($0) - slope) < 1e-6 })
    }
  }

  @Test func gradCAMIsTheWeightedSumOfTheMaps() throws {
    let explainer = try ClassifierExplainer(twoMaps())
    #expect(explainer.mapLayers == ["maps"] && explainer.lastMapLayer == "maps")
    let bright = try explainer.gradCAM(spot, class: 0)
    let dark = try explainer.gradCAM(spot, class: 1)
    for pixel in 0..<36 {
      let x: Float = spot.samples[pixel] == 255 ? 1 : 0
      #expect(abs(bright.samples[pixel] - 3 * x / 36) < 1e-6)
      // −1 · x + 5 · (1 − x), its positive part.
      #expect(abs(dark.samples[pixel] - max(5 - 6 * x, 0) / 36) < 1e-6)
    }
  }

  @Test func occlusionFindsWhatTheClassNeeds() throws {
    let explainer = try ClassifierExplainer(twoMaps())
    let heat = try explainer.occlusion(spot, class: 0, patch: 2)
    let inside = (0..<36).filter { spot.samples[$0] == 255 }.map { heat.samples[$0] }
    let outside = (0..<36).filter { spot.samples[$0] == 0 }.map { heat.samples[$0] }
    // Covering the spot darkens the picture, covering anything else brightens it.
    let least = try #require(inside.min())
    #expect(least > 0 && outside.allSatisfy { $0 < least })
    #expect(try #require(heat.samples.first) < 0)
    let corners = [0, 30, 35].map { heat.samples[$0] }
    #expect(corners.allSatisfy { $0 < 0 })
  }

  @Test func mapsAndKernelsAreTheNetworksOwn() throws {
    let explainer = try ClassifierExplainer(twoMaps())
    let maps = try explainer.maps(spot, layer: "maps")
    #expect(maps.count == 2)
    #expect(maps[0].samples == spot.floats.samples)
    #expect(maps[1].samples == spot.floats.samples.map { 1 - $0 })
    let kernels = try explainer.firstKernels()
    #expect(kernels.map(\.samples) == [[1], [-1]])
    #expect(try ExplanationPictures.kernels(explainer).width > 100)
  }

  @Test func whatIsNotThereIsNamed() throws {
    let explainer = try ClassifierExplainer(twoMaps())
    #expect(
      errorLine { _ = try explainer.saliency(spot, class: 2) }
        == "there is no class 2; there are 2")
    #expect(
      errorLine { _ = try explainer.gradCAM(spot, class: 0, layer: "dense") }
        == "there is no layer 'dense' with maps; there are maps")
    #expect(
      errorLine { _ = try explainer.occlusion(spot, class: 0, patch: 7) }
        == "a covering square has 1 to 6 pixels a side; received 7")
  }

  @Test func drawnHeadsHaveTheirBackgrounds() throws {
    let (images, heads) = try BiasedPictures.draw(count: 60, isBiased: true, seed: 1)
    let (fair, _) = try BiasedPictures.draw(count: 60, isBiased: false, seed: 1)
    #expect(images.classNames == ["husky", "wolf"] && images.labels.count { $0 == 1 } == 30)
    func isSnow(_ set: LabeledImages, _ index: Int) -> Bool {
      let picture = set.image(index)
      return picture[0, 0, 2] > 150
    }
    for index in 0..<60 {
      #expect(isSnow(images, index) == (images.labels[index] == 1))
      #expect((60...300).contains(heads[index].count { $0 }))
    }
    let snowyHuskies = (0..<60).count { fair.labels[$0] == 0 && isSnow(fair, $0) }
    #expect((5...25).contains(snowyHuskies))
  }

  /// The network that could learn the background looks at it; the one that could not, at the head.
  @Test func theStoryOfTheWolfAndTheHusky() throws {
    let (reports, sheet) = try BiasStory.tell(seed: 1)
    let (biased, fair) = (reports[0], reports[1])
    print("biased: \(biased)\nunbiased: \(fair)")
    #expect(biased.isBiased && !fair.isBiased)
    #expect(biased.ownAccuracy >= 0.98 && biased.fairAccuracy < 0.75)
    #expect(fair.ownAccuracy >= 0.95 && fair.fairAccuracy >= 0.95)
    for kind in ["occlusion", "saliency", "grad-cam"] {
      let (seen, wanted) = try (#require(biased.heatOnHead[kind]), #require(fair.heatOnHead[kind]))
      #expect(seen < wanted, "\(kind)")
    }
    let (seen, wanted) = try (
      #require(biased.heatOnHead["occlusion"]), #require(fair.heatOnHead["occlusion"])
    )
    #expect(seen < 0.5 && wanted > 0.5)
    #expect(sheet.width > 600 && sheet.height > 600)
  }
}
