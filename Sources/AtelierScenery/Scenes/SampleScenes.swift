// The project's own pictures, drawn from a seed: samples to look at, to test with and to train on.

import AtelierDatasets
import AtelierImages
import Foundation

/// What a picture shows.
public enum SceneKind: String, Codable, Sendable, CaseIterable {
  /// Snowy ridges in haze, meadows and spruces before them.
  case mountains
  /// The ridges mirrored in a lake with reeds.
  case lake
  /// Wind-rippled sand under a low sun.
  case dunes
  /// Spruces that fade into mist, ferns in front.
  case forest
  /// Waves at sunset, a sailing boat, gulls.
  case sea
  /// Stars, the Milky Way and an aurora over a tent.
  case night
  /// A skyline at dusk above a river.
  case city
  /// Bricks, a planked door under an arch, ivy.
  case wall
  /// Fruit on a checked cloth.
  case stillLife
  /// A dahlia close up before a blurred meadow.
  case flower
  /// Tartan twill in folds.
  case cloth
  /// Floor boards with rings and knots.
  case wood
  /// Veined slabs around a carved rosette.
  case marble
  /// Rounded stones at the water's edge.
  case pebbles
  /// A striped flank of short hair.
  case zebra
  /// The face of a tabby cat.
  case cat
  /// A robin on a mossy branch.
  case bird
  /// A printed poster: lettering and flat shapes.
  case poster
}

/// A renderer of natural-looking pictures: texture, fine detail, smooth gradients and sharp edges.
public enum SampleScenes {
  /// The picture sizes that can be drawn, in pixels per side.
  public static let sizes = 16...2048

  /// Draws an RGB picture, [height, width, 3], sRGB-coded in [0, 1], of sides in `sizes`; the same
  /// arguments give the same picture.
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
    case .zebra: zebra(&canvas, seed)
    case .cat: cat(&canvas, seed)
    case .bird: bird(&canvas, seed)
    case .poster: poster(&canvas, seed)
    }
    return canvas.developed()
  }
}
