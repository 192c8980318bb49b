import LinuxIO

/// The sending half of a run: all publishers on one thread.
///
/// Each publisher has a buffer that is filled with whole events when it is empty, and sent in as
/// few calls as the socket allows. It is `@safe` because buffers are as large as `sendBytes` and a
/// driver is never asked for more events than fit.
@safe struct PublisherLoop<Driver: WireDriver & ~Copyable>: ~Copyable {
  /// One send carries at most this much.
  static var sendBytes: Int { 256 * 1024 }

  private var table: ConnectionTable<Driver>
  private let plan: LoadPlan
  private let progress: Progress
  private var lanes: [Lane] = []
  private var tally: Tally
  private let noNumbers: UnsafeMutablePointer<UInt64>
  private let noLatencies: UnsafeMutablePointer<LatencyHistogram>
  private let eventsFitting: Int
  /// Events sent to each topic.
  private var sentToTopic: [UInt64]

  /// What belongs to one publisher besides its connection. The loop frees the buffer.
  @safe private struct Lane {
    let buffer: UnsafeMutableRawPointer
    let slot: UInt64
    /// Events encoded so far.
    var encoded: UInt64 = 0
    /// What of the buffer is still to be sent.
    var start = 0
    var end = 0
    var isBlocked = false
    /// Answers of the driver that wait until the buffer is empty.
    var held: [UInt8] = []
  }

  init(plan: LoadPlan, progress: Progress) throws(LoadError) {
    self.plan = plan
    self.progress = progress
    table = try ConnectionTable(driver: Driver(plan.shape), capacity: plan.publishers)
    eventsFitting = table.driver.eventsFitting(Self.sendBytes)
    sentToTopic = Array(repeating: 0, count: plan.topics)
    unsafe noNumbers = .allocate(capacity: 1)
    unsafe noNumbers.initialize(to: 1)
    unsafe noLatencies = .allocate(capacity: 1)
    unsafe noLatencies.initialize(to: LatencyHistogram())
    unsafe tally = Tally(expected: noNumbers, slotCount: 0, latencies: noLatencies)
  }

  deinit {
    for lane in lanes { unsafe lane.buffer.deallocate() }
    unsafe noNumbers.deallocate()
    unsafe noLatencies.deinitialize(count: 1)
    unsafe noLatencies.deallocate()
  }

  /// Connects all publishers and lays out their buffers.
  mutating func open() throws(LoadError) {
    let roles = (0..<plan.publishers).map { Role.publisher(topic: $0 % plan.topics) }
    try table.openAll(
      roles, plan: plan, interest: [.readable, .writable, .edgeTriggered],
      tally: &tally)
    for (index, role) in roles.enumerated() {
      let buffer = UnsafeMutableRawPointer.allocate(byteCount: Self.sendBytes, alignment: 64)
      unsafe buffer.initializeMemory(as: UInt8.self, repeating: 0, count: Self.sendBytes)
      unsafe table.driver.prepare(buffer, capacity: Self.sendBytes, role: role)
      unsafe lanes.append(Lane(buffer: buffer, slot: UInt64(index / plan.topics)))
    }
    try table.readiness.add(progress.waker, .readable, word: .max)
  }

  /// Publishes until the run is stopped and the buffers are empty, then reports to `progress`.
  mutating func run(startNs: UInt64) {
    var failure: LoadError?
    if case .rate = plan.pace { Self.sleepExactly() }
    do throws(LoadError) {
      try publish(startNs: startNs)
    } catch {
      failure = error
    }
    progress.finish(counts: lanes.map(\.encoded), failure: failure)
  }

  /// Lets this thread's sleeps end when they should, instead of up to 50 microseconds later, which
  /// would be counted as the server's latency.
  private static func sleepExactly() {
    do throws(SystemError) {
      let file = try Files.open("/proc/\(Thread.currentID)/timerslack_ns", .write)
      try Stream.writeAll(file.rawValue, "1")
    } catch {
      // Without it latencies are higher, for all servers alike.
    }
  }

  private mutating func publish(startNs: UInt64) throws(LoadError) {
    while !progress.isAborted {
      let moved = try sendAll(startNs: startNs)
      if progress.isStopped, lanes.allSatisfy({ $0.start == $0.end }) { return }
      if moved {
        try reap(timeoutNs: 0)
        continue
      }
      if case .rate = plan.pace, !lanes.contains(where: \.isBlocked) {
        Clock.sleep(untilNs: nextDueNs(startNs: startNs))
        try reap(timeoutNs: 0)
        continue
      }
      progress.aboutToSleep()
      let movedNow = try sendAll(startNs: startNs)
      if !movedNow, !progress.isStopped || lanes.contains(where: { $0.start < $0.end }),
        !progress.isAborted
      {
        try reap(timeoutNs: 100_000_000)
      }
      progress.woke()
    }
  }

  /// Gives every publisher that can go on one fill and one send; whether any byte moved.
  private mutating func sendAll(startNs: UInt64) throws(LoadError) -> Bool {
    let stopped = progress.isStopped
    var moved = false
    let nowNs = Clock.monotonicNs()
    for index in lanes.indices {
      if lanes[index].start == lanes[index].end {
        try sendHeld(index)
        if !stopped { fill(index, startNs: startNs, nowNs: nowNs) }
      }
      if lanes[index].start < lanes[index].end, !lanes[index].isBlocked {
        moved = try send(index) || moved
      }
    }
    return moved
  }

