import LinuxIO

/// The receiving half of a run: all subscribers on one thread.
///
/// Besides counting it tells the publishers how far they may go. For each topic there is a mark;
/// when the last of the topic's subscribers has passed it, the allowance rises and the mark moves
/// on by one step. So the slowest subscriber is followed without looking at all of them each time.
///
/// It is `@safe` because all indices into its tables are rows or topics that were checked at setup.
@safe struct SubscriberLoop<Driver: WireDriver & ~Copyable>: ~Copyable {
  /// One receive in so many has its newest payload compared byte by byte.
  static var inspectionInterval: UInt64 { 64 }

  private var table: ConnectionTable<Driver>
  private let plan: LoadPlan
  private let progress: Progress
  private var tally: Tally
  private let latencies: UnsafeMutablePointer<LatencyHistogram>
  private let slots: Int
  /// Next number for every subscriber and publisher of its topic.
  private let expected: UnsafeMutablePointer<UInt64>
  private let marks: UnsafeMutablePointer<Mark>
  private let window: UInt64
  private let step: UInt64
  private var laggards: Laggards
  /// Those that never read. Nobody waits for their sockets.
  private var stalled: ConnectionTable<Driver>?

  private(set) var delivered: UInt64 = 0
  private(set) var corrupt: UInt64 = 0
  /// Steps that all subscribers of a topic have made, and when the newest was made.
  private(set) var steps: UInt64 = 0
  private(set) var stepNs: UInt64 = 0

  private struct Mark: BitwiseCopyable {
    var target: UInt64
    /// Subscribers of the topic that have got so far.
    var passed: Int
  }

  init(plan: LoadPlan, progress: Progress) throws(LoadError) {
    self.plan = plan
    self.progress = progress
    table = try ConnectionTable(
      driver: Driver(plan.shape),
      capacity: plan.subscribers + plan.laggards)
    laggards = Laggards(plan)
    slots = max(1, plan.publishers / plan.topics)
    unsafe expected = .allocate(capacity: max(1, plan.subscribers) * slots)
    unsafe expected.initialize(repeating: 1, count: max(1, plan.subscribers) * slots)
    unsafe latencies = .allocate(capacity: 1)
    unsafe latencies.initialize(to: LatencyHistogram())
    unsafe marks = .allocate(capacity: plan.topics)
    window = UInt64(plan.window ?? 0)
    switch plan.pace {
    case .rounds: step = window
    case .flatOut: step = max(1, window / 4)
    // Nobody asks for an allowance: one step is never passed.
    case .rate, .idle: step = .max
    }
    unsafe marks.initialize(repeating: Mark(target: step, passed: 0), count: plan.topics)
    unsafe tally = Tally(expected: expected, slotCount: slots, latencies: latencies)
  }

  deinit {
    unsafe expected.deallocate()
    unsafe marks.deallocate()
    unsafe latencies.deinitialize(count: 1)
    unsafe latencies.deallocate()
  }

  var receives: UInt64 { table.receives }
  var faults: (missing: UInt64, misordered: UInt64, first: Tally.Fault?) {
    (tally.missing, tally.misordered, tally.firstFault)
  }
  var announcedGaps: UInt64 { tally.announcedGaps }
  var gapWords: String { Driver.gapWords(tally.gapCause) }
  var latency: LatencySummary? { unsafe latencies.pointee.summary }

  var freshness: LatencySummary? { laggards.freshness }
  var laggardSums: (delivered: UInt64, leftOut: UInt64, misordered: UInt64) {
    (laggards.delivered, laggards.leftOut, laggards.tally.misordered)
  }

  /// Connects all subscribers, then the laggards.
  mutating func open() throws(LoadError) {
    try table.openAll(
      (0..<plan.subscribers).map { .subscriber(topic: $0 % plan.topics) }, plan: plan,
      interest: .readable, tally: &tally)
    try table.openAll(
      [Role](repeating: .laggard(topic: 0), count: plan.laggards), plan: plan,
      interest: .readable, tally: &laggards.tally)
  }

  /// Connects those that will never read.
  mutating func openStalled() throws(LoadError) {
    guard plan.stalledSubscribers > 0 else { return }
    var table = try ConnectionTable(
      driver: Driver(plan.shape), capacity: plan.stalledSubscribers)
    let roles = [Role](repeating: .stalled(topic: 0), count: plan.stalledSubscribers)
    // What they are sent while others of them still connect is nobody's to count.
    var ignored = unsafe Tally(expected: expected, slotCount: 0, latencies: latencies)
    try table.openAll(roles, plan: plan, interest: .readable, tally: &ignored)
    stalled = consume table
  }

  /// Closes their connections.
  mutating func closeStalled() { stalled = nil }

  /// Grants the first windows.
  func start() {
    guard window > 0 else { return }
    for topic in 0..<plan.topics { progress.allow(window, topic: topic) }
  }

  /// Starts the histogram anew, at the begin of a measurement.
  mutating func startMeasuring() {
    unsafe latencies.pointee.reset()
    if case .rate = plan.pace { tally.isTimed = true }
    laggards.startMeasuring()
  }

  /// Nothing more is published: laggards take all that is left.
  mutating func release() throws(LoadError) {
    laggards.stopMeasuring()
    try grant(.max)
  }

