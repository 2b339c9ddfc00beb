// The denoising architectures as one value, for the command line and for model files.

import AtelierEngine

/// One of the denoising networks with its hyper-parameters.
public enum DenoiserArchitecture: Sendable, Hashable, Codable {
  /// The course's autoencoder.
  case autoencoder(ConvolutionalAutoencoder)
  /// Noise2Noise's U-Net.
  case unet(NoiseToNoiseUNet)
  /// DRUNet's form.
  case residualUNet(ResidualUNet)
  /// DRUNet's form beside an estimate of the noise.
  case blindUNet(BlindUNet)
  /// N2V2's form.
  case blurUNet(BlurUNet)
  /// DnCNN.
  case dncnn(DnCNN)
  /// FFDNet.
  case ffdnet(FFDNet)

  /// The architecture of a name with its default hyper-parameters; nil when there is none.
  public init?(name: String, channels: Int, unpooling: Unpooling = .max, widths: [Int]? = nil) {
    switch name {
    case ConvolutionalAutoencoder.name:
      self = .autoencoder(
        ConvolutionalAutoencoder(
          channels: channels, widths: widths ?? [32, 64, 128], unpooling: unpooling))
    case NoiseToNoiseUNet.name: self = .unet(NoiseToNoiseUNet(channels: channels))
    case ResidualUNet.name:
      self = .residualUNet(ResidualUNet(channels: channels, widths: widths ?? [32, 64, 128]))
    case BlindUNet.name:
      self = .blindUNet(BlindUNet(channels: channels, widths: widths ?? [32, 64, 128]))
    case BlurUNet.name:
      self = .blurUNet(BlurUNet(channels: channels, widths: widths ?? [32, 64, 128]))
    case DnCNN.name: self = .dncnn(DnCNN(channels: channels))
    case FFDNet.name: self = .ffdnet(FFDNet(channels: channels))
    default: return nil
    }
  }

  /// The architecture behind the case.
  public var architecture: any Architecture {
    switch self {
    case .autoencoder(let value): value
    case .unet(let value): value
    case .residualUNet(let value): value
    case .blindUNet(let value): value
    case .blurUNet(let value): value
    case .dncnn(let value): value
    case .ffdnet(let value): value
    }
  }

  /// The name on the command line.
  public var name: String { type(of: architecture).name }
}