  private mutating func fill(_ index: Int, startNs: UInt64, nowNs: UInt64) {
    let row = unsafe table.row(index)
    let topic = unsafe row.pointee.topic
    var count = unsafe min(eventsFitting, table.driver.allowance(row.pointee.session))
    let encoded = lanes[index].encoded
    var run = EventRun(
      firstNumber: encoded + 1, count: 0, slot: lanes[index].slot, firstTimeNs: nowNs, stepPs: 0)
    switch plan.pace {
    case .flatOut, .rounds:
      let allowed = progress.allowed(topic: topic)
      let sent = sentToTopic[topic]
      count = min(count, allowed > sent ? Int(allowed - sent) : 0)
    case .rate(let rate):
      let schedule = Schedule(rate: rate, publishers: plan.publishers, startNs: startNs)
      count = min(count, Int(schedule.due(publisher: index, nowNs: nowNs) - encoded))
      run.firstTimeNs = schedule.timeNs(publisher: index, event: encoded)
      run.stepPs = schedule.stepPs
    case .idle:
      count = 0
    }
    guard count > 0 else { return }
    run.count = count
    let bytes = unsafe table.driver.encode(
      run, into: lanes[index].buffer, session: &row.pointee.session)
    lanes[index].encoded += UInt64(count)
    sentToTopic[topic] += UInt64(count)
    lanes[index].start = 0
    lanes[index].end = bytes
  }

  private mutating func send(_ index: Int) throws(LoadError) -> Bool {
    let start = lanes[index].start
    let size = lanes[index].end - start
    switch unsafe try Transport.send(
      table.row(index).pointee.descriptor, lanes[index].buffer + start, size)
    {
    case .bytes(let sent):
      lanes[index].start = start + sent
      return true
    case .nothing:
      lanes[index].isBlocked = true
      return false
    case .over: throw .connectionClosed("publisher \(index)")
    }
  }

  private mutating func sendHeld(_ index: Int) throws(LoadError) {
    guard !lanes[index].held.isEmpty else { return }
    table.outbox.append(lanes[index].held)
    lanes[index].held = []
    try table.flushOutbox(index)
  }

  /// Takes what the server says to publishers, and notes which sockets have room again.
  private mutating func reap(timeoutNs: UInt64) throws(LoadError) {
    let ready = try table.readiness.wait(timeoutNs: timeoutNs)
    for event in 0..<ready {
      let happened = table.readiness[event]
      guard happened.userWord != .max else {
        progress.drainWaker()
        continue
      }
      let index = Int(truncatingIfNeeded: happened.userWord)
      if happened.writable { lanes[index].isBlocked = false }
      guard happened.readable || happened.hangup || happened.error else { continue }
      // Edge-triggered: read until there is nothing.
      var outcome = try table.receive(index, tally: &tally)
      while outcome == .bytes {
        hold(index)
        outcome = try table.receive(index, tally: &tally)
      }
      if outcome == .closed { throw .connectionClosed("publisher \(index)") }
    }
  }

  private mutating func hold(_ index: Int) {
    guard table.outbox.count > 0 else { return }
    let bytes = unsafe UnsafeRawBufferPointer(start: table.outbox.base, count: table.outbox.count)
    unsafe lanes[index].held.append(contentsOf: bytes)
    table.outbox.removeAll()
  }

  private func nextDueNs(startNs: UInt64) -> UInt64 {
    guard case .rate(let rate) = plan.pace else { return startNs }
    let schedule = Schedule(rate: rate, publishers: plan.publishers, startNs: startNs)
    var next = UInt64.max
    for index in lanes.indices {
      next = min(next, schedule.timeNs(publisher: index, event: lanes[index].encoded))
    }
    return next
  }
}

/// When events are due at a fixed rate. Publishers take turns, so that together they keep even
/// distances.
struct Schedule {
  let startNs: UInt64
  /// Between two events of one publisher, and between two publishers, in picoseconds. An hour is
  /// 3.6e15 of them, so nothing overflows.
  let stepPs: UInt64
  let offsetPs: UInt64

  init(rate: Double, publishers: Int, startNs: UInt64) {
    self.startNs = startNs
    offsetPs = UInt64(1e12 / rate)
    stepPs = UInt64(1e12 / rate * Double(publishers))
  }

  /// How many events of a publisher are due by now.
  func due(publisher: Int, nowNs: UInt64) -> UInt64 {
    guard nowNs >= startNs else { return 0 }
    let elapsedPs = (nowNs - startNs) * 1000
    let firstPs = UInt64(publisher) * offsetPs
    return elapsedPs < firstPs ? 0 : (elapsedPs - firstPs) / stepPs + 1
  }

  /// When a publisher's event is due; `event` counts from 0.
  func timeNs(publisher: Int, event: UInt64) -> UInt64 {
    // Rounded up, so that an event is due at its own time.
    startNs + (UInt64(publisher) * offsetPs + event * stepPs + 999) / 1000
  }
}
