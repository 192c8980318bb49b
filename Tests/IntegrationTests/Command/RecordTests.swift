import LinuxIO
import Testing

/// The flight recorder: `serve --record` and `stats --history`.
struct RecordTests {
  /// Publishes until the recording has so many entries, as a program reads them.
  private func load(
    _ broker: BrokerProgram, _ path: String, until count: Int
  ) throws -> [[String: Any]] {
    let deadlineNs = Clock.monotonicNs() + UInt64(patienceNs)
    while Clock.monotonicNs() < deadlineNs {
      try broker.publish("hunt.1", "a", "b", "c")
      let entries = try entries(path)
      if entries.count >= count { return entries }
    }
    throw BrokerProgram.NotSubscribed(reason: "nothing is recorded: \(broker.running.errorText)")
  }

  private func entries(_ path: String) throws -> [[String: Any]] {
    let finished = try Program.run(["stats", "--history", "--json", path])
    try #require(finished.status == .exited(0), "\(finished.error)")
    return try #require(try jsonObject(finished.output)["entries"] as? [[String: Any]])
  }

  @Test func aBrokerThatWasKilledLeavesItsRecording() throws {
    let scratch = try Scratch()
    let path = scratch.path + "/record"
    let broker = try BrokerProgram(["--record", path])
    let file = try Files.information(path)
    #expect(file.mode == 0o600 && (1_000_000..<2_000_000).contains(file.byteCount))
    let before = try load(broker, path, until: 2)
    #expect((before[0]["eventsIn"] as? Int ?? 0) > 0)
    #expect((before[0]["spanNs"] as? Int ?? 0) > 900_000_000)
    #expect((before[0]["residentBytes"] as? Int ?? 0) > 1 << 20)
    #expect((before[0]["busyShares"] as? [Double])?.count == 1)
    // The broker says where it records, also in what is left of it.
    let live = try broker.run(["stats", "--history"])
    #expect(live.status == .exited(0) && live.output.hasPrefix(path + "\n"), "\(live.error)")
    try broker.running.send(.kill)
    _ = try broker.running.wait()
    let after = try broker.run(["stats", "--history", "--counters", broker.countersPath])
    #expect(after.status == .exited(0), "\(after.error)")
    #expect(after.lines.contains { $0.hasPrefix("events in/s") && $0.contains("█") })
    #expect(after.lines.allSatisfy { $0.count <= 120 })

    // Another run goes on where that one stopped.
    let count = try entries(path).count
    let next = try BrokerProgram(["--record", path])
    let all = try load(next, path, until: count + 1)
    #expect(all.compactMap { $0["number"] as? Int } == Array(1...all.count))
    #expect(Set(all.compactMap { $0["instance"] as? String }).count == 2)
    #expect(try Files.information(path).inode == file.inode)
    let text = try next.run(["stats", "--history"])
    #expect(text.output.contains("Another run of the broker after "))
  }

  @Test func idleSecondsAreRecordedWhereThatIsWanted() throws {
    let scratch = try Scratch()
    let path = scratch.path + "/record"
    let idle = try BrokerProgram(["--record", path + "-idle"])
    let broker = try BrokerProgram(["--record", path, "--record-above", "0"])
    let deadlineNs = Clock.monotonicNs() + UInt64(patienceNs)
    while try entries(path).count < 2, Clock.monotonicNs() < deadlineNs {}
    #expect(try entries(path).count >= 2)
    #expect(try entries(path + "-idle").isEmpty)
    let nothing = try idle.run(["stats", "--history"])
    #expect(nothing.output == "Nothing has been recorded yet in \(path)-idle.\n")
    // In order to the end: what has been since the last second is there, too.
    try broker.running.send(.terminate)
    #expect(try broker.running.wait() == .exited(0))
  }

  @Test func filesThatAreNoRecordingAreLeftAlone() throws {
    let scratch = try Scratch()
    let path = scratch.path + "/file"
    let foreign = Array(repeating: UInt8(ascii: "x"), count: 5000)
    let file = try Files.open(path, [.write, .create])
    try Files.writeAll(file.rawValue, foreign, at: 0)
    let refused = try Program.run(["serve", "--listen", "127.0.0.1:0", "--record", path])
    #expect(refused.status == .exited(70))
    #expect(
      refused.error == "galleon: cannot record to \(path): it holds something else than a whole "
        + "recording of this version; name another file, or remove it\n")
    #expect(try Files.contents(path, limitBytes: 10_000) == foreign)
    let shown = try Program.run(["stats", "--history", path])
    #expect(shown.status == .exited(69) && shown.error.contains("it holds no recording"))

    let broker = try BrokerProgram(["--record", path + "2"])
    let second = try Program.run(["serve", "--listen", "127.0.0.1:0", "--record", path + "2"])
    #expect(second.error == "galleon: cannot record to \(path)2: another broker does\n")
    let folder = try Program.run(["serve", "--listen", "127.0.0.1:0", "--record", scratch.path])
    #expect(folder.status == .exited(70) && folder.error.split(separator: "\n").count == 1)
    _ = broker
  }

  @Test func withoutARecordingItSaysHowToMakeOne() throws {
    let broker = try BrokerProgram()
    let finished = try broker.run(["stats", "--history"])
    #expect(finished.status == .exited(69))
    #expect(
      finished.error
        == "galleon: \(broker.url): this broker records nothing; galleon serve --record PATH does\n")
  }
}
