import BrokerCore
import WireFormat

/// A client: opens sessions, does what it is told to, and looks at everything that comes.
final class Client {
  let index: Int
  unowned let world: Simulation
  var link: Link?
  var session: Session?
  /// Subscriptions of earlier sessions, to go on with.
  var resumptions: [Resumption] = []
  /// How the last session ended.
  var lastClose: CloseReason?
  let codecs = Codecs()

  init(index: Int, world: Simulation) {
    self.index = index
    self.world = world
  }

  var isOpen: Bool { session?.state == .open }

  func send(_ encode: (inout FrameWriter) -> Bool) {
    var writer = FrameWriter(reserving: 256)
    precondition(encode(&writer), "a frame that does not fit")
    send(writer.array)
  }

  func send(_ bytes: [UInt8]) { link?.toBroker.append(bytes) }

  // MARK: Sessions

  func connect() {
    let link = Link(
      shard: world.random.below(world.swarm.shards),
      capacity: world.random.within(100...max(100, world.swarm.socketBytesMax)))
    self.link = link
    link.client = self
    world.links.append(link)
    world.drivers[link.shard].incoming.append(link)
    world.drivers[link.shard].wake()
    let codecs = world.swarm.codecs.intersection(
      world.random.pick([CodecSet.all, [.lz4], []]))
    let least = UInt32(world.swarm.limits.batchBytesMax + 128)
    let frameLengthMax = world.random.pick([0, least, least + 1000])
    session = Session(
      codecs: codecs,
      frameLengthMax: frameLengthMax == 0
        ? UInt32(world.swarm.limits.frameLengthMax) : frameLengthMax)
    let isNewest = world.random.percent(world.swarm.newestVersionPercent)
    session!.version = isNewest ? ProtocolVersion.version : 1
    let hello = Hello(
      magic: ProtocolVersion.magic, versionMin: 1, versionMax: session!.version, codecs: codecs,
      frameLengthMax: frameLengthMax, heartbeatMs: 0, clientName: "client \(index)")
    send { hello.encode(into: &$0, ref: 0, correlation: 1) }
  }

  /// The connection is over, whoever ended it.
  func over() {
    guard var session else { return }
    for publisher in session.publishers.values { world.model.end(publisher.uid) }
    session.state = .over
    for (_, subscription) in session.subscriptions.sorted(by: { $0.key < $1.key }) {
      subscription.watch.isOver = true
      guard subscription.state == .open, resumptions.count < 8 else { continue }
      resumptions.append(Resumption(subscription.watch, nowNs: world.clock.realtimeNs))
    }
    if let reason = session.closeReason, !session.isHostile, !isAllowed(reason) {
      world.fail("client \(index) did nothing wrong and was closed with \(reason)")
    }
    world.closeReasons[session.closeReason, default: 0] += 1
    lastClose = session.closeReason
    self.session = nil
    link?.isOver = true
    link = nil
  }

  /// Reasons that a client which keeps the rules may hear.
  private func isAllowed(_ reason: CloseReason) -> Bool {
    switch reason {
    case .draining, .handshakeTimeout, .heartbeatTimeout, .inputMemory, .outputMemory,
      .controlOverflow, .slowSubscriber, .tooManyConnections, .cursorMemory:
      true
    default: false
    }
  }

  func reset() {
    guard let link else { return }
    link.clientEnd = .reset
    over()
  }

  // MARK: Operations

  func perform(_ operation: Operation) {
    world.seen["did \(operation)", default: 0] += 1
    switch operation {
    case .openTopic: openTopic()
    case .publish: publish(frames: 1, isLie: false)
    case .publishMany: publish(frames: 4, isLie: false)
    case .lie: publish(frames: 1, isLie: true)
    case .subscribe: subscribe()
    case .resume: resume()
    case .clock: world.setClock()
    case .setPolicy: setPolicy()
    case .creep: link?.creeps.toggle()
    case .credit: credit()
    case .unsubscribe: unsubscribe()
    case .closeTopic: closeTopic()
    case .reply: reply()
    case .ping:
      let correlation = session!.newCorrelation()
      send { Ping(time: 7).encode(into: &$0, ref: 0, correlation: correlation) }
    case .stats:
      let correlation = session!.newCorrelation()
      let stats = Stats(
        offset: UInt64(world.random.below(20_000)), count: UInt32(world.random.below(70_000)))
      send { stats.encode(into: &$0, ref: 0, correlation: correlation) }
    case .close:
      let close = Close(reason: .clientClosed, retryable: true, text: "")
      send { close.encode(into: &$0, ref: 0, correlation: 0) }
      link?.clientEnd = .closed
      over()
    case .reset: reset()
    case .stall: link?.isStalled.toggle()
    case .hostile: breakRules()
    case .refused: askForTheImpossible()
    case .jump: world.jump()
    }
  }

