import LinuxIO

/// The laggards of a run, which the subscribing thread serves with its other connections. What they
/// take is bounded by what they grant, a little every few milliseconds, and not by their sockets:
/// so what they are sent is as new as the broker has it, and does not age in buffers.
///
/// It is `@safe` because the numbers' memory has a place for each laggard and key, and a laggard is
/// compared with how many there are.
@safe struct Laggards: ~Copyable {
  /// Between two grants.
  private static let grantIntervalNs: UInt64 = 10_000_000

  let count: Int
  private let cycle: KeyCycle
  private let numbers: UnsafeMutablePointer<UInt64>
  private let latencies: UnsafeMutablePointer<LatencyHistogram>
  /// Checks apart from those of the other subscribers.
  var tally: Tally
  /// Events that each was sent, and that its policy left out.
  private var accounts: [UInt64]
  private let rate: Double
  private var startNs: UInt64 = 0
  private var nextGrantNs: UInt64 = 0

  init(_ plan: LoadPlan) {
    count = plan.laggards
    rate = plan.laggardRate
    cycle = KeyCycle(keys: max(1, plan.keys))
    let places = max(1, plan.laggards * plan.keys)
    unsafe numbers = .allocate(capacity: places)
    unsafe numbers.initialize(repeating: 0, count: places)
    unsafe latencies = .allocate(capacity: 1)
    unsafe latencies.initialize(to: LatencyHistogram())
    unsafe tally = Tally(expected: numbers, slotCount: 0, latencies: latencies)
    accounts = Array(repeating: 0, count: plan.laggards)
  }

  deinit {
    unsafe numbers.deallocate()
    unsafe latencies.deinitialize(count: 1)
    unsafe latencies.deallocate()
  }

  private func newest(_ laggard: Int) -> NewestOfKeys {
    precondition(laggard >= 0 && laggard < count, "no such laggard")
    return unsafe NewestOfKeys(numbers + laggard * Int(cycle.keys), cycle)
  }

  /// What a laggard is about to receive is its own.
  mutating func begin(_ laggard: Int) {
    tally.newest = newest(laggard)
    tally.delivered = 0
    tally.leftOut = 0
    tally.announcedGaps = 0
  }

  /// Books what it has received.
  mutating func end(_ laggard: Int) {
    accounts[laggard] +=
      UInt64(truncatingIfNeeded: tally.delivered) + tally.leftOut + tally.announcedGaps
    delivered += UInt64(truncatingIfNeeded: tally.delivered)
    leftOut += tally.leftOut
  }

  /// Of all of them.
  private(set) var delivered: UInt64 = 0
  private(set) var leftOut: UInt64 = 0

  /// The age of what they are sent counts from now on.
  mutating func startMeasuring() {
    unsafe latencies.pointee.reset()
    tally.isTimed = true
  }

  /// It counts no more: at the end they take all there is at once.
  mutating func stopMeasuring() { tally.isTimed = false }

  var freshness: LatencySummary? { unsafe latencies.pointee.summary }

  /// What each may have been sent by now, where it is time to say so.
  mutating func dueGrant(_ nowNs: UInt64) -> UInt64? {
    guard count > 0, nowNs >= nextGrantNs else { return nil }
    if startNs == 0 { startNs = nowNs }
    nextGrantNs = nowNs + Self.grantIntervalNs
    return 1 + UInt64(Double(nowNs - startNs) / 1e9 * rate)
  }

  var nextDueNs: UInt64 { count > 0 ? nextGrantNs : .max }

  /// Laggards whose account does not come to what was published, or who lack a key's last event.
  func unfinished(of published: UInt64) -> Int {
    (0..<count).filter {
      accounts[$0] != published || newest($0).missing(of: published) > 0
    }.count
  }

  /// Whether all accounts have come to what was published.
  func isThrough(_ published: UInt64) -> Bool { accounts.allSatisfy { $0 >= published } }
}
