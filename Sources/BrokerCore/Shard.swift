public import Counters
import Synchronization
import WireFormat

/// One thread's part of a broker: its connections with their sessions and subscriptions, and the
/// topics it owns. It does no I/O and knows no clock: bytes and times come in as arguments, and
/// what is to be done comes out of `poll…`.
///
/// Use, in every turn and always from the same thread:
///
///  1. `beginTurn(now)`, then `handleInbound()` for what other shards have put there.
///  2. For each socket that has bytes: `receiveRoom(connection)`, read into it, `received(n, …)`.
///     For sockets that can be written again: `handleWritable`. `retryPaused()`.
///  3. `fanOut()`.
///  4. While `pollTransmit()` names a connection: write its vectors, then `transmitted(n)`.
///  5. While `pollShutdown()` names one: shut its socket for writing, and go on reading it. While
///     `pollClosed()` names one: close its socket.
///  6. `endTurn()`; it returns the shards that must be woken.
///
/// Before sleeping, `prepareToSleep()` must have returned true; after it, `wakeUp()`.
/// `nextDeadlineNs` says when to call again at the latest. Time never goes backwards.
///
/// Errors of peers end their session and nothing else; a broken invariant of ours stops the
/// process by `precondition`.
public final class Shard {
  let broker: Broker
  public let index: Int
  let limits: BrokerLimits

  // Tables and memory. Constants, so that no exclusivity check stands before a row.
  let connections: Table<ConnectionEntry>
  let publishers: Table<PublisherEntry>
  let subscriptions: Table<SubscriptionEntry>
  let bounds: Table<BoundsEntry>
  let rests: Table<RestEntry>
  let cursors: Table<CursorEntry>
  let passes: Table<PassEntry>
  let patterns: Table<PatternEntry>
  let links: Table<LinkEntry>
  let topics: Table<TopicEntry>
  let writers: Table<WriterEntry>
  let pins: Table<PinEntry>
  let watches: Table<WatchEntry>
  let notices: Table<NoticeEntry>
  let requests: RequestTable
  let pages: PagePool
  /// What is known of the keys of the keyed topics that this shard owns.
  let state: StateMemory
  /// Frames that have not arrived whole.
  let inputPool: BufferPool
  /// Cut frames and control frames that wait.
  let outputPool: BufferPool
  /// Names of patterns and sets of announced topics.
  let smallPool: BufferPool

  // Look-ups. The key's first half is a connection, or a subscription for cursors.
  var publisherIndex: HashIndex
  var subscriptionIndex: HashIndex
  var cursorIndex: HashIndex
  /// From a name's hash to the first pattern whose name has it; see `findPattern`.
  var patternIndex: HashIndex
  /// Patterns with wildcards.
  var wildPatterns: UInt32 = noSlot
  /// The topics that this shard has taken note of, from name to id; never iterated.
  var topicIDs: [[UInt8]: UInt32] = [:]
  /// Subscriptions that rest, how many ever did, and whose account is brought up to date next.
  var restingCount = 0
  var restNumber: UInt64 = 0
  var bookingHand: UInt32 = 0
  var nextBookingNs: UInt64 = 0
  var isBookingDue = false
  /// Topics and patterns that may still be compared in this turn; see `isScanningTooMuch`.
  var scansLeft = Shard.scansPerTurn
  /// When sessions with unfinished frames are looked at again.
  var nextUnfinishedNs: UInt64 = 0
  /// Nobody is ended for silence before this.
  var graceUntilNs: UInt64 = 0
  /// Shard 0 only: the directory, from name to id; never iterated.
  var directory: [[UInt8]: UInt32] = [:]