  /// A number that is free, low ones first so that they are used again.
  private func freeRef(_ isUsed: (UInt32) -> Bool) -> UInt32 {
    var ref: UInt32 = 1
    while isUsed(ref) { ref += 1 }
    return ref
  }

  private func openTopic() {
    guard var session else { return }
    let ref = freeRef { session.publishers[$0] != nil }
    let correlation = session.newCorrelation()
    let topic = world.random.pick(world.swarm.topics)
    let uid = world.model.addPublisher(topic: topic)
    var options = TopicOptions()
    if world.swarm.usesBlock && world.random.percent(50) { options.insert(.block) }
    if world.swarm.usesKeys && world.random.percent(world.swarm.keyedPercent) { options.insert(.keyed) }
    let wantsAck = world.random.percent(70)
    let open = OpenTopic(
      mode: world.random.pick([.openOrCreate, .openOrCreate, .mustExist, .mustCreate]),
      options: options, ackLevel: wantsAck ? .accepted : .none,
      blockTimeoutMs: UInt32(world.random.pick([0, 1, 50])),
      retentionEvents: UInt64(world.random.pick([0, 0, 10, 100])),
      retentionBytes: UInt64(world.random.pick([0, 1, 5000, 100_000])),
      retentionMs: UInt64(world.random.pick([0, 0, 100])), topic: topic)
    send { open.encode(into: &$0, ref: ref, correlation: correlation) }
    session.publishers[ref] = Session.PublisherState(
      uid: uid, topic: topic, wantsAck: wantsAck, correlation: correlation)
    self.session = session
  }

  private func subscribe() {
    let isFirst = session!.version == 1
    let starts = world.swarm.starts.filter { !isFirst || $0 != .state }
    let start = world.random.pick(starts)
    let value =
      switch start {
      case .sequence: UInt64(world.random.below(100))
      case .time: world.clock.realtimeNs - UInt64(world.random.below(1_000_000_000))
      default: UInt64(0)
      }
    var terms = anyTerms()
    // SUBSCRIBE has no room for these.
    terms.sampleEvery = 1
    terms.lagMsMax = 0
    // Positions of somebody else's, or beyond the end.
    var positions: [UInt32: UInt64] = [:]
    if world.random.percent(10) {
      for id in world.model.topics.keys.sorted() where world.random.percent(50) {
        positions[id] = UInt64(world.random.below(200))
      }
    }
    subscribe(
      pattern: world.random.pick(world.swarm.patterns), terms: terms, start: start, value: value,
      positions: positions, isResumed: false)
  }

  private func anyTerms() -> PolicyTerms {
    let policies = world.swarm.policies.filter {
      session!.version > 1 || $0 != .latest && $0 != .sample
    }
    return PolicyTerms(
      policy: world.random.pick(policies), sampleEvery: UInt32(world.random.pick([1, 2, 3, 10])),
      lagEventsMax: UInt64(world.random.pick([0, 3, 50, 500])),
      lagBytesMax: UInt64(world.random.pick([0, 0, 500, 50_000])),
      lagMsMax: UInt32(world.random.pick([0, 0, 1, 100])))
  }

  /// Asks for another policy.
  private func setPolicy() {
    guard session!.version > 1, let ref = anySubscription(),
      let watch = session?.subscriptions[ref]?.watch
    else { return }
    let terms = anyTerms()
    let correlation = session!.newCorrelation()
    let set = SetPolicy(
      policy: terms.policy, sampleEvery: terms.sampleEvery, lagEventsMax: terms.lagEventsMax,
      lagBytesMax: terms.lagBytesMax, lagMsMax: terms.lagMsMax,
      noCreditMsMax: UInt32(world.random.pick([0, 0, 100])))
    watch.policyRequests.insert(correlation)
    world.seen["asked for \(terms.policy)", default: 0] += 1
    world.checker.asks(watch, for: terms)
    send { set.encode(into: &$0, ref: ref, correlation: correlation) }
  }

