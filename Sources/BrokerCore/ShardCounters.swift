import Counters
import WireFormat

/// A shard's counters: written where the work happens, in the rows that `stats` reads. No other
/// place keeps these numbers.
///
/// Words that must agree, a subscription's account above all, change inside the row's seqlock.
///
/// What is called for every frame or turn is inlined: a call would be handed a copy of all this.
struct ShardCounters {
  private let region: CountersRegion
  let shard: ShardRow
  let connections: ConnectionTable
  private let publishers: PublisherTable
  let subscriptions: SubscriptionTable
  let observations: ObservationTable
  let deliveries: DeliveryTable
  let topics: TopicTable
  private let broker: BrokerRow
  private let index: Int

  /// A build without counters on the data path measures what they cost.
  @inline(__always) static var isOn: Bool {
    #if GALLEON_COUNTERS_OFF
      false
    #else
      true
    #endif
  }

  init(_ region: CountersRegion, shard index: Int) {
    self.region = region
    self.index = index
    shard = region.shard(index)
    connections = region.connections(shard: index)
    publishers = region.publishers(shard: index)
    subscriptions = region.subscriptions(shard: index)
    observations = region.observations(shard: index)
    deliveries = region.deliveries(shard: index)
    topics = region.topics
    broker = region.broker
    shard.setState(.active)
  }

  // MARK: Turns

  @inline(__always)
  func beginTurn(_ realtimeNs: UInt64) {
    guard Self.isOn else { return }
    shard.add(.turns, 1)
    shard.set(.turnStartedNs, realtimeNs)
  }

  @inline(__always)
  func endTurn(_ core: Shard) {
    guard Self.isOn else { return }
    // All that counts against the ceiling of the broker.
    let pageBytes = UInt64(core.pages.usedBytes + core.state.usedBytes)
    let booked = shard.get(.pageBytes)
    if pageBytes != booked {
      shard.set(.pageBytes, pageBytes)
      shard.set(.pagesInUse, UInt64(core.pages.usedPages))
      broker.addMemoryUsed(pageBytes &- booked)
    }
    shard.set(.stashBytes, UInt64(core.outputPool.usedBytes))
    shard.set(.inputBytes, UInt64(core.inputPool.usedBytes))
    shard.set(.cursorsInUse, UInt64(core.cursors.used))
  }

  /// How long a turn that did something took.
  @inline(__always)
  func busy(_ ns: UInt64) {
    guard Self.isOn else { return }
    shard.add(.busyNs, ns)
    shard.raise(.turnMaxNs, to: ns)
  }

  func sleep() {
    shard.add(.sleeps, 1)
    shard.set(.turnStartedNs, 0)
  }

  func woke(_ shards: Int) { shard.add(.wakes, UInt64(shards)) }

  func draining(_ realtimeNs: UInt64) {
    shard.setState(.draining)
    guard index == 0 else { return }
    broker.set(.drainStartedNs, realtimeNs)
    broker.setState(.draining)
  }

  func forwarded() { shard.add(.remoteForwards, 1) }

  // MARK: Connections

  func connectionOpened(_ slot: UInt32, peer: String, realtimeNs: UInt64) {
    let row = connections.activate(Int(slot), .opening)
    row.beginUpdate()
    row.set(.connectedNs, realtimeNs)
    row.set(.heardNs, realtimeNs)
    row.setText(.peer, peer)
    row.endUpdate()
    shard.add(.connections, 1)
    shard.add(.connectionsAccepted, 1)
  }

  func welcomed(_ slot: UInt32, session: UInt64, codecs: CodecSet, name: String) {
    let row = connections[Int(slot)]
    row.beginUpdate()
    row.set(.session, session)
    row.set(.codecs, codecs.rawValue)
    row.setText(.client, name)
    row.setState(.active)
    row.endUpdate()
  }

  func connectionClosing(_ slot: UInt32) { connections[Int(slot)].setState(.draining) }

  func connectionClosed(_ slot: UInt32, reason: UInt16) {
    connections[Int(slot)].retire()
    shard.add(.connections, UInt64.max)
    shard.add(.closed, at: Int(reason), 1)
  }

  /// A connection that got no session.
  func refusedConnection(_ reason: CloseReason) {
    shard.add(.closed, at: Int(reason.rawValue), 1)
  }

  func refused(_ code: ErrorCode) { shard.add(.errors, at: Int(code.rawValue) - 100, 1) }

  @inline(__always)
  func received(_ slot: UInt32, bytes: Int, realtimeNs: UInt64) {
    guard Self.isOn else { return }
    let row = connections[Int(slot)]
    row.add(.bytesIn, UInt64(bytes))
    row.set(.heardNs, realtimeNs)
    shard.add(.bytesIn, UInt64(bytes))
    shard.add(.receives, 1)
  }

  @inline(__always)
  func framesReceived(_ slot: UInt32, _ count: Int) {
    guard Self.isOn else { return }
    connections[Int(slot)].add(.framesIn, UInt64(count))
    shard.add(.framesIn, UInt64(count))
  }

  @inline(__always)
  func frameSent(_ slot: UInt32) {
    guard Self.isOn else { return }
    connections[Int(slot)].add(.framesOut, 1)
    shard.add(.framesOut, 1)
  }

