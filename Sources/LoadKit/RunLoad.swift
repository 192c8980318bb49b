import LinuxIO

/// Runs a plan against a server that is listening on 127.0.0.1 and returns what was measured.
///
/// Two threads do the work: one publishes, and the calling thread subscribes. `observe` is called
/// on the calling thread between the phases; a server that must be looked at while it is quiet can
/// be looked at there. `isStopped` is asked often, on the calling thread, with the deliveries so
/// far; when it says so, the measurement ends there and then, and what was published is waited for
/// as ever. Blocks until the run is over: the plan's warm-up and seconds, and whatever connecting
/// and emptying the pipe take, each bounded by `patienceSeconds` without progress.
public func runLoad(
  _ plan: LoadPlan, observe: (LoadMoment) -> Void = { _ in },
  isStopped: (_ delivered: UInt64) -> Bool = { _ in false }
) throws(LoadError) -> LoadResult {
  try plan.validate()
  switch plan.peer {
  case .nats: return try run(NATSDriver.self, plan, isStopped, observe)
  case .redis: return try run(RedisDriver.self, plan, isStopped, observe)
  case .relay: return try run(RelayDriver.self, plan, isStopped, observe)
  case .galleon: return try run(GalleonDriver.self, plan, isStopped, observe)
  }
}

private func run<Driver: WireDriver & ~Copyable>(
  _ driver: Driver.Type, _ plan: LoadPlan, _ isStopped: (UInt64) -> Bool,
  _ observe: (LoadMoment) -> Void
) throws(LoadError) -> LoadResult {
  let progress = try Progress(topics: plan.topics)
  let setupNs = Clock.monotonicNs()
  var subscribers = try SubscriberLoop<Driver>(plan: plan, progress: progress)
  try subscribers.open()
  if plan.besideRounds == 0 { try subscribers.openStalled() }
  var result = LoadResult()
  result.setupSeconds = Double(Clock.monotonicNs() - setupNs) / 1e9
  observe(.subscribed)
  if plan.pace == .idle { return result }

  let publishers = PublisherBox<Driver>(try PublisherLoop(plan: plan, progress: progress))
  defer { publishers.destroy() }
  try unsafe publishers.loop.pointee.open()
  observe(.connected)

  let startNs = Clock.monotonicNs() + 2_000_000
  subscribers.start()
  let thread = try spawn { unsafe publishers.loop.pointee.run(startNs: startNs) }
  let outcome: Result<Void, LoadError>
  do throws(LoadError) {
    try measure(&subscribers, plan, progress, startNs, isStopped, observe, &result)
    outcome = .success(())
  } catch {
    outcome = .failure(error)
  }
  progress.abort()
  thread.join()
  // The publisher's own failure comes first: it is the cause where both have one.
  if let failure = progress.failure { throw failure }
  try outcome.get()
  observe(.drained)
  conclude(subscribers, progress, &result)
  return result
}

private func spawn(_ body: @escaping @Sendable () -> Void) throws(LoadError) -> Thread {
  do throws(SystemError) {
    return try Thread.spawn(name: "publishers", body)
  } catch {
    throw .system(error)
  }
}

/// Carries the publishers' loop to its thread. Only that thread touches it between its start and
/// its end, which makes it `@safe`.
@safe private struct PublisherBox<Driver: WireDriver & ~Copyable>: @unchecked Sendable {
  let loop: UnsafeMutablePointer<PublisherLoop<Driver>>

  init(_ publishers: consuming PublisherLoop<Driver>) {
    unsafe loop = .allocate(capacity: 1)
    unsafe loop.initialize(to: publishers)
  }

  func destroy() {
    unsafe loop.deinitialize(count: 1)
    unsafe loop.deallocate()
  }
}

