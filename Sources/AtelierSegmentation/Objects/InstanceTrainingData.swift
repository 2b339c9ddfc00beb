// The pictures of a training that finds objects: what it learns from, and what is held out to measure on.

import AtelierDatasets
import AtelierImages
import AtelierScenery
import AtelierWorkbench
import Foundation

/// What a training that finds objects is told of its pictures.
protocol InstanceTrainingRequest: TrainingRequest {
  /// Where the pictures come from.
  var data: InstanceTrainingPictures { get set }
  /// Width and height of pictures and crops.
  var side: Int { get }
  /// Held-out pictures to measure.
  var validationCount: Int { get }
  /// The random changes of crops.
  var augmentation: InstanceAugmentation { get }
  /// How pictures are prepared for the network.
  var reading: PictureReading { get }
}

extension InstanceTrainingRequest {
  /// What objects are called where the set has no classes.
  var objectName: String {
    get {
      if case .set(_, let objects) = data { objects } else { InstanceTrainingPictures.objectName }
    }
    set { if case .set(let path, _) = data { data = .set(path: path, objects: newValue) } }
  }
}

/// Pictures to learn from and held-out ones.
struct InstanceTrainingData {
  /// A held-out picture.
  struct Item {
    let picture: ByteImage
    let objects: [EncodedObject]
  }

  let source: InstanceSource
  let validation: [Item]
  /// One line for the model's card.
  let description: String
  /// What is said of the data before the first step.
  let remarks: [String]
  /// What there is to see of the pictures that are learnt; nil for scenes without end.
  let look: SetLook?

  /// Reads or draws what a request asks for; throws `DatasetError` that names what cannot be read.
  init(_ request: some InstanceTrainingRequest) throws {
    let size = PixelSize(width: request.side, height: request.side)
    let held: InstanceData
    var told: [String] = []
    var broken: [String] = []
    switch request.data {
    case .shapes:
      source = InstanceSource(
        try ShapesScenes(seed: request.seed, size: size), batch: request.batch)
      let scenes = try ShapesScenes(seed: ShapesScenes.validationSeed(of: request.seed), size: size)
      held = try InstanceData(scenes, count: max(request.validationCount, 1))
      look = nil
      description = "shapes scenes of seed \(request.seed), without end"
    case .set(let path, let objects):
      let (learnt, validation) = try Self.parts(path, objects: objects, seed: request.seed)
      guard learnt.objectCount > 0 else {
        throw DatasetError(
          ([
            "\(learnt.name): expected pictures with objects to learn from, received "
              + "\(learnt.count) without any"
          ] + learnt.leftOut.prefix(3)).joined(separator: "; "))
      }
      held = validation
      told = learnt.remarks(with: validation)
      var seen: SetLook?
      // A broken picture does not stop a training, so it does not stop the look at it either.
      do { seen = try SetLook(learnt) } catch { told.append("no data.png is drawn: \(error)") }
      look = seen
      told += seen.map { $0.lines + $0.warnings } ?? []
      source = InstanceSource(
        try Self.loaded(learnt, request.reading, &broken), size: size,
        augmentation: request.augmentation, enlargement: request.reading.enlargement,
        seed: request.seed)
      description = "\(learnt.name), \(learnt.count) pictures with \(learnt.objectCount) objects"
    }
    validation = try Self.readable(held.items.prefix(max(request.validationCount, 1)), &broken)
      .map { Item(picture: $1, objects: $0.objects) }
    remarks = told + PicturePlan.few(broken, of: "files left out")
  }

  /// The pictures that can be read; a line is appended for each of the others.
  private static func readable(
    _ items: some Collection<InstanceData.Item>, _ broken: inout [String]
  ) throws(DatasetError) -> [(InstanceData.Item, ByteImage)] {
    let before = broken.count
    var found: [(InstanceData.Item, ByteImage)] = []
    for item in items {
      do { found.append((item, try item.picture())) } catch {
        guard error.isBrokenFile else { throw error }
        broken.append(error.description)
      }
    }
    if found.isEmpty, broken.count > before { throw DatasetError(broken[before]) }
    return found
  }

  /// What is learnt and what is held out of a set of files.
  private static func parts(
    _ path: String, objects: String, seed: UInt64
  ) throws -> (learnt: InstanceData, held: InstanceData) {
    let url = URL(fileURLWithPath: path)
    let learnt = try InstanceData.read(url, part: .training, className: objects)
    if let held = try? InstanceData.read(url, part: .validation, className: objects),
      Set(held.items.map(\.name)).isDisjoint(with: learnt.items.map(\.name))
    {
      return (learnt, held)
    }
    let parts = try learnt.split(holdingOut: max(1, learnt.count / 10), seed: seed)
    return (parts.rest, parts.held)
  }

  /// The pictures in memory, with masks cut to their bounds.
  private static func loaded(
    _ set: InstanceData, _ reading: PictureReading, _ broken: inout [String]
  ) throws -> InstanceSet {
    InstanceSet(
      classNames: set.classNames,
      items: try readable(set.items, &broken).map { item, picture in
        InstanceSet.Item(
          name: item.name, picture: reading.prepared(picture),
          objects: item.objects.compactMap { InstanceTruth($0.decoded) })
      })
  }
}
