import CKernel

/// The machine's clocks, in nanoseconds. Reading one costs no system call (the kernel maps the
/// clock into the process), except for the two of processor time.
public enum Clock {
  /// Since an unspecified start; never goes back and is not set by anyone.
  @_noLocks
  public static func monotonicNs() -> UInt64 { ck_clock_monotonic() }

  /// Since 1970 in universal time; may jump when somebody sets the clock.
  @_noLocks
  public static func realtimeNs() -> UInt64 { ck_clock_realtime() }

  /// Processor time of all threads of this process.
  public static func processCPUNs() -> UInt64 { ck_clock_process_cpu() }

  /// Processor time of the calling thread.
  public static func threadCPUNs() -> UInt64 { ck_clock_thread_cpu() }

  /// Sleeps until the monotonic clock shows `deadlineNs`; returns at once when it already does.
  public static func sleep(untilNs deadlineNs: UInt64) {
    // Zero is the result at the deadline; the only failure is an interruption.
    while ck_sleep_until(deadlineNs) != 0 {}
  }

  /// Sleeps for at least this long.
  public static func sleep(forNs durationNs: UInt64) {
    sleep(untilNs: monotonicNs() + durationNs)
  }
}

/// The deadline of an operation that has `timeoutNs` from now; below zero it has for ever.
struct Deadline {
  private let atNs: UInt64?

  init(timeoutNs: Int64) {
    atNs = timeoutNs < 0 ? nil : Clock.monotonicNs().addingReportingOverflow(UInt64(timeoutNs)).0
  }

  /// What is left: below zero for ever, zero when it has passed.
  var remainingNs: Int64 {
    guard let atNs else { return -1 }
    let now = Clock.monotonicNs()
    return now >= atNs ? 0 : Int64(min(atNs - now, UInt64(Int64.max)))
  }
}
