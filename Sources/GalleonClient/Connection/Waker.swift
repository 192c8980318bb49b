import LinuxIO

/// Wakes the client's thread from any other.
final class Waker: Sendable {
  private let event: EventFD

  init() throws(SystemError) {
    event = try EventFD()
  }

  var rawValue: Int32 { event.rawValue }

  func wake() {
    do throws(SystemError) {
      try event.wake()
    } catch {
      preconditionFailure("an event descriptor can be written: \(error)")
    }
  }

  func drain() {
    do throws(SystemError) {
      try event.drain()
    } catch {
      preconditionFailure("an event descriptor can be read: \(error)")
    }
  }
}
