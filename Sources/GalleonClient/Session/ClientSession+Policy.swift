import WireFormat

/// A policy as SUBSCRIBE and SET_POLICY carry it.
struct PolicyWish: Sendable {
  let policy: Policy
  var lagEventsMax: UInt64 = 0
  var lagBytesMax: UInt64 = 0
  private var lagMsMax: UInt32 = 0
  private var noCreditMsMax: UInt32 = 0
  private var sampleEvery: UInt32 = 0

  init(_ wanted: DeliveryPolicy) {
    switch wanted {
    case .lossless: policy = .lossless
    case .dropOldest(let lagEvents, let lagBytes, let maxAge):
      policy = .dropOldest
      setBounds(lagEvents, lagBytes, maxAge)
    case .latest(let maxAge):
      policy = .latest
      setBounds(nil, nil, maxAge)
    case .sample(let every, let maxAge):
      policy = .sample
      sampleEvery = max(1, every)
      setBounds(nil, nil, maxAge)
    case .disconnect(let lagEvents, let lagBytes, let maxAge, let withoutCredit):
      policy = .disconnect
      setBounds(lagEvents, lagBytes, maxAge)
      noCreditMsMax = Self.milliseconds(withoutCredit)
    }
  }

  private mutating func setBounds(_ events: UInt64?, _ bytes: UInt64?, _ age: Duration?) {
    lagEventsMax = events ?? 0
    lagBytesMax = bytes ?? 0
    lagMsMax = Self.milliseconds(age)
  }

  private static func milliseconds(_ duration: Duration?) -> UInt32 {
    duration.map { clampedToUInt32(max(1, $0.wireMilliseconds)) } ?? 0
  }

  /// Whether SUBSCRIBE has fields for all of it.
  var fitsSubscribe: Bool { lagMsMax == 0 && noCreditMsMax == 0 && sampleEvery <= 1 }

  /// The version of the protocol that has it.
  var versionMin: UInt16 {
    switch policy {
    case .latest, .sample: 2
    case .lossless, .dropOldest, .disconnect: fitsSubscribe ? 1 : 2
    }
  }

  var frame: SetPolicy {
    SetPolicy(
      policy: policy, sampleEvery: sampleEvery, lagEventsMax: lagEventsMax,
      lagBytesMax: lagBytesMax, lagMsMax: lagMsMax, noCreditMsMax: noCreditMsMax)
  }
}

// Policies: what SUBSCRIBE cannot say, and changes while a subscription runs; and why something is
// stopped.
extension ClientSession {
  private func brokerIsTooOld(for text: String) -> GalleonError? {
    guard let version = welcome?.version, version < 2 else { return nil }
    return .brokerTooOld(
      "\(text) needs version 2 of the protocol, and the broker speaks version \(version)")
  }

  /// Why the broker of this session cannot do it; nil where it can.
  func missing(_ wish: PolicyWish, _ start: StartPosition) -> GalleonError? {
    if start == .state { return brokerIsTooOld(for: "to start with the state of a topic") }
    return wish.versionMin < 2 ? nil : brokerIsTooOld(for: "such a policy")
  }

  /// Sends SET_POLICY and returns its correlation.
  func send(_ wish: PolicyWish, _ row: SubscriptionRow) -> UInt32 {
    let correlation = nextCorrelation()
    _ = wish.frame.encode(into: &control, ref: row.core.ref, correlation: correlation)
    return correlation
  }

  func setPolicy(_ core: SubscriptionCore, _ policy: PolicyWish, _ promise: Promise<Void>) {
    guard let row = subscriptions[core.ref], row.closed == nil else {
      promise.fulfil(.failure(.clientClosed))
      return
    }
    var change = PolicyChange(correlation: 0, policy: policy, promise: promise)
    switch row.phase {
    case .opening, .open:
      if let problem = brokerIsTooOld(for: "a change of policy") {
        promise.fulfil(.failure(problem))
        return
      }
      change.correlation = send(policy, row)
    case .idle, .waiting: row.policy = policy
    case .closing: break
    }
    row.changes.append(change)
  }

  func receivePolicySet(_ ref: UInt32, _ correlation: UInt32) {
    guard let row = subscriptions[ref], correlation != 0 else { return }
    if row.firstPolicyCorrelation == correlation { row.firstPolicyCorrelation = 0 }
    endChanges(row, correlation)
  }

  /// Fulfils the changes that were asked for with this correlation: they are in force now.
  func endChanges(_ row: SubscriptionRow, _ correlation: UInt32) {
    while let change = takeChange(row, correlation) {
      row.policy = change.policy
      change.promise.fulfil(.success(()))
    }
  }

  @inline(never)
  private func takeChange(_ row: SubscriptionRow, _ correlation: UInt32) -> PolicyChange? {
    let index = row.changes.firstIndex { $0.correlation == correlation }
    return index.map { row.changes.remove(at: $0) }
  }

  /// False where the ERROR answers something else.
  func policyRefused(_ row: SubscriptionRow, _ refusal: Refusal, _ correlation: UInt32) -> Bool {
    guard correlation != 0 else { return false }
    if row.firstPolicyCorrelation == correlation {
      // It runs with a policy that nobody asked for.
      row.firstPolicyCorrelation = 0
      row.core.end(.refused(refusal))
      row.opened?.fulfil(.failure(.refused(refusal)))
      if row.closed == nil { row.closed = Promise() }
      if case .open = row.phase { sendUnsubscribe(row) }
      return true
    }
    let change = takeChange(row, correlation)
    change?.promise.fulfil(.failure(.refused(refusal)))
    return change != nil
  }

  /// Nobody answers any more: the next SUBSCRIBE brings what was asked for last.
  func postponeChanges(_ row: SubscriptionRow) {
    row.firstPolicyCorrelation = 0
    if let last = row.changes.last { row.policy = last.policy }
    for index in row.changes.indices { row.changes[index].correlation = 0 }
  }

  @inline(never)
  func failChanges(_ row: SubscriptionRow, _ error: GalleonError) {
    while let change = row.changes.popLast() { change.promise.fulfil(.failure(error)) }
  }

  // MARK: - Stops

  func receive(_ frame: WireFormat.Blocked, _ ref: UInt32) {
    let cause = BlockedCause(frame.by)
    let blocked = cause.map {
      Blocked(
        cause: $0, pendingEvents: frame.pendingEvents, pendingBytes: frame.pendingBytes)
    }
    switch frame.side {
    case .subscription: subscriptions[ref]?.core.setBlocked(blocked)
    case .publisher: publishers[ref]?.core.setBlocked(blocked)
    case nil: break
    }
  }
}

extension BlockedCause {
  /// Nil where nothing is stopped.
  fileprivate init?(_ wire: BlockedBy?) {
    switch wire {
    case .none?: return nil
    case .creditEvents: self = .creditEvents
    case .creditBytes: self = .creditBytes
    case .socket: self = .socket
    case .turn: self = .turn
    case .attaching: self = .attaching
    case .memory: self = .memory
    case .subscriber: self = .subscriber
    case .draining: self = .draining
    case nil: self = .other
    }
  }
}
