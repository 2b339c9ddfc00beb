// What a star network says of a whole picture: places that propose objects, and how likely every
// pixel is on one.

import AtelierEngine
import AtelierImages
import AtelierKernels
import AtelierWorkbench
import AtelierZoo

/// A place that proposes an object, in pixels of the picture.
package struct StarProposal: Sendable, Hashable {
  /// How sure it is, in [0, 1].
  package var score: Float
  /// The place's middle.
  package var x: Float
  package var y: Float
  /// The object's class.
  package var classIndex: Int
  /// Where its distances begin among those of all proposals.
  package var start: Int
}

/// What a star network says of a picture.
package struct StarField: Sendable {
  /// The picture's size.
  package let size: PixelSize
  /// The proposals, row by row.
  package private(set) var proposals: [StarProposal] = []
  /// The distances of all proposals to the edge along the network's rays, in pixels.
  package private(set) var distances: [Float] = []
  /// How likely each pixel is on an object, in [0, 1].
  package private(set) var cover: [Float]

  /// The middle of a place's column or row, in pixels of the picture.
  package static func middle(_ place: Int) -> Float { Float(StarNetwork.stride * place) + 1.5 }

  /// A field without proposals, all ground.
  package init(size: PixelSize) {
    self.size = size
    cover = [Float](repeating: 0, count: size.width * size.height)
  }

  /// Adds a proposal with its distances in pixels.
  package mutating func add(
    score: Float, x: Float, y: Float, classIndex: Int, distances: some Sequence<Float>
  ) {
    proposals.append(
      StarProposal(
        score: score, x: x, y: y, classIndex: classIndex, start: self.distances.count))
    self.distances += distances
  }

  /// The field of the same picture in another size.
  func resized(to other: PixelSize) -> StarField {
    guard other != size else { return self }
    var result = StarField(size: other)
    let across = Float(other.width) / Float(size.width)
    let down = Float(other.height) / Float(size.height)
    result.proposals = proposals.map {
      var proposal = $0
      (proposal.x, proposal.y) = ($0.x * across, $0.y * down)
      return proposal
    }
    // Sides are rounded to pixels, so both factors differ by less than a pixel.
    result.distances = distances.map { $0 * (across + down) / 2 }
    result.cover =
      FloatImage(width: size.width, height: size.height, channels: 1, samples: cover)
      .resized(width: other.width, height: other.height, filter: .bilinear).samples
    return result
  }

  /// Adds what a field of the same size says to the `count` fields that are in this one.
  mutating func merge(_ other: StarField, after count: Int) {
    precondition(other.size == size, "fields of two sizes")
    let start = distances.count
    proposals += other.proposals.map {
      var proposal = $0
      proposal.start += start
      return proposal
    }
    distances += other.distances
    let weight = 1 / Float(count + 1)
    for index in cover.indices { cover[index] += (other.cover[index] - cover[index]) * weight }
  }

  /// Takes over the likelihoods of a row's pixels.
  package mutating func setCover(row: Int, columns: Range<Int>, _ values: some Collection<Float>) {
    let start = row * size.width
    cover.replaceSubrange(start + columns.lowerBound..<start + columns.upperBound, with: values)
  }
}

/// A star network at work; used by one thread at a time.
package final class StarDetector {
  package let network: StarNetwork
  private let model: RunningModel

  /// Sizes whose programs are kept.
  static let keptSizes = 3

  /// Takes a network and the model with its weights, which keeps the programs.
  package init(_ network: StarNetwork, _ model: RunningModel) {
    self.network = network
    self.model = model
  }

  /// What the network says of a prepared RGB picture of any size, cut into tiles that overlap by
  /// what the network sees around a pixel: nothing depends on where tiles end but the last bits.
  ///
  /// Proposals are the places of at least `score` that no neighbour exceeds. Throws `ShapeError`
  /// when there is no memory.
  ///
  /// Looked at in several sizes, the picture has the proposals of all of them, and each pixel the
  /// mean likelihood.
  package func field(
    of picture: ByteImage, score: Float, tileSize: Int = 1024, isFlipAveraged: Bool = false,
    scales: [Float] = [1]
  ) throws -> StarField {
    var fields = try scales.map { scale -> StarField in
      func scaled(_ side: Int) -> Int { max(Int((Float(side) * scale).rounded()), 1) }
      let seen =
        scale == 1
        ? picture
        : picture.resized(width: scaled(picture.width), height: scaled(picture.height))
      let field = try field(
        seenIn: seen, score: score, tileSize: tileSize, isFlipAveraged: isFlipAveraged)
      return field.resized(to: picture.size)
    }
    var merged = fields.removeFirst()
    for (index, field) in fields.enumerated() { merged.merge(field, after: index + 1) }
    return merged
  }

  /// The field of a picture in one size.
  private func field(
    seenIn picture: ByteImage, score: Float, tileSize: Int, isFlipAveraged: Bool
  ) throws -> StarField {
    let unit = network.granularity
    func rounded(_ value: Int) -> Int { (value + unit - 1) / unit * unit }
    let margin = rounded(network.receptiveRadius)
    let side = max(rounded(min(max(tileSize, 1), 1 << 15)), 4 * margin + unit)
    let columns = TileAxis(picture.width, tile: side, margin: margin, granularity: unit)
    let rows = TileAxis(picture.height, tile: side, margin: margin, granularity: unit)
    var field = StarField(size: picture.size)
    for row in rows.tiles {
      for column in columns.tiles {
        let size = PixelSize(width: columns.size, height: rows.size)
        let tile = PictureTile(picture: picture, x: column.start, y: row.start, size: size)
        var heads = try read(tile, isMirrored: false)
        if isFlipAveraged { heads.average(with: try read(tile, isMirrored: true), network) }
        heads.add(
          to: &field, network, score: score, x: column.start, y: row.start,
          columns: column.keep, rows: row.keep)
      }
    }
    return field
  }

  /// Runs the network on a tile.
  private func read(_ tile: PictureTile, isMirrored: Bool) throws -> StarHeads {
    let size = tile.size
    let program = try model.program(
      ["input": Shape.image(height: size.height, width: size.width, channels: 3)]
    ) { graph in
      try graph.extended { builder, symbols in
        for name in ["objects", "distances", "ground", "classes"] {
          guard let head = symbols[name] else { continue }
          switch name {
          case "objects", "ground":
            builder.output(
              "\(name)_likelihood", Activate(.sigmoid, name: "\(name)/likelihood")(head))
          default: builder.output(name, head)
          }
        }
      }
    }
    try program.withInput("input") { tile.write(to: $0, isMirrored: isMirrored) }
    try program.run()
    return StarHeads(
      columns: size.width / StarNetwork.stride, rows: size.height / StarNetwork.stride,
      objects: try program.output("objects_likelihood").elements,
      distances: try program.output("distances").elements,
      cover: try program.output("ground_likelihood").elements,
      classes: network.classes > 1 ? try program.output("classes").elements : [])
  }
}

