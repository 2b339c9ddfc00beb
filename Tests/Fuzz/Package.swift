// swift-tools-version: 6.1
// The readers of files by themselves, built with libFuzzer (`make fuzz`): the links lead to the folders of
// the house, and no other build sees this package.

import PackageDescription

/// What every Swift module is built with: coverage that libFuzzer follows, and `@testable` for readers
/// that no other module calls by themselves.
let settings: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .unsafeFlags(["-sanitize=fuzzer", "-enable-testing", "-parse-as-library"]),
]

/// Kernels are no readers: they only have to be there.
let kernelFlags = ["-O1", "-Wno-pass-failed"]

/// A module of the house.
func module(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

let package = Package(
  name: "Fuzz",
  platforms: [.macOS(.v15)],
  targets: [
    .target(
      name: "CKernels", cSettings: [.define("_GNU_SOURCE"), .unsafeFlags(kernelFlags)]),
    .systemLibrary(name: "CPNG", pkgConfig: "libpng"),
    .systemLibrary(name: "CJPEG", pkgConfig: "libjpeg"),
    .systemLibrary(name: "CTIFF", pkgConfig: "libtiff-4"),
    .systemLibrary(name: "CWebP", pkgConfig: "libwebp"),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib"),
    .target(name: "CImageCodecs", dependencies: ["CPNG", "CJPEG", "CTIFF", "CWebP", "CZlib"]),
    module("AtelierFiles", []),
    module("AtelierKernels", ["CKernels"]),
    module("AtelierEngine", ["AtelierKernels"]),
    module("AtelierImages", ["AtelierFiles", "CImageCodecs"]),
    module("AtelierInterchange", ["AtelierEngine", "AtelierFiles", "AtelierKernels"]),
    module("AtelierVision", ["AtelierFiles", "AtelierImages", "AtelierKernels"]),
    module("AtelierDatasets", ["AtelierEngine", "AtelierFiles", "AtelierImages", "CZlib"]),
    module(
      "AtelierTraining",
      ["AtelierEngine", "AtelierFiles", "AtelierInterchange", "AtelierKernels"]),
    .executableTarget(
      name: "Fuzz",
      dependencies: [
        "AtelierDatasets", "AtelierEngine", "AtelierFiles", "AtelierImages", "AtelierInterchange",
        "AtelierKernels", "AtelierTraining", "AtelierVision",
      ],
      swiftSettings: settings,
      linkerSettings: [.unsafeFlags(["-sanitize=fuzzer"])]),
  ],
  cLanguageStandard: .c11
)