  // Lists of a turn.
  let movedTopics: SlotList
  let grownTopics: SlotList
  let holdTopics: SlotList
  let grantTopics: SlotList
  let ackPublishers: SlotList
  let closedConnections: SlotList
  let condemnedConnections: SlotList
  let behindConnections: SlotList
  let shutConnections: SlotList
  let resumedConnections: SlotList
  let ownedTopics: SlotList
  /// Owned topics whose publishers wait for subscriptions, or whose pages are waited for.
  let timedTopics: SlotList
  /// Owned topics whose only page is being given up.
  let vacatingTopics: SlotList
  /// Where the last look for such pages ended, in `ownedTopics`.
  var reclaimHand = 0
  /// How often, since the start; for tests to see that they come by here.
  package private(set) var ringsEmptied = 0
  package private(set) var gatesLifted = 0
  /// Looks through all rings for pages so far; not before these times is there to be another.
  var reclaimEpoch: UInt32 = 0
  var reclaimAfterNs: UInt64 = 0
  var urgentAfterNs: UInt64 = 0
  /// When all last pages were seen to have events that somebody is still to be sent.
  var noneDrainedNs: UInt64 = 0
  /// Owned topics that keep events up to an age.
  let agingTopics: SlotList
  var transmitList: UInt32 = noSlot
  /// What was looked at without being sent, in this part of the turn; see `looksPerTurn`.
  var looksInTurn = 0
  /// Subscriptions that have come to be observed in this turn.
  var watchesInTurn = 0
  /// Rows of topics whose deliveries are timed, and how many of them were begun in this turn.
  var deliveriesUsed = 0
  var deliveriesInTurn = 0
  /// Stops that are to be told, those first that are due first.
  var dueNotices: UInt32 = noSlot
  /// The topic whose tail is being moved, and from where.
  var movingTopic = noSlot
  var movingFrom = TopicShared.Tail()
  var pausedConnections: UInt32 = noSlot
  var pausedCount = 0
  /// Those of them that wait for subscriptions to be told, and how many found so in this turn.
  var heldBackCount = 0
  var heldBackInTurn = 0
  /// The last batch that was refused may come in the next turn.
  var isHeldBack = false

  /// Requests that found their ring full, in order; empty in the usual case.
  var waitingRequests: [UInt32] = []
  var waitingTargets: [UInt8]
  /// Publishers whose owner could not be told of their end, since too many requests wait.
  var waitingCloses: [UInt32] = []

  /// Ring memory that nobody is given; see `BrokerLimits.ringBytesLeft`.
  let heldBackBytes: Int
  /// Where sockets are read into.
  let receiveBuffer: ReceiveBuffer
  let plan: TransmitPlan
  var tally = PublishTally()
  /// Runs of batches that were found last, by where they start: subscriptions that keep up all
  /// start where the others do.
  let runs: FixedArray<KnownRun>
  /// Batches are decoded and framed anew here, for clients without their codec.
  let codecs = Codecs()

  // Time. The monotonic one drives timeouts; the other goes into batches.
  var nowNs: UInt64 = 0
  var realtimeNs: UInt64 = 0
  /// When sessions are looked at next; and, while they are, when again.
  var nextSweepNs = UInt64.max
  var laterSweepNs = UInt64.max
  var sweepSlot: UInt32 = 0
  var sessionCount: UInt64 = 0
  var openedSubscriptions: UInt64 = 0
  /// Connections that have been opened in this slot table; gives generations.
  var generationCount: UInt32 = 0
  var wakeMask: UInt64 = 0
  /// Shards, by bit, whose next message is a batch for which there is no page now; it is tried
  /// again after a while.
  var stuckRings: UInt64 = 0
  /// Passes that wait for room to ask, those first that have waited longest.
  var waitingPasses: UInt32 = noSlot
  /// Bytes of the buffers of passes; see `passBytesMax`.
  var passBytes = 0
  var randomState: UInt64
  /// Draining: no PUBLISH is read; sessions end as soon as nothing can be sent to them.
  var drain: Drain?

  let counters: ShardCounters

