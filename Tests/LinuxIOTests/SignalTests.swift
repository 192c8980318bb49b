import LinuxIO
import Testing

@Suite struct SignalTests {
  /// Blocking is a matter of the thread, so each test works on one of its own.
  private func onOwnThread(_ body: @Sendable @escaping () throws -> Void) throws {
    let thread = try Thread.spawn(name: "signals") {
      do {
        try body()
      } catch {
        Issue.record("\(error)")
      }
    }
    thread.join()
  }

  @Test func signalsAreReadInsteadOfInterrupting() throws {
    try onOwnThread {
      let signals = try SignalFD([.user1, .user2])
      #expect(try signals.next() == nil)
      try Signal.user1.raise()
      #expect(try Poll.wait(signals.rawValue, for: .readable, timeoutNs: patienceNs))
      let first = try #require(try signals.next())
      #expect(first.signal == .user1 && first.senderID == System.processID)
      #expect(try signals.next() == nil)
      try Signal.user2.raise()
      try Signal.user1.raise()
      let both = [try signals.next()?.signal, try signals.next()?.signal]
      #expect(both == [.user1, .user2], "the lower number comes first")
    }
  }

  @Test func blockingIsInheritedByNewThreads() throws {
    try onOwnThread {
      // The test runner's threads block nearly everything.
      try Signal.unblock([.user1, .user2])
      #expect(!Signal.isBlocked(.user2))
      try Signal.block([.user2])
      let inner = try Thread.spawn(name: "inner") {
        if !Signal.isBlocked(.user2) || Signal.isBlocked(.user1) { Issue.record("not inherited") }
      }
      inner.join()
      try Signal.unblock([.user2])
      #expect(!Signal.isBlocked(.user2))
    }
  }

  @Test func aWriteToABrokenPipeIsAnErrorOnceTheSignalIsIgnored() async {
    await #expect(processExitsWith: .signal(13)) {
      let pipe = try Stream.pipe()
      Socket.close(pipe.reading)
      try Stream.writeAll(pipe.writing, "x")
    }
    await #expect(processExitsWith: .success) {
      ignoreSIGPIPE()
      let pipe = try Stream.pipe()
      Socket.close(pipe.reading)
      do throws(SystemError) {
        try Stream.writeAll(pipe.writing, "x")
        preconditionFailure("nobody reads")
      } catch {
        precondition(error == SystemError(.brokenPipe, "write"))
      }
    }
  }

  @Test func anIgnoredSignalIsKnown() async {
    await #expect(processExitsWith: .success) {
      precondition(!Signal.user2.isIgnored)
      Signal.ignoreBrokenPipe()
      precondition(Signal.brokenPipe.isIgnored)
    }
  }

  @Test func aChildStartsWithoutBlockedOrIgnoredSignals() async throws {
    try onOwnThread {
      try Signal.block([.user1])
      var child = try ChildProcess.spawn("/bin/sh", ["-c", "kill -USR1 $$; exit 3"])
      #expect(try child.wait(timeoutNs: patienceNs) == .signalled(.user1))
    }
    await #expect(processExitsWith: .success) {
      ignoreSIGPIPE()
      var child = try ChildProcess.spawn("/bin/sh", ["-c", "kill -PIPE $$; exit 3"])
      let status = try child.wait(timeoutNs: patienceNs)
      precondition(status == .signalled(.brokenPipe), "\(String(describing: status))")
    }
  }
}
