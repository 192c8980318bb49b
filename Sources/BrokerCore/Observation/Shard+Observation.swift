import Counters
import WireFormat

// What became of a subscription's events, and where their time went. It is written down once a
// frame, with the two times that are known anyway: that of the read, which is in the batch, and
// that after the write. Whoever wants to know computes the rest.

extension Shard {
  /// Rows that begin to be used in one turn: as many as are provided for where none is used yet
  /// (see `CountersReserve`). Who gets none then gets one with the next delivery.
  package static let watchesPerTurn = 12
  /// The same of topics whose deliveries are timed, of the first and of later ones: what is provided
  /// for further on is more.
  package static let firstDeliveriesPerTurn = 24
  package static let deliveriesPerTurn = 90

  /// The number under which a subscription is observed; nil where there is no room for it.
  @inline(__always)
  private func watch(of subscription: UInt32) -> UInt32? {
    let watch = subscriptions[subscription].watch
    return watch == noSlot ? startWatch(subscription) : watch
  }

  @inline(never)
  private func startWatch(_ subscription: UInt32) -> UInt32? {
    guard watchesInTurn < Shard.watchesPerTurn, counters.hasObservations,
      let watch = watches.insert(WatchEntry(subscription: subscription))
    else {
      subscriptions[subscription].isWatchedLate = true
      return nil
    }
    watchesInTurn += 1
    subscriptions[subscription].watch = watch
    counters.observationOpened(
      watch, of: subscription, isLate: subscriptions[subscription].isWatchedLate)
    return watch
  }

  /// The row in which the time of a topic's deliveries is kept; nil where there is none yet.
  @inline(__always)
  private func delivery(of topic: UInt32) -> UInt32? {
    let delivery = topics[topic].delivery
    return delivery == noSlot ? startDelivery(topic) : delivery
  }

  /// Topics last, and so do their rows: they come in order.
  @inline(never)
  private func startDelivery(_ topic: UInt32) -> UInt32? {
    let isFirst = deliveriesUsed == deliveriesInTurn
    let most = isFirst ? Shard.firstDeliveriesPerTurn : Shard.deliveriesPerTurn
    guard deliveriesInTurn < most, deliveriesUsed < counters.deliveries.capacity else { return nil }
    let delivery = UInt32(deliveriesUsed)
    deliveriesInTurn += 1
    deliveriesUsed += 1
    topics[topic].delivery = delivery
    counters.deliveryOpened(delivery, of: topic)
    return delivery
  }

  func endWatch(_ subscription: UInt32) {
    let watch = subscriptions[subscription].watch
    guard watch != noSlot else { return }
    counters.observationClosed(watch)
    subscriptions[subscription].watch = noSlot
    watches.remove(watch)
  }

  // MARK: Waiting

  /// Why nothing is sent to a subscription changes. One that is never held back costs two looks.
  @inline(__always)
  func noteWait(_ subscription: UInt32, from was: UInt32, to cause: BlockedCause) {
    let watch = subscriptions[subscription].watch
    let hasWaited = watch != noSlot && watches[watch].hasWaited
    if ShardCounters.isOn, hasWaited || cause.isWait {
      changeWait(subscription, from: was, to: cause)
    }
  }

  private func changeWait(_ subscription: UInt32, from was: UInt32, to cause: BlockedCause) {
    guard let watch = watch(of: subscription) else { return }
    let sinceNs = watches[watch].sinceNs
    watches[watch].sinceNs = realtimeNs
    if was == BlockedCause.none.rawValue, sinceNs != realtimeNs {
      // It was up to date for a while. In one turn it was no more than about to be.
      watches[watch].hasWaited = false
    }
    guard watches[watch].hasWaited else {
      guard cause.isWait else { return }
      watches[watch].hasWaited = true
      watches[watch].behindNs = realtimeNs
      watches[watch].credit = Waits()
      watches[watch].socket = Waits()
      return
    }
    switch BlockedCause(rawValue: was) {
    case .creditEvents, .creditBytes: watches[watch].credit.add(from: sinceNs, to: realtimeNs)
    case .socket: watches[watch].socket.add(from: sinceNs, to: realtimeNs)
    default: break
    }
  }

  // MARK: Deliveries

  /// Books a frame that the socket took at `nowNs`.
  func observe(_ frame: TransmitPlan.Frame, nowNs: UInt64) {
    guard ShardCounters.isOn, !frame.isGap else { return }
    let covered = frame.isPass ? 0 : frame.events + frame.leftEvents
    guard frame.events | covered > 0 else { return }
    let watch = watch(of: frame.subscription)
    if covered > 0, let watch { noteSent(watch, frame, covered, nowNs: nowNs) }
    guard frame.events > 0 else { return }
    let delivery = delivery(of: frame.before.topic)
    let batches = UInt64(frame.batches)
    let totalNs = nowNs > frame.time ? nowNs - frame.time : 0
    let total = StageBuckets.bucket(of: totalNs)
    if let delivery {
      counters.aged(delivery, ns: totalNs, bucket: total, batches)
    }
    guard let watch else { return }
    counters.aged(watch: watch, ns: totalNs, bucket: total, batches)
    if watches[watch].hasWaited {
      observeWaits(watch, delivery, frame, nowNs: nowNs)
    } else {
      // All of it was the broker's, as a rule.
      counters.ringToTurn(watch, delivery, ns: totalNs, bucket: total, batches)
    }
    if watches[watch].echoNs == 0 { startEcho(watch, frame, nowNs) }
  }

