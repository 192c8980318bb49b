// swift-tools-version: 6.2
import PackageDescription

// From tools version 6.2 on, a package with unsafe flags may be depended on by a version; before,
// it may not. Tools/check-package builds one that does.

// What every target of ours is held to.
let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  // Every unsafe use carries the word `unsafe`, so that a review is a search.
  .strictMemorySafety(),
  .enableUpcomingFeature("ExistentialAny"),
  // The two that turn the layering into compiler errors: a member is visible, and an import is
  // re-exported, only where the file says so.
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .treatAllWarnings(as: .error),
]

// What counters cost is measured against a build that has none on the data path, which is of no
// other use: GALLEON_COUNTERS_OFF=1 swift build -c release --scratch-path DIRECTORY.
let counting: [SwiftSetting] =
  Context.environment["GALLEON_COUNTERS_OFF"] == nil ? [] : [.define("GALLEON_COUNTERS_OFF")]

// The thread sanitizer is for what threads share without a lock: a build of these tests alone.
let onlyThreadTests = Context.environment["GALLEON_THREAD_TESTS"] != nil
let threadTests = [
  "CKernel", "CChecksum", "CLZ4", "CZstd", "WireFormat", "Counters", "BrokerCore", "LinuxIO",
  "CountersSupport", "CommandSupport", "Simulation", "WireSupport", "BrokerCoreTests",
  "LinuxIOTests",
]

// The modules on the data path. Release builds let the optimiser look across their borders and
// leave out the dynamic exclusivity checks (debug builds and tests keep them).
let hot: [SwiftSetting] =
  strict + counting + [
    .unsafeFlags(
      ["-cross-module-optimization", "-enforce-exclusivity=unchecked"],
      .when(configuration: .release))
  ]

// What Tools/alloccount counts: its calls of these are sent to its own counting functions.
let countedFunctions = [
  "swift_retain", "swift_retain_n", "swift_tryRetain", "swift_bridgeObjectRetain",
  "swift_bridgeObjectRetain_n", "swift_nonatomic_retain", "swift_unownedRetain",
  "swift_unownedRetainStrong", "swift_weakLoadStrong", "swift_release", "swift_release_n",
  "swift_bridgeObjectRelease", "swift_bridgeObjectRelease_n", "swift_nonatomic_release",
  "swift_unownedRelease", "swift_beginAccess",
]

// The command's own code, which does nothing in a loop: small rather than fast.
let small: [SwiftSetting] =
  strict + [.unsafeFlags(["-Osize"], .when(configuration: .release))]