/// Receives through warm-up and measurement, stops the publishers, and goes on until everything
/// that was published has arrived.
private func measure<Driver: WireDriver & ~Copyable>(
  _ subscribers: inout SubscriberLoop<Driver>, _ plan: LoadPlan, _ progress: Progress,
  _ startNs: UInt64, _ isStopped: (UInt64) -> Bool, _ observe: (LoadMoment) -> Void,
  _ result: inout LoadResult
) throws(LoadError) {
  let warmupNs = UInt64(plan.warmupSeconds * 1e9)
  _ = try receive(&subscribers, plan, until: startNs + warmupNs, progress, isStopped)
  result.warmupDeliveries = subscribers.delivered
  var phases: [LoadPhase] = []
  var receives: UInt64 = 0
  try measurePhases(&phases)
  for _ in 0..<plan.besideRounds where !progress.isDone {
    let before = phases
    try subscribers.openStalled()
    try settle(&subscribers, UInt64(plan.stallSeconds * 1e9))
    try measurePhases(&phases)
    let beside = phases
    observe(.beside)
    subscribers.closeStalled()
    try settle(&subscribers, warmupNs)
    try measurePhases(&phases)
    for i in phases.indices {
      result.besideRounds.append(
        BesideRound(before: before[i], beside: beside[i], after: phases[i]))
    }
  }
  let phase = phases[phases.count - 1]
  result.seconds = phase.seconds
  result.receives = receives
  result.deliveriesPerSecond = phase.deliveriesPerSecond
  result.eventsPerSecond = phase.eventsPerSecond
  result.bytesPerSecond = phase.deliveriesPerSecond * Double(plan.payloadBytes)
  progress.stop()
  try subscribers.release()
  try drain(&subscribers, plan, progress)

  func measurePhases(_ phases: inout [LoadPhase]) throws(LoadError) {
    phases.removeAll()
    for _ in 0..<(plan.besideRounds > 0 ? plan.besideMeasurements : 1) {
      let phase: LoadPhase
      (phase, receives) = try measurePhase(&subscribers, plan, progress, isStopped)
      phases.append(phase)
    }
  }

  func settle(
    _ subscribers: inout SubscriberLoop<Driver>, _ forNs: UInt64
  ) throws(LoadError) {
    let untilNs = Clock.monotonicNs() + forNs
    _ = try receive(&subscribers, plan, until: untilNs, progress, isStopped)
  }
}

/// Measures from now on for the plan's seconds.
private func measurePhase<Driver: WireDriver & ~Copyable>(
  _ subscribers: inout SubscriberLoop<Driver>, _ plan: LoadPlan, _ progress: Progress,
  _ isStopped: (UInt64) -> Bool
) throws(LoadError) -> (phase: LoadPhase, receives: UInt64) {
  // Where rounds are made, from the end of the one that ends next.
  let first = try receive(
    &subscribers, plan, until: Clock.monotonicNs(), progress, isStopped)
  subscribers.startMeasuring()
  let endNs = first.timeNs + UInt64(plan.seconds * 1e9)
  let last = try receive(&subscribers, plan, until: endNs, progress, isStopped)
  var phase = LoadPhase()
  phase.seconds = Double(last.timeNs - first.timeNs) / 1e9
  if phase.seconds > 0 {
    phase.deliveriesPerSecond = Double(last.delivered - first.delivered) / phase.seconds
  }
  phase.eventsPerSecond = phase.deliveriesPerSecond / Double(plan.subscribers / plan.topics)
  phase.latency = subscribers.latency
  return (phase, last.receives - first.receives)
}

/// Where a run stood at one of the ends of the measurement.
private struct Mark {
  var timeNs: UInt64
  var delivered: UInt64
  var receives: UInt64
}

