/// Turns times of a walk into times of this machine: everything is `speed` times as fast, and
/// starts together.
struct ReplayClock: Sendable {
  /// When the replay starts, on the machine's monotonic clock.
  let startNs: UInt64
  /// How many times faster than it was, at least 1.
  let speed: UInt64

  init(startNs: UInt64, speed: UInt64) {
    precondition(speed >= 1, "time goes on")
    self.startNs = startNs
    self.speed = speed
  }

  /// When something is due that happens so many recorded milliseconds after the start. Exact to the
  /// nanosecond, however long the replay goes on.
  func dueNs(afterMs elapsedMs: UInt64) -> UInt64 {
    // Whole seconds first: nanoseconds of centuries would not fit before the division.
    let (quotient, remainder) = elapsedMs.quotientAndRemainder(dividingBy: speed)
    let (whole, isTooLong) = quotient.multipliedReportingOverflow(by: 1_000_000)
    if isTooLong { return .max }
    let (sum, isTooLate) = startNs.addingReportingOverflow(whole)
    return isTooLate ? .max : sum + remainder * 1_000_000 / speed
  }

  /// How many recorded milliseconds have gone by at a time of this machine.
  func elapsedMs(atNs nowNs: UInt64) -> UInt64 {
    guard nowNs > startNs else { return 0 }
    let (quotient, remainder) = (nowNs - startNs).quotientAndRemainder(dividingBy: 1_000_000)
    let (whole, isTooLong) = quotient.multipliedReportingOverflow(by: speed)
    return isTooLong ? .max : whole + remainder * speed / 1_000_000
  }
}