let package = Package(
  name: "galleon",
  products: [
    .executable(name: "galleon", targets: ["galleon"]),
    .library(name: "GalleonClient", targets: ["GalleonClient"]),
  ],
  targets: [
    // C shims and system libraries, nothing else.
    .target(name: "CKernel"),
    .target(name: "CChecksum", cSettings: [.unsafeFlags(["-O2"])]),
    .systemLibrary(name: "CLZ4", pkgConfig: "liblz4", providers: [.apt(["liblz4-dev"])]),
    .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),

    // No file descriptor and no clock in these three.
    .target(
      name: "WireFormat", dependencies: ["CChecksum", "CLZ4", "CZstd"], swiftSettings: hot),
    .target(name: "Counters", swiftSettings: hot),
    .target(name: "BrokerCore", dependencies: ["WireFormat", "Counters"], swiftSettings: hot),

    // The only module that makes system calls, and what stands on it.
    .target(name: "LinuxIO", dependencies: ["CKernel"], swiftSettings: hot),
    // Counters as text for Prometheus; no file descriptor and no clock either.
    .target(
      name: "Metrics", dependencies: ["Counters", "WireFormat"], swiftSettings: small),
    .target(
      name: "BrokerServer",
      dependencies: ["BrokerCore", "WireFormat", "Counters", "LinuxIO", "Metrics"],
      swiftSettings: hot),
    .target(
      name: "GalleonClient", dependencies: ["WireFormat", "LinuxIO"], swiftSettings: hot),
    .target(
      name: "LoadKit", dependencies: ["WireFormat", "LinuxIO"], swiftSettings: hot),
    // What the command says and reads, without doing any I/O.
    .target(
      name: "CommandSupport", dependencies: ["Counters", "WireFormat"], swiftSettings: strict),
    .executableTarget(
      name: "galleon",
      dependencies: [
        "BrokerServer", "GalleonClient", "LoadKit", "CommandSupport", "Counters", "WireFormat",
        "LinuxIO",
      ],
      swiftSettings: small,
      // A broker starts in milliseconds and idles small: no libraries to load and relocate. What is
      // shared counts, too: 9.0 MB with the system's libraries, 6.2 in one file.
      linkerSettings: [
        // Nothing in it is ever unwound: without the tables for that it is 1.1 MB smaller. Only
        // the toolchain's own linker can leave them out.
        .unsafeFlags(
          [
            "-static-executable", "-use-ld=lld", "-Xlinker", "--icf=safe", "-Xlinker",
            "--no-eh-frame-hdr", "-Xlinker", "-T", "-Xlinker",
            Context.packageDirectory + "/Tools/link/no-unwinding.ld",
          ], .when(configuration: .release))
      ]),
    .executableTarget(
      name: "hunt-demo",
      dependencies: ["GalleonClient", "CommandSupport", "Counters", "LinuxIO"],
      path: "Sources/HuntDemo", exclude: ["Data"], swiftSettings: strict),

    .executableTarget(
      name: "peers", dependencies: ["LoadKit", "GalleonClient", "CommandSupport", "LinuxIO"],
      path: "Tools/peers", swiftSettings: strict),

    // Counts allocations and reference counting on the data path.
    .target(name: "CallProbe", path: "Tools/alloccount/probe",
      cSettings: [.unsafeFlags(["-O2", "-fno-omit-frame-pointer"])]),
    .executableTarget(
      name: "alloccount",
      dependencies: [
        "CallProbe", "BrokerCore", "BrokerServer", "Counters", "CountersSupport", "WireFormat",
        "LinuxIO",
      ],
      path: "Tools/alloccount/tool", swiftSettings: hot,
      linkerSettings: [
        .unsafeFlags(countedFunctions.flatMap { ["-Xlinker", "--wrap=\($0)"] }),
        // Else the standard library's own calls would not be seen.
        .unsafeFlags(["-static-stdlib"], .when(configuration: .release)),
      ]),

    // The whole broker core with clients, network and clock made up, in one thread.
    .target(
      name: "Simulation",
      dependencies: ["BrokerCore", "WireFormat", "Counters", "CountersSupport", "CommandSupport"],
      path: "Tests/Simulation", swiftSettings: strict),
    .executableTarget(
      name: "simulate", dependencies: ["Simulation"], path: "Tools/simulate",
      swiftSettings: strict),

    // Counters in plain memory, for every core that is made without its server.
    .target(
      name: "CountersSupport", dependencies: ["Counters"], path: "Tests/CountersSupport",
      swiftSettings: strict),
    // Vectors and transcripts of Protocol/, for every test target that replays them.
    .target(
      name: "WireSupport", dependencies: ["WireFormat"], path: "Tests/WireSupport",
      swiftSettings: strict),
    .testTarget(
      name: "WireFormatTests", dependencies: ["WireFormat", "WireSupport"], swiftSettings: strict),
    .testTarget(
      name: "MetricsTests", dependencies: ["Metrics", "Counters", "CountersSupport", "WireFormat"],
      swiftSettings: strict),
    .testTarget(
      name: "CountersTests", dependencies: ["Counters", "CountersSupport"], swiftSettings: strict),
    .testTarget(
      name: "BrokerCoreTests",
      dependencies: [
        "BrokerCore", "Simulation", "WireFormat", "WireSupport", "Counters", "CountersSupport",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "CommandSupportTests",
      dependencies: ["CommandSupport", "Counters", "CountersSupport", "WireFormat"],
      swiftSettings: strict),
    .testTarget(name: "LinuxIOTests", dependencies: ["LinuxIO", "CKernel"], swiftSettings: strict),
    .testTarget(
      name: "GalleonClientTests",
      dependencies: ["GalleonClient", "WireFormat", "WireSupport", "LinuxIO"],
      swiftSettings: strict),
    .testTarget(
      name: "IntegrationTests", dependencies: ["GalleonClient", "WireSupport", "LinuxIO"],
      swiftSettings: strict),
    .testTarget(
      name: "HuntDemoTests", dependencies: ["hunt-demo", "GalleonClient"],
      swiftSettings: strict),
    .testTarget(name: "HouseTests", swiftSettings: strict),
    .testTarget(
      name: "LoadKitTests", dependencies: ["LoadKit", "LinuxIO", "WireFormat"],
      swiftSettings: strict),
  ]
)

if onlyThreadTests {
  package.products = []
  package.targets.removeAll { !threadTests.contains($0.name) }
}
