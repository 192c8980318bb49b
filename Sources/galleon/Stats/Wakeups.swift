import LinuxIO

/// What ends the wait between two readings before its time.
final class Wakeups {
  enum Wakeup {
    case end
    case resized
    case keyboard
  }

  private static let signalWord: UInt64 = 0
  private static let keyboardWord: UInt64 = 1

  private let signals: SignalFD
  private let epoll: Epoll
  private var isEnded = false

  init() throws(SystemError) {
    let signals = try SignalFD(
      [.interrupt, .terminate, .windowChanged] + (Signal.hangup.isIgnored ? [] : [.hangup]))
    let epoll = try Epoll()
    try epoll.add(signals.rawValue, .readable, userWord: Self.signalWord)
    self.signals = signals
    self.epoll = epoll
  }

  /// Also wakes when this descriptor is readable. One that cannot be waited for (a file) is not.
  func watch(_ keyboard: Int32) {
    try? epoll.add(keyboard, .readable, userWord: Self.keyboardWord)
  }

  /// Whether somebody has asked for the end. A new size is seen with the next drawing.
  func hasEnded() -> Bool {
    while let next = try? signals.next() {
      if next.signal != .windowChanged { isEnded = true }
    }
    return isEnded
  }

  /// Nil when the time has come.
  func wait(untilNs deadlineNs: UInt64) -> Wakeup? {
    if isEnded { return .end }
    var events = Epoll.EventBuffer(capacity: 2)
    let now = Clock.monotonicNs()
    let left = deadlineNs > now ? Int64(deadlineNs - now) : 0
    guard let count = try? epoll.wait(into: &events, timeoutNs: left), count > 0 else { return nil }
    if events[0].userWord == Self.keyboardWord { return .keyboard }
    guard let next = try? signals.next() else { return nil }
    return next.signal == .windowChanged ? .resized : .end
  }
}
