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

  @Test(arguments: [Signal.terminate, .interrupt]) func aBrokerDrains(signal: Signal) throws {
    let broker = try BrokerProgram()
    let tail = try broker.startTail("t", ["--reconnect", "0"])
    try broker.running.send(signal)
    #expect(try broker.running.wait() == .exited(0))
    #expect(try tail.wait() == .exited(69))
    #expect(tail.errorText.contains("draining"), "\(tail.errorText)")
    // An orderly end leaves no counters behind.
    #expect((try? Files.information(broker.countersPath)) == nil)
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