/// The heads' outputs on one tile.
private struct StarHeads {
  /// Columns and rows of places.
  let columns: Int
  let rows: Int
  /// How much of an object each place is.
  var objects: [Float]
  /// For every place and ray a distance in the network's units.
  var distances: [Float]
  /// How likely each pixel is on an object.
  var cover: [Float]
  /// For every place and class a logit; empty for one class.
  var classes: [Float]

  /// Adds what the places and pixels say that the tile is responsible for.
  func add(
    to field: inout StarField, _ network: StarNetwork, score: Float, x: Int, y: Int,
    columns kept: Range<Int>, rows keptRows: Range<Int>
  ) {
    let width = columns * StarNetwork.stride
    for row in keptRows {
      let start = (row - y) * width - x
      field.setCover(
        row: row, columns: kept, cover[start + kept.lowerBound..<start + kept.upperBound])
    }
    for row in 0..<rows {
      let middleY = Float(y) + StarField.middle(row)
      guard keptRows.contains(Int(middleY)) else { continue }
      for column in 0..<columns {
        let middleX = Float(x) + StarField.middle(column)
        let place = row * columns + column
        let value = objects[place]
        guard value >= score, kept.contains(Int(middleX)), isPeak(column, row, value) else {
          continue
        }
        let rays = place * network.rays..<(place + 1) * network.rays
        field.add(
          score: value, x: middleX, y: middleY, classIndex: likeliest(place, network.classes),
          distances: distances[rays].lazy.map { max($0 * StarNetwork.unit, 0.5) })
      }
    }
  }

  /// Whether no neighbour is higher; of equal ones the first stays.
  private func isPeak(_ column: Int, _ row: Int, _ value: Float) -> Bool {
    for down in -1...1 {
      for right in -1...1 where (down, right) != (0, 0) {
        let (u, v) = (column + right, row + down)
        guard u >= 0, v >= 0, u < columns, v < rows else { continue }
        let other = objects[v * columns + u]
        let isBefore = down < 0 || (down == 0 && right < 0)
        if isBefore ? other >= value : other > value { return false }
      }
    }
    return true
  }

  private func likeliest(_ place: Int, _ count: Int) -> Int {
    guard count > 1 else { return 0 }
    return (1..<count).reduce(0) {
      classes[place * count + $1] > classes[place * count + $0] ? $1 : $0
    }
  }

  /// Averages with what the network says of the mirrored tile.
  ///
  /// A mirrored place's middle lies a pixel beside that of its counterpart (places are the second
  /// pixel of two), which is taken as it is: half a place.
  mutating func average(with other: StarHeads, _ network: StarNetwork) {
    let rays = network.rays
    let width = columns * StarNetwork.stride
    for row in 0..<rows {
      for column in 0..<columns {
        let place = row * columns + column
        let twin = row * columns + columns - 1 - column
        objects[place] = (objects[place] + other.objects[twin]) / 2
        for ray in 0..<rays {
          // A ray's angle a becomes half a turn less a.
          let mirrored = ((rays / 2 - ray) % rays + rays) % rays
          let at = place * rays + ray
          distances[at] = (distances[at] + other.distances[twin * rays + mirrored]) / 2
        }
        for index in 0..<(classes.isEmpty ? 0 : network.classes) {
          let at = place * network.classes + index
          classes[at] = (classes[at] + other.classes[twin * network.classes + index]) / 2
        }
      }
    }
    for row in 0..<rows * StarNetwork.stride {
      for column in 0..<width {
        let at = row * width + column
        cover[at] = (cover[at] + other.cover[row * width + width - 1 - column]) / 2
      }
    }
  }
}
