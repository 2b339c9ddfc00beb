// Published sets by their names: where they are looked for, and which files belong there.

import AtelierEngine
import Foundation

/// A published set of pictures with classes.
public enum NamedSet: String, Sendable, Hashable, CaseIterable {
  /// Handwritten digits (LeCun, Cortes and Burges 1998).
  case mnist
  /// Pictures of clothes in its form (Xiao, Rasul and Vollgraf 2017).
  case fashionMNIST = "fashion-mnist"
  /// Ten kinds of small photographs (Krizhevsky 2009).
  case cifar10 = "cifar-10"
  /// A hundred kinds of them.
  case cifar100 = "cifar-100"

  /// The files of the set, as its authors publish them.
  public var files: [String] {
    switch self {
    case .mnist, .fashionMNIST:
      ["train", "t10k"].flatMap { ["\($0)-images-idx3-ubyte.gz", "\($0)-labels-idx1-ubyte.gz"] }
    case .cifar10: (1...5).map { "data_batch_\($0).bin" } + ["test_batch.bin"]
    case .cifar100: ["train.bin", "test.bin"]
    }
  }

  /// Names of folders that it may lie in.
  private var folders: [String] {
    switch self {
    case .mnist, .fashionMNIST: [rawValue]
    case .cifar10: [rawValue, "cifar10", "cifar-10-batches-bin"]
    case .cifar100: [rawValue, "cifar100", "cifar-100-binary"]
    }
  }

  /// Reads the training and the test part out of a folder, or out of that of the environment
  /// variable `ATELIER_DATA`: from a folder of the set's name in it, else from itself.
  ///
  /// - Throws: `DatasetError` that says which files to put where.
  public func load(from folder: URL? = nil) throws -> (training: LabeledImages, test: LabeledImages)
  {
    let variable = ProcessInfo.processInfo.environment["ATELIER_DATA"].map {
      URL(fileURLWithPath: $0)
    }
    guard let root = folder ?? variable else {
      throw DatasetError(
        "\(rawValue): expected a folder, given or named by ATELIER_DATA, with \(listed) in "
          + "\(folders[0])/; received none")
    }
    let places = folders.map { root.appendingPathComponent($0) } + [root]
    guard let place = places.first(where: LabeledImages.isSet) else {
      throw DatasetError(
        "\(rawValue): expected \(listed) in \(places[0].path); put them there "
          + "(IDX files may be unpacked)")
    }
    return (
      try LabeledImages.read(place, part: .training), try LabeledImages.read(place, part: .test)
    )
  }

  private var listed: String { files.joined(separator: ", ") }
}

extension LabeledImages {
  /// The layer that takes these pictures' mean away and divides by their deviation, channel by
  /// channel: a network that begins with it carries the normalization.
  public var normalization: Standardization {
    let (mean, deviation) = statistics
    return Standardization(mean: mean, deviation: deviation)
  }
}
