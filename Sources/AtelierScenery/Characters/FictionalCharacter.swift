// Who a fictional person is: colours and shapes of one head, its hair, its clothes and its place.

import Foundation

/// A person who does not exist, as numbers: change a field and another person is drawn.
///
/// Colours are sRGB codes such as `0xE8B796`. Lengths are in head units: half the height of a head
/// from chin to crown is 1.
public struct FictionalCharacter: Hashable, Codable, Sendable {
  /// How the hair is worn.
  public enum HairStyle: String, Codable, Sendable, CaseIterable {
    /// Parted in the middle, waves over the shoulders.
    case long
    /// Short curls, free ears.
    case cropped
  }

  /// The name, for captions.
  public var name: String
  /// Which freckles, strands and threads.
  public var seed: UInt64

  /// The lit skin.
  public var skin: UInt32
  /// What shines through thin skin: cheeks, nose, ears.
  public var blush: UInt32
  /// How strong the blush is, 0...1.
  public var blushStrength: Float = 0.5
  /// How many freckles, 0...1.
  public var freckles: Float = 0
  /// How much the skin shines, 0...1.
  public var gloss: Float = 0.5
  /// Folds beside the mouth, on the forehead and at the eyes, 0...1.
  public var wrinkles: Float = 0

  /// Half the width of the head.
  public var headWidth: Float = 0.72
  /// How much the face narrows to the chin: 0.15 square to 0.45 pointed.
  public var jawTaper: Float = 0.36
  /// How far the chin stands out.
  public var chin: Float = 0.07
  /// How far the cheekbones stand out.
  public var cheekbones: Float = 0.04
  /// How far the bone above the eyes stands out.
  public var browRidge: Float = 0.02

  /// How far each eye is from the middle.
  public var eyeSpacing: Float = 0.29
  /// Half the width of an eye.
  public var eyeWidth: Float = 0.135
  /// Half the height of an open eye.
  public var eyeHeight: Float = 0.062
  /// How much higher the outer corner of an eye is than the inner one.
  public var eyeTilt: Float = 0.015
  /// The iris.
  public var iris: UInt32
  /// The ring at the edge of the iris.
  public var irisRim: UInt32
  /// How dark and long the lashes are, 0...1.
  public var lashes: Float = 0.6

  /// How thick the brows are, 0...1.
  public var browThickness: Float = 0.5
  /// How much the brows arch, 0...1.
  public var browArch: Float = 0.5
  /// The brows.
  public var brow: UInt32

  /// How far the tip of the nose stands out.
  public var noseLength: Float = 0.22
  /// The width of the nose: 1 usual, 1.5 broad.
  public var noseWidth: Float = 1
  /// How much the bridge of the nose is raised.
  public var noseBridge: Float = 0.06

  /// Half the width of the mouth.
  public var mouthWidth: Float = 0.22
  /// How full the lips are: 1 usual.
  public var lipFullness: Float = 1
  /// The lips.
  public var lip: UInt32

  /// How the hair is worn.
  public var hairStyle: HairStyle
  /// The lit hair.
  public var hair: UInt32
  /// The second colour of strands among the others.
  public var hairStreak: UInt32
  /// How far the hair stands off the head.
  public var hairVolume: Float = 0.12
  /// The beard from 0 (none) to 1 (full, short).
  public var beard: Float = 0
  /// The lit beard.
  public var beardColor: UInt32 = 0x404040

  /// The clothes.
  public var cloth: UInt32
  /// The second colour of the clothes.
  public var clothAccent: UInt32
  /// The background at the top.
  public var backgroundTop: UInt32
  /// The background at the bottom.
  public var backgroundBottom: UInt32

  /// A red-haired woman with freckles and green eyes in a knitted teal sweater.
  public static let maeve = FictionalCharacter(
    name: "Maeve", seed: 11, skin: 0xEDBFA3, blush: 0xE0785F, blushStrength: 0.62, freckles: 0.9,
    gloss: 0.4, wrinkles: 0.05, headWidth: 0.685, jawTaper: 0.27, chin: 0.06, cheekbones: 0.045,
    browRidge: 0.008, eyeSpacing: 0.285, eyeWidth: 0.15, eyeHeight: 0.074, eyeTilt: 0.018,
    iris: 0x668F62, irisRim: 0x24402E, lashes: 0.95, browThickness: 0.55, browArch: 0.65,
    brow: 0x743818, noseLength: 0.2, noseWidth: 0.92, noseBridge: 0.05, mouthWidth: 0.22,
    lipFullness: 1.1, lip: 0xC4605A, hairStyle: .long, hair: 0xB8501E, hairStreak: 0xE68A42,
    hairVolume: 0.13, cloth: 0x2E6E72, clothAccent: 0x5AA09A, backgroundTop: 0xC9D2C0,
    backgroundBottom: 0x8E9E86)

  /// A dark-skinned man with gray curls and a short gray beard in a burgundy shirt.
  public static let solomon = FictionalCharacter(
    name: "Solomon", seed: 23, skin: 0x8A5A3C, blush: 0x8A3C28, blushStrength: 0.35,
    gloss: 0.85, wrinkles: 0.65, headWidth: 0.73, jawTaper: 0.2, chin: 0.075, cheekbones: 0.04,
    browRidge: 0.04, eyeSpacing: 0.295, eyeWidth: 0.13, eyeHeight: 0.055, eyeTilt: 0.004,
    iris: 0x5A3418, irisRim: 0x1E0E06, lashes: 0.45, browThickness: 0.75, browArch: 0.3,
    brow: 0x5E5650, noseLength: 0.215, noseWidth: 1.42, noseBridge: 0.045, mouthWidth: 0.245,
    lipFullness: 1.3, lip: 0x8A4C42, hairStyle: .cropped, hair: 0x7E7B79, hairStreak: 0xC4C1BD,
    hairVolume: 0.1, beard: 1, beardColor: 0x7A7674, cloth: 0x7A2434, clothAccent: 0xA8505A,
    backgroundTop: 0x5C7288, backgroundBottom: 0x34424E)

  /// The characters that the project ships.
  public static let all = [maeve, solomon]
}
