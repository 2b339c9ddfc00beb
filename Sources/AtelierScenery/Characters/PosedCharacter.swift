// One character in one pose: its vertices in view space, its shadows, its samples, its pixels.

import AtelierImages
import Foundation

/// A character whose vertices are where a pose puts them.
struct PosedCharacter {
  let renderer: CharacterRenderer
  let curves: FaceCurves
  let camera: CharacterCamera
  let samples: Int
  /// In head space, as the expression has them.
  private var local: [Place]
  /// In view space.
  private var view: [Place]
  private var normals: [Place]

  init(_ renderer: CharacterRenderer, _ pose: CharacterPose, samples: Int) {
    self.renderer = renderer
    self.samples = samples
    let curves = renderer.curves(pose)
    let camera = CharacterCamera(pose, samples: samples)
    self.curves = curves
    self.camera = camera
    var local = renderer.mesh.places
    var own = renderer.mesh.normals
    let face = renderer.expressedFace(curves)
    for index in face.places.indices {
      local[index] = face.places[index]
      own[index] = face.normals[index]
    }
    var view = local
    let surface = renderer.mesh.surface
    for index in local.indices {
      let follow = surface[index].z
      let turned = camera.turned(local[index])
      let normal = camera.turned(own[index])
      if follow >= 1 {
        view[index] = turned
        own[index] = normal
      } else {
        view[index] = mix(local[index], turned, follow)
        own[index] = normalized(mix(own[index], normal, follow))
      }
    }
    self.local = local
    self.view = view
    normals = own
  }

  /// The share of the key light that reaches every vertex.
  private func shadows() -> [Float] {
    let map = LightMap(view, light: camera.light)
    var lit = [Float](repeating: 1, count: view.count)
    for index in view.indices where normals[index].z > -0.4 {
      // Started a little outside the surface, where it does not shadow itself.
      lit[index] = map.reaching(view[index] + normals[index] * 0.03)
    }
    return lit
  }

  // MARK: - Landmarks

  /// Where the parts of the face are, in samples times `scale`.
  func landmarks(scale: Float) -> FaceLandmarks {
    let m = curves.mouth(0)
    let ends = curves.mouth(curves.mouthWidth)
    func screen(_ p: Place) -> SIMD2<Float> { camera.projected(camera.turned(p)) * scale }
    func surface(_ x: Float, _ y: Float) -> SIMD2<Float> { screen(Place(x, y, depth(x, y))) }
    let eye = curves.eyeball + Place(0, 0, FaceCurves.eyeRadius)
    let lips = depth(0, FaceCurves.mouthLevel + 0.1)
    return FaceLandmarks(
      leftEye: screen(Place(-eye.x, eye.y, eye.z)), rightEye: screen(eye),
      noseTip: surface(0, -0.275), leftMouth: surface(-curves.mouthWidth, ends.upper),
      rightMouth: surface(curves.mouthWidth, ends.upper), upperLip: screen(Place(0, m.upper, lips)),
      lowerLip: screen(Place(0, m.lower, lips)), chin: surface(0, -0.88 - curves.jaw))
  }

  /// The z of the face's surface at a place of its front: of the nearest vertex.
  private func depth(_ x: Float, _ y: Float) -> Float {
    var nearest: Float = 9
    var depth: Float = 0
    for index in 0..<CharacterMesh.faceRows * CharacterMesh.faceColumns {
      let p = local[index]
      let distance = (p.x - x) * (p.x - x) + (p.y - y) * (p.y - y)
      if p.z > 0, distance < nearest {
        nearest = distance
        depth = p.z
      }
    }
    return depth
  }

  // MARK: - Drawing

  /// The picture and the mask; `factor` samples a pixel in each direction.
  func drawn(factor: Int) -> (image: FloatImage, mask: FloatImage) {
    let grid = rasterized()
    let lit = shadows()
    let size = samples / factor
    var colors = [Float](repeating: 0, count: size * size * 3)
    var masks = [Float](repeating: 0, count: size * size)
    let shader = CharacterShader(renderer.character, curves, camera)
    let backdrop = Backdrop(renderer.character, samples: samples)
    let level = renderer.paint.level(step: 1 / camera.zoom)
    let share = 1 / Float(factor * factor)
    renderer.paint.with(level: level) { width, height, texels in
      for y in 0..<size {
        for x in 0..<size {
          var sum = Color.zero
          var covered: Float = 0
          for row in y * factor..<(y + 1) * factor {
            for column in x * factor..<(x + 1) * factor {
              let sample = row * samples + column
              let owner = Int(grid.owners[sample])
              guard owner >= 0 else {
                sum += FilmCurve.limited(backdrop.color(column, row))
                continue
              }
              let share = grid.shares[sample]
              let fragment = fragment(owner, share, lit)
              let material = material(owner)
              let color: Color
              switch material {
              case .face:
                let texel = FacePaint.sample(
                  texels, width, height, turn: fragment.surface.x, tilt: fragment.surface.y)
                color = shader.face(fragment, paint: texel)
                covered += Self.mask(fragment.surface)
              case .hair: color = shader.hair(fragment)
              case .cloth: color = shader.cloth(fragment)
              case .ear, .neck: color = shader.body(fragment, material: material)
              }
              sum += FilmCurve.limited(color)
            }
          }
          let pixel = y * size + x
          for channel in 0..<3 {
            colors[pixel * 3 + channel] = FilmCurve.coded(sum[channel] * share)
          }
          masks[pixel] = covered * share
        }
      }
    }
    return (
      FloatImage(width: size, height: size, channels: 3, samples: colors),
      FloatImage(width: size, height: size, channels: 1, samples: masks)
    )
  }

