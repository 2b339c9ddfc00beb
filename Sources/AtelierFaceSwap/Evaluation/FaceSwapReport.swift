// What an evaluation of a face swap found; encodes to the JSON that `--json` prints.

import AtelierImages
import AtelierWorkbench

/// The figures of a face swap with their protocol.
public struct FaceSwapReport: Sendable, Encodable {
  /// How close pictures are to those that they should be; means over the faces.
  public struct Likeness: Sendable, Encodable {
    /// The faces.
    public var faces: Int
    /// The mean absolute error of values in 0...1.
    public var mae: Double
    /// Decibels, 8-bit RGB.
    public var psnr: Double
    /// Structural similarity, 8-bit RGB.
    public var ssim: Double
  }

  /// Who a separately trained classifier sees; shares in 0...1.
  public struct Identity: Sendable, Encodable {
    /// Of the real faces of the person that is swapped, the share that is called by its own name.
    public var real: Double
    /// Of the swapped faces, the share that is called by the other's name.
    public var swapped: Double
  }

  /// How a swapped face moves with the input: correlations over frames, nil where nothing moved.
  public struct Motion: Sendable, Encodable {
    /// The frames.
    public var frames: Int
    /// The head's place to the right.
    public var x: Double?
    /// The head's place downwards.
    public var y: Double?
    /// How far the mouth is open.
    public var mouth: Double?
    /// `x` of the true pictures' heads, which no swap does better; drawn people alone.
    public var trueX: Double?
    /// The same downwards.
    public var trueY: Double?
    /// How the true pictures' mouths follow the known opening; drawn people alone.
    public var mouthCeiling: Double?
    /// How well the measure of the swapped pictures follows it; drawn people alone.
    public var mouthKnown: Double?

    enum CodingKeys: String, CodingKey {
      case frames, x, y, mouth
      case trueX = "x_true_picture"
      case trueY = "y_true_picture"
      case mouthCeiling = "mouth_true_picture_against_known_opening"
      case mouthKnown = "mouth_swap_against_known_opening"
    }
  }

  /// One way of the swap.
  public struct Direction: Sendable, Encodable {
    /// The person who is in the input.
    public var from: String
    /// The person who is drawn.
    public var to: String
    /// The input through its own decoder.
    public var reconstruction: Likeness
    /// The swap against the true picture of the other person in the same pose; drawn people alone.
    public var truth: Likeness?
    /// The swap swapped back against the input.
    public var cycle: Likeness
    /// Who a classifier sees; where one was trained.
    public var identity: Identity?
    /// How the swap moves; nil for fewer than 8 frames.
    public var motion: Motion?
  }

  /// How the figures came about.
  public var `protocol`: String
  /// The network's name.
  public var network: String
  /// The side of a face in pixels.
  public var side: Int
  /// From A to B and from B to A.
  public var directions: [Direction]
  /// Seconds for one face through encoder and one decoder.
  public var secondsPerFace: Double

  enum CodingKeys: String, CodingKey {
    case `protocol`, network, side, directions
    case secondsPerFace = "seconds_per_face"
  }
}

/// The figures and the pictures to look at.
public struct FaceSwapEvaluationResult: Sendable {
  /// The figures.
  public var report: FaceSwapReport
  /// Pictures by file name.
  public var pictures: [(name: String, picture: ByteImage)]
}
