// Cascades read, evaluated and grouped, against results found by hand.

import AtelierFiles
import AtelierImages
import AtelierKernels
import AtelierVision
import Foundation
import Testing

/// A cascade of one stump over the left half of a window of 4 by 4 minus its right half.
private let handMade = """
  <?xml version="1.0"?>
  <!-- a comment -->
  <opencv_storage>
  <cascade type_id="opencv-cascade-classifier"><stageType>BOOST</stageType>
    <featureType>HAAR</featureType><height>4</height><width>4</width>
    <stageParams><maxWeakCount>1</maxWeakCount></stageParams>
    <featureParams><maxCatCount>0</maxCatCount></featureParams>
    <stageNum>1</stageNum>
    <stages><_><maxWeakCount>1</maxWeakCount><stageThreshold>1.5</stageThreshold>
      <weakClassifiers><_><internalNodes>0 -1 0 3.9</internalNodes>
        <leafValues>-1. 2.0e+00</leafValues></_></weakClassifiers></_></stages>
    <features><_><rects><_>0 0 4 4 -1.</_><_>0 0 2 4 2.</_></rects>
      <tilted>0</tilted></_></features></cascade>
  </opencv_storage>
  """

/// A cascade of one stump that accepts when only the first block is as bright as the middle one.
private let handMadePattern = """
  <opencv_storage><cascade><stageType>BOOST</stageType><featureType>LBP</featureType>
  <height>3</height><width>3</width><featureParams><maxCatCount>256</maxCatCount></featureParams>
  <stages><_><stageThreshold>0.5</stageThreshold><weakClassifiers><_>
  <internalNodes>0 -1 0 0 0 0 0 1 0 0 0</internalNodes><leafValues>1 -1</leafValues>
  </_></weakClassifiers></_></stages>
  <features><_><rect>0 0 1 1</rect></_></features></cascade></opencv_storage>
  """

private func parse(_ text: String) throws -> Cascade {
  try CascadeFile.parse(Array(text.utf8), file: "folder/hand.xml")
}

private func windows(_ cascade: Cascade, _ image: ByteImage) -> [Detection] {
  CascadeDetector(cascade).detections(
    in: image, options: DetectionOptions(scaleFactor: 2, minimumNeighbors: 0))
}

private func picture(_ width: Int, _ samples: [UInt8]) -> ByteImage {
  ByteImage(width: width, height: samples.count / width, channels: 1, samples: samples)
}

struct CascadeTests {
  @Test func `a cascade made by hand gives what was computed by hand`() throws {
    let cascade = try parse(handMade)
    #expect(cascade.name == "hand" && cascade.width == 4 && !cascade.isBinaryPattern)
    // (2 · 1600 − 1600) / 400 = 4 against the threshold 3.9; the leaf 2 exceeds 1.5 by 0.5.
    let bright = windows(cascade, picture(4, (0..<16).map { $0 % 4 < 2 ? 200 : 0 }))
    #expect(bright.map(\.box) == [PlaneBox(x: 0, y: 0, width: 4, height: 4)])
    #expect(abs((bright.first?.score ?? 0) - 0.50001) < 1e-6)
    #expect(windows(cascade, picture(4, (0..<16).map { $0 % 4 < 2 ? 0 : 200 })).isEmpty)
    // The same picture with a deviation of 10 or less has nothing to see.
    #expect(windows(cascade, picture(4, (0..<16).map { $0 % 4 < 2 ? 20 : 0 })).isEmpty)
    #expect(windows(cascade, picture(3, [UInt8](repeating: 9, count: 9))).isEmpty)
  }

  @Test func `a binary pattern made by hand`() throws {
    let cascade = try parse(handMadePattern)
    #expect(cascade.isBinaryPattern)
    #expect(windows(cascade, picture(3, [100, 0, 0, 0, 100, 0, 0, 0, 0])).count == 1)
    #expect(windows(cascade, picture(3, [100, 100, 0, 0, 100, 0, 0, 0, 0])).isEmpty)
    #expect(windows(cascade, picture(3, [99, 0, 0, 0, 100, 0, 0, 0, 0])).isEmpty)
  }

  @Test func `integral planes are the sums by definition`() {
    let (width, height) = (7, 5)
    let gray = (0..<width * height).map { UInt8(($0 * 37 + 11) % 251) }
    let planes = IntegralPlanes(
      gray: gray, width: width, height: height, stride: 9, needsSquares: true, needsTilted: true)
    for y in 0...height {
      for x in 0...width {
        var (sum, squares, cone) = (UInt32(0), UInt32(0), UInt32(0))
        for row in 0..<y {
          for column in 0..<width {
            let sample = UInt32(gray[row * width + column])
            if column < x {
              sum += sample
              squares += sample * sample
            }
            if abs(column - x + 1) <= y - row - 1 { cone += sample }
          }
        }
        #expect(planes.sums[y * 9 + x] == sum)
        #expect(planes.squares[y * 9 + x] == squares)
        #expect(planes.tilted[y * 9 + x] == cone, "\(x), \(y)")
      }
    }
  }

