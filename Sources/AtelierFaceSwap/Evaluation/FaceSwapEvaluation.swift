// The measure of a face swap: true pictures where people are drawn, other signs for real ones.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import AtelierKernels
import AtelierScenery
import AtelierWorkbench
import AtelierZoo
import Foundation

/// Measures face swaps.
public enum FaceSwapEvaluation {
  /// What is measured on.
  public enum Faces: Sendable {
    /// The two fictional people: poses that no training draws, and a clip of frames for movement.
    case characters(poses: Int, frames: Int, seed: UInt64)
    /// Held-out crops of A and B in the order of a clip; maybe crops to train a classifier on.
    case crops(a: [URL], b: [URL], classifierA: [URL], classifierB: [URL], seed: UInt64)
  }

  /// What is measured of one person.
  private struct Material {
    /// The faces as a network sees them, [n, side, side, 3].
    var faces: Tensor
    /// What it should draw of them.
    var wanted: Tensor
    /// The other person in the same poses.
    var truth: Tensor?
    /// The frames of a clip.
    var clip: Tensor
    /// The other person in the clip's poses, and how far the mouth is open in each.
    var clipTruth: Tensor?
    var openings: [Double]?
  }

  /// Measures a model in both directions: figures, and pictures to look at.
  public static func run(
    _ model: FaceSwapModel, on faces: Faces, kernels: Kernels = Kernels()
  ) throws -> FaceSwapEvaluationResult {
    let side = model.network.side
    let materials = try materials(faces, of: model, pool: kernels.pool)
    let classifier = try classifier(faces, of: model, kernels: kernels)
    let running = try model.running(
      model.network.previewGraph(batch: 1, matchesCodes: model.matchesCodes), kernels: kernels)
    var directions: [FaceSwapReport.Direction] = []
    var pictures: [(name: String, picture: ByteImage)] = []
    var seconds = 0.0
    var count = 0
    for face in SwapFace.allCases {
      guard let material = materials[face] else { continue }
      let own = try model.converter(to: face, of: face, batch: 8, by: running)
      let forth = try model.converter(to: face.other, batch: 8, by: running)
      let home = try model.converter(to: face, batch: 8, by: running)
      let begin = DispatchTime.now().uptimeNanoseconds
      let swapped = try forth.decode(material.faces).pictures
      seconds += Double(DispatchTime.now().uptimeNanoseconds - begin) / 1e9
      count += material.faces.shape.batch
      let restored = try own.decode(material.faces).pictures
      let back = try home.decode(swapped).pictures
      let moved = try forth.decode(material.clip).pictures
      directions.append(
        FaceSwapReport.Direction(
          from: face.rawValue, to: face.other.rawValue,
          reconstruction: try likeness(restored, material.wanted),
          truth: try material.truth.map { try likeness(swapped, $0) },
          cycle: try likeness(back, material.wanted),
          identity: try classifier.map {
            FaceSwapReport.Identity(
              real: try $0.share(material.faces, calledBy: face),
              swapped: try $0.share(swapped, calledBy: face.other))
          }, motion: motion(material, moved, model.layout)))
      pictures.append(
        (
          "\(face.rawValue)-to-\(face.other.rawValue).png",
          sheet(face, material, own: restored, swapped: swapped, back: back)
        ))
    }
    let report = FaceSwapReport(
      protocol: text(faces, of: model), network: model.network.design.rawValue, side: side,
      directions: directions, secondsPerFace: seconds / Double(max(count, 1)))
    return FaceSwapEvaluationResult(report: report, pictures: pictures)
  }

  // MARK: - Material

  private static func materials(
    _ faces: Faces, of model: FaceSwapModel, pool: ThreadPool
  ) throws -> [SwapFace: Material] {
    switch faces {
    case .characters(let poses, let frames, let seed):
      return try drawn(poses: poses, frames: frames, seed: seed, model, pool: pool)
    case .crops(let a, let b, _, _, _):
      return try [SwapFace.a: a, .b: b].mapValues { urls in
        let middles = try FaceSwapFaces.middles(
          ImageFolder(urls, mode: .color), side: model.network.side, model.layout)
        return Material(faces: middles.input, wanted: middles.target, clip: middles.input)
      }
    }
  }

  private static func drawn(
    poses: Int, frames: Int, seed: UInt64, _ model: FaceSwapModel, pool: ThreadPool
  ) throws -> [SwapFace: Material] {
    let side = model.network.side
    let source = CharacterCrops(side: side, layout: model.layout, seed: seed)
    let clip = CharacterPose.clip(count: frames, seed: seed)
    let people = SwapFace.allCases
    let still = try source.crops(poses, of: people, from: .evaluation, pool: pool)
    let moving = try source.crops(of: people, in: clip, pool: pool)
    let batches = try people.indices.map { index in
      try [still, moving].map {
        try FaceSwapFaces.middles(
          ImageFolder($0[index], of: people[index]), side: side, model.layout)
      }
    }
    var result: [SwapFace: Material] = [:]
    for (index, face) in people.enumerated() {
      let other = 1 - index
      result[face] = Material(
        faces: batches[index][0].input, wanted: batches[index][0].target,
        truth: batches[other][0].target, clip: batches[index][1].input,
        clipTruth: batches[other][1].target, openings: clip.map { Double($0.mouthOpening) })
    }
    return result
  }

