// swift-tools-version: 6.1
import PackageDescription

/// The language settings that every Swift target of the package shares.
let settings: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

/// A library or executable module of the house; arrows point down only (CONTRIBUTING.md has the
/// map).
func module(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

/// The test target of one module; all of them share `TestSupport`.
func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(name: name, dependencies: ["TestSupport"] + dependencies, swiftSettings: settings)
}

/// What a network needs from its data to its file.
let models: [Target.Dependency] = [
  "AtelierDatasets", "AtelierEngine", "AtelierFiles", "AtelierImages", "AtelierInterchange",
  "AtelierKernels", "AtelierZoo",
]
/// What every workshop stands on.
let workbench = models + ["AtelierTraining", "AtelierVision", "AtelierWorkbench"]
/// The workshops, each a module of its own, so that the compiler works on several at once.
let workshops: [Target.Dependency] = [
  "AtelierAdversarial", "AtelierClassification", "AtelierCourse", "AtelierDenoising",
  "AtelierFaceSwap", "AtelierGeneration", "AtelierSegmentation",
]

/// A module on top of the workbench.
func workshop(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  module(name, workbench + dependencies)
}

/// Training on many machines needs MPI; the rest of the house is built without it.
let hasCluster = Context.environment["ATELIER_CLUSTER"] != nil
/// The name under which pkg-config knows MPI: `ompi-c` for Open MPI, `mpich` for MPICH.
let cluster: [Target] = [
  .systemLibrary(
    name: "CMPI", pkgConfig: Context.environment["ATELIER_MPI"] ?? "ompi-c",
    providers: [.apt(["libopenmpi-dev"]), .brew(["open-mpi"])]),
  .executableTarget(
    name: "AtelierCluster",
    dependencies: [
      "AtelierCommand", "AtelierEngine", "AtelierFiles", "AtelierKernels", "AtelierStudio",
      "AtelierTraining", "AtelierWorkbench", "CMPI",
    ], swiftSettings: settings),
]

