import CKernel

/// The number of a signal.
public struct Signal: RawRepresentable, Hashable, Sendable {
  public let rawValue: Int32

  public init(rawValue: Int32) {
    precondition(rawValue >= 1 && rawValue <= 64, "signals are 1 to 64")
    self.rawValue = rawValue
  }

  public static var hangup: Signal { Signal(rawValue: 1) }
  public static var interrupt: Signal { Signal(rawValue: 2) }
  public static var quit: Signal { Signal(rawValue: 3) }
  public static var kill: Signal { Signal(rawValue: 9) }
  public static var user1: Signal { Signal(rawValue: 10) }
  public static var user2: Signal { Signal(rawValue: 12) }
  public static var brokenPipe: Signal { Signal(rawValue: 13) }
  public static var terminate: Signal { Signal(rawValue: 15) }
  public static var childChanged: Signal { Signal(rawValue: 17) }
  public static var proceed: Signal { Signal(rawValue: 18) }
  public static var stop: Signal { Signal(rawValue: 19) }
  public static var windowChanged: Signal { Signal(rawValue: 28) }

  fileprivate static func mask(_ signals: [Signal]) -> UInt64 {
    signals.reduce(0) { $0 | 1 << UInt64($1.rawValue - 1) }
  }

  /// Keeps signals from interrupting the calling thread and every thread it starts from now on.
  public static func block(_ signals: [Signal]) throws(SystemError) {
    let mask = mask(signals)
    _ = try perform("sigmask") { ck_signals_block(mask) }
  }

  public static func unblock(_ signals: [Signal]) throws(SystemError) {
    let mask = mask(signals)
    _ = try perform("sigmask") { ck_signals_unblock(mask) }
  }

  public static func isBlocked(_ signal: Signal) -> Bool {
    ck_signals_blocked() & mask([signal]) != 0
  }

  /// Whether whoever started this process has asked that it does not mind this signal, as `nohup`
  /// does. Blocked and read from a `SignalFD` it would arrive all the same.
  public var isIgnored: Bool { ck_signal_ignored(rawValue) != 0 }

  /// Sends this signal to the calling thread.
  public func raise() throws(SystemError) {
    let number = rawValue
    _ = try perform("raise") { ck_raise(number) }
  }

  /// Sends this signal to a process.
  public func send(to processID: Int32) throws(SystemError) {
    // Zero and below address whole groups of processes, which is never meant here.
    precondition(processID > 0, "one process")
    let number = rawValue
    _ = try perform("kill") { ck_kill(processID, number) }
  }

  /// A write to a pipe or terminal that nobody reads any more then fails with `brokenPipe` instead
  /// of ending the process. For the whole process; call it first in main. (Sockets of this module
  /// never raise the signal.)
  public static func ignoreBrokenPipe() {
    // Cannot fail for this signal.
    _ = ck_ignore_signal(Signal.brokenPipe.rawValue)
  }
}

/// The long-known name.
public func ignoreSIGPIPE() { Signal.ignoreBrokenPipe() }

/// Signals that are read like a file instead of interrupting a thread.
///
/// Make it on the main thread before any other thread starts: the signals are blocked for the
/// calling thread and those it starts; a thread that already runs would still be interrupted.
public struct SignalFD: ~Copyable, Sendable {
  private let descriptor: FileDescriptor

  public init(_ signals: [Signal]) throws(SystemError) {
    try Signal.block(signals)
    let mask = Signal.mask(signals)
    descriptor = FileDescriptor(taking: Int32(try perform("signalfd") { ck_signalfd(mask) }))
  }

  public var rawValue: Int32 { descriptor.rawValue }

  /// The next signal that has arrived, and which process sent it (0: the kernel); nil when there
  /// is none.
  public func next() throws(SystemError) -> (signal: Signal, senderID: Int32)? {
    let fd = descriptor.rawValue
    var sender: Int32 = 0
    let number = try performUnlessBlocking("read") { unsafe ck_signalfd_read(fd, &sender) }
    guard let number else { return nil }
    return (Signal(rawValue: Int32(number)), sender)
  }
}