  private static func classifier(
    _ faces: Faces, of model: FaceSwapModel, kernels: Kernels
  ) throws -> FaceClassifier? {
    let side = model.network.side
    let folders: [SwapFace: ImageFolder]
    let seed: UInt64
    switch faces {
    case .characters(_, _, let number):
      seed = number
      let source = CharacterCrops(side: side, layout: model.layout, seed: seed)
      folders = try SwapFace.allCases.reduce(into: [:]) { folders, face in
        folders[face] = ImageFolder(
          try source.training(200, of: face, pool: kernels.pool), of: face)
      }
    case .crops(_, _, let a, let b, let number):
      guard !a.isEmpty, !b.isEmpty else { return nil }
      seed = number
      folders = try [.a: ImageFolder(a, mode: .color), .b: ImageFolder(b, mode: .color)]
    }
    var varied = FaceAugmentation.standard
    varied.coverage = model.layout.coverage
    varied.alignment = model.layout.sampling
    let batches = try folders.mapValues {
      try FaceBatches(faces: $0, side: side, batchSize: 16, augmentation: varied, seed: seed &+ 1)
    }
    return try FaceClassifier(
      batches, faceScale: model.layout.faceScale, seed: seed, kernels: kernels)
  }

  // MARK: - Figures

  private static func likeness(
    _ faces: Tensor, _ wanted: Tensor
  ) throws -> FaceSwapReport.Likeness {
    let (psnr, ssim) = try FaceFigures.likeness(faces, wanted)
    return FaceSwapReport.Likeness(
      faces: faces.shape.batch, mae: FaceFigures.meanAbsoluteError(faces, wanted), psnr: psnr,
      ssim: ssim)
  }

  private static func motion(
    _ material: Material, _ moved: Tensor, _ layout: FaceLayout
  ) -> FaceSwapReport.Motion? {
    guard moved.shape.batch >= 8 else { return nil }
    func motion(_ frames: Tensor) -> FaceMotion { FaceMotion(frames, faceScale: layout.faceScale) }
    let (input, swap) = (motion(material.clip), motion(moved))
    let followed = input.correlations(with: swap)
    let truth = material.clipTruth.map(motion)
    let possible = truth.map { input.correlations(with: $0) }
    return FaceSwapReport.Motion(
      frames: moved.shape.batch, x: followed.x, y: followed.y, mouth: followed.mouth,
      trueX: possible?.x, trueY: possible?.y,
      mouthCeiling: truth.flatMap { truth in
        material.openings.flatMap { Correlation.pearson(truth.mouth, $0) }
      },
      mouthKnown: material.openings.flatMap { Correlation.pearson(swap.mouth, $0) })
  }

  private static func text(_ faces: Faces, of model: FaceSwapModel) -> String {
    let side = model.network.side
    let common =
      "\(side)x\(side) pixels of the crop's middle \(model.layout.coverage), no augmentation; PSNR and SSIM (11x11 Gaussian 1.5, valid region) of "
      + "8-bit RGB, means over faces; cycle: swapped, swapped back, against the input; motion: "
      + "correlation of input and swap over the frames, head by its shift against the mean face, "
      + "mouth by the contrast of its region; "
    let classifier =
      "identity: a classifier of four convolutions, 400 steps on training crops, recoloured, gray "
      + "outside an ellipse"
    switch faces {
    case .characters(let poses, let frames, let seed):
      return common + "\(poses) random poses and a clip of \(frames) frames of the renderer, seed "
        + "\(seed), none of them drawn in trainings, each laid by its own eyes; " + classifier
    case .crops(_, _, let a, let b, let seed):
      return common + "held-out crops as given, in their order"
        + (a.isEmpty || b.isEmpty ? "" : "; \(classifier), seed \(seed)")
    }
  }

  // MARK: - Pictures

  /// Input, reconstruction, swap, truth where it is known, swap of the swap.
  private static func sheet(
    _ face: SwapFace, _ material: Material, own: Tensor, swapped: Tensor, back: Tensor
  ) -> ByteImage {
    let (one, other) = (face.rawValue.uppercased(), face.other.rawValue.uppercased())
    var titles = [one, "\(one) to \(one)", "\(one) to \(other)"]
    var columns = [material.faces, own, swapped]
    if let truth = material.truth {
      titles.append("true \(other)")
      columns.append(truth)
    }
    titles.append("and back")
    columns.append(back)
    let count = material.faces.shape.batch
    let rows = (0..<min(count, 10)).map { $0 * count / min(count, 10) }
    let shown = columns.map { $0.rows(rows).pictures }
    let cells = rows.indices.map { row in shown.map { PictureGrid.Cell($0[row]) } }
    return PictureGrid(columnTitles: titles, rows: cells, magnification: 2).render()
  }
}