  public init(_ broker: Broker, index: Int, counters: CountersRegion) {
    precondition(index >= 0 && index < broker.shards, "no such shard")
    self.broker = broker
    self.index = index
    limits = broker.limits
    connections = Table(capacity: limits.connectionsMax)
    publishers = Table(capacity: limits.publishersMax)
    publisherIndex = HashIndex(secret: broker.secret)
    subscriptionIndex = HashIndex(secret: broker.secret)
    cursorIndex = HashIndex(secret: broker.secret)
    patternIndex = HashIndex(secret: broker.secret)
    subscriptions = Table(capacity: limits.subscriptionsMax)
    bounds = Table(capacity: limits.subscriptionsMax)
    rests = Table(capacity: limits.subscriptionsMax)
    cursors = Table(capacity: limits.cursorsMax)
    passes = Table(capacity: limits.cursorsMax)
    randomState = broker.instance &+ UInt64(index)
    patterns = Table(capacity: limits.subscriptionsMax)
    links = Table(capacity: limits.linksMax)
    topics = Table(capacity: limits.topicsMax + 1)
    writers = Table(capacity: limits.publishersMax * broker.shards)
    pins = Table(capacity: limits.requestsMax * broker.shards)
    notices = Table(capacity: limits.subscriptionsMax + limits.publishersMax)
    watches = Table(capacity: max(1, counters.configuration.observationsPerShard))
    requests = broker.requests[index]
    pages = PagePool(bytes: limits.ringBytes / broker.shards)
    state = StateMemory(
      bytes: limits.stateBytes / broker.shards, keysMax: limits.keysPerTopicMax,
      hash: KeyHash(secret: broker.secret))
    inputPool = BufferPool(limitBytes: limits.inputBytes)
    outputPool = BufferPool(limitBytes: limits.outputBytes)
    smallPool = BufferPool(limitBytes: limits.outputBytes)
    movedTopics = SlotList(capacity: limits.topicsMax + 1)
    grownTopics = SlotList(capacity: limits.topicsMax + 1)
    holdTopics = SlotList(capacity: limits.topicsMax + 1)
    grantTopics = SlotList(capacity: limits.topicsMax + 1)
    ackPublishers = SlotList(capacity: limits.publishersMax)
    closedConnections = SlotList(capacity: limits.connectionsMax)
    shutConnections = SlotList(capacity: limits.connectionsMax)
    condemnedConnections = SlotList(capacity: limits.connectionsMax)
    behindConnections = SlotList(capacity: limits.connectionsMax)
    resumedConnections = SlotList(capacity: limits.connectionsMax)
    ownedTopics = SlotList(capacity: limits.topicsMax)
    timedTopics = SlotList(capacity: limits.topicsMax)
    vacatingTopics = SlotList(capacity: limits.topicsMax)
    agingTopics = SlotList(capacity: limits.topicsMax)
    waitingTargets = Array(repeating: 0, count: limits.requestsMax)
    heldBackBytes = pages.holdBack(allBut: limits.ringBytesLeft)
    receiveBuffer = ReceiveBuffer(carryMax: limits.frameLengthMax + 4)
    plan = TransmitPlan(batchBytesMax: limits.batchBytesMax)
    runs = FixedArray(count: KnownRun.slots, repeating: KnownRun())
    self.counters = ShardCounters(counters, shard: index)
    // Ids start at 1; row 0 is nobody's, so that a topic's row is its id.
    _ = topics.insert(
      TopicEntry(
        shared: TopicShared(
          id: 0, name: [], epoch: 0, owner: index, shards: broker.shards,
          settings: TopicSettings())))
  }

  /// Sessions may be there still; what rows hold of the pools goes back, so that the pools free it.
  deinit {
    for slot in 0..<UInt32(connections.highWater) where connections.isUsed(slot) {
      inputPool.give(&connections[slot].input)
      outputPool.give(&connections[slot].control)
      outputPool.give(&connections[slot].stash)
      smallPool.give(&connections[slot].announced)
    }
    for slot in 0..<UInt32(patterns.highWater) where patterns.isUsed(slot) {
      smallPool.give(&patterns[slot].name)
    }
    for slot in 0..<UInt32(passes.highWater) where passes.isUsed(slot) {
      outputPool.give(&passes[slot].buffer)
    }
    requests.takeBuffers { outputPool.give(&$0) }
    state.deallocate()
    topics[0].shared.deallocate()
  }

  func noteEmptied() { ringsEmptied += 1 }
  func noteLifted() { gatesLifted += 1 }

  // MARK: A turn

  /// - Parameters:
  ///   - nowNs: monotonic time.
  ///   - realtimeNs: nanoseconds since the Unix epoch.
  public func beginTurn(nowNs: UInt64, realtimeNs: UInt64) {
    precondition(nowNs >= self.nowNs, "time went backwards")
    let passedNs = nowNs - self.nowNs
    // After a pause, of this process or the machine, what peers sent meanwhile is read first.
    if passedNs > Shard.pauseNs, nowNs - Shard.lateNs > nextSweepNs {
      graceUntilNs = nowNs + Shard.graceNs
    }
    self.nowNs = nowNs
    // Time in topics never goes back. Where the clock was set back, it goes on at half speed until
    // the clock has caught up.
    self.realtimeNs =
      self.realtimeNs == 0 ? realtimeNs : max(realtimeNs, self.realtimeNs + passedNs / 2)
    scansLeft = Shard.scansPerTurn
    looksInTurn = 0
    watchesInTurn = 0
    deliveriesInTurn = 0
    heldBackInTurn = 0
    isHeldBack = false
    counters.beginTurn(self.realtimeNs)
  }

