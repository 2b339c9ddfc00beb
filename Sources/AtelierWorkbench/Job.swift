// A job: a piece of work that any front end runs by its request; jobs make workshops.

import Foundation

/// A piece of work: denoise these pictures, train this network, measure this model.
public protocol Job: Sendable {
  /// What it is asked for.
  associatedtype Request: JobRequest
  /// The name of the workshop that it belongs to, such as `classify`.
  static var workshop: String { get }
  /// The verb, such as `train`; of a job that is a workshop of its own the workshop's name.
  static var name: String { get }
  /// One sentence with its full stop.
  static var summary: String { get }
  /// What there is to know, with examples, in paragraphs.
  static var guide: String { get }
  /// Whether it works in a run folder that can be resumed.
  static var trains: Bool { get }
  /// Whether it multiplies, so that a precision can be chosen.
  static var takesPrecision: Bool { get }
  /// Whether several ranks share its pictures; else the first one does it alone.
  static var runsOnAllRanks: Bool { get }
  /// Whether it looks at its place's interrupt, so that Ctrl-C ends it in good order.
  static var heedsInterrupt: Bool { get }

  /// The job that is meant, with its own words, where words or a run folder mean another one than
  /// this; throws `FieldError` or `StudioError` where the other job does not have a word.
  static func handOver(
    _ words: FieldWords, in run: RunPlace
  ) throws -> (job: any Job.Type, words: FieldWords)?

  /// The request of words; that of a training that goes on is in its run folder, which is empty for
  /// jobs that have none.
  static func request(_ words: FieldWords, in run: RunPlace) throws -> Request

  /// Does the work; throws errors with one clear line each.
  static func run(_ request: Request, in place: JobPlace) throws -> Report
}

extension Job {
  public static var guide: String { "" }
  public static var trains: Bool { false }
  public static var takesPrecision: Bool { true }
  public static var runsOnAllRanks: Bool { false }
  public static var heedsInterrupt: Bool { trains }
  /// Workshop and verb, such as `classify train`.
  public static var path: String { name == workshop ? name : "\(workshop) \(name)" }
  @_semantics("optimize.sil.specialize.generic.never")
  public static func handOver(
    _ words: FieldWords, in run: RunPlace
  ) throws -> (job: any Job.Type, words: FieldWords)? { nil }
  @_semantics("optimize.sil.specialize.generic.never")
  public static func request(_ words: FieldWords, in run: RunPlace) throws -> Request {
    try Request(words: words)
  }
}

/// Jobs about one thing, such as denoising.
public protocol Workshop: Sendable {
  /// The name, one word.
  static var name: String { get }
  /// One sentence with its full stop.
  static var summary: String { get }
  /// What there is to know, in paragraphs; empty for nothing.
  static var guide: String { get }
  /// The jobs, as people see them; a single one of the workshop's own name needs no verb.
  static var jobs: [any Job.Type] { get }
  /// The name of the job that is meant where none is named; nil for none.
  static var mainJob: String? { get }
}

extension Workshop {
  public static var guide: String { "" }
  public static var mainJob: String? { "run" }
}

/// All workshops, as front ends without types see them.
public struct StudioDescription: Sendable, Encodable {
  /// One job.
  public struct Job: Sendable, Encodable {
    /// The verb.
    public let name: String
    /// One sentence.
    public let summary: String
    /// What there is to know.
    public let guide: String
    /// Whether it works in a run folder that can be resumed.
    public let trains: Bool
    /// What it is asked for.
    public let fields: [FieldDescription]
  }

  /// One workshop.
  public struct Shop: Sendable, Encodable {
    /// The name.
    public let name: String
    /// One sentence.
    public let summary: String
    /// The job that is meant where none is named.
    public let main: String?
    /// The jobs.
    public var jobs: [Job]
  }

  /// The version of the studio.
  public let version: String
  /// The workshops.
  public var workshops: [Shop]

  /// Describes workshops.
  public init(_ workshops: [any Workshop.Type]) {
    version = StudioVersion.current
    self.workshops = workshops.map { shop in
      Shop(
        name: shop.name, summary: shop.summary, main: shop.jobs.count > 1 ? shop.mainJob : nil,
        jobs: shop.jobs.map { Self.describe($0) })
    }
  }

  private static func describe<Work: AtelierWorkbench.Job>(_ job: Work.Type) -> Job {
    Job(
      name: job.name, summary: job.summary, guide: job.guide, trains: job.trains,
      fields: Work.Request.form.descriptions)
  }
}
