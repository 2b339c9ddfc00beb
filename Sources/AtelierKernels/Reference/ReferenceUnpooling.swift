// The reference twins of nearest and bed-of-nails unpooling and of the pixel shuffle.

extension UnpoolGeometry {
  /// The place in the small side of the window that pixel (y, x) of the large side lies in.
  fileprivate func window(_ n: Int, _ y: Int, _ x: Int, _ c: Int) -> Int {
    ((n * height + y / windowHeight) * width + x / windowWidth) * channels + c
  }

  /// Whether a pixel of the large side is the top-left one of its window.
  fileprivate func isCorner(_ y: Int, _ x: Int) -> Bool {
    y % windowHeight == 0 && x % windowWidth == 0
  }

  fileprivate func large(_ n: Int, _ y: Int, _ x: Int, _ c: Int) -> Int {
    ((n * height * windowHeight + y) * width * windowWidth + x) * channels + c
  }

  /// Calls `body` for every value of the large side, in row-major order.
  fileprivate func forLarge(_ body: (_ n: Int, _ y: Int, _ x: Int, _ c: Int) -> Void) {
    for n in 0..<batch {
      for y in 0..<height * windowHeight {
        for x in 0..<width * windowWidth {
          for c in 0..<channels { body(n, y, x, c) }
        }
      }
    }
  }
}

extension Reference {
  /// The twin of `Kernels.nearestUnpool`.
  public static func nearestUnpool(_ g: UnpoolGeometry, _ x: [Float]) -> [Float] {
    var large = [Float](repeating: 0, count: g.largeCount)
    g.forLarge { n, row, column, c in
      large[g.large(n, row, column, c)] = x[g.window(n, row, column, c)]
    }
    return large
  }

  /// The twin of `Kernels.sumPool`.
  public static func sumPool(_ g: UnpoolGeometry, _ y: [Float]) -> [Float] {
    var small = [Float](repeating: 0, count: g.smallCount)
    g.forLarge { n, row, column, c in
      small[g.window(n, row, column, c)] += y[g.large(n, row, column, c)]
    }
    return small
  }

  /// The twin of `Kernels.bedOfNailsUnpool`.
  public static func bedOfNailsUnpool(_ g: UnpoolGeometry, _ x: [Float]) -> [Float] {
    var large = [Float](repeating: 0, count: g.largeCount)
    g.forLarge { n, row, column, c in
      if g.isCorner(row, column) {
        large[g.large(n, row, column, c)] = x[g.window(n, row, column, c)]
      }
    }
    return large
  }

  /// The twin of `Kernels.subsample`.
  public static func subsample(_ g: UnpoolGeometry, _ y: [Float]) -> [Float] {
    var small = [Float](repeating: 0, count: g.smallCount)
    g.forLarge { n, row, column, c in
      if g.isCorner(row, column) {
        small[g.window(n, row, column, c)] = y[g.large(n, row, column, c)]
      }
    }
    return small
  }

  /// The place in the small side [N, h, w, block² · C] of the pixel shuffle's output value (n, row,
  /// column, c).
  private static func shuffledIndex(
    _ g: UnpoolGeometry, _ n: Int, _ row: Int, _ column: Int, _ c: Int
  ) -> Int {
    let block = g.windowHeight
    let pixel = (n * g.height + row / block) * g.width + column / block
    return (pixel * block * block + row % block * block + column % block) * g.channels + c
  }

  /// The twin of `Kernels.pixelShuffle`; the geometry's channels are the output's and its windows
  /// are the blocks.
  public static func pixelShuffle(_ g: UnpoolGeometry, _ x: [Float]) -> [Float] {
    var large = [Float](repeating: 0, count: g.largeCount)
    g.forLarge { n, row, column, c in
      large[g.large(n, row, column, c)] = x[shuffledIndex(g, n, row, column, c)]
    }
    return large
  }

  /// The twin of `Kernels.spaceToDepth`; the geometry is that of `pixelShuffle(_:_:)`.
  public static func spaceToDepth(_ g: UnpoolGeometry, _ y: [Float]) -> [Float] {
    var small = [Float](repeating: 0, count: g.largeCount)
    g.forLarge { n, row, column, c in
      small[shuffledIndex(g, n, row, column, c)] = y[g.large(n, row, column, c)]
    }
    return small
  }
}
