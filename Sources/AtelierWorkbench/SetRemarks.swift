// What is said of a set of pictures before work on it begins: its classes, and what was left out.

import AtelierDatasets

/// A set that knows its classes and what of its folders was left out.
package protocol ToldSet {
  /// One line with the classes and how often each is there.
  var summary: String { get }
  /// A line for each file that was left out.
  var leftOut: [String] { get }
}

extension LabeledImages: ToldSet {}
extension SegmentedImages: ToldSet {}
extension InstanceData: ToldSet {}

extension ToldSet {
  /// The lines of this set and of one to validate on.
  package func remarks(with other: Self? = nil) -> [String] {
    let further = other?.leftOut.filter { !leftOut.contains($0) } ?? []
    return [summary] + (other.map { [$0.summary] } ?? [])
      + PicturePlan.few(leftOut + further, of: "files left out")
  }
}
