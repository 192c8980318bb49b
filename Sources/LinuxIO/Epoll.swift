import CKernel

/// The kernel's readiness queue: descriptors are added with a 64-bit word of the caller's, and the
/// word comes back when something happened. One thread waits; any thread may add.
public struct Epoll: ~Copyable, Sendable {
  private let descriptor: FileDescriptor
  /// Kernels before 5.11 (and some sandboxes) only wait in milliseconds.
  private let hasNanoseconds: Bool

  /// What to be told about. Hang-ups and errors are always told.
  public struct Interest: OptionSet, Sendable {
    public let rawValue: UInt32

    @_noLocks
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static var readable: Interest { Interest(rawValue: 0x1) }
    public static var writable: Interest { Interest(rawValue: 0x4) }
    /// The peer has ended its direction (it may still read).
    public static var peerClosed: Interest { Interest(rawValue: 0x2000) }
    /// Tell changes instead of states: the caller reads or writes until `wouldBlock`.
    public static var edgeTriggered: Interest { Interest(rawValue: 1 << 31) }
    /// Tell once, then be silent until modified.
    public static var oneShot: Interest { Interest(rawValue: 1 << 30) }
    /// Several queues watch one listener: wake only one of them.
    public static var exclusive: Interest { Interest(rawValue: 1 << 28) }
  }

  /// Something happened to one descriptor.
  public struct Event: Sendable {
    public let userWord: UInt64
    let mask: UInt32

    public var readable: Bool { @_noLocks get { mask & 0x1 != 0 } }
    public var writable: Bool { @_noLocks get { mask & 0x4 != 0 } }
    /// There is an error to fetch; reading or writing throws it.
    public var error: Bool { @_noLocks get { mask & 0x8 != 0 } }
    /// Both directions are over.
    public var hangup: Bool { @_noLocks get { mask & 0x10 != 0 } }
    /// The peer sends nothing more.
    public var peerClosed: Bool { @_noLocks get { mask & 0x2000 != 0 } }
  }

  /// Room for the events of one wait, allocated once.
  ///
  /// `@safe`: the memory is owned, and the index is checked against what the last wait wrote.
  @safe
  public struct EventBuffer: ~Copyable {
    fileprivate let memory: UnsafeMutableRawPointer
    public let capacity: Int
    /// Events of the last wait.
    public fileprivate(set) var count = 0

    public init(capacity: Int) {
      precondition(capacity > 0 && capacity <= 1 << 20, "a useful number of events")
      self.capacity = capacity
      unsafe memory = UnsafeMutableRawPointer.allocate(
        byteCount: capacity * Int(CK_EPOLL_EVENT_STRIDE), alignment: 16)
    }

    public subscript(index: Int) -> Event {
      @_noLocks get {
        precondition(index >= 0 && index < count, "no such event")
        return unsafe Event(
          userWord: ck_epoll_word(memory, index), mask: ck_epoll_mask(memory, index))
      }
    }

    deinit {
      unsafe memory.deallocate()
    }
  }

  public init() throws(SystemError) {
    try self.init(nanoseconds: true)
  }

  /// `nanoseconds: false` behaves as on an old kernel, for tests.
  init(nanoseconds: Bool) throws(SystemError) {
    let fd = Int32(try perform("epoll_create1") { ck_epoll_create() })
    descriptor = FileDescriptor(taking: fd)
    // Ask by trying: without events and without waiting.
    let buffer = EventBuffer(capacity: 1)
    let answer = unsafe ck_epoll_wait_ns(fd, buffer.memory, 1, 0)
    hasNanoseconds = nanoseconds && answer == 0
  }

  public var rawValue: Int32 { @_noLocks get { descriptor.rawValue } }

  /// Watches a descriptor, which must not be watched already. Closing the last descriptor of an
  /// open file ends the watch.
  @_noLocks
  public func add(
    _ fd: Int32, _ interest: Interest, userWord: UInt64
  ) throws(SystemError) {
    try control(Int32(CK_EPOLL_ADD), fd, interest, userWord)
  }

  /// Also arms an edge again: what is ready now is told once more.
  @_noLocks
  public func modify(
    _ fd: Int32, _ interest: Interest, userWord: UInt64
  ) throws(SystemError) {
    try control(Int32(CK_EPOLL_MODIFY), fd, interest, userWord)
  }

  @_noLocks
  public func remove(_ fd: Int32) throws(SystemError) {
    try control(Int32(CK_EPOLL_REMOVE), fd, Interest(rawValue: 0), 0)
  }

  @_noLocks
  private func control(
    _ operation: Int32, _ fd: Int32, _ interest: Interest, _ userWord: UInt64
  ) throws(SystemError) {
    let epoll = descriptor.rawValue
    // Never waits, so it is never interrupted.
    let result = ck_epoll_control(epoll, operation, fd, interest.rawValue, userWord)
    if result < 0 { throw failure(Errno(result: result), "epoll_ctl") }
  }

  /// Waits until something happens, at most `timeoutNs` (0: only looks; below zero: for ever), and
  /// returns how many events are in the buffer. May return 0 early when a signal interrupts.
  /// Never returns before the timeout otherwise: where the kernel counts in milliseconds, they are
  /// rounded up.
  @_noLocks
  public func wait(
    into events: inout EventBuffer, timeoutNs: Int64
  ) throws(SystemError) -> Int {
    let epoll = descriptor.rawValue
    let capacity = Int32(truncatingIfNeeded: events.capacity)
    events.count = 0
    let result =
      if hasNanoseconds && timeoutNs > 0 {
        unsafe ck_epoll_wait_ns(epoll, events.memory, capacity, UInt64(timeoutNs))
      } else {
        unsafe ck_epoll_wait_ms(
          epoll, events.memory, capacity, Epoll.millisecondsRoundedUp(timeoutNs))
      }
    if result < 0 {
      let errno = Errno(result: result)
      if errno == .interrupted { return 0 }
      throw failure(errno, "epoll_wait")
    }
    events.count = result
    return result
  }

  static func millisecondsRoundedUp(_ timeoutNs: Int64) -> Int32 {
    if timeoutNs < 0 { return -1 }
    let milliseconds = timeoutNs / 1_000_000 + (timeoutNs % 1_000_000 == 0 ? 0 : 1)
    return milliseconds < Int32.max ? Int32(milliseconds) : Int32.max
  }
}
