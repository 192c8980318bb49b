import LinuxIO
import Testing

/// `stats` and `bench` against a broker at work.
struct StatsTests {
  private func rows(_ object: [String: Any], _ name: String) throws -> [[String: Any]] {
    try #require(object[name] as? [[String: Any]], "\(name)")
  }

  @Test func theProtocolAndTheFileSayTheSame() throws {
    let broker = try BrokerProgram()
    let tail = try broker.startTail("hunt.>")
    try broker.publish("hunt.1", "a", "b", "c")
    for _ in 0..<3 { _ = try tail.line() }
    let direct = try broker.run(["stats", "--json", "--interval", "0"])
    #expect(direct.status == .exited(0), "\(direct.error)")
    for object in [try jsonObject(direct.output), try broker.stats()] {
      #expect(object["health"] as? String == "serving")
      #expect(object["pid"] as? Int32 == broker.running.processID)
      let topic = try #require(
        try rows(object, "topics").first { $0["name"] as? String == "hunt.1" })
      #expect(topic["eventsIn"] as? Int == 3 && topic["nextSequence"] as? Int == 4)
      let subscription = try #require(
        try rows(object, "subscriptions").first { $0["pattern"] as? String == "hunt.>" })
      #expect(subscription["deliveredEvents"] as? Int == 3)
      #expect(subscription["matchedEvents"] as? Int == 3)
      #expect(subscription["lagEvents"] as? Int == 0)
      #expect(subscription["policy"] as? String == "lossless")
      #expect((subscription["creditEvents"] as? Int ?? 0) > 0)
      let connection = try #require(
        try rows(object, "connections").first { $0["client"] as? String == "galleon tail" })
      #expect(connection["session"] as? Int == subscription["session"] as? Int)
      #expect(connection["eventsOut"] as? Int == 3)
      let total = try #require(object["broker"] as? [String: Any])
      #expect(total["eventsIn"] as? Int == 3 && total["eventsOut"] as? Int == 3)
      #expect((total["memoryCeilingBytes"] as? Int) == 64 << 20)
      #expect(((total["latency"] as? [String: Any])?["count"] as? Int ?? 0) > 0)
    }
  }

  @Test func aStalledSubscriberIsSeenToLag() throws {
    let broker = try BrokerProgram()
    let tail = try broker.startTail("t")
    try tail.send(.stop)
    let line = String(repeating: "x", count: 1000) + "\n"
    _ = try broker.run(
      ["pub", "t", "--ack"], input: Array(String(repeating: line, count: 12_000).utf8))
    var row: [String: Any] = [:]
    var matched = 0
    // The account of one that takes nothing balances at every moment, and is some milliseconds
    // late.
    for _ in 0..<100 where matched < 12_000 {
      row = try #require(
        try rows(try broker.stats(), "subscriptions").first { $0["pattern"] as? String == "t" })
      matched = try #require(row["matchedEvents"] as? Int)
    }
    let delivered = try #require(row["deliveredEvents"] as? Int)
    let lag = try #require(row["lagEvents"] as? Int)
    let dropped = try #require(row["droppedEvents"] as? [String: Int]).values.reduce(0, +)
    #expect(matched == 12_000 && lag > 0 && matched == delivered + lag + dropped)
    #expect((row["lagBytes"] as? Int ?? 0) > 0)
    try tail.send(.proceed)
  }

  /// Whoever reads the counters of a broker that lost count is told so.
  @Test func aDoctoredFileIsABreach() throws {
    let broker = try BrokerProgram()
    let tail = try broker.startTail("hunt.>")
    try broker.publish("hunt.1", "a", "b", "c")
    for _ in 0..<3 { _ = try tail.line() }
    #expect(try broker.stats()["ledgersBalance"] as? Bool == true)
    try broker.running.send(.kill)
    _ = try broker.running.wait()
    // The subscription's table by the directory; the fields by the documented layout.
    let bytes = try Files.contents(broker.countersPath, limitBytes: 1 << 30)
    func number(_ offset: Int, _ size: Int) -> Int {
      bytes[offset..<(offset + size)].reversed().reduce(0) { $0 << 8 | Int($1) }
    }
    let entry = try #require(
      stride(from: 128, to: 4096, by: 32).first { number($0, 2) == 5 })
    let delivered = number(entry + 8, 8) + 48
    #expect(number(delivered, 8) == 3)
    let file = try Files.open(broker.countersPath, [.write])
    try unsafe [UInt8(1)].withUnsafeBytes {
      try unsafe Files.writeAll(file.rawValue, $0, at: Int64(delivered))
    }
    let object = try broker.stats()
    #expect(object["ledgersBalance"] as? Bool == false)
    let ledger = try #require(try rows(object, "subscriptions")[0]["ledger"] as? [String: Any])
    #expect(ledger["offEvents"] as? Int == 2 && ledger["offBytes"] as? Int == 0)
    let text = try broker.run(["stats", "--counters", broker.countersPath])
    #expect(text.status == .exited(0))
    #expect(
      text.output.contains(
        "LEDGER BREACH: subscription 1 (hunt.>): 2 events missing\n"))
  }

  @Test func sessionsAreCountedByTheReasonOfTheirEnd() throws {
    let broker = try BrokerProgram()
    try broker.publish("t", "x")
    let total = try #require(try broker.stats()["broker"] as? [String: Any])
    #expect((total["closed"] as? [String: Int])?["clientClosed"] == 1)
  }

  @Test func aBrokerThatDiedLeavesItsCounters() throws {
    let broker = try BrokerProgram()
    try broker.publish("t", "x")
    try broker.running.send(.kill)
    _ = try broker.running.wait()
    let text = try broker.run(["stats", "--counters", broker.countersPath])
    #expect(text.status == .exited(0))
    #expect(text.output.contains("(process \(broker.running.processID)) has died"))
    let object = try broker.stats()
    #expect(object["health"] as? String == "died" && object["processAlive"] as? Bool == false)
    #expect(try rows(object, "topics").first?["eventsIn"] as? Int == 1)
    // Over the protocol there is nobody to ask.
    #expect(try broker.run(["stats"]).status == .exited(69))
  }

  @Test func aBrokerThatDoesNotAnswerIsSaidSo() throws {
    let broker = try BrokerProgram()
    try broker.running.send(.stop)
    let finished = try broker.run(["stats"])
    #expect(finished.status == .exited(69))
    #expect(finished.error.contains("does not answer"), "\(finished.error)")
    let stopped = try broker.run(["stats", "--counters", broker.countersPath])
    #expect(stopped.status == .exited(0))
    #expect(stopped.output.contains("is stopped, by a signal"), "\(stopped.output)")
    try broker.running.send(.proceed)
  }

  /// A broker of this machine that was named and is silent has a file all the same.
  @Test func theFileOfASilentBrokerIsNamed() throws {
    let scratch = try Scratch()
    let runtime = ["XDG_RUNTIME_DIR=\(scratch.path)"]
    let broker = try Program.Running(
      ["serve", "--listen", "127.0.0.1:0", "--shards", "1", "--memory", "8MiB"],
      environment: runtime)
    let url = "galleon://" + (try broker.line()).dropFirst("listening tcp ".count)
    try broker.send(.stop)
    let finished = try Program.run(["stats", "--url", url], environment: runtime)
    try broker.send(.proceed)
    let path = "\(scratch.path)/galleon/\(broker.processID).counters"
    #expect(finished.status == .exited(69))
    #expect(finished.error.contains("--counters \(path) has its last counters"))
    try broker.send(.terminate)
    #expect(try broker.wait() == .exited(0))
  }

  @Test func filesThatAreNoCountersAreRefused() throws {
    let scratch = try Scratch()
    let path = scratch.path + "/file"
    for bytes in [[], [UInt8](repeating: 7, count: 10_000)] {
      let file = try Files.open(path, [.write, .create, .truncate])
      try unsafe bytes.withUnsafeBytes { try unsafe Files.writeAll(file.rawValue, $0, at: 0) }
      let finished = try Program.run(["stats", "--counters", path])
      #expect(finished.status == .exited(69))
      #expect(finished.error.contains("holds no counters"), "\(finished.error)")
    }
  }

  @Test func watchedAsLinesOfJSON() throws {
    let broker = try BrokerProgram()
    let watch = try broker.start(["stats", "--watch", "--json", "--interval", "50ms"])
    for _ in 0..<3 {
      let object = try watch.object()
      #expect((object["intervalSeconds"] as? Double ?? 0) > 0.02)
    }
    try watch.send(.interrupt)
    #expect(try watch.wait() == .exited(0))
    #expect(watch.errorText.isEmpty)
  }

  /// Also where the broker says nothing.
  @Test func watchingEndsWhenAsked() throws {
    let broker = try BrokerProgram()
    let watch = try broker.start(["stats", "--watch", "--json", "--interval", "50ms"])
    _ = try watch.object()
    try broker.running.send(.stop)
    // It has begun to wait: nothing comes for several intervals.
    while try !watch.isSilent(forNs: 500_000_000) { _ = try watch.object() }
    let began = Clock.monotonicNs()
    try watch.send(.interrupt)
    #expect(try watch.wait() == .exited(0))
    #expect(Clock.monotonicNs() - began < 2_000_000_000)
    #expect(watch.errorText.isEmpty)
    try broker.running.send(.proceed)
  }

  @Test func watchedOnATerminal() throws {
    let broker = try BrokerProgram()
    let terminal = try PseudoTerminal(columns: 80, rows: 24)
    let fd = terminal.terminal.rawValue
    let watch = try broker.start(
      ["stats", "--watch", "--interval", "100ms"], input: .descriptor(fd), terminal: fd)
    var screen = Screen(terminal.screen.rawValue)
    // The other screen, without a cursor.
    try screen.wait(for: "\u{1B}[?1049h\u{1B}[?25l")
    try screen.wait(for: "serving")
    // A new size is drawn at once, and never wider. What was drawn before may still be on its way.
    try terminal.resize(columns: 30, rows: 5)
    while true {
      try screen.wait(for: "\u{1B}[H")
      let frame = try screen.wait(for: "\u{1B}[J")
      let lines = frame.replacing("\u{1B}[K", with: "")
        // A terminal makes \r\n of \n, whatever stands before it.
        .split(whereSeparator: \.isNewline)
      #expect(lines.allSatisfy { $0.count <= 80 } && lines.count <= 24, "\(frame)")
      if lines.count <= 5 && lines.allSatisfy({ $0.count <= 30 }) { break }
    }
    // A key that means nothing: it goes on.
    try Stream.writeAll(terminal.screen.rawValue, "x")
    for _ in 0..<5 {
      let frame = try screen.wait(for: "\u{1B}[J")
      try #require(!frame.contains("\u{1B}[?1049l"))
    }
    try Stream.writeAll(terminal.screen.rawValue, "q")
    try screen.wait(for: "\u{1B}[?25h\u{1B}[?1049l")
    #expect(try watch.wait() == .exited(0))
  }

  /// Ctrl-C is a key there. Neither waits for a broker that says nothing.
  @Test(arguments: ["q", "\u{3}"]) func keysEndWatchingASilentBroker(_ key: String) throws {
    let broker = try BrokerProgram()
    let terminal = try PseudoTerminal(columns: 80, rows: 24)
    let fd = terminal.terminal.rawValue
    let watch = try broker.start(
      ["stats", "--watch", "--interval", "50ms"], input: .descriptor(fd), terminal: fd)
    var screen = Screen(terminal.screen.rawValue)
    try screen.wait(for: "serving")
    try broker.running.send(.stop)
    // It has begun to wait: nothing is drawn for several intervals.
    while try screen.isDrawn(withinNs: 500_000_000) {}
    let began = Clock.monotonicNs()
    try Stream.writeAll(terminal.screen.rawValue, key)
    try screen.wait(for: "\u{1B}[?25h\u{1B}[?1049l")
    #expect(try watch.wait() == .exited(0))
    #expect(Clock.monotonicNs() - began < 2_000_000_000)
    try broker.running.send(.proceed)
  }

  @Test func benchIsExact() throws {
    let broker = try BrokerProgram()
    let finished = try broker.run([
      "bench", "--duration", "200ms", "--warmup", "50ms", "--subscribers", "2", "--json",
    ])
    #expect(finished.status == .exited(0), "\(finished.error)")
    let object = try jsonObject(finished.output)
    #expect(object["verdict"] as? String == "exact")
    let published = try #require(object["published"] as? Int)
    #expect(published > 0 && object["delivered"] as? Int == 2 * published)
  }
}

