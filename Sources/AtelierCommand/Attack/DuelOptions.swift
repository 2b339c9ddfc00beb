// The options of a duel and the request that they make.

import ArgumentParser
import Atelier
import Foundation

/// How generator and classifier learn against each other; all optional, so that a resume can tell
/// what was given.
struct DuelOptions: ParsableArguments {
  @Flag(help: "Let the classifier learn, too, against the generator: a duel.")
  var antagonist = false

  @Option(
    help: ArgumentHelp(
      "Begin with a new classifier of this network in place of --victim.", valueName: "name"))
  var classifier: String?

  @Option(
    help: ArgumentHelp(
      "The weight of attacked pictures in the classifier's loss, 0 to 1 (default: 0.5).",
      valueName: "share"))
  var balance: Double?

  @Option(
    help: ArgumentHelp(
      "PGD attacks this share of the attacked pictures, the generator the rest (default: 0).",
      valueName: "share"))
  var pgdShare: Double?

  @Option(help: ArgumentHelp("The steps of that PGD (default: 7).", valueName: "n"))
  var pgdSteps: Int?

  @Option(
    help: ArgumentHelp(
      "Where it begins: uniform, squares (at the limit, as Square does) or mixed, one of both by "
        + "lot (default: uniform).", valueName: "name"))
  var pgdStart: String?

  @Flag(
    help: "Let it follow gradients taken beside where it stands and summed over its steps.")
  var pgdSmooth = false

  @Option(
    help: ArgumentHelp(
      "How far each of its steps goes (default: 2.5 times the limit over their number).",
      valueName: "number"))
  var pgdStep: Float?

  @Option(
    help: ArgumentHelp("The limit of that PGD (default: --epsilon).", valueName: "number"))
  var pgdEpsilon: String?

  @Option(
    help: ArgumentHelp(
      "Steps over which that limit grows from nothing (default: 500).", valueName: "steps"))
  var ramp: Int?

  @Option(
    help: ArgumentHelp("The classifier's learning rate (default: 0.001).", valueName: "rate"))
  var classifierRate: Double?

  @Option(
    help: ArgumentHelp(
      "Save a moving average of both networks' weights with this decay.", valueName: "decay"))
  var averageDecay: Double?

  @Option(
    help: ArgumentHelp(
      "Steps between the points of the curves (default: an epoch).", valueName: "steps"))
  var validateEvery: Int?

  func validate() throws {
    try OptionCheck.shares([("--balance", balance), ("--pgd-share", pgdShare)])
    try OptionCheck.counts([
      ("--pgd-steps", pgdSteps, 1...1_000_000), ("--ramp", ramp, 0...1_000_000),
      ("--validate-every", validateEvery, 1...1_000_000),
    ])
    if let pgdStart { _ = try Reading.searchStart(pgdStart) }
    try OptionCheck.positive([("--pgd-step", pgdStep)])
    try OptionCheck.positive([("--classifier-rate", classifierRate)])
    try OptionCheck.partialShares([("--average-decay", averageDecay)])
    if let pgdEpsilon { _ = try Reading.epsilons(pgdEpsilon, most: 1000) }
    guard antagonist || given.isEmpty else {
      throw ValidationError("\(given.joined(separator: ", ")) belong to --antagonist")
    }
  }

  /// The names of the options that were given, --antagonist apart.
  var given: [String] {
    let options: [(String, Bool)] = [
      ("--classifier", classifier != nil), ("--balance", balance != nil),
      ("--pgd-share", pgdShare != nil), ("--pgd-steps", pgdSteps != nil),
      ("--pgd-start", pgdStart != nil), ("--pgd-smooth", pgdSmooth),
      ("--pgd-step", pgdStep != nil), ("--pgd-epsilon", pgdEpsilon != nil),
      ("--ramp", ramp != nil), ("--classifier-rate", classifierRate != nil),
      ("--average-decay", averageDecay != nil), ("--validate-every", validateEvery != nil),
    ]
    return options.filter(\.1).map(\.0)
  }

  /// Puts what was given into a request.
  func apply(to request: inout DuelRequest) throws {
    if let classifier {
      guard let kind = ClassifierNetwork(rawValue: classifier) else {
        let names = Catalogue.names(for: .classify)
        throw StudioError(.usage, "expected a network, one of \(names); received \(classifier)")
      }
      request.classifier = kind
    }
    request.balance = balance ?? request.balance
    request.searchShare = pgdShare ?? request.searchShare
    request.searchSteps = pgdSteps ?? request.searchSteps
    request.searchStart = try pgdStart.map(Reading.searchStart) ?? request.searchStart
    request.searchStep = pgdStep
    request.searchRadius = try pgdEpsilon.map { try Reading.epsilons($0, most: 1000)[0] }
    request.isSearchSmoothed = pgdSmooth
    request.ramp = ramp ?? request.ramp
    request.classifierRate = classifierRate ?? request.classifierRate
    request.averageDecay = averageDecay
    request.validationInterval = validateEvery
  }
}