  /// Goes on with a subscription of an earlier session.
  private func resume() {
    guard !resumptions.isEmpty else { return }
    let place = world.random.below(resumptions.count)
    let needs = resumptions[place]
    let needsSecond =
      needs.terms.policy == .latest || needs.terms.policy == .sample || needs.start == .state
    if needsSecond && session!.version == 1 { return }
    let old = resumptions.remove(at: place)
    subscribe(
      pattern: old.pattern, terms: old.terms, start: old.start, value: old.value,
      positions: old.positions, isResumed: true)
  }

  private func subscribe(
    pattern: String, terms: PolicyTerms, start: Start, value: UInt64,
    positions: [UInt32: UInt64], isResumed: Bool
  ) {
    guard var session else { return }
    let ref = freeRef { session.subscriptions[$0] != nil }
    let correlation = session.newCorrelation()
    let watch = Watch(
      who: "client \(index), subscription \(ref) of \(pattern)", pattern: pattern, terms: terms,
      start: start, value: value, positions: positions, isResumed: isResumed,
      creditEvents: UInt64(world.random.below(world.swarm.creditEventsMax)),
      creditBytes: UInt64(world.random.pick([0, 1000, 100_000, 1 << 40])))
    world.seen["subscribed with \(terms.policy) from \(start)", default: 0] += 1
    if isResumed { world.seen["resumed", default: 0] += 1 }
    watch.askedNs = world.drivers.map { $0.shard.turnRealtimeNs }.min() ?? 0
    // What a shard has accepted and nobody has heard of need not count yet.
    watch.before = world.ends()
    for id in watch.before.keys { watch.before[id]!.next = world.model.topics[id]!.heard + 1 }
    let subscribe = Subscribe(
      policy: terms.policy, start: start, weight: UInt8(world.random.below(17)),
      positionsCount: UInt32(positions.count), startValue: value,
      lagEventsMax: terms.lagEventsMax, lagBytesMax: terms.lagBytesMax,
      eventsTotal: watch.creditEvents, bytesTotal: watch.creditBytes, pattern: pattern)
    var entries: [UInt8] = []
    for (id, sequence) in positions.sorted(by: { $0.key < $1.key }) {
      entries += Self.bytes(UInt64(id)) + Self.bytes(sequence)
    }
    send {
      unsafe subscribe.encode(
        into: &$0, ref: ref, correlation: correlation, positions: entries.span.bytes)
    }
    session.subscriptions[ref] = Session.SubscriptionState(
      correlation: correlation, watch: watch)
    self.session = session
  }

  static func bytes(_ number: UInt64) -> [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: number >> UInt64(8 * $0)) }
  }

  private func credit() {
    guard let ref = anySubscription(), let watch = session?.subscriptions[ref]?.watch else {
      return
    }
    if world.random.percent(10) && !world.swarm.isStarved {
      grant(ref, watch, events: .max, bytes: .max)
      return
    }
    let events = UInt64(world.swarm.isStarved ? 1 : world.random.below(world.swarm.creditEventsMax))
    let bytes = UInt64(world.random.pick([100, 5000, 1 << 20]))
    grant(
      ref, watch, events: watch.delivered.events + events, bytes: watch.delivered.bytes + bytes)
  }

  /// Tells the broker what a subscription may be sent in all.
  func grant(_ ref: UInt32, _ watch: Watch, events: UInt64, bytes: UInt64) {
    watch.creditEvents = max(watch.creditEvents, events)
    watch.creditBytes = max(watch.creditBytes, bytes)
    // Before, a later total would make it good.
    if world.isResting && world.plants(.creditLost) { return }
    let credit = Credit(eventsTotal: watch.creditEvents, bytesTotal: watch.creditBytes)
    send { credit.encode(into: &$0, ref: ref, correlation: 0) }
  }

  private func anySubscription() -> UInt32? {
    let open = session!.subscriptions.filter { $0.value.state != .closing }.keys.sorted()
    return open.isEmpty ? nil : world.random.pick(open)
  }

  private func unsubscribe() {
    guard let ref = anySubscription() else { return }
    let correlation = session!.newCorrelation()
    session!.subscriptions[ref]!.state = .closing
    session!.subscriptions[ref]!.correlation = correlation
    send { Unsubscribe().encode(into: &$0, ref: ref, correlation: correlation) }
  }

  private func closeTopic() {
    let open = session!.publishers.filter { $0.value.state == .open }.keys.sorted()
    guard !open.isEmpty else { return }
    let ref = world.random.pick(open)
    let correlation = session!.newCorrelation()
    session!.publishers[ref]!.state = .closing
    session!.publishers[ref]!.correlation = correlation
    send { CloseTopic().encode(into: &$0, ref: ref, correlation: correlation) }
  }
}
