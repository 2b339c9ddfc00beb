// Images of a batch: some of them, and as pictures.

import AtelierEngine
import AtelierImages

extension Tensor {
  /// The images of the batch at these places, in this order.
  package func rows(_ places: [Int]) -> Tensor {
    let size = count / max(shape.batch, 1)
    return Tensor(
      shape.withBatch(places.count), places.flatMap { elements[$0 * size..<($0 + 1) * size] })
  }

  /// An image of a batch [n, height, width, channels].
  package func image(_ index: Int) -> FloatImage {
    let size = count / max(shape.batch, 1)
    return FloatImage(
      width: shape.width, height: shape.height, channels: shape.channels,
      samples: Array(elements[index * size..<(index + 1) * size]))
  }

  /// The images of a batch as 8-bit pictures, clipped and rounded.
  package var pictures: [ByteImage] { (0..<shape.batch).map { image($0).bytes } }
}
