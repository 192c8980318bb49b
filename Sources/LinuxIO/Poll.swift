import CKernel

/// Waiting for one descriptor, for clients, tools and tests. Shards wait with `Epoll`.
public enum Poll {
  public enum Direction: Sendable {
    case readable
    case writable
  }

  /// True when the operation would not wait (or would fail at once, or end); false at the timeout.
  /// `timeoutNs` below zero waits for ever, zero only looks.
  public static func wait(
    _ fd: Int32, for direction: Direction, timeoutNs: Int64
  ) throws(SystemError) -> Bool {
    let deadline = Deadline(timeoutNs: timeoutNs)
    let events = Int32(direction == .readable ? CK_POLL_IN : CK_POLL_OUT)
    // The remaining time is computed for each attempt: a signal must not prolong the wait.
    return try perform("poll") { ck_poll(fd, events, deadline.remainingNs) } != 0
  }
}