/// What a program shows on a terminal.
private struct Screen {
  private let fd: Int32
  private var seen = ""
  /// The beginning of a character whose end has not come yet.
  private var cut: [UInt8] = []

  init(_ fd: Int32) { self.fd = fd }

  /// Reads until this appears, and returns what came before it.
  @discardableResult mutating func wait(for text: String) throws -> String {
    while true {
      if let range = seen.firstRange(of: text) {
        let before = String(seen[..<range.lowerBound])
        seen = String(seen[range.upperBound...])
        return before
      }
      try #require(try isDrawn(withinNs: patienceNs), "\(text.debugDescription)")
    }
  }

  /// Whether anything comes in this time; takes it.
  mutating func isDrawn(withinNs ns: Int64) throws -> Bool {
    while try Poll.wait(fd, for: .readable, timeoutNs: ns) {
      var chunk = [UInt8](repeating: 0, count: 4096)
      let result = try unsafe chunk.withUnsafeMutableBytes { try unsafe Stream.read(fd, $0) }
      guard case .processed(let count) = result else { continue }
      let bytes = cut + chunk[..<count]
      let whole = bytes.count - Self.unfinished(bytes)
      seen += String(decoding: bytes[..<whole], as: UTF8.self)
      cut = Array(bytes[whole...])
      return true
    }
    return false
  }

  /// How many bytes at the end are a character that goes on.
  private static func unfinished(_ bytes: [UInt8]) -> Int {
    for back in 1...3 where back <= bytes.count {
      let byte = bytes[bytes.count - back]
      if byte & 0xC0 == 0x80 { continue }
      let length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1
      return length > back ? back : 0
    }
    return 0
  }
}
