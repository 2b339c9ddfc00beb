// What an attack did, as pictures: the noise amplified, the heat of the difference, a sheet with the
// classes before and after.

import AtelierClassification
import AtelierImages
import AtelierWorkbench

extension AttackedPicture {
  /// The noise around middle gray, as strong as the picture can show.
  public var noisePicture: ByteImage {
    let gain = 127 / Float(max(largestSteps, 1))
    return ByteImage(
      width: clean.width, height: clean.height, channels: clean.channels,
      samples: zip(clean.samples, attacked.samples).map {
        let step: Float = Float($1) - Float($0)
        return UInt8(128 + gain * step)
      })
  }

  /// The absolute difference as a heat map up to the largest step.
  public var heatPicture: ByteImage {
    let channels = clean.channels
    let heat = FloatImage(width: clean.width, height: clean.height, channels: 1) { target in
      for pixel in target.indices {
        var sum: Float = 0
        for sample in pixel * channels..<(pixel + 1) * channels {
          sum += abs(Float(clean.samples[sample]) - Float(attacked.samples[sample]))
        }
        target[pixel] = sum / Float(channels)
      }
    }
    return ColorMap.magma.apply(to: heat, range: 0...Float(max(largestSteps, 1)))
  }

  /// The sheet, RGB: picture, noise, attacked picture and heat, and the likeliest classes' bars.
  public func sheet(title: String) -> ByteImage {
    let scale = max(1, 168 / max(clean.width, clean.height))
    let grid = PictureGrid(
      title: title, columnTitles: ["picture", "noise, amplified", "attacked", "difference"],
      rows: [
        [
          PictureGrid.Cell(clean, caption: Self.caption(before[0])),
          PictureGrid.Cell(noisePicture, caption: "up to \(largestSteps) of 255"),
          PictureGrid.Cell(attacked, caption: Self.caption(after[0])),
          PictureGrid.Cell(heatPicture),
        ]
      ], magnification: scale)
    let pictures = grid.render()
    let bars = self.bars(width: pictures.width)
    var sheet = Canvas(width: pictures.width, height: pictures.height + bars.height)
    sheet.paste(pictures, x: 0, y: 0)
    sheet.paste(bars, x: 0, y: pictures.height)
    return sheet.image
  }

  private static func caption(_ prediction: Prediction) -> String {
    "\(prediction.name), \(percent(prediction.probability))"
  }

  private static func percent(_ probability: Float) -> String {
    "\(Int((100 * probability).rounded())) %"
  }

  /// The six classes that count most before or after, a bar each way.
  private func bars(width: Int) -> ByteImage {
    let row = 34
    var probabilities: [Int: (name: String, before: Float, after: Float)] = [:]
    for prediction in before {
      probabilities[prediction.index] = (prediction.name, prediction.probability, 0)
    }
    for prediction in after { probabilities[prediction.index]?.after = prediction.probability }
    let shown = probabilities.sorted {
      let (left, right) = (
        max($0.value.before, $0.value.after), max($1.value.before, $1.value.after)
      )
      return left != right ? left > right : $0.key < $1.key
    }.prefix(6).map(\.value)
    var canvas = Canvas(width: width, height: 40 + row * shown.count)
    let nameWidth = shown.map { Canvas.textSize($0.name, scale: 1.6).width }.max() ?? 0
    let left = 24 + Int(nameWidth)
    let length = Double(width - left - 84)
    let colors = [PixelColor.series[0], PixelColor.series[1]]
    var x = left
    for (text, color) in zip(["before", "after"], colors) {
      canvas.fill(x: x, y: 10, width: 14, height: 10, color)
      canvas.text(text, x: Double(x + 20), y: 9, scale: 1.6)
      x += 110
    }
    for (index, entry) in shown.enumerated() {
      let y = 34 + row * index
      canvas.text(entry.name, x: Double(left - 10), y: Double(y + 7), scale: 1.6, anchor: .right)
      for (line, value) in [entry.before, entry.after].enumerated() {
        let bar = Int((length * Double(value)).rounded())
        canvas.fill(x: left, y: y + 13 * line, width: max(bar, 1), height: 11, colors[line])
        canvas.text(
          Self.percent(value), x: Double(left + bar + 6), y: Double(y + 13 * line), scale: 1.4,
          .pencil)
      }
    }
    return canvas.image
  }
}