  func roundTrip(_ slot: UInt32, sentNs: UInt64, nowNs: UInt64) {
    guard nowNs >= sentNs else { return }
    connections[Int(slot)].set(.rttNs, nowNs - sentNs)
  }

  @inline(__always)
  func sent(_ slot: UInt32, bytes: Int, isCut: Bool) {
    guard Self.isOn else { return }
    connections[Int(slot)].add(.bytesOut, UInt64(bytes))
    shard.add(.bytesOut, UInt64(bytes))
    shard.add(.sends, 1)
    if isCut { shard.add(.sendWouldBlocks, 1) }
  }

  func stashed(_ slot: UInt32, bytes: Int) {
    connections[Int(slot)].set(.stashBytes, UInt64(bytes))
  }

  // MARK: Publishers

  func publisherOpened(_ slot: UInt32, _ entry: PublisherEntry) {
    let row = publishers.activate(Int(slot))
    row.beginUpdate()
    row.set(.connection, entry.connection)
    row.set(.ref, entry.ref)
    row.set(.topic, entry.topic)
    row.set(.creditEvents, UInt64.max)
    row.set(.creditBytes, UInt64.max)
    // It may have been stopped before its topic's owner answered.
    row.set(.blocked, UInt32(entry.stop))
    row.endUpdate()
    shard.add(.publishers, 1)
  }

  func publisherClosed(_ slot: UInt32) {
    guard publishers[Int(slot)].get(.state) == CounterRowState.active.rawValue else { return }
    publishers[Int(slot)].retire()
    shard.add(.publishers, UInt64.max)
  }

  /// What one PUBLISH brought.
  @inline(__always)
  func published(
    _ slot: UInt32, _ publisher: UInt32, events: Int, charge: Int, batches: Int,
    credit: UInt64?
  ) {
    guard Self.isOn else { return }
    let row = publishers[Int(publisher)]
    row.beginUpdate()
    row.add(.events, UInt64(events))
    row.add(.bytes, UInt64(charge))
    row.add(.batches, UInt64(batches))
    if let credit { row.set(.creditBytes, credit) }
    row.endUpdate()
    connections[Int(slot)].add(.eventsIn, UInt64(events))
    shard.add(.eventsIn, UInt64(events))
    shard.add(.batchesIn, UInt64(batches))
  }

  func acked(_ publisher: UInt32, through: UInt64) {
    publishers[Int(publisher)].set(.ackedThrough, through)
  }

  func publisherBlocked(_ publisher: UInt32, _ cause: BlockedCause) {
    publishers[Int(publisher)].set(.blocked, cause.rawValue)
  }

  func granted(_ publisher: UInt32, credit: UInt64) {
    publishers[Int(publisher)].set(.creditBytes, credit)
  }

  // MARK: Topics

  /// The directory: the row is there before any shard knows of the topic, and adds to it.
  func topicCreated(_ id: UInt32, _ shared: TopicShared) {
    broker.set(.topics, UInt64(id))
    broker.set(.topicsCreated, UInt64(id))
    let row = topics.activate(Int(id))
    let settings = shared.settings
    row.beginUpdate()
    row.set(.id, id)
    row.set(.shard, UInt32(shared.owner))
    row.set(.options, UInt32(settings.flags))
    row.set(.epoch, shared.epoch)
    row.set(.firstSequence, 1)
    row.set(.nextSequence, 1)
    row.set(.retentionEvents, settings.retentionEvents)
    row.set(.retentionBytes, settings.retentionBytes)
    row.set(.retentionMs, settings.retentionNs / 1_000_000)
    row.setText(.name, unsafe String(decoding: shared.name, as: UTF8.self))
    row.endUpdate()
  }

  /// This shard owns one topic more.
  func topicOwned() { shard.add(.topics, 1) }

  @inline(__always)
  func topicGrew(_ id: UInt32, _ entry: TopicEntry) {
    guard Self.isOn else { return }
    let row = topics[Int(id)]
    row.beginUpdate()
    row.set(.firstSequence, entry.firstSequence)
    row.set(.nextSequence, entry.nextSequence)
    row.set(.eventsIn, entry.nextSequence - 1)
    row.set(.bytesIn, entry.totalBytes)
    row.set(.batchesIn, entry.batches)
    row.set(.ringBytes, UInt64(entry.ringBytes))
    if let keys = entry.keys { noteKeys(row, keys) }
    row.endUpdate()
  }

  /// A topic's keys gave way to those of others, or there is room for them at last.
  func keysChanged(_ keys: KeyIndex) {
    guard Self.isOn else { return }
    let row = topics[Int(keys.topic)]
    row.beginUpdate()
    noteKeys(row, keys)
    row.endUpdate()
  }

  private func noteKeys(_ row: TopicRow, _ keys: KeyIndex) {
    row.set(.keys, UInt64(keys.valueCount))
    row.set(.evictedKeys, keys.evicted)
    row.set(.evictedThrough, keys.evictedThrough)
  }

  func writers(_ id: UInt32, _ count: UInt32) { topics[Int(id)].set(.publishers, UInt64(count)) }

  // MARK: Reading

  /// Bytes of the whole region.
  var byteCount: Int { region.memory.byteCount }

  /// Copies a piece of the region.
  func copy(from offset: Int, into target: UnsafeMutableRawBufferPointer) -> Int {
    unsafe region.copy(from: offset, into: target)
  }
}
