// The samples of the fictional people: both in the same poses, and where their faces are.

import AtelierEngine
import AtelierImages
import Foundation

/// Pictures of the fictional people that ship: each is the true picture of the other one's swap.
public enum SampleCharacters {
  /// One picture and its face.
  public struct Sample: Hashable, Sendable {
    /// The name of the file, without extension: who, and which pose from 1.
    public let name: String
    /// Who is drawn.
    public let character: FictionalCharacter
    /// How.
    public let pose: CharacterPose
  }

  /// How many poses of each.
  public static let poses = 4
  /// The pixels per side.
  public static let size = 256

  /// The samples of a seed: random poses without tilt, so that upright boxes lay the faces as their eyes would.
  public static func samples(seed: UInt64 = SampleScenes.sampleSeed) -> [Sample] {
    FictionalCharacter.all.flatMap { character in
      (0..<poses).map { index in
        var generator = RandomGenerator(seed: seed, 0x7361_6D70, UInt64(index))
        var pose = CharacterPose.random(using: &generator)
        pose.roll = 0
        pose.pitch *= 0.5
        return Sample(
          name: "\(character.name.lowercased())-\(index + 1)", character: character, pose: pose)
      }
    }
  }

  /// Draws the samples: `characters/NAME.png`, and `characters/boxes.csv` with a square of each face from brow to chin.
  ///
  /// Files of the same names are replaced; the result is the pictures, in the order of `samples`.
  ///
  /// - Throws: `ImageError` or the file system's error when a file cannot be written.
  @discardableResult
  public static func write(
    to folder: URL, seed: UInt64 = SampleScenes.sampleSeed
  ) throws -> [URL] {
    let place = folder.appendingPathComponent("characters")
    try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
    let renderers = FictionalCharacter.all.map { CharacterRenderer($0) }
    var table = "file,x,y,size\n"
    var files: [URL] = []
    for sample in samples(seed: seed) {
      guard let renderer = renderers.first(where: { $0.character == sample.character }) else {
        continue
      }
      let picture = try renderer.picture(sample.pose, size: size)
      let file = place.appendingPathComponent(sample.name + ".png")
      try ImageFile.write(picture.image.bytes, to: file)
      files.append(file)
      let box = square(about: picture.landmarks)
      table += "\(sample.name).png,\(box.x),\(box.y),\(box.width)\n"
    }
    try Data(table.utf8).write(to: place.appendingPathComponent("boxes.csv"), options: .atomic)
    return files
  }

  /// The square in which the eyes lie at 0.3 and 0.7 of the width and 0.4 of the height, in whole pixels.
  private static func square(about marks: FaceLandmarks) -> PlaneBox {
    let eyes = marks.rightEye - marks.leftEye
    let side = ((eyes * eyes).sum().squareRoot() / 0.4).rounded()
    let middle = (marks.leftEye + marks.rightEye) / 2
    return PlaneBox(
      x: Double((middle.x - side / 2).rounded()), y: Double((middle.y - 0.4 * side).rounded()),
      width: Double(side), height: Double(side))
  }
}
