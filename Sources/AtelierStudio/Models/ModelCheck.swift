// `model check`: a model's outputs, layer by layer where a file has them, against another framework's.

import AtelierEngine
import AtelierFiles
import AtelierInterchange
import AtelierWorkbench
import Foundation

/// Which model is compared, with which numbers.
public struct ModelCheckRequest: JobRequest, Hashable {
  public var choice = ModelChoice()
  public var against = ""
  public var tolerance: Double = 1e-4

  public init() {}

  public static var form: Form<Self> {
    Form(
      ModelChoice.form.fields.map { $0.within(\.choice) } + [
        Field(
          "against", \.against, "Inputs and outputs of the other framework, from numpy.savez",
          value: "file", kind: .file(["npz"])
        ).demanded,
        Field(
          "tolerance", \.tolerance, "The largest difference, as a part of the largest value",
          value: "fraction", .from(0, to: 1)),
      ])
  }
}

/// Compares models with other frameworks.
public enum ModelCheck: Job {
  public static let workshop = "model"
  public static let name = "check"
  public static let summary = "Compare a model's outputs with another framework's."
  public static let guide = """
    MODEL may be an ONNX file too; a network by name has its seeded first weights, those that \
    `export` writes. The .npz file has an array for each input, under its name or `in:NAME`, and one for each \
    output or layer to compare, under its name or `out:NAME`; images may be [N, C, H, W] or \
    [N, H, W, C]. Differences are parts of the largest value. The command ends with 65 when one \
    is above the tolerance.

    EXAMPLES
      atelier model check imported.safetensors --against torch.npz
      atelier model check segnet --size 64x96 --channels 3 --against ort.npz
      atelier model check network.onnx --against onnxruntime.npz --tolerance 1e-5
    """
  public static let takesPrecision = false

  public static func run(_ request: ModelCheckRequest, in place: JobPlace) throws -> Report {
    let archive = try NumPyArchive(existing(request.against))
    let comparison = try comparison(request, archive)
    let rows = try comparison.run(archive, kernels: place.kernels)
    var table = Table(["name", "size", "largest", "difference", ""], leftColumns: 2)
    for row in rows {
      table.append([
        row.name, "\(row.shape)", NumberText.fixed(Double(row.largest), 4),
        String(format: "%.1e", row.difference),
        row.difference <= request.tolerance ? "equal" : "differs",
      ])
    }
    let worst = rows.map(\.difference).max() ?? 0
    var report = Report(
      value: JSONEntries([
        ("model", request.choice.model), ("difference", worst), ("tolerance", request.tolerance),
        (
          "outputs",
          rows.map {
            JSONEntries([("name", $0.name), ("difference", $0.difference)])
          }
        ),
      ]))
    report.say(table)
    let different = rows.filter { !($0.difference <= request.tolerance) }.count
    if different > 0 {
      report.fault = StudioError(
        .data,
        "\(request.choice.model): \(different) of \(rows.count) differ by more than \(request.tolerance)"
      )
    }
    return report
  }

  private static func existing(_ path: String) throws -> URL {
    try StudioError.unless(
      FileManager.default.fileExists(atPath: path), .missingInput, "\(path): there is no such file")
    return URL(fileURLWithPath: path)
  }

  private static func comparison(
    _ request: ModelCheckRequest, _ archive: NumPyArchive
  ) throws -> ModelComparison {
    guard request.choice.model.hasSuffix(".onnx") else {
      return ModelComparison(try request.choice.loadModel().model)
    }
    var options = ONNXImport.Options()
    options.renames = false
    for (name, array) in archive.arrays {
      options.shapes[name.hasPrefix("in:") ? String(name.dropFirst(3)) : name] = array.sizes
    }
    return ModelComparison(try ONNXImport(existing(request.choice.model), options))
  }
}
