// How head space becomes the picture: the head's turn, perspective, the sample grid, the light.

import Foundation

/// The camera and the light of one pose.
struct CharacterCamera {
  /// From the camera to the head's centre, in head units.
  static let distance: Float = 7
  /// The picture's height in head units at the head's centre, at scale 1.
  static let fieldOfView: Float = 3
  /// The usual height of the head's centre in the picture, from the top.
  static let center: Float = 0.47

  private let right: Place
  private let up: Place
  private let ahead: Place
  /// Samples per head unit.
  let zoom: Float
  private let origin: Point
  /// The direction to the key light, in view space.
  let light: Place

  /// The camera of a pose over a square of `samples` samples a side.
  init(_ pose: CharacterPose, samples: Int) {
    let degree = Float.pi / 180
    let (sy, cy) = (sin(pose.yaw * degree), cos(pose.yaw * degree))
    let (sp, cp) = (sin(pose.pitch * degree), cos(pose.pitch * degree))
    let (sr, cr) = (sin(-pose.roll * degree), cos(-pose.roll * degree))
    // Yaw about the head's own axis first, then the nod, then the tilt about the camera's axis.
    func turned(_ p: Place) -> Place {
      let a = Place(cy * p.x + sy * p.z, p.y, -sy * p.x + cy * p.z)
      let b = Place(a.x, cp * a.y + sp * a.z, -sp * a.y + cp * a.z)
      return Place(cr * b.x - sr * b.y, sr * b.x + cr * b.y, b.z)
    }
    right = turned(Place(1, 0, 0))
    up = turned(Place(0, 1, 0))
    ahead = turned(Place(0, 0, 1))
    zoom = Float(samples) * pose.scale / Self.fieldOfView
    origin = Point(0.5 + pose.x, Self.center + pose.y) * Float(samples)
    let azimuth = pose.lightAzimuth * degree
    let elevation = pose.lightElevation * degree
    light = Place(sin(azimuth) * cos(elevation), sin(elevation), cos(azimuth) * cos(elevation))
  }

  /// A direction or place of head space in view space.
  @inline(__always)
  func turned(_ p: Place) -> Place { right * p.x + up * p.y + ahead * p.z }

  /// Where a place of view space lies in the samples: x right and y down.
  @inline(__always)
  func projected(_ p: Place) -> Point {
    let scale = zoom * Self.distance / (Self.distance - p.z)
    return Point(origin.x + p.x * scale, origin.y - p.y * scale)
  }
}

/// What can be told apart of the key light from each vertex: a depth map seen from the light.
struct LightMap {
  static let side = 128
  private static let reach: Float = 2.1
  private var depths: [Float]
  private let u: Place
  private let v: Place
  private let light: Place

  init(_ places: [Place], light: Place) {
    self.light = light
    u = normalized(CharacterMesh.cross(Place(0, 1, 0), light))
    v = CharacterMesh.cross(light, u)
    let (u, v) = (u, v)
    var depths = [Float](repeating: -9, count: Self.side * Self.side)
    depths.withUnsafeMutableBufferPointer { target in
      for p in places {
        let x = Int((dot(p, u) / Self.reach + 1) * 0.5 * Float(Self.side))
        let y = Int((dot(p, v) / Self.reach + 1) * 0.5 * Float(Self.side))
        guard x >= 0, y >= 0, x < Self.side, y < Self.side else { continue }
        let index = y * Self.side + x
        target[index] = max(target[index], dot(p, light))
      }
    }
    self.depths = depths
  }

  /// The share of the key light that reaches a place: 25 taps about it make the edge soft.
  func reaching(_ p: Place) -> Float {
    let side = Self.side
    let fx = (dot(p, u) / Self.reach + 1) * 0.5 * Float(side) - 0.5
    let fy = (dot(p, v) / Self.reach + 1) * 0.5 * Float(side) - 0.5
    let x = Int(fx.rounded(.down))
    let y = Int(fy.rounded(.down))
    guard x >= 2, y >= 2, x < side - 3, y < side - 3 else { return 1 }
    let depth = dot(p, light)
    let tx = fx - Float(x)
    let ty = fy - Float(y)
    return depths.withUnsafeBufferPointer { depths in
      var sum: Float = 0
      for dy in -2...3 {
        let wy = dy == -2 ? 1 - ty : dy == 3 ? ty : 1
        for dx in -2...3 {
          let wx = dx == -2 ? 1 - tx : dx == 3 ? tx : 1
          let over = depths[(y + dy) * side + x + dx] - depth
          sum += wx * wy * (1 - clamp((over - 0.07) * 10))
        }
      }
      return sum / 25
    }
  }
}
