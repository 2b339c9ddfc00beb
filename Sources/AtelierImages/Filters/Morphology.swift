// Masks of floats made smaller, larger and soft at their edges.

extension Image where Sample == Float {
  /// All samples limited to [0, 1]; NaN becomes 0.
  package func limited() -> FloatImage {
    var result = self
    result.storage.withUnsafeMutableBufferPointer { samples in
      for index in 0..<samples.count {
        let value = samples[index]
        samples[index] = value > 0 ? (value < 1 ? value : 1) : 0
      }
    }
    return result
  }

  /// A mask made smaller: each sample the smallest within `radius` pixels, in a square; beyond the border lie zeros.
  ///
  /// A negative radius dilates.
  public func eroded(radius: Int) -> FloatImage {
    if radius < 0 { return dilated(radius: -radius) }
    guard radius > 0 else { return self }
    return minimumAcross(radius, beyond: 0).swappedSides.minimumAcross(radius, beyond: 0)
      .swappedSides
  }

  /// A mask made larger: the largest within `radius` pixels, in a square; a negative radius erodes.
  public func dilated(radius: Int) -> FloatImage {
    if radius < 0 { return eroded(radius: -radius) }
    guard radius > 0 else { return self }
    // The largest is minus the smallest of the negative; zeros beyond the border stay below every mask.
    return negated.minimumAcross(radius, beyond: 0).swappedSides
      .minimumAcross(radius, beyond: 0).swappedSides.negated
  }

  /// A mask that fades out over about 2 · `radius` pixels within itself: eroded, then blurred by as much.
  ///
  /// Nothing beyond the mask becomes positive, so no crop's edge can show; values are in [0, 1] where the mask's are, and a
  /// mask that is nowhere larger stays nowhere larger.
  public func feathered(radius: Int) -> FloatImage {
    guard radius > 0 else { return self }
    return eroded(radius: radius).blurred(.raisedCosine(radius: radius), border: .zero).limited()
  }

  private var negated: FloatImage {
    var result = self
    result.storage.withUnsafeMutableBufferPointer { samples in
      for index in 0..<samples.count { samples[index] = -samples[index] }
    }
    return result
  }

  private var swappedSides: FloatImage { oriented(.transposed) }

  /// Each sample the smallest of its row within `radius`, by doubling windows.
  private func minimumAcross(_ radius: Int, beyond: Float) -> FloatImage {
    precondition(channels == 1, "masks have one channel")
    let reach = min(radius, width)
    let window = 2 * reach + 1
    var line = [Float](repeating: beyond, count: width + 2 * reach)
    return FloatImage(width: width, height: height, channels: 1) { target in
      storage.withUnsafeBufferPointer { source in
        line.withUnsafeMutableBufferPointer { line in
          for row in 0..<height {
            for index in 0..<line.count { line[index] = beyond }
            for index in 0..<width { line[reach + index] = source[row * width + index] }
            var span = 1
            while 2 * span <= window {
              for index in 0..<line.count - span {
                line[index] = min(line[index], line[index + span])
              }
              span *= 2
            }
            for index in 0..<width {
              target[row * width + index] = min(line[index], line[index + window - span])
            }
          }
        }
      }
    }
  }
}