  /// The nearest triangle of every sample.
  private func rasterized() -> SampleGrid {
    var grid = SampleGrid(side: samples)
    let mesh = renderer.mesh
    var screen = view
    for index in view.indices {
      let p = camera.projected(view[index])
      screen[index] = Place(p.x, p.y, view[index].z)
    }
    let fringe = HairFringe(renderer.character)
    for part in mesh.parts {
      if part.material == .hair {
        mesh.surface.withUnsafeBufferPointer { surface in
          grid.draw(mesh.triangles, part.triangles, screen) { triangle, share in
            let a = surface[Int(triangle.x)]
            let b = surface[Int(triangle.y)]
            let c = surface[Int(triangle.z)]
            return fringe.isHair(a + (b - a) * share.x + (c - a) * share.y)
          }
        }
      } else {
        grid.draw(mesh.triangles, part.triangles, screen) { _, _ in true }
      }
    }
    return grid
  }

  @inline(__always)
  private func material(_ triangle: Int) -> Material {
    for part in renderer.mesh.parts where triangle < part.triangles.upperBound {
      return part.material
    }
    return .cloth
  }

  @inline(__always)
  private func fragment(_ index: Int, _ share: SIMD2<Float>, _ lit: [Float]) -> Fragment {
    let triangle = renderer.mesh.triangles[index]
    let (a, b, c) = (Int(triangle.x), Int(triangle.y), Int(triangle.z))
    let first = 1 - share.x - share.y
    let surface = renderer.mesh.surface
    return Fragment(
      place: local[a] * first + local[b] * share.x + local[c] * share.y,
      normal: normalized(normals[a] * first + normals[b] * share.x + normals[c] * share.y),
      surface: surface[a] * first + surface[b] * share.x + surface[c] * share.y,
      lit: lit[a] * first + lit[b] * share.x + lit[c] * share.y)
  }

  /// How much a place of the face's grid belongs to the mask: forehead to chin, cheek to cheek.
  @inline(__always)
  private static func mask(_ surface: SIMD4<Float>) -> Float {
    smoothstep(0.95, 1.1, surface.y) * smoothstep(3.02, 2.9, surface.y)
      * smoothstep(1.42, 1.22, abs(surface.x))
  }
}

/// Where hair ends: frayed along its strands.
struct HairFringe {
  private let noise: Noise
  private let style: FictionalCharacter.HairStyle

  init(_ character: FictionalCharacter) {
    noise = Noise(character.seed, 51)
    style = character.hairStyle
  }

  /// Whether there is hair at a place of the hair's grid.
  @inline(__always)
  func isHair(_ s: SIMD4<Float>) -> Bool {
    switch style {
    case .cropped:
      if s.x > 0.12 { return true }
      let place = Point(s.y, s.w)
      return s.x + 0.03 * noise(place * 9) > 0.07 * (noise(place * 42) * 0.6 + 0.5)
    case .long:
      let tip = -1.72 - s.y
      if s.x > 0.08, tip < -0.2 { return true }
      let side: Float = s.w < 0 ? 37 : 0
      let lock = noise(Point(s.y * 3.1 + side, s.x * 8))
      return s.x + 0.03 * lock > 0 && tip < 0.12 * noise(Point(s.x * 30 + side, 1))
    }
  }
}

/// The soft, blurred wall behind a character.
struct Backdrop {
  private let top: Color
  private let bottom: Color
  private let scale: Float
  private let spots: [(center: Point, reach: Float, strength: Float)]

  init(_ character: FictionalCharacter, samples: Int) {
    top = rgb(character.backgroundTop)
    bottom = rgb(character.backgroundBottom)
    scale = 1 / Float(samples)
    let noise = Noise(character.seed, 61)
    spots = (0..<5).map { index in
      (
        Point(noise.random(index, 1), noise.random(index, 2)),
        1 / (0.12 + 0.16 * noise.random(index, 3)), 0.5 * noise.random(index, 4) - 0.18
      )
    }
  }

  @inline(__always)
  func color(_ column: Int, _ row: Int) -> Color {
    let p = Point(Float(column) + 0.5, Float(row) + 0.5) * scale
    var light: Float = 0.95
    for spot in spots {
      let q = (p - spot.center) * spot.reach
      light += spot.strength / (1 + dot(q, q) * (1 + dot(q, q)))
    }
    return mix(top, bottom, p.y) * max(light, 0.3)
  }
}

/// The camera's film: highlights roll off, then sRGB coding.
enum FilmCurve {
  /// A sample's light with rolled-off highlights, so that one bright sample does not burn a pixel.
  @inline(__always)
  static func limited(_ color: Color) -> Color {
    let value = pointwiseMax(color, .zero)
    // Straight at the dark end, 1 at the limit.
    let rise: Color = 1 + value * 0.3
    let limit: Color = 1 + value * 0.55 + value * value * 0.3
    return value * rise / limit
  }

  /// The sRGB code of a light in 0...1.
  @inline(__always)
  static func coded(_ linear: Float) -> Float {
    let place = clamp(linear).squareRoot() * 4096
    let index = min(Int(place), 4095)
    // The table is read over the root, so that dark values are as fine as bright ones.
    return mix(rooted[index], rooted[index + 1], place - Float(index))
  }

  private static let rooted: [Float] = (0...4096).map { index in
    let root = Float(index) / 4096
    let linear = root * root
    return linear <= 0.003_130_8 ? 12.92 * linear : 1.055 * pow(linear, 1 / 2.4) - 0.055
  }
}
