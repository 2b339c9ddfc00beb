// The samples of the shapes scenes: pictures, and the truth of every pixel and of every object.

import AtelierDatasets
import AtelierFiles
import AtelierImages
import Foundation

/// Shapes scenes that ship: something to segment in the first minute, with its truth.
public enum SampleShapes {
  /// How many scenes.
  public static let count = 8

  /// What is added to the seed, so that no training with a small seed learns from the samples.
  private static let offset: UInt64 = 0x7361_6D70

  /// The scenes of a seed, of the standard size, of which the first `count` are the samples.
  /// - Throws: Never with the standard size; `DatasetError` by its type.
  public static func scenes(
    seed: UInt64 = SampleScenes.sampleSeed
  ) throws(DatasetError) -> ShapesScenes {
    try ShapesScenes(seed: seed &+ offset)
  }

  /// Draws the samples: `shapes/images/NAME.png`, `shapes/labels/NAME.png`, whose palette shows the classes,
  /// and `shapes/instances.json` with the objects of all of them in COCO's form.
  ///
  /// Files of the same names are replaced; the result is the pictures, in the order of the scenes.
  ///
  /// - Throws: `ImageError`, `FileError` or the file system's error when a file cannot be written.
  @discardableResult
  public static func write(
    to folder: URL, seed: UInt64 = SampleScenes.sampleSeed
  ) throws -> [URL] {
    let places = ["images", "labels"].map { folder.appendingPathComponent("shapes/\($0)") }
    for place in places {
      try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
    }
    let scenes = try scenes(seed: seed)
    var files: [URL] = []
    for index in 0..<count {
      let scene = scenes.scene(index)
      let name = "shapes-\(index + 1).png"
      let file = places[0].appendingPathComponent(name)
      try ImageFile.write(scene.picture, to: file)
      try ImageFile.write(
        scene.labels.indexed(scenes.palette), to: places[1].appendingPathComponent(name).path)
      files.append(file)
    }
    let json = try InstanceData(scenes, count: count).coco()
      .json(description: "Shapes scenes of seed \(seed), drawn by Atelier")
    try AtomicFile.write(json, to: folder.appendingPathComponent("shapes/instances.json"))
    return files
  }
}
