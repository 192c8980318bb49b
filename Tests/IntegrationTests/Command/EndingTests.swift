import LinuxIO
import Testing

/// How the commands end.
struct EndingTests {
  @Test func aClosedPipeEndsTailQuietly() throws {
    let broker = try BrokerProgram()
    let tail = try broker.startTail("t")
    try broker.publish("t", "one")
    _ = try tail.line()
    tail.closeOutput()
    // Without another event.
    #expect(try tail.wait() == .exited(0))
    #expect(tail.errorText.isEmpty)
  }

  @Test func aClosedPipeEndsTailInAFlood() throws {
    let broker = try BrokerProgram()
    let line = String(repeating: "z", count: 100) + "\n"
    _ = try broker.run(
      ["pub", "t", "--ack"], input: Array(String(repeating: line, count: 20_000).utf8))
    let tail = try broker.start(["tail", "t", "--from", "earliest"])
    _ = try tail.line()
    tail.closeOutput()
    #expect(try tail.wait() == .exited(0))
    #expect(tail.errorText.isEmpty)
  }

  @Test func interruptedTailIsDone() throws {
    let broker = try BrokerProgram()
    for signal in [Signal.interrupt, .terminate] {
      let tail = try broker.startTail("nothing.\(signal.rawValue)")
      try tail.send(signal)
      #expect(try tail.wait() == .exited(0))
      #expect(tail.errorText == "0 events\n")
    }
  }

  /// Its reader has stopped reading, and its buffers are full.
  @Test func aTailThatCannotWriteCanBeInterrupted() throws {
    let broker = try BrokerProgram()
    let line = String(repeating: "z", count: 1000) + "\n"
    _ = try broker.run(
      ["pub", "t", "--ack"], input: Array(String(repeating: line, count: 10_000).utf8))
    let tail = try broker.start(["tail", "t", "--from", "earliest"])
    _ = try tail.line()
    try tail.send(.interrupt)
    #expect(try tail.wait() == .exited(0))
  }

  @Test func interruptedPubSaysHowFarItCame() throws {
    let broker = try BrokerProgram()
    let tail = try broker.startTail("t", ["--raw"])
    let pub = try broker.start(["pub", "t", "--ack", "--json"], input: .pipe)
    try pub.write("one\ntwo\nhalf of ")
    #expect(try tail.line() == "one")
    #expect(try tail.line() == "two")
    try pub.send(.interrupt)
    let counts = try pub.object()
    #expect(counts["acknowledged"] as? Int == counts["published"] as? Int)
    #expect((counts["published"] as? Int ?? 0) >= 2)
    #expect(try pub.wait() == .exited(130))
  }

  @Test(arguments: [Signal.terminate, .interrupt, .hangup])
  func aBrokerDrains(signal: Signal) throws {
    let broker = try BrokerProgram()
    let tail = try broker.startTail("t", ["--reconnect", "0"])
    try broker.running.send(signal)
    #expect(try broker.running.wait() == .exited(0))
    #expect(try tail.wait() == .exited(69))
    #expect(tail.errorText.contains("draining"), "\(tail.errorText)")
    // An orderly end leaves no counters behind.
    #expect((try? Files.information(broker.countersPath)) == nil)
  }

  /// As `nohup` asks for; the next signal ends it, and says how many there were.
  @Test func anIgnoredHangupEndsNothing() throws {
    let broker = try BrokerProgram()
    let tail = try Program.Running(
      ["tail", "t", "--from", "earliest", "--raw", "--url", broker.url], shell: "trap '' HUP")
    try broker.publish("t", "one")
    #expect(try tail.line() == "one")
    try tail.send(.hangup)
    try broker.publish("t", "two")
    #expect(try tail.line() == "two")
    try tail.send(.interrupt)
    #expect(try tail.wait() == .exited(0))
    #expect(tail.errorText == "2 events\n")
  }

  @Test func pubSaysThatTheBrokerWentAway() throws {
    let broker = try BrokerProgram()
    let pub = try broker.start(["pub", "t", "--ack", "--json", "--reconnect", "0"], input: .pipe)
    try pub.write("one\n")
    let deadlineNs = Clock.monotonicNs() + UInt64(patienceNs)
    while try (broker.stats()["topics"] as? [[String: Any]])?.first?["eventsIn"] as? Int != 1 {
      try #require(Clock.monotonicNs() < deadlineNs)
    }
    try broker.running.send(.kill)
    _ = try broker.running.wait()
    // Whether it notices by itself or with the next line, it is the same.
    try? pub.write("two\n")
    pub.closeInput()
    let counts = try pub.object()
    let acknowledged = try #require(counts["acknowledged"] as? Int)
    let lost = try #require(counts["lost"] as? Int)
    #expect(counts["published"] as? Int == acknowledged + lost)
    #expect(try pub.wait() == .exited(69), "\(pub.errorText)")
    #expect(pub.errorText.contains(broker.url), "\(pub.errorText)")
  }

  @Test func anInterruptedBenchShowsWhatItMeasured() throws {
    let broker = try BrokerProgram()
    let bench = try broker.start(["bench", "--duration", "1m", "--rate", "1k", "--json"])
    let deadlineNs = Clock.monotonicNs() + UInt64(patienceNs)
    while try (broker.stats()["topics"] as? [[String: Any]])?.isEmpty != false {
      try #require(Clock.monotonicNs() < deadlineNs)
    }
    try bench.send(.interrupt)
    let object = try bench.object()
    #expect(object["verdict"] as? String == "exact")
    #expect(object["published"] as? Int == object["delivered"] as? Int)
    #expect(try bench.wait() == .exited(130))
  }

  @Test func tailComesBackToARestartedBroker() throws {
    let scratch = try Scratch()
    let path = scratch.path + "/socket"
    let url = "galleon+unix://\(path)"
    let serve = ["serve", "--unix", path, "--counters", "none", "--shards", "1"]
    let first = try Program.Running(serve)
    _ = try first.line()
    let sent = try Program.run(["pub", "t", "--ack", "--url", url], input: Array("one\n".utf8))
    #expect(sent.status == .exited(0))
    let tail = try Program.Running(["tail", "t", "--from=1", "--json", "--url=\(url)"])
    #expect(try tail.object()["payload"] as? String == "one")
    try first.send(.kill)
    _ = try first.wait()
    let second = try Program.Running(serve)
    _ = try second.line()
    // That the sequences began anew is a gap of unknown size.
    let gap = try tail.object()
    #expect(gap["gap"] as? Bool == true && gap["cause"] as? String == "newEpoch")
    let again = try Program.run(["pub", "t", "--ack", "--url", url], input: Array("two\n".utf8))
    #expect(again.status == .exited(0))
    #expect(try tail.object()["payload"] as? String == "two")
    try tail.send(.interrupt)
    #expect(try tail.wait() == .exited(0))
  }
}
