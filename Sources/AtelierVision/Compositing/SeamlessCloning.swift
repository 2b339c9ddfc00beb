// Seamless cloning: a picture keeps its own gradients inside a region and meets the background at
// the region's edge.
//
// Pérez, Gangnet, Blake: Poisson Image Editing (2003). Solved for the correction u, which is
// harmonic inside (Δu = 0) and the difference of the two pictures on the edge, by conjugate
// gradients with a multigrid cycle as preconditioner.

import AtelierImages

/// Poisson cloning of pictures.
public enum SeamlessCloning {
  /// The source within the region, shifted smoothly so that it joins the background, which has the
  /// same size and channels, without a seam; outside, the background.
  ///
  /// The region is where the mask, one channel, is over `threshold`; pixels on the picture's own
  /// border never belong to it. Colours are the encoded ones of the file, each channel by itself.
  /// The result is the same on every machine and may leave [0, 1] slightly; `tolerance` is the
  /// error left, as part of the correction, in the energy norm.
  /// - Throws: `ImageError` when sizes or channels do not fit.
  public static func clone(
    _ source: FloatImage, onto background: FloatImage, within mask: FloatImage,
    threshold: Float = 0.5, tolerance: Float = 1e-4
  ) throws -> FloatImage {
    try ColorTransfer.check(
      background, name: "seamless cloning's background", channels: source.channels, like: source)
    try ColorTransfer.check(mask, name: "seamless cloning's mask", channels: 1, like: source)
    let (width, height) = (source.width, source.height)
    guard width > 2, height > 2 else { return background }
    let solver = HarmonicSolver(width: width, height: height) { mask.samples[$0] > threshold }
    guard solver.unknowns > 0 else { return background }
    var result = background
    var difference = [Float](repeating: 0, count: width * height)
    for channel in 0..<source.channels {
      for pixel in 0..<width * height {
        let index = pixel * source.channels + channel
        difference[pixel] = background.samples[index] - source.samples[index]
      }
      let correction = solver.solve(edge: difference, tolerance: tolerance)
      result.samples.withUnsafeMutableBufferPointer { samples in
        for pixel in 0..<width * height where solver.isInside(pixel) {
          let index = pixel * source.channels + channel
          samples[index] = source.samples[index] + correction[pixel]
        }
      }
    }
    return result
  }
}

/// Floats that are all 0.
private func zeros(_ count: Int) -> UnsafeMutablePointer<Float> {
  let pointer = UnsafeMutablePointer<Float>.allocate(capacity: count)
  pointer.initialize(repeating: 0, count: count)
  return pointer
}

/// Laplace's equation on the pixels of a region with given values around it.
final class HarmonicSolver {
  /// The number of pixels inside.
  let unknowns: Int
  private let levels: [GridLevel]
  private let fine: GridLevel
  /// The search direction and its image, [height, width].
  private let direction: UnsafeMutablePointer<Float>
  private let image: UnsafeMutablePointer<Float>
  /// The solution and what is left, [height, width].
  private let solution: UnsafeMutablePointer<Float>
  private let residual: UnsafeMutablePointer<Float>

  /// A solver for the region of the pixels that `isInside` names; pixels on the border are outside.
  init(width: Int, height: Int, isInside: (Int) -> Bool) {
    fine = GridLevel(width: width, height: height)
    var unknowns = 0
    for y in 1..<height - 1 {
      for x in 1..<width - 1 where isInside(y * width + x) {
        fine.inside[y * width + x] = 1
        unknowns += 1
      }
    }
    self.unknowns = unknowns
    var levels = [fine]
    while let last = levels.last, min(last.width, last.height) > 4 {
      let coarse = GridLevel(below: last)
      guard coarse.hasUnknowns else { break }
      levels.append(coarse)
    }
    self.levels = levels
    let size = width * height
    (direction, image, solution, residual) = (zeros(size), zeros(size), zeros(size), zeros(size))
  }

  deinit { for buffer in [direction, image, solution, residual] { buffer.deallocate() } }

  func isInside(_ pixel: Int) -> Bool { fine.inside[pixel] > 0 }

  /// The harmonic function whose values around the region are those of `edge`; 0 outside.
  func solve(edge: [Float], tolerance: Float) -> [Float] {
    let (width, height) = (fine.width, fine.height)
    precondition(edge.count == width * height, "a value for each pixel")
    edge.withUnsafeBufferPointer { edge in
      for y in 1..<height - 1 {
        for index in y * width + 1..<(y + 1) * width - 1 where fine.inside[index] > 0 {
          var sum: Float = 0
          for near in [index - 1, index + 1, index - width, index + width]
          where fine.inside[near] == 0 {
            sum += edge[near]
          }
          residual[index] = sum
        }
      }
    }
    let count = width * height
    for index in 0..<count {
      solution[index] = 0
      direction[index] = 0
    }
    var energy = 0.0
    var first = 0.0
    for iteration in 0..<200 {
      for index in 0..<count { fine.right[index] = residual[index] }
      cycle(0)
      let next = dot(residual, fine.value)
      if iteration == 0 { first = next }
      guard next > 0, next > Double(tolerance) * Double(tolerance) * first else { break }
      let beta = Float(iteration == 0 ? 0 : next / energy)
      energy = next
      for index in 0..<count { direction[index] = fine.value[index] + beta * direction[index] }
      fine.apply(direction, into: image)
      let curvature = dot(direction, image)
      guard curvature > 0 else { break }
      let step = Float(energy / curvature)
      for index in 0..<count {
        solution[index] += step * direction[index]
        residual[index] -= step * image[index]
      }
    }
    for index in 0..<count { residual[index] = 0 }
    return Array(UnsafeBufferPointer(start: solution, count: count))
  }

