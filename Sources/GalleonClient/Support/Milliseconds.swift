extension Duration {
  /// Whole milliseconds, at least 1 for anything longer than nothing, at most what the field of a
  /// frame holds.
  var wireMilliseconds: UInt64 {
    let (seconds, attoseconds) = components
    if seconds < 0 || (seconds == 0 && attoseconds <= 0) { return 0 }
    let (milliseconds, overflow) = UInt64(seconds).multipliedReportingOverflow(by: 1000)
    if overflow { return .max }
    return max(1, milliseconds &+ UInt64(attoseconds / 1_000_000_000_000_000))
  }

  /// Nanoseconds, never below 0 and never more than 2^62, so that a time can be added.
  var nanosecondsClamped: UInt64 {
    let (seconds, attoseconds) = components
    if seconds < 0 || attoseconds < 0 { return 0 }
    if seconds >= 1 << 32 { return 1 << 62 }
    return UInt64(seconds) * 1_000_000_000 + UInt64(attoseconds / 1_000_000_000)
  }
}

/// For the fields of frames that are 32 bits wide.
func clampedToUInt32(_ value: UInt64) -> UInt32 {
  UInt32(min(value, UInt64(UInt32.max)))
}

/// `left + right`, or the largest number. 2^64 - 1 stands for "no bound" in credits.
func saturatingSum(_ left: UInt64, _ right: UInt64) -> UInt64 {
  let (sum, overflow) = left.addingReportingOverflow(right)
  return overflow ? .max : sum
}
