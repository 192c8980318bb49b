import CKernel

/// A counter in the kernel that makes a waiting thread readable: `wake` from any thread, `drain`
/// by the one that was woken.
public struct EventFD: ~Copyable, Sendable {
  private let descriptor: FileDescriptor

  public init() throws(SystemError) {
    descriptor = FileDescriptor(taking: Int32(try perform("eventfd") { ck_eventfd() }))
  }

  public var rawValue: Int32 { @_noLocks get { descriptor.rawValue } }

  /// Makes the descriptor readable. A full counter is readable already, so that is no error.
  @_noLocks
  public func wake() throws(SystemError) {
    try EventFD.wake(descriptor.rawValue)
  }

  /// The same for a plain number, for those who only know the other shard's descriptor.
  @_noLocks
  public static func wake(_ fd: Int32) throws(SystemError) {
    while true {
      let result = ck_eventfd_add(fd, 1)
      if result >= 0 { return }
      if try !shouldRepeat(result, "eventfd_write") { return }
    }
  }

  /// Makes it unreadable and returns how often it was woken since the last time.
  @_noLocks
  @discardableResult
  public func drain() throws(SystemError) -> UInt64 {
    let fd = descriptor.rawValue
    var total: UInt64 = 0
    while true {
      let result = unsafe ck_eventfd_drain(fd, &total)
      if result >= 0 { return total }
      if try !shouldRepeat(result, "eventfd_read") { return 0 }
    }
  }
}

/// A timer that makes its descriptor readable at a time of the monotonic clock.
public struct TimerFD: ~Copyable, Sendable {
  private let descriptor: FileDescriptor

  public init() throws(SystemError) {
    descriptor = FileDescriptor(taking: Int32(try perform("timerfd_create") { ck_timerfd() }))
  }

  public var rawValue: Int32 { @_noLocks get { descriptor.rawValue } }

  /// Fires at `deadlineNs` (at once when that has passed), then every `intervalNs` if not zero.
  /// Replaces what was set before.
  public func arm(atNs deadlineNs: UInt64, everyNs intervalNs: UInt64 = 0) throws(SystemError) {
    let fd = descriptor.rawValue
    // Zero would disarm.
    _ = try perform("timerfd_settime") { ck_timerfd_set(fd, max(deadlineNs, 1), intervalNs) }
  }

  public func disarm() throws(SystemError) {
    let fd = descriptor.rawValue
    _ = try perform("timerfd_settime") { ck_timerfd_set(fd, 0, 0) }
  }

  /// How often it fired since the last time; makes it unreadable.
  @discardableResult
  public func drain() throws(SystemError) -> UInt64 {
    let fd = descriptor.rawValue
    var total: UInt64 = 0
    let read = try performUnlessBlocking("read") { unsafe ck_eventfd_drain(fd, &total) }
    return read == nil ? 0 : total
  }
}