  /// Takes what other shards have put there: messages, and words that rose.
  /// - Returns: how much there was.
  public func handleInbound() -> Int {
    var work = noticeTopics()
    if isWaitingToSend { sendWaiting() }
    if broker.shards > 1 {
      broker.unpinBits[index].takeAll { self.unpin(UInt32($0)); work += 1 }
      work += handleMessages()
      broker.requestBits[index].takeAll { self.requestAnswered(UInt32($0)); work += 1 }
      broker.tailBits[index].takeAll { self.tailMoved(UInt32($0)); work += 1 }
      broker.floorBits[index].takeAll { self.floorRose(UInt32($0)); work += 1 }
      broker.releaseBits[index].takeAll { self.holdRose(UInt32($0)); work += 1 }
      broker.publisherBits[index].takeAll { self.publisherWordsRose(UInt32($0)); work += 1 }
    }
    return work
  }

  /// Ends the part of the turn in which topics grow: publishes new tails, gives subscriptions what
  /// is new, answers publishers.
  public func fanOut() {
    looksInTurn = 0
    publishTails()
    moveTopics()
    sendGrants()
    sendAcks()
    closeCondemned()
  }

  /// - Returns: the shards, by bit, that must be woken since there is something for them.
  public func endTurn() -> UInt64 {
    closeBehind()
    updateHolds()
    runTimers()
    while let keys = KeyIndex.takeEvicted(state) { counters.keysChanged(keys) }
    counters.endTurn(self)
    return takeWakes()
  }

  /// A turn that did something took this long.
  public func noteBusy(_ ns: UInt64) { counters.busy(ns) }

  /// Something can be written at once.
  public var hasTransmit: Bool { transmitList != noSlot }

  /// Notes that shard `other` has something to look at; whether it sleeps is seen at the turn's
  /// end.
  @inline(__always)
  func wake(_ other: Int) { wakeMask |= 1 << UInt64(other) }

  /// Those of the shards in `wakeMask` that sleep.
  private func takeWakes() -> UInt64 {
    guard wakeMask != 0 else { return 0 }
    // What was put there, by release stores, comes before the look at the word of sleep: without
    // the fence the other could miss the one and this shard the other.
    atomicMemoryFence(ordering: .sequentiallyConsistent)
    var noted = wakeMask
    wakeMask = 0
    var sleeping: UInt64 = 0
    while noted != 0 {
      let other = noted.trailingZeroBitCount
      noted &= noted - 1
      if broker.isSleeping(other) { sleeping |= 1 << UInt64(other) }
    }
    #if DEBUG
      if plants(.wakeUpLost) { sleeping &= ~1 }
    #endif
    if sleeping != 0 { counters.woke(sleeping.nonzeroBitCount) }
    return sleeping
  }

  /// Announces sleep. False where something has come meanwhile: then take another turn instead.
  public func prepareToSleep() -> Bool {
    guard transmitList == noSlot, movedTopics.isEmpty, closedConnections.isEmpty,
      grantTopics.isEmpty, ackPublishers.isEmpty, condemnedConnections.isEmpty,
      resumedConnections.isEmpty, shutConnections.isEmpty, holdTopics.isEmpty,
      !isHeldBack
    else { return false }
    broker.setSleeping(true, shard: index)
    // Pairs with the fence of whoever wakes this shard.
    atomicMemoryFence(ordering: .sequentiallyConsistent)
    if hasInbound {
      broker.setSleeping(false, shard: index)
      return false
    }
    counters.sleep()
    return true
  }

  /// Something for another shard found no room.
  var isWaitingToSend: Bool {
    !(waitingRequests.isEmpty && waitingCloses.isEmpty && waitingPasses == noSlot)
  }

  public func wakeUp() { broker.setSleeping(false, shard: index) }

  var hasInbound: Bool {
    if topics.highWater - 1 < broker.topicCount { return true }
    guard broker.shards > 1 else { return false }
    for other in 0..<broker.shards where other != index && stuckRings & (1 << UInt64(other)) == 0 {
      if !broker.ring(from: other, to: index).isEmpty { return true }
    }
    return !(broker.requestBits[index].isEmpty && broker.unpinBits[index].isEmpty
      && broker.tailBits[index].isEmpty
      && broker.floorBits[index].isEmpty && broker.releaseBits[index].isEmpty
      && broker.publisherBits[index].isEmpty)
  }
}