  private mutating func grant(_ events: UInt64) throws(LoadError) {
    for index in plan.subscribers..<(plan.subscribers + laggards.count) {
      unsafe table.driver.grant(events, to: table.row(index).pointee.session, out: &table.outbox)
      try table.flushOutbox(index)
    }
  }

  /// Waits up to `timeoutNs` for readiness and receives once wherever there is something.
  mutating func turn(timeoutNs: UInt64) throws(LoadError) {
    let nowNs = laggards.count > 0 ? Clock.monotonicNs() : 0
    if !progress.isStopped, let events = laggards.dueGrant(nowNs) { try grant(events) }
    let untilGrant = laggards.nextDueNs > nowNs ? laggards.nextDueNs - nowNs : timeoutNs
    let ready = try table.readiness.wait(timeoutNs: min(timeoutNs, untilGrant))
    for event in 0..<ready {
      let index = Int(truncatingIfNeeded: table.readiness[event].userWord)
      if index < plan.subscribers { try receive(index) } else { try receiveLaggard(index) }
    }
  }

  private mutating func receiveLaggard(_ index: Int) throws(LoadError) {
    let laggard = index - plan.subscribers
    laggards.begin(laggard)
    let outcome = try table.receive(index, tally: &laggards.tally)
    laggards.end(laggard)
    if outcome == .closed { throw .connectionClosed("laggard \(laggard)") }
    if table.outbox.count > 0 { try table.flushOutbox(index) }
  }

  @inline(always)
  private mutating func receive(_ index: Int) throws(LoadError) {
    unsafe tally.expected = expected + index * slots
    tally.delivered = 0
    unsafe tally.lastPayload = nil
    switch try table.receive(index, tally: &tally) {
    case .nothing: return
    case .closed: throw .connectionClosed("subscriber \(index)")
    case .bytes: break
    }
    if table.outbox.count > 0 { try table.flushOutbox(index) }
    guard tally.delivered > 0 else { return }
    if let payload = unsafe tally.lastPayload { unsafe inspect(payload) }
    let count = UInt64(truncatingIfNeeded: tally.delivered)
    delivered &+= count
    let row = unsafe table.row(index)
    let before = unsafe row.pointee.delivered
    unsafe row.pointee.delivered = before &+ count
    unsafe notePassing(topic: row.pointee.topic, from: before, to: before &+ count)
  }

  /// Looks at the newest payload of a receive: its latency, and sometimes all of it.
  @inline(always)
  private mutating func inspect(_ payload: UnsafeRawPointer) {
    if !tally.isTimed {
      let intended = unsafe EventStamp.timeNs(of: payload)
      unsafe latencies.pointee.record(tally.nowNs > intended ? tally.nowNs &- intended : 0)
    }
    if table.receives % Self.inspectionInterval == 0,
      unsafe !EventStamp.fillerIsIntact(payload, payloadBytes: plan.payloadBytes)
    {
      corrupt += 1
    }
  }

  @inline(always)
  private mutating func notePassing(topic: Int, from before: UInt64, to after: UInt64) {
    let mark = unsafe marks + topic
    guard unsafe before < mark.pointee.target && after >= mark.pointee.target else { return }
    unsafe mark.pointee.passed += 1
    while unsafe mark.pointee.passed == plan.subscribers / plan.topics {
      let reached = unsafe mark.pointee.target
      steps &+= 1
      stepNs = tally.nowNs
      unsafe mark.pointee.target = reached + step
      unsafe mark.pointee.passed = countPassed(topic: topic, target: reached + step)
      progress.allow(reached + window, topic: topic)
    }
  }

  private func countPassed(topic: Int, target: UInt64) -> Int {
    var passed = 0
    for index in stride(from: topic, to: plan.subscribers, by: plan.topics)
    where unsafe table.row(index).pointee.delivered >= target {
      passed += 1
    }
    return passed
  }

  /// Events that subscribers should have got, were each publisher's count as given.
  func owed(_ counts: [UInt64]) -> UInt64 {
    let subscribersOfTopic = UInt64(plan.subscribers / plan.topics)
    return counts.reduce(0) { $0 + $1 * subscribersOfTopic }
  }

  /// Whether the laggards are through with what was published.
  func laggardsAreThrough(_ counts: [UInt64]) -> Bool {
    laggards.isThrough(counts.reduce(0, +))
  }

  func unfinishedLaggards(_ counts: [UInt64]) -> Int {
    laggards.unfinished(of: counts.reduce(0, +))
  }

  /// What all of them have received, to see that there is progress.
  var received: UInt64 { delivered &+ laggards.delivered &+ laggards.leftOut }

  /// Events that belong to the steps which all subscribers have made, for all of them.
  var deliveredInSteps: UInt64 { steps * step * UInt64(plan.subscribers / plan.topics) }

  /// How many subscribers are not exactly behind the last event of each publisher.
  func unfinished(_ counts: [UInt64]) -> Int {
    var unfinished = 0
    for index in 0..<plan.subscribers {
      let topic = index % plan.topics
      for slot in 0..<slots {
        let publisher = slot * plan.topics + topic
        guard publisher < counts.count else { continue }
        if unsafe expected[index * slots + slot] != counts[publisher] + 1 {
          unfinished += 1
          break
        }
      }
    }
    return unfinished
  }
}
