// What the heads of a star network should say of a picture: targets drawn from its objects.

import AtelierEngine
import AtelierZoo

/// The targets of one picture.
///
/// A place of the network is the middle of every second pixel. How much of an object a place is, is
/// its distance to the object's edge as a part of the largest one (Schmidt and others 2018, section
/// 2), the distance being the shortest of its rays.
package struct StarTargets: Sendable {
  /// Columns and rows of places.
  package let columns: Int
  package let rows: Int
  /// For every place the share of the way to the edge; 0 on ground.
  package private(set) var shares: [Float]
  /// For every place and ray the distance to the edge in pixels; 0 on ground.
  package private(set) var distances: [Float]
  /// For every place the class of its object; −1 on ground.
  package private(set) var classes: [Float]
  /// For every pixel 1 on objects.
  package private(set) var cover: [Float]
  /// For every pixel 0 in crowds, which are neither learnt nor ground.
  package private(set) var counts: [Float]

  private let network: StarNetwork
  private let width: Int

  /// Parts of a pixel by which a ray goes on.
  private static let march: Float = 0.5
  /// The weight of a place at the edge against one in the middle.
  private static let edgeWeight: Float = 0.25
  /// What the distances' loss weighs: parts of the mean distance, against logarithms of
  /// likelihoods.
  private static let distanceWeight: Float = 5

  /// Draws the targets of a picture whose sides are multiples of the network's stride.
  package init(_ example: InstanceExample, _ network: StarNetwork) {
    self.network = network
    width = example.width
    let height = example.height
    columns = width / StarNetwork.stride
    rows = height / StarNetwork.stride
    shares = [Float](repeating: 0, count: columns * rows)
    distances = [Float](repeating: 0, count: columns * rows * network.rays)
    classes = [Float](repeating: -1, count: columns * rows)
    cover = [Float](repeating: 0, count: width * height)
    counts = [Float](repeating: 1, count: width * height)
    let owners = Self.owners(example)
    for place in owners.indices where owners[place] != 0 {
      let object = example.objects[Int(owners[place]) - 1]
      if object.isCrowd { counts[place] = 0 } else { cover[place] = 1 }
    }
    drawRays(example, owners)
  }

  /// For every pixel the number of its object from 1; where objects overlap the last one's.
  private static func owners(_ example: InstanceExample) -> [Int32] {
    var owners = [Int32](repeating: 0, count: example.width * example.height)
    // Crowds first, so that what was drawn one by one stays.
    let order =
      example.objects.indices.filter { example.objects[$0].isCrowd }
      + example.objects.indices.filter { !example.objects[$0].isCrowd }
    for index in order {
      let object = example.objects[index]
      for row in 0..<object.height {
        let start = (object.top + row) * example.width + object.left
        for column in 0..<object.width where object.bits[row * object.width + column] == 1 {
          owners[start + column] = Int32(index + 1)
        }
      }
    }
    return owners
  }

  private mutating func drawRays(_ example: InstanceExample, _ owners: [Int32]) {
    let directions = network.directions
    let height = example.height
    var largest = [Float](repeating: 0, count: example.objects.count)
    var shortest = [Float](repeating: 0, count: columns * rows)
    for row in 0..<rows {
      for column in 0..<columns {
        let (x, y) = (StarField.middle(column), StarField.middle(row))
        let owner = owners[Int(y) * width + Int(x)]
        guard owner != 0, !example.objects[Int(owner) - 1].isCrowd else { continue }
        let place = row * columns + column
        classes[place] = Float(example.objects[Int(owner) - 1].classIndex)
        var least = Float.infinity
        for (ray, direction) in directions.enumerated() {
          var way = Self.march
          while true {
            let (u, v) = (x + way * direction.x, y + way * direction.y)
            guard u >= 0, v >= 0, u < Float(width), v < Float(height),
              owners[Int(v) * width + Int(u)] == owner
            else { break }
            way += Self.march
          }
          let distance = way - Self.march / 2
          distances[place * network.rays + ray] = distance
          least = min(least, distance)
        }
        shortest[place] = least
        largest[Int(owner) - 1] = max(largest[Int(owner) - 1], least)
      }
    }
    for place in shortest.indices where shortest[place] > 0 {
      let (x, y) = (StarField.middle(place % columns), StarField.middle(place / columns))
      shares[place] = shortest[place] / largest[Int(owners[Int(y) * width + Int(x)]) - 1]
    }
  }

  /// Writes the targets and their weights as the picture at a place of a batch.
  package func write(at index: Int, into tensors: inout [String: Tensor]) {
    let rays = network.rays
    func put(_ name: String, _ values: [Float]) {
      tensors[name]?.elements.replaceSubrange(
        index * values.count..<(index + 1) * values.count, with: values)
    }
    var weights = [Float](repeating: 0, count: distances.count)
    var scaled = weights
    for place in shares.indices where shares[place] > 0 {
      let range = place * rays..<(place + 1) * rays
      let mean = distances[range].reduce(0, +) / Float(rays)
      let share = Self.edgeWeight + (1 - Self.edgeWeight) * shares[place]
      let weight = Self.distanceWeight * share * StarNetwork.unit / mean
      for at in range {
        weights[at] = weight
        scaled[at] = distances[at] / StarNetwork.unit
      }
    }
    let placesThatCount = shares.indices.map { place in
      let (x, y) = (StarField.middle(place % columns), StarField.middle(place / columns))
      return counts[Int(y) * width + Int(x)]
    }
    put("object_targets", shares)
    put("object_weights", placesThatCount)
    put("distance_targets", scaled)
    put("distance_weights", weights)
    put("ground_targets", cover)
    put("ground_weights", counts)
    if network.classes > 1 { put("class_labels", classes) }
  }
}