let package = Package(
  name: "Atelier",
  platforms: [.macOS(.v15)],
  products: [
    .library(name: "Atelier", targets: ["Atelier"]),
    .executable(name: "atelier", targets: ["AtelierMain"]),
  ] + (hasCluster ? [.executable(name: "atelier-cluster", targets: ["AtelierCluster"])] : []),
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0")
  ],
  targets: [
    .target(name: "CKernels", cSettings: [.define("_GNU_SOURCE")]),
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
    module("AtelierKernels", ["CKernels"]),
    module("AtelierEngine", ["AtelierKernels"]),
    module("AtelierImages", ["AtelierFiles", "CImageCodecs"]),
    module("AtelierFiles", []),
    module("AtelierInterchange", ["AtelierEngine", "AtelierFiles", "AtelierKernels"]),
    module(
      "AtelierTraining",
      ["AtelierEngine", "AtelierFiles", "AtelierInterchange", "AtelierKernels"]),
    module("AtelierVision", ["AtelierFiles", "AtelierImages", "AtelierKernels"]),
    module("AtelierMedia", ["AtelierFiles", "AtelierImages"]),
    module("AtelierDatasets", ["AtelierEngine", "AtelierFiles", "AtelierImages", "CZlib"]),
    module(
      "AtelierScenery", ["AtelierDatasets", "AtelierEngine", "AtelierFiles", "AtelierImages"]),
    module("AtelierZoo", ["AtelierEngine", "AtelierKernels"]),
    module("AtelierWorkbench", models + ["AtelierMedia", "AtelierTraining", "AtelierVision"]),
    workshop("AtelierDenoising", ["AtelierMedia", "AtelierScenery"]),
    workshop("AtelierSegmentation", ["AtelierMedia", "AtelierScenery"]),
    workshop("AtelierClassification", ["AtelierMedia"]),
    workshop("AtelierCourse", ["AtelierClassification", "AtelierMedia"]),
    workshop("AtelierFaceSwap", ["AtelierMedia", "AtelierScenery"]),
    workshop("AtelierAdversarial", ["AtelierClassification"]),
    workshop(
      "AtelierGeneration", ["AtelierAdversarial", "AtelierClassification", "AtelierMedia"]),
    workshop("AtelierStudio", ["AtelierScenery"] + workshops),
    module("Atelier", workbench + workshops + ["AtelierMedia", "AtelierScenery", "AtelierStudio"]),
    module(
      "AtelierCommand",
      ["Atelier", .product(name: "ArgumentParser", package: "swift-argument-parser")]),
    .executableTarget(
      name: "AtelierMain", dependencies: ["AtelierCommand"], swiftSettings: settings),
    .target(
      name: "TestSupport",
      dependencies: ["AtelierDatasets", "AtelierEngine", "AtelierImages", "AtelierScenery"],
      path: "Tests/TestSupport", swiftSettings: settings),
    tests("KernelsTests", ["AtelierKernels"]),
    tests("EngineTests", ["AtelierEngine", "AtelierKernels"]),
    tests(
      "TrainingTests",
      [
        "AtelierEngine", "AtelierFiles", "AtelierInterchange", "AtelierKernels",
        "AtelierTraining",
      ]),
    tests("FilesTests", ["AtelierFiles"]),
    tests(
      "InterchangeTests",
      ["AtelierEngine", "AtelierFiles", "AtelierInterchange", "AtelierKernels"]),
    tests("ImagesTests", ["AtelierFiles", "AtelierImages"]),
    tests(
      "VisionTests",
      [
        "AtelierDatasets", "AtelierEngine", "AtelierImages", "AtelierFiles",
        "AtelierKernels", "AtelierScenery", "AtelierVision",
      ]),
    tests("MediaTests", ["AtelierFiles", "AtelierImages", "AtelierMedia"]),
    tests(
      "DatasetsTests", ["AtelierDatasets", "AtelierEngine", "AtelierImages", "AtelierScenery"]),
    tests(
      "SceneryTests", ["AtelierDatasets", "AtelierEngine", "AtelierImages", "AtelierScenery"]),
    tests(
      "ZooTests", ["AtelierEngine", "AtelierInterchange", "AtelierKernels", "AtelierZoo"]),
    tests(
      "StudioTests",
      workbench + workshops + ["AtelierMedia", "AtelierScenery", "AtelierStudio"]),
    tests(
      "WorkbenchTests",
      workbench + workshops + [
        "AtelierCommand", "AtelierMedia", "AtelierScenery", "AtelierStudio",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    tests("CommandTests", ["Atelier"]),
  ] + (hasCluster ? cluster : []),
  cLanguageStandard: .c11
)

// The web studio, only where it is asked for: who builds `atelier` alone fetches and compiles
// nothing of it.
// It needs Swift 6.2.
if Context.environment["ATELIER_STUDIO"] != nil {
  package.products.append(.executable(name: "atelier-studio", targets: ["AtelierWeb"]))
  package.dependencies += [
    .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.80.0"),
    .package(url: "https://github.com/apple/swift-http-types", from: "1.3.0"),
    .package(url: "https://github.com/apple/swift-system", from: "1.5.0"),
  ]
  let web: [Target.Dependency] = [
    "AtelierFiles", "CStudioSite", "CZlib",
    .product(name: "ArgumentParser", package: "swift-argument-parser"),
    .product(name: "GRDB", package: "GRDB.swift"),
    .product(name: "HTTPTypes", package: "swift-http-types"),
    .product(name: "Hummingbird", package: "hummingbird"),
    .product(name: "HummingbirdCore", package: "hummingbird"),
    .product(name: "Logging", package: "swift-log"),
    .product(name: "NIOCore", package: "swift-nio"),
    .product(name: "NIOPosix", package: "swift-nio"),
    .product(name: "Subprocess", package: "swift-subprocess"),
    .product(name: "SystemPackage", package: "swift-system", condition: .when(platforms: [.linux])),
  ]
  package.targets += [
    .target(name: "CStudioSite", exclude: ["site"]),
    .executableTarget(name: "AtelierWeb", dependencies: web, swiftSettings: settings),
    .testTarget(
      name: "WebTests",
      dependencies: [
        "AtelierFiles", "AtelierWeb",
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "Hummingbird", package: "hummingbird"),
        .product(name: "HummingbirdCore", package: "hummingbird"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOEmbedded", package: "swift-nio"),
      ], swiftSettings: settings),
  ]
}