  /// Books what was waited for, and what remains for the broker, of a frame whose subscription has
  /// waited.
  @inline(never)
  private func observeWaits(
    _ watch: UInt32, _ delivery: UInt32?, _ frame: TransmitPlan.Frame, nowNs: UInt64
  ) {
    let totalNs = nowNs > frame.time ? nowNs - frame.time : 0
    let behindNs = watches[watch].behindNs
    let creditNs = min(
      totalNs, watches[watch].credit.overlap(frame.time, nowNs, behindNs: behindNs))
    let socketNs = min(
      totalNs - creditNs, watches[watch].socket.overlap(frame.time, nowNs, behindNs: behindNs))
    let batches = UInt64(frame.batches)
    if creditNs > 0 { counters.creditWait(watch, delivery, ns: creditNs, batches) }
    if socketNs > 0 { counters.socketWait(watch, delivery, ns: socketNs, batches) }
    let ownNs = totalNs - creditNs - socketNs
    counters.ringToTurn(
      watch, delivery, ns: ownNs, bucket: StageBuckets.bucket(of: ownNs), batches)
  }

  /// What became of the events that a frame covers, so many.
  @inline(__always)
  private func noteSent(
    _ watch: UInt32, _ frame: TransmitPlan.Frame, _ count: UInt64, nowNs: UInt64
  ) {
    let first = frame.before.sequence
    let isSample = frame.leftEvents > 0
    noteFate(
      watch, frame.before.topic, isSample ? .sampled : .delivered,
      detail: isSample ? min(bounds(of: frame.subscription).sampleEvery, 0xFF_FFFF) : 0,
      first...(first + count - 1), nowNs: nowNs)
  }

  /// A pass is over: the newest events of each key before `through` have been sent, but for those
  /// that were too old.
  func observePass(_ cursor: UInt32, _ pass: PassEntry, isBroken: Bool) {
    let subscription = cursors[cursor].subscription
    let first = pass.isState || pass.isWhole ? 1 : cursors[cursor].sequence
    guard ShardCounters.isOn, first < pass.through.sequence, let watch = watch(of: subscription)
    else { return }
    let topic = cursors[cursor].topic
    watches[watch].places[Int(topic & 15)] = counters.pass(
      watch,
      ObservationRow.whyHead(
        topic: topic, isBroken ? .broken : .conflated, detail: min(pass.ageMs, 0xFF_FFFF)),
      first...(pass.through.sequence - 1), beganNs: pass.beganNs, nowNs: realtimeNs)
  }

  /// Notes what credit will show that the client has dealt with this delivery.
  private func startEcho(
    _ watch: UInt32, _ frame: TransmitPlan.Frame, _ nowNs: UInt64
  ) {
    let granted = subscriptions[frame.subscription].creditEvents
    guard granted != .max else { return }
    let delivered = counters.deliveredEvents(frame.subscription)
    if delivered == frame.events {
      watches[watch].firstGrant = granted
      watches[watch].knowsFirstGrant = true
    }
    guard watches[watch].knowsFirstGrant else { return }
    // Of frames that are booked together it is the first that is waited for.
    watches[watch].echoEvents = watches[watch].firstGrant &+ delivered &- frame.joinedEvents
    watches[watch].echoNs = nowNs
    watches[watch].echoTopic = frame.before.topic
  }

  /// A subscription was granted more.
  func noteEcho(_ subscription: UInt32) {
    let watch = subscriptions[subscription].watch
    guard watch != noSlot, watches[watch].echoNs != 0,
      subscriptions[subscription].creditEvents >= watches[watch].echoEvents
    else { return }
    let sentNs = watches[watch].echoNs
    watches[watch].echoNs = 0
    counters.echo(
      watch, delivery(of: watches[watch].echoTopic),
      ns: realtimeNs > sentNs ? realtimeNs - sentNs : 0)
  }

  // MARK: Fates

  /// Events before `end` that a subscription was to be sent are lost to it.
  func observeLoss(
    _ subscription: UInt32, _ topic: UInt32, from first: UInt64, before end: UInt64,
    cause: GapCause
  ) {
    noteFate(
      of: subscription, topic, cause == .expired ? .expired : .dropped,
      detail: UInt32(cause.rawValue), from: first, before: end)
  }

  /// What became of a subscription's events of a topic from `first` on.
  func noteFate(
    of subscription: UInt32, _ topic: UInt32, _ fate: EventFate, detail: UInt32,
    from first: UInt64, before end: UInt64
  ) {
    guard ShardCounters.isOn, first < end, let watch = watch(of: subscription) else { return }
    noteFate(watch, topic, fate, detail: detail, first...(end - 1), nowNs: realtimeNs)
  }

  @inline(__always)
  private func noteFate(
    _ watch: UInt32, _ topic: UInt32, _ fate: EventFate, detail: UInt32,
    _ sequences: ClosedRange<UInt64>, nowNs: UInt64
  ) {
    let hint = Int(topic & 15)
    let place = counters.fate(
      watch, ObservationRow.whyHead(topic: topic, fate, detail: detail), sequences, nowNs: nowNs,
      place: watches[watch].places[hint])
    watches[watch].places[hint] = place
  }
}