/// Receives until a time, or where rounds are made, until the first round that ends after it; that
/// may take as long as the plan is patient.
private func receive<Driver: WireDriver & ~Copyable>(
  _ subscribers: inout SubscriberLoop<Driver>, _ plan: LoadPlan, until deadlineNs: UInt64,
  _ progress: Progress, _ isStopped: (UInt64) -> Bool
) throws(LoadError) -> Mark {
  var isInRounds = false
  if case .rounds = plan.pace { isInRounds = true }
  let patienceNs = UInt64(plan.patienceSeconds * 1e9)
  while true {
    let nowNs = Clock.monotonicNs()
    // Between two rounds nothing is on its way, so what is delivered belongs to whole rounds.
    let isAtEnd =
      isInRounds
      ? subscribers.stepNs >= deadlineNs || nowNs >= deadlineNs + patienceNs
      : nowNs >= deadlineNs
    if isAtEnd || progress.isDone || isStopped(subscribers.delivered) {
      return Mark(
        timeNs: isInRounds && subscribers.stepNs > 0 ? subscribers.stepNs : nowNs,
        delivered: isInRounds ? subscribers.deliveredInSteps : subscribers.delivered,
        receives: subscribers.receives)
    }
    let timeout = nowNs < deadlineNs ? deadlineNs - nowNs : 50_000_000
    try subscribers.turn(timeoutNs: min(timeout, 50_000_000))
  }
}

private func drain<Driver: WireDriver & ~Copyable>(
  _ subscribers: inout SubscriberLoop<Driver>, _ plan: LoadPlan, _ progress: Progress
) throws(LoadError) {
  let patienceNs = UInt64(plan.patienceSeconds * 1e9)
  var lastCount = subscribers.received
  var lastProgressNs = Clock.monotonicNs()
  while true {
    if progress.isDone {
      let owed = subscribers.owed(progress.finalCounts)
      if subscribers.delivered + subscribers.announcedGaps >= owed,
        subscribers.laggardsAreThrough(progress.finalCounts)
      {
        return
      }
    }
    try subscribers.turn(timeoutNs: 10_000_000)
    let nowNs = Clock.monotonicNs()
    if subscribers.received != lastCount {
      lastCount = subscribers.received
      lastProgressNs = nowNs
    } else if nowNs - lastProgressNs > patienceNs {
      return
    }
  }
}

private func conclude<Driver: WireDriver & ~Copyable>(
  _ subscribers: borrowing SubscriberLoop<Driver>, _ progress: Progress,
  _ result: inout LoadResult
) {
  let counts = progress.finalCounts
  result.published = counts.reduce(0, +)
  result.delivered = subscribers.delivered
  result.announcedGaps = subscribers.announcedGaps
  result.latency = subscribers.latency
  result.freshness = subscribers.freshness
  let laggards = subscribers.laggardSums
  result.laggardDeliveries = laggards.delivered
  result.laggardLeftOut = laggards.leftOut
  let unfinishedLaggards = subscribers.unfinishedLaggards(counts)
  let faults = subscribers.faults
  let owed = subscribers.owed(counts)
  let unfinished = subscribers.unfinished(counts)
  if subscribers.announcedGaps > 0 {
    result.verdict = .faulty(
      "the server left out \(subscribers.announcedGaps) events and said so "
        + "(\(subscribers.gapWords)); "
        + "\(faults.missing) were seen to be missing and \(faults.misordered) out of order")
  } else if let first = faults.first {
    result.verdict = .faulty(
      "\(faults.missing) events missing and \(faults.misordered) out of order; the first: "
        + "\(first.found) where \(first.expected) was due")
  } else if laggards.misordered > 0 || unfinishedLaggards > 0 {
    result.verdict = .faulty(
      "laggards: \(laggards.misordered) events that are older than what came before of their key, "
        + "or have another; \(unfinishedLaggards) laggards whose sums or last values are wrong")
  } else if subscribers.corrupt > 0 {
    result.verdict = .faulty("\(subscribers.corrupt) payloads differ from what was sent")
  } else if unfinished > 0 || result.delivered != owed {
    result.verdict = .faulty(
      "\(owed) deliveries were owed and \(result.delivered) came; "
        + "\(unfinished) of the subscribers are not at the end")
  }
}
