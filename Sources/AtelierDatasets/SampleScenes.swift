// The project's own pictures, drawn from a seed: samples to look at, to test with and to train on.

import AtelierImages
import Foundation

/// What a picture shows.
public enum SceneKind: String, Codable, Sendable, CaseIterable {
  case mountains
  case lake
  case dunes
  case forest
  case sea
  case night
  case city
  case wall
  case stillLife
  case flower
  case cloth
  case wood
  case marble
  case pebbles
}

/// A renderer of natural-looking pictures: texture, fine detail, smooth gradients and sharp edges.
public enum SampleScenes {
  /// The picture sizes that can be drawn, in pixels per side.
  public static let sizes = 16...2048

  /// Draws a picture; the same arguments give the same picture.
  ///
  /// - Parameters:
  ///   - kind: What it shows.
  ///   - width: The columns, in `sizes`.
  ///   - height: The rows, in `sizes`.
  ///   - seed: Which of the pictures of that kind.
  /// - Returns: An RGB picture, [height, width, 3], sRGB-coded values in [0, 1].
  /// - Throws: `DatasetError` when a size is out of range.
  public static func render(
    _ kind: SceneKind, width: Int, height: Int, seed: UInt64
  ) throws -> FloatImage {
    guard sizes.contains(width), sizes.contains(height) else {
      throw DatasetError(
        "a scene has \(sizes.lowerBound)...\(sizes.upperBound) pixels per side; "
          + "received \(width)x\(height)")
    }
    var canvas = Canvas(width: width, height: height)
    switch kind {
    case .mountains: mountains(&canvas, seed)
    case .lake: lake(&canvas, seed)
    case .dunes: dunes(&canvas, seed)
    case .forest: forest(&canvas, seed)
    case .sea: sea(&canvas, seed)
    case .night: night(&canvas, seed)
    case .city: city(&canvas, seed)
    case .wall: wall(&canvas, seed)
    case .stillLife: stillLife(&canvas, seed)
    case .flower: flower(&canvas, seed)
    case .cloth: cloth(&canvas, seed)
    case .wood: wood(&canvas, seed)
    case .marble: marble(&canvas, seed)
    case .pebbles: pebbles(&canvas, seed)
    }
    return canvas.developed()
  }
}
