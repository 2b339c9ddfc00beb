// swift-tools-version: 6.1
import PackageDescription

/// The language settings that every Swift target of the package shares.
let settings: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

/// A library or executable module of the house; arrows point down only (CONTRIBUTING.md has the map).
func module(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

/// The test target of one module; all of them share `TestSupport`.
func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(name: name, dependencies: ["TestSupport"] + dependencies, swiftSettings: settings)
}

let package = Package(
  name: "Atelier",
  platforms: [.macOS(.v15)],
  products: [
    .library(name: "Atelier", targets: ["Atelier"]),
    .executable(name: "atelier", targets: ["AtelierCommand"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0")
  ],
  targets: [
    .target(name: "CKernels", cSettings: [.define("_GNU_SOURCE")]),
    .systemLibrary(
      name: "COpenBLAS", pkgConfig: "openblas",
      providers: [.apt(["libopenblas-dev"]), .brew(["openblas"])]),
    .systemLibrary(
      name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"]), .brew(["libpng"])]),
    .systemLibrary(
      name: "CJPEG", pkgConfig: "libjpeg",
      providers: [.apt(["libjpeg-dev"]), .brew(["jpeg-turbo"])]),
    .systemLibrary(
      name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"]), .brew(["zlib"])]),
    .systemLibrary(
      name: "CTIFF", pkgConfig: "libtiff-4",
      providers: [.apt(["libtiff-dev"]), .brew(["libtiff"])]),
    .systemLibrary(
      name: "CWebP", pkgConfig: "libwebp", providers: [.apt(["libwebp-dev"]), .brew(["webp"])]),
    .target(name: "CImageCodecs", dependencies: ["CPNG", "CJPEG", "CTIFF", "CWebP", "CZlib"]),
    module("AtelierKernels", ["CKernels", "COpenBLAS"]),
    module("AtelierEngine", ["AtelierKernels"]),
    module("AtelierImages", ["CImageCodecs"]),
    module("AtelierInterchange", ["AtelierEngine"]),
    module("AtelierTraining", ["AtelierEngine", "AtelierInterchange", "AtelierKernels"]),
    module("AtelierVision", ["AtelierImages", "AtelierInterchange", "AtelierKernels"]),
    module("AtelierMedia", ["AtelierImages", "AtelierInterchange"]),
    module(
      "AtelierDatasets", ["AtelierEngine", "AtelierImages", "AtelierInterchange", "CZlib"]),
    module(
      "AtelierScenery",
      ["AtelierDatasets", "AtelierEngine", "AtelierImages", "AtelierInterchange"]),
    module("AtelierZoo", ["AtelierEngine", "AtelierKernels"]),
    module(
      "AtelierStudio",
      [
        "AtelierDatasets", "AtelierEngine", "AtelierImages", "AtelierInterchange",
        "AtelierKernels", "AtelierMedia", "AtelierScenery", "AtelierTraining", "AtelierVision",
        "AtelierZoo",
      ]),
    module(
      "Atelier",
      [
        "AtelierDatasets", "AtelierEngine", "AtelierImages", "AtelierInterchange",
        "AtelierKernels", "AtelierMedia", "AtelierScenery", "AtelierStudio", "AtelierTraining",
        "AtelierVision", "AtelierZoo",
      ]),
    .executableTarget(
      name: "AtelierCommand",
      dependencies: [
        "Atelier",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: settings),
    .target(
      name: "TestSupport",
      dependencies: ["AtelierDatasets", "AtelierEngine", "AtelierImages", "AtelierScenery"],
      path: "Tests/TestSupport", swiftSettings: settings),
    tests("KernelsTests", ["AtelierKernels"]),
    tests("EngineTests", ["AtelierEngine", "AtelierInterchange", "AtelierKernels"]),
    tests(
      "TrainingTests",
      ["AtelierEngine", "AtelierInterchange", "AtelierKernels", "AtelierTraining"]),
    tests("InterchangeTests", ["AtelierEngine", "AtelierInterchange", "AtelierKernels"]),
    tests("ImagesTests", ["AtelierImages"]),
    tests(
      "VisionTests",
      [
        "AtelierDatasets", "AtelierEngine", "AtelierImages", "AtelierInterchange",
        "AtelierKernels", "AtelierScenery", "AtelierVision",
      ]),
    tests("MediaTests", ["AtelierImages", "AtelierMedia"]),
    tests(
      "DatasetsTests", ["AtelierDatasets", "AtelierEngine", "AtelierImages", "AtelierScenery"]),
    tests(
      "SceneryTests", ["AtelierDatasets", "AtelierEngine", "AtelierImages", "AtelierScenery"]),
    tests("ZooTests", ["AtelierEngine", "AtelierKernels", "AtelierZoo"]),
    tests(
      "StudioTests",
      [
        "AtelierDatasets", "AtelierEngine", "AtelierImages", "AtelierInterchange",
        "AtelierKernels", "AtelierMedia", "AtelierScenery", "AtelierStudio", "AtelierTraining",
        "AtelierVision", "AtelierZoo",
      ]),
    tests(
      "WorkbenchTests",
      [
        "AtelierCommand", "AtelierDatasets", "AtelierEngine", "AtelierImages",
        "AtelierInterchange", "AtelierKernels", "AtelierMedia", "AtelierStudio",
        "AtelierTraining", "AtelierZoo",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    tests("CommandTests", ["Atelier"]),
  ],
  cLanguageStandard: .c11
)
