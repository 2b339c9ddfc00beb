// How sharp a picture is.

extension Image where Sample == UInt8 {
  /// The variance of the picture's Laplacian over the variance of the picture itself.
  ///
  /// The quotient does not change with brightness or contrast. About 0 for a blurred picture, 20
  /// for white noise; 0 for a flat one and for one of less than 3 pixels on a side. It depends on
  /// the picture's size, so compare pictures of one size.
  public var sharpness: Double {
    guard width >= 3, height >= 3 else { return 0 }
    let gray = gray.samples
    var sums = SIMD4<Double>()
    for y in 1..<height - 1 {
      for x in 1..<width - 1 {
        let place = y * width + x
        let value = Int(gray[place])
        let around =
          Int(gray[place - 1]) + Int(gray[place + 1]) + Int(gray[place - width])
          + Int(gray[place + width])
        let laplacian = Double(around - 4 * value)
        let sample = Double(value)
        sums += SIMD4(sample, sample * sample, laplacian, laplacian * laplacian)
      }
    }
    sums /= Double((width - 2) * (height - 2))
    let spread = sums.y - sums.x * sums.x
    return spread > 0 ? max(0, sums.w - sums.z * sums.z) / spread : 0
  }
}
