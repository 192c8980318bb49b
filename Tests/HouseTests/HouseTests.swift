import Foundation
import Testing

/// Rules of the house that a compiler does not check, read off the sources themselves.
@Suite struct HouseTests {
  static let root = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  struct Source {
    var path: String
    var lines: [Substring]
  }

  /// Swift files below a folder of the package, generated ones left out.
  static func sources(_ folder: String) throws -> [Source] {
    let base = root.appendingPathComponent(folder)
    let names = FileManager.default.enumerator(atPath: base.path)?.compactMap { $0 as? String }
    let files = (names ?? []).filter { $0.hasSuffix(".swift") && !$0.contains("+Generated") }
      .sorted()
    try #require(!files.isEmpty, "no sources in \(folder)")
    return try files.map { name in
      let text = try String(contentsOf: base.appendingPathComponent(name), encoding: .utf8)
      return Source(
        path: "\(folder)/\(name)",
        lines: text.split(separator: "\n", omittingEmptySubsequences: false))
    }
  }

  static func imports(_ source: Source) -> [String] {
    source.lines.compactMap { line in
      let words = line.split(separator: " ")
      guard let at = words.firstIndex(of: "import"), at <= 1, at + 1 < words.count
      else { return nil }
      return String(words[at + 1])
    }
  }

  /// What each module without I/O may import; a file descriptor or a clock is in none of these.
  @Test(arguments: [
    ("WireFormat", ["CChecksum", "CLZ4", "CZstd"]),
    ("Counters", ["Synchronization"]),
    ("BrokerCore", ["Counters", "Synchronization", "WireFormat"]),
  ])
  func modulesWithoutInputAndOutputStayWithoutIt(_ module: String, _ allowed: [String]) throws {
    for source in try Self.sources("Sources/\(module)") {
      for name in Self.imports(source) {
        #expect(allowed.contains(name), "\(source.path) imports \(name)")
      }
    }
  }

  @Test(arguments: [
    "BrokerServer", "GalleonClient", "LinuxIO", "LoadKit", "CommandSupport", "galleon",
  ])
  func nothingThatIsDeliveredUsesFoundation(_ module: String) throws {
    for source in try Self.sources("Sources/\(module)") {
      for name in Self.imports(source) {
        #expect(!name.hasPrefix("Foundation"), "\(source.path) imports \(name)")
        #expect(name != "Dispatch", "\(source.path) imports \(name)")
      }
    }
  }

  /// A file has one topic.
  @Test(arguments: ["Sources", "Tools", "Tests"])
  func filesAreShort(_ folder: String) throws {
    for source in try Self.sources(folder) {
      #expect(source.lines.count <= 450, "\(source.path) has \(source.lines.count) lines")
    }
  }

  /// How many files of a module handle memory by hand. A number here only falls; where it rises,
  /// the new code belongs behind one of the types that have been argued for.
  @Test(arguments: [
    ("BrokerCore", 33), ("BrokerServer", 4), ("Counters", 4), ("LinuxIO", 18), ("galleon", 5),
  ])
  func unsafeCodeStaysWhereItIs(_ module: String, _ most: Int) throws {
    let files = try Self.sources("Sources/\(module)").filter { source in
      source.lines.contains { line in
        let code = line.split(separator: "//", maxSplits: 1, omittingEmptySubsequences: false)[0]
        return code.split { !$0.isLetter && $0 != "_" }.contains("unsafe")
      }
    }
    let paths = files.map(\.path).joined(separator: ", ")
    #expect(files.count <= most, "unsafe code in \(files.count) files of \(module): \(paths)")
  }

  /// The faults that the broker can be given so that a test finds them are in no release build.
  @Test func canariesDoNotShip() throws {
    for source in try Self.sources("Sources") {
      var isDebug = false
      for (i, line) in source.lines.enumerated() {
        let code = line.drop { $0 == " " }
        if code.hasPrefix("#if") || code.hasPrefix("#else") { isDebug = code == "#if DEBUG" }
        if code.hasPrefix("#endif") { isDebug = false }
        let isCanary = code.lowercased().contains("canary") || code.contains("plants(")
        #expect(isDebug || !isCanary, "\(source.path):\(i + 1): \(line)")
      }
    }
  }
}
