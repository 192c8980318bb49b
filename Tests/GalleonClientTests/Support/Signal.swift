import LinuxIO

/// Lets a test tell a script, which blocks its thread, to go on.
final class Signal: Sendable {
  private let event: EventFD

  init() throws {
    event = try EventFD()
  }

  func raise() throws {
    try event.wake()
  }

  /// Blocks until it was raised.
  func wait() throws {
    guard
      try Poll.wait(event.rawValue, for: .readable, timeoutNs: FakeBroker.patienceNs)
    else { throw ScriptError(description: "the test never gave its signal") }
  }
}