  /// The inner product: 16 partial sums a row, rows in double precision, always in this order.
  private func dot(_ a: UnsafeMutablePointer<Float>, _ b: UnsafeMutablePointer<Float>) -> Double {
    var total = 0.0
    for y in 0..<fine.height {
      let start = y * fine.width
      var lanes = SIMD16<Float>.zero
      var x = 0
      while x + 16 <= fine.width {
        let left = UnsafeRawPointer(a + start + x).loadUnaligned(as: SIMD16<Float>.self)
        let right = UnsafeRawPointer(b + start + x).loadUnaligned(as: SIMD16<Float>.self)
        lanes += left * right
        x += 16
      }
      var sum: Float = 0
      for lane in 0..<16 { sum += lanes[lane] }
      while x < fine.width {
        sum += a[start + x] * b[start + x]
        x += 1
      }
      total += Double(sum)
    }
    return total
  }

  /// One V-cycle: the level's `right` gives its `value`.
  ///
  /// As often smoothed before as after, so the cycle is symmetric.
  private func cycle(_ index: Int) {
    let level = levels[index]
    level.startFromRight()
    guard index + 1 < levels.count else {
      for _ in 0..<24 { level.smooth() }
      return
    }
    level.smooth()
    let coarse = levels[index + 1]
    level.restrictResidual(to: coarse)
    cycle(index + 1)
    level.addCorrection(from: coarse)
    level.smooth()
    level.smooth()
  }
}

/// One grid of the multigrid; pointers are to [height, width] floats, 0 outside the region.
private final class GridLevel {
  let width: Int
  let height: Int
  /// 1 inside, 0 outside.
  let inside: UnsafeMutablePointer<Float>
  /// The right-hand side.
  let right: UnsafeMutablePointer<Float>
  /// The approximate solution.
  private(set) var value: UnsafeMutablePointer<Float>
  private var spare: UnsafeMutablePointer<Float>
  /// The part of a Jacobi step that smooths best.
  private static let damping: Float = 0.8

  private var count: Int { width * height }

  init(width: Int, height: Int) {
    self.width = width
    self.height = height
    let size = width * height
    (inside, right, value, spare) = (zeros(size), zeros(size), zeros(size), zeros(size))
  }

  /// The grid of every second pixel.
  convenience init(below fine: GridLevel) {
    self.init(width: fine.width / 2 + 1, height: fine.height / 2 + 1)
    for y in 1..<height - 1 where 2 * y < fine.height {
      for x in 1..<width - 1 where 2 * x < fine.width {
        inside[y * width + x] = fine.inside[2 * y * fine.width + 2 * x]
      }
    }
  }

  deinit { for buffer in [inside, right, value, spare] { buffer.deallocate() } }

  var hasUnknowns: Bool { (0..<count).contains { inside[$0] > 0 } }

  /// The five-point operator: 4 u − its neighbours, inside.
  func apply(_ input: UnsafeMutablePointer<Float>, into output: UnsafeMutablePointer<Float>) {
    for y in 1..<height - 1 {
      let row = y * width
      let (here, mask, result) = (input + row, inside + row, output + row)
      let (above, below) = (here - width, here + width)
      for x in 1..<width - 1 {
        let near = here[x - 1] + here[x + 1] + above[x] + below[x]
        result[x] = mask[x] * (4 * here[x] - near)
      }
    }
  }

  /// A first damped step from zero.
  func startFromRight() {
    for index in 0..<count { value[index] = 0.25 * Self.damping * right[index] }
  }

  /// A damped Jacobi step.
  func smooth() {
    fillSpare { here, mask, left in here + mask * (0.25 * Self.damping) * left }
    swap(&value, &spare)
  }

  /// Gives each inner pixel of `spare` what `body` makes of the value, of 1 inside or 0 outside,
  /// and of what is left of the right-hand side.
  @inline(__always)
  private func fillSpare(_ body: (_ here: Float, _ mask: Float, _ left: Float) -> Float) {
    for y in 1..<height - 1 {
      let row = y * width
      let (here, mask, target) = (value + row, inside + row, right + row)
      let (above, below, result) = (here - width, here + width, spare + row)
      for x in 1..<width - 1 {
        let near = here[x - 1] + here[x + 1] + above[x] + below[x]
        result[x] = body(here[x], mask[x], target[x] - 4 * here[x] + near)
      }
    }
  }

  /// The transpose of `addCorrection` on what is left gives the coarse right-hand side.
  func restrictResidual(to coarse: GridLevel) {
    fillSpare { _, mask, left in mask * left }
    for y in 1..<coarse.height - 1 {
      for x in 1..<coarse.width - 1 {
        let place = y * coarse.width + x
        guard coarse.inside[place] > 0 else { continue }
        // Inside on the coarse grid means inside here, so neighbours on all sides exist.
        let center = spare + 2 * y * width + 2 * x
        let sides = center[-1] + center[1] + center[-width] + center[width]
        let corners =
          center[-width - 1] + center[-width + 1] + center[width - 1] + center[width + 1]
        coarse.right[place] = center[0] + 0.5 * sides + 0.25 * corners
      }
    }
  }

  /// Adds the coarse solution, bilinearly between its pixels.
  func addCorrection(from coarse: GridLevel) {
    for y in 1..<height - 1 {
      let upper = coarse.value + (y / 2) * coarse.width
      let lower = coarse.value + ((y + 1) / 2) * coarse.width
      let (mask, result) = (inside + y * width, value + y * width)
      for x in 1..<width - 1 {
        let (left, next) = (x / 2, (x + 1) / 2)
        let sum = upper[left] + upper[next] + lower[left] + lower[next]
        result[x] += mask[x] * 0.25 * sum
      }
    }
  }
}
