// swift-tools-version: 6.1
// The kernels and the codecs by themselves, with their own tests, to be built with sanitizers
// (`make sanitize`): the links lead to the folders of the house.

import PackageDescription

let settings: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  // Leaves the fences around test memory away: a sanitizer sees what crosses an end only where
  // nothing lies behind it.
  .define("SANITIZED"),
]

/// Undefined behaviour is watched in C alone, and what is found ends the run.
///
/// Swift has no such sanitizer on Linux; the runtime of its AddressSanitizer holds C's, too.
let undefinedBehavior = ["-fsanitize=undefined", "-fno-sanitize-recover=undefined"]

/// What keeps the compilation of the kernels short, which are inlined into few very large functions.
///
/// Checks of addresses are calls, and what AddressSanitizer sees itself is not checked twice. Loops
/// that are not unrolled here are no fault.
let kernelFlags = [
  "-O1", "-Wno-pass-failed", "-fsanitize-address-outline-instrumentation",
  "-fno-sanitize=null,object-size,pointer-overflow",
]

/// LLD, where gold is the rule and warns about each of the runtime's symbols.
let linking: [LinkerSetting] = [.unsafeFlags(["-use-ld=lld"], .when(platforms: [.linux]))]

let package = Package(
  name: "Sanitizers",
  platforms: [.macOS(.v15)],
  targets: [
    .target(
      name: "CKernels",
      cSettings: [.define("_GNU_SOURCE"), .unsafeFlags(undefinedBehavior + kernelFlags)]),
    .systemLibrary(name: "CPNG", pkgConfig: "libpng"),
    .systemLibrary(name: "CJPEG", pkgConfig: "libjpeg"),
    .systemLibrary(name: "CTIFF", pkgConfig: "libtiff-4"),
    .systemLibrary(name: "CWebP", pkgConfig: "libwebp"),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib"),
    .target(
      name: "CImageCodecs", dependencies: ["CPNG", "CJPEG", "CTIFF", "CWebP", "CZlib"],
      cSettings: [.unsafeFlags(undefinedBehavior)]),
    .target(
      name: "AtelierKernels", dependencies: ["CKernels"], swiftSettings: settings),
    .target(name: "AtelierFiles", swiftSettings: settings),
    .target(
      name: "AtelierImages", dependencies: ["AtelierFiles", "CImageCodecs"],
      swiftSettings: settings),
    .testTarget(
      name: "KernelsTests", dependencies: ["AtelierKernels"], swiftSettings: settings,
      linkerSettings: linking),
    // Filters and maps are Swift alone, and their tests need the house's test support.
    .testTarget(
      name: "ImagesTests", dependencies: ["AtelierFiles", "AtelierImages"],
      exclude: ["AffineMapTests.swift", "FilterTests.swift"], swiftSettings: settings,
      linkerSettings: linking),
  ],
  cLanguageStandard: .c11
)
