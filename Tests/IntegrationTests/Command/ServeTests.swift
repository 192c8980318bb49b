import LinuxIO
import Testing

/// What `serve` does where the machine, or its command line, is against it.
struct ServeTests {
  private static let small = ["--shards", "1", "--memory", "8MiB"]

  /// A slip of the hand must not cost anybody a file.
  @Test func aFileThatIsNoCountersIsLeftAlone() throws {
    let scratch = try Scratch()
    let path = scratch.path + "/letters"
    let file = try Files.open(path, [.write, .create])
    let text = Array("dear Ann".utf8)
    try unsafe text.withUnsafeBytes { try unsafe Files.writeAll(file.rawValue, $0, at: 0) }
    for flag in ["--counters", "--unix"] {
      let finished = try Program.run(["serve", "--listen", "127.0.0.1:0", flag, path] + Self.small)
      #expect(finished.status == .exited(70))
      #expect(finished.output.isEmpty)
      #expect(finished.error.split(separator: "\n").count == 1, "\(finished.error)")
      #expect(finished.error.contains(path), "\(finished.error)")
      #expect(try Files.contents(path, limitBytes: 100) == text)
    }
  }

  @Test func countersOfAnEarlierBrokerAreReplaced() throws {
    let first = try BrokerProgram()
    try first.running.send(.kill)
    _ = try first.running.wait()
    let second = try Program.Running(
      ["serve", "--listen", "127.0.0.1:0", "--counters", first.countersPath] + Self.small)
    #expect(try second.line().hasPrefix("listening tcp"))
    #expect(try first.stats()["pid"] as? Int32 == second.processID)
    try second.send(.terminate)
    #expect(try second.wait() == .exited(0))
  }

  /// A second broker with the same command line must not blind `stats` to the first.
  @Test func countersOfALivingBrokerAreLeftAlone() throws {
    let first = try BrokerProgram()
    let finished = try Program.run(
      ["serve", "--listen", "127.0.0.1:0", "--counters", first.countersPath] + Self.small)
    #expect(finished.status == .exited(70) && finished.output.isEmpty)
    #expect(finished.error.contains("it is that of another broker"), "\(finished.error)")
    #expect(try first.stats()["pid"] as? Int32 == first.running.processID)
  }

  /// They take memory, and each broker that was killed has left one.
  @Test func countersOfBrokersThatDiedDoNotPileUp() throws {
    let scratch = try Scratch()
    let runtime = ["XDG_RUNTIME_DIR=\(scratch.path)"]
    let command = ["serve", "--listen", "127.0.0.1:0"] + Self.small
    for _ in 0..<10 {
      let broker = try Program.Running(command, environment: runtime)
      _ = try broker.line()
      try broker.send(.kill)
      _ = try broker.wait()
    }
    let last = try Program.Running(command, environment: runtime)
    _ = try last.line()
    let files = try Files.list(scratch.path + "/galleon")
    #expect(files.count == 9 && files.contains("\(last.processID).counters"), "\(files)")
    try last.send(.terminate)
    #expect(try last.wait() == .exited(0))
    #expect(try Files.list(scratch.path + "/galleon").count == 8)
  }

  /// Nobody asked for that file: the broker is worth more than it.
  @Test func withoutAPlaceForCountersItServes() throws {
    let broker = try Program.Running(
      ["serve", "--listen", "127.0.0.1:0"] + Self.small,
      environment: ["XDG_RUNTIME_DIR=/proc/nowhere"])
    let line = try broker.line()
    #expect(broker.errorText.contains("no counters' file in /proc/nowhere/galleon"))
    let url = "galleon://" + line.dropFirst("listening tcp ".count)
    #expect(try Program.run(["stats", "--url", url]).output.contains("serving"))
    try broker.send(.terminate)
    #expect(try broker.wait() == .exited(0))
  }

  /// What it says would else be written into its first listener.
  @Test func closedStandardDescriptorsAreNoMatter() throws {
    let scratch = try Scratch()
    let path = scratch.path + "/socket"
    let broker = try Program.Running(
      ["serve", "--unix", path, "--counters", "none"] + Self.small, shell: "exec 0<&- 1>&-")
    let url = "galleon+unix://\(path)"
    let deadlineNs = Clock.monotonicNs() + UInt64(patienceNs)
    while try Program.run(["stats", "--url", url]).status != .exited(0) {
      try #require(Clock.monotonicNs() < deadlineNs, "\(broker.errorText)")
    }
    let pub = try Program.Running(["pub", "t", "--url", url], shell: "exec 0<&-")
    #expect(try pub.line().hasPrefix("published 0 events"))
    #expect(try pub.wait() == .exited(0))
    try broker.send(.terminate)
    #expect(try broker.wait() == .exited(0))
    #expect(broker.errorText.isEmpty)
  }

  /// Who finds no descriptor left is refused by name, and nobody is once there are some again.
  @Test func outOfDescriptorsAndBack() throws {
    let broker = try Program.Running(
      ["serve", "--listen", "127.0.0.1:0", "--counters", "none"] + Self.small,
      shell: "ulimit -n 24")
    let line = try broker.line()
    let url = "galleon://" + line.dropFirst("listening tcp ".count)
    let port = try #require(UInt16(line.split(separator: ":").last ?? ""))
    var held: [Int32] = []
    for _ in 0..<30 {
      held.append(try Socket.connect(to: .loopback(port: port), timeoutNs: patienceNs).release())
    }
    let refused = try Program.run(["stats", "--url", url])
    #expect(refused.status == .exited(69))
    #expect(refused.error.contains("tooManyConnections"), "\(refused.error)")
    for fd in held { Socket.close(fd) }
    // Until the broker has seen that they are gone; from then on everybody is let in.
    let deadlineNs = Clock.monotonicNs() + UInt64(patienceNs)
    while try Program.run(["stats", "--url", url]).status != .exited(0) {
      try #require(Clock.monotonicNs() < deadlineNs, "\(broker.errorText)")
    }
    for _ in 0..<5 {
      let finished = try Program.run(["pub", "t", "--url", url], input: Array("x\n".utf8))
      #expect(finished.status == .exited(0), "\(finished.error)")
    }
    try broker.send(.terminate)
    #expect(try broker.wait() == .exited(0))
  }
}