  @Test func `windows close together are one detection`() {
    func window(_ x: Double, _ size: Double) -> Detection {
      Detection(
        box: PlaneBox(x: x, y: x, width: size, height: size), neighbors: 1, score: Float(x))
    }
    let near = [window(10, 20), window(12, 20), window(100, 40), window(14, 20)]
    let groups = DetectionGrouping.groups(near, minimumNeighbors: 1)
    // The one at 100 stands alone; 10 and 14 touch through 12.
    #expect(
      groups == [
        Detection(box: PlaneBox(x: 12, y: 12, width: 20, height: 20), neighbors: 3, score: 14)
      ])
    #expect(DetectionGrouping.groups(near, minimumNeighbors: 0).count == 2)
    #expect(DetectionGrouping.groups(near, minimumNeighbors: 3).isEmpty)
    // Three small ones inside of five large ones give way, four do to no four.
    let nested = (0..<3).map { _ in window(50, 8) } + (0..<5).map { _ in window(40, 40) }
    #expect(DetectionGrouping.groups(nested, minimumNeighbors: 1).map(\.neighbors) == [5])
    let equal = nested[..<3] + nested[..<1] + nested[3..<7]
    let kept = DetectionGrouping.groups(Array(equal), minimumNeighbors: 1)
    #expect(kept.map(\.neighbors) == [4, 4])
    #expect(DetectionGrouping.groups([], minimumNeighbors: 1).isEmpty)
  }

  @Test func `damaged cascades are refused in one line`() throws {
    let cases: [(String, String)] = [
      ("<width>4<", "<width>400<"), ("<width>4<", "<width>nan<"), ("0 0 4 4 -1.", "0 0 5 4 -1."),
      ("0 0 4 4 -1.", "0 0 4 -1."), ("0 -1 0 3.9", "0 -1 1 3.9"), ("0 -1 0 3.9", "1 -1 0 3.9"),
      ("0 -1 0 3.9", "0 -2 0 3.9"), ("0 -1 0 3.9", "0 -1 0 1e99"), ("-1. 2.0e+00", "-1."),
      ("BOOST", "FOREST"), (">HAAR<", ">HOG<"), ("classifier\"", "other\""),
      ("<stageNum>1", "<stageNum>2"),
      ("opencv_storage", "opencv"), ("<!-- a", "<!DOCTYPE a"), ("</cascade>", ""),
      ("<maxCatCount>0", "<maxCatCount>256"), ("3.9<", "3.9&amp;<"), ("1.5<", "0x1.5<"),
      ("<tilted>0", "<tilted>1"),
    ]
    for (old, new) in cases {
      #expect(handMade.contains(old))
      let text = handMade.replacingOccurrences(of: old, with: new)
      let error = #expect(throws: StudioError.self, "\(old) → \(new)") { try parse(text) }
      #expect(error?.description.hasPrefix("folder/hand.xml: expected") == true)
      #expect(error?.description.contains("\n") == false)
    }
    let deep = String(repeating: "<a>", count: 10_000)
    #expect(throws: StudioError.self) { try parse(deep) }
  }

  @Test func `cut and mutated cascades never crash`() throws {
    for text in [handMade, handMadePattern] {
      let bytes = Array(text.utf8)
      for count in 0..<bytes.count - 20 {
        #expect(throws: StudioError.self) {
          try CascadeFile.parse(Array(bytes[..<count]), file: "cut.xml")
        }
      }
      var state: UInt64 = 1
      func next(_ bound: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int(state >> 33) % bound
      }
      let image = picture(9, (0..<81).map { UInt8($0 * 53 % 256) })
      for _ in 0..<1000 {
        var mutated = bytes
        for _ in 0...next(3) { mutated[next(mutated.count)] = UInt8(next(128)) }
        if let cascade = try? CascadeFile.parse(mutated, file: "mutated.xml") {
          _ = windows(cascade, image)
        }
      }
    }
  }

  @Test func `missing files name the package`() {
    let library = CascadeLibrary(folder: nil, environment: ["ATELIER_CASCADES": "/nowhere"])
    #expect(library.folders == ["/nowhere"])
    let error = #expect(throws: StudioError.self) { try library.cascade("haarcascade_eye") }
    #expect(error?.kind == .missingInput)
    #expect(error?.description.contains("opencv-data") == true)
    #expect(throws: StudioError.self) { try library.cascade("/nowhere/own.xml") }
    #expect(throws: StudioError.self) { try CascadeFile.read("/") }
  }
}
