// `model shrink`: a model file with its large weights in 16 bits.

import AtelierFiles
import AtelierInterchange
import AtelierWorkbench
import Foundation

/// Which model is shrunk, and where to.
public struct ModelShrinkRequest: JobRequest, Hashable {
  public var model = ""
  public var output = ""

  public init() {}

  public static var form: Form<Self> {
    Form([.model(\.model).positional, .output(\.output, "The smaller file", value: "file")])
  }

  public mutating func complete(with words: FieldWords) throws {
    let files = [model, output].map { URL(fileURLWithPath: $0).standardizedFileURL }
    try StudioError.unless(
      files[0] != files[1], .usage,
      "\(output): the result would overwrite the model; name another place")
  }
}

/// Stores a model in about half the bytes.
public enum ModelShrink: Job {
  public static let workshop = "model"
  public static let name = "shrink"
  public static let summary = "Store a model's weights in 16 bits: half the bytes."
  public static let guide = """
    Weights are rounded to half precision, biases and statistics are kept; the tool computes in \
    32 bits as before. Measure the result: a network may need more.

    EXAMPLES
      atelier model shrink runs/mine/best.safetensors -o small.safetensors
    """
  public static let takesPrecision = false

  public static func run(_ request: ModelShrinkRequest, in place: JobPlace) throws -> Report {
    let input = ShippedModels.file(of: request.model)
    let result = URL(fileURLWithPath: request.output)
    try ModelFile.write(ModelFile.read(from: input), to: result, form: .float16)
    let sizes = try [input, result].map {
      try $0.resourceValues(forKeys: [.fileSizeKey]).fileSize ?? 0
    }
    var report = Report(
      value: JSONEntries([("file", request.output), ("before", sizes[0]), ("after", sizes[1])]))
    report.files = [request.output]
    report.note("\(request.output): \(sizes[1]) bytes instead of \(sizes[0])")
    return report
  }
}

/// The workshop of models.
public enum ModelWorkshop: Workshop {
  public static let name = "model"
  public static let summary = "Look into a model file or an architecture."
  public static let guide = """
    EXAMPLES
      atelier model summary runs/mine/best.safetensors
      atelier model summary unet --size 128x128 --channels 3
      atelier model summary segnet-basic --size 360x480 --unpool max
      atelier model plan autoencoder --size 96x96 --batch 16 --train
      atelier model import resnet50.pth --classes imagenet.txt
    """
  public static let jobs: [any Job.Type] = [
    ModelSummary.self, ModelPlan.self, ModelList.self, ModelImport.self, ModelExport.self,
    ModelCheck.self, ModelShrink.self, ModelTime.self,
  ]
  public static let mainJob: String? = nil
}
