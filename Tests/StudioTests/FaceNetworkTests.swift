// Face detectors that are networks: decoding by hand, ONNX Runtime's own faces, bad files.

import AtelierDatasets
import AtelierFaceSwap
import AtelierImages
import AtelierKernels
import AtelierVision
import AtelierWorkbench
import Foundation
import TestSupport
import Testing

struct FaceNetworkTests {
  @Test func `outputs tell the form, others are refused by name`() throws {
    let parts = ["cls", "obj", "bbox", "kps"].flatMap { part in
      [8, 16, 32].map { "\(part)_\($0)" }
    }
    guard case .yuNet = try FaceNetworkForm(outputs: parts, file: "a.onnx") else {
      Issue.record("expected YuNet")
      return
    }
    guard case .ultraFace = try FaceNetworkForm(outputs: ["boxes", "scores"], file: "a") else {
      Issue.record("expected UltraFace")
      return
    }
    let line = errorLine { _ = try FaceNetworkForm(outputs: ["output"], file: "a.onnx") }
    #expect(line?.hasPrefix("a.onnx: expected the outputs of a face detector") == true)
    #expect(line?.hasSuffix("received output") == true)
  }

  /// One place of one level, worked out by hand.
  @Test func `a place of a level is a face`() throws {
    let canvas = PixelSize(width: 96, height: 64)
    // Level 16: six columns, four rows; column 2, row 1.
    let index = 1 * 6 + 2
    let faces = try FaceNetworkForm.yuNet.faces(canvas) { name in
      let counts = ["8": 96, "16": 24, "32": 6]
      let part = name.split(separator: "_").map(String.init)
      let count = try #require(counts[part[1]])
      let size = ["cls": 1, "obj": 1, "bbox": 4, "kps": 10][part[0]] ?? 0
      var values = [Float](repeating: 0, count: count * size)
      guard part[1] == "16" else { return values }
      switch part[0] {
      // The root of 0.9 times (1.4, at most 1) is 0.9487.
      case "cls": values[index] = 0.9
      case "obj": values[index] = 1.4
      case "bbox":
        values.replaceSubrange(4 * index..<4 * index + 4, with: [0.5, 0.25, 0, 0.6931472])
      default: for i in 0..<10 { values[10 * index + i] = Float(i) / 10 }
      }
      return values
    }
    let face = try #require(faces.first)
    #expect(faces.count == 1 && abs(face.score - 0.9486833) < 1e-6)
    // Middle (16 · 2.5, 16 · 1.25), 16 wide and 32 high.
    #expect(abs(face.box.x - 32) < 1e-4 && abs(face.box.y - 4) < 1e-4)
    #expect(abs(face.box.width - 16) < 1e-4 && abs(face.box.height - 32) < 1e-4)
    #expect(abs(face.points[4].x - 16 * 2.8) < 1e-4 && abs(face.points[4].y - 16 * 1.9) < 1e-4)
  }

  @Test func `overlapping faces are one, the best of them`() {
    func candidate(_ x: Double, _ score: Float) -> FaceNetworkForm.Candidate {
      .init(box: PlaneBox(x: x, y: 0, width: 10, height: 10), points: [], score: score)
    }
    let kept = FaceNetworkForm.withoutRepeats([
      candidate(0, 0.8), candidate(3, 0.9), candidate(40, 0.7),
    ])
    #expect(kept.map(\.score) == [0.9, 0.7])
  }

  @Test func `five points lie where crops have them`() throws {
    // The points of a crop of 200 pixels, moved: the face's box is the middle 125.
    let points = FaceLayout.points.map { PlanePoint(200 * $0.x + 30, 200 * $0.y + 70) }
    let face = FaceNetworkForm.yuNet.face(
      .init(box: PlaneBox(x: 0, y: 0, width: 9, height: 9), points: points, score: 0.75))
    #expect(abs(face.box.x - 67.5) < 1e-9 && abs(face.box.y - 107.5) < 1e-9)
    #expect(abs(face.box.width - 125) < 1e-9 && face.confidence == 0.75)
    let laid = try #require(FaceAligner(size: 200).alignment(of: face))
    #expect(laid.basis == .points)
    let nose = laid.matrix(points[2])
    #expect(abs(nose.x - points[2].x + 30) < 1e-6 && abs(nose.y - points[2].y + 70) < 1e-6)
  }

  @Test func `what is no detector is refused in one line`() throws {
    try withScratchFolder { folder in
      let file = folder.appendingPathComponent("text.onnx")
      try Data("no network".utf8).write(to: file)
      #expect(errorLine { _ = try FaceNetwork(contentsOf: file) }?.contains("text.onnx") == true)
      let none = folder.appendingPathComponent("none.onnx")
      #expect(
        errorLine { _ = try FaceNetwork(contentsOf: none) }?.contains("no such file") == true)
    }
  }
}

/// With networks of other people, which do not ship.
struct RealFaceNetworkTests {
  private struct Expected: Decodable {
    let score: Double
    let points: [[Double]]
  }

  /// The network and the pictures; nil, with a line, where they are missing.
  private func material(_ name: String) throws -> (detector: FaceNetwork, pictures: URL)? {
    guard let path = ProcessInfo.processInfo.environment["ATELIER_DATA"] else {
      print("SKIPPED: \(name) on real faces (set ATELIER_DATA)")
      return nil
    }
    let data = URL(fileURLWithPath: path)
    let file = data.deletingLastPathComponent().appendingPathComponent("weights/\(name)")
    let pictures = data.appendingPathComponent("faces-london")
    guard FileManager.default.fileExists(atPath: file.path),
      FileManager.default.fileExists(atPath: pictures.path)
    else {
      print("SKIPPED: \(name) on real faces (no \(file.path) or no \(pictures.path))")
      return nil
    }
    return (try FaceNetwork(contentsOf: file), pictures)
  }

  @Test func `YuNet gives ONNX Runtime's points within half a pixel`() throws {
    guard let (detector, pictures) = try material("yunet_n_dyn.onnx") else { return }
    let fixture = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("Fixtures/faces/yunet.json")
    let expected = try JSONDecoder().decode(
      [String: Expected].self, from: Data(contentsOf: fixture))
    #expect(expected.count == 12)
    for (name, face) in expected {
      let image = try ImageFile.read(pictures.appendingPathComponent(name).path)
      let found = try detector.faces(in: image, smallest: nil, isThorough: true, pool: .shared)
      #expect(found.count == 1, "\(name)")
      let points = try #require(found.first?.points).all
      #expect(abs(found[0].confidence - face.score) < 1e-3, "\(name)")
      for (point, other) in zip(points, face.points) {
        #expect(abs(point.x - other[0]) < 0.5 && abs(point.y - other[1]) < 0.5, "\(name)")
      }
    }
  }

  @Test(arguments: ["yunet_n_320.onnx", "yunet_n_dyn.onnx", "rfb320.onnx"])
  func `every one of 204 faces is found, none twice`(_ name: String) throws {
    guard let (detector, pictures) = try material(name) else { return }
    for part in ["neutral", "smiling"] {
      let folder = pictures.appendingPathComponent(part).path
      let files = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
      #expect(files.count == 102)
      let counts = try ThreadPool.shared.map(files.count) { index in
        Result {
          try detector.faces(
            in: ImageFile.read("\(folder)/\(files[index])"), smallest: nil, isThorough: true,
            pool: .shared
          ).count
        }
      }.map { try $0.get() }
      let others = zip(files, counts).filter { $0.1 != 1 }
      #expect(others.isEmpty, "\(name) \(part): \(others)")
    }
  }
}
