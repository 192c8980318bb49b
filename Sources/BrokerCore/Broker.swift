import Synchronization
import WireFormat

/// What the shards of one broker have in common: limits, the rings and words between them, and the
/// topics that have been announced. Made before the shards' threads start, and never changed but
/// through its atomics.
///
/// `@unchecked Sendable`: the topic table's entries below `topicCount` are constant; everything
/// else is constant, atomic, or a structure with its own rule for threads.
@safe
public final class Broker: @unchecked Sendable {
  public let limits: BrokerLimits
  public let shards: Int
  /// Identity of this run.
  public let instance: UInt64
  /// Name and version, for WELCOME.
  public let name: String
  /// What peers cannot know, so that they cannot choose keys that meet in look-ups.
  let secret: UInt64

  /// `rings[from * shards + to]`; the diagonal is unused.
  let rings: [SPSCRing]
  /// Per shard: topics whose tail moved.
  let tailBits: [DirtyBits]
  /// Per shard: topics whose owner wants cursors out of its oldest pages.
  let floorBits: [DirtyBits]
  /// Per shard: topics it owns on which a hold or a gate rose.
  let releaseBits: [DirtyBits]
  /// Per shard: its publishers whose words rose.
  let publisherBits: [DirtyBits]
  /// Per shard: its requests that have been answered.
  let requestBits: [DirtyBits]
  /// Per shard: pins on topics it owns that are needed no more. Not messages, since these may wait
  /// behind events that wait for the very pages a pin keeps.
  let unpinBits: [DirtyBits]
  /// Per shard: words of its publishers, written by the topics' owners.
  let publisherWords: [PublisherWords]
  /// Per shard: what it asks of others.
  let requests: [RequestTable]

  #if DEBUG
    /// A fault of this broker, for the test of what looks for faults; set before the first turn.
    package var canary: Canary?
  #endif

  private let topics: UnsafeMutablePointer<TopicShared>
  private let words: UnsafeMutablePointer<Atomic<UInt64>>
  private static let topicCountWord = 0
  /// Per shard: whether it sleeps, then how far it has come in a drain.
  private static let sleepingWords = 16
  private static let sleepingStride = 16

  /// - Parameters:
  ///   - shards: 1 to 64.
  ///   - instance: never used by an earlier run; drawn at random by the caller.
  ///   - secret: drawn at random too, and told to nobody. The default, from the golden ratio, is
  ///     for runs that are to be repeated.
  public init(
    limits: BrokerLimits, shards: Int, instance: UInt64, name: String,
    secret: UInt64 = 0x9E37_79B9_7F4A_7C15
  ) {
    precondition(shards >= 1 && shards <= 64, "1 to 64 shards")
    precondition(limits.validate(shards: shards) == nil, "limits that contradict each other")
    self.limits = limits
    self.shards = shards
    self.instance = instance
    self.name = name
    self.secret = secret
    rings = (0..<shards * shards).map {
      SPSCRing(capacity: $0 / shards == $0 % shards ? 64 : limits.meshBytes)
    }
    tailBits = (0..<shards).map { _ in DirtyBits(count: limits.topicsMax + 1) }
    floorBits = (0..<shards).map { _ in DirtyBits(count: limits.topicsMax + 1) }
    releaseBits = (0..<shards).map { _ in DirtyBits(count: limits.topicsMax + 1) }
    publisherBits = (0..<shards).map { _ in DirtyBits(count: limits.publishersMax) }
    requestBits = (0..<shards).map { _ in DirtyBits(count: limits.requestsMax) }
    unpinBits = (0..<shards).map { _ in DirtyBits(count: limits.requestsMax * shards) }
    publisherWords = (0..<shards).map { _ in PublisherWords(count: limits.publishersMax) }
    requests = (0..<shards).map { _ in RequestTable(capacity: limits.requestsMax) }
    unsafe topics = .allocate(capacity: limits.topicsMax + 1)
    let count = Self.sleepingWords + shards * Self.sleepingStride
    unsafe words = UnsafeMutableRawPointer.allocate(byteCount: count * 8, alignment: 128)
      .bindMemory(to: Atomic<UInt64>.self, capacity: count)
    for i in 0..<count { unsafe (words + i).initialize(to: Atomic(0)) }
  }

  deinit {
    for ring in rings { ring.deallocate() }
    for bits in [tailBits, floorBits, releaseBits, publisherBits, requestBits, unpinBits].joined() {
      bits.deallocate()
    }
    for words in publisherWords { words.deallocate() }
    for id in 1..<(topicCount + 1) where topicCount > 0 { topic(id).deallocate() }
    unsafe topics.deallocate()
    unsafe words.deallocate()
  }

  // MARK: Topics

  /// Topics announced so far; their ids are 1 to this.
  var topicCount: Int {
    unsafe Int(words[Self.topicCountWord].load(ordering: .acquiring))
  }

  /// A topic that has been announced.
  func topic(_ id: Int) -> TopicShared {
    precondition(id >= 1 && id <= limits.topicsMax, "no such topic")
    return unsafe topics[id]
  }

  /// The directory: announces the next topic, whose id is `topicCount + 1`.
  func announce(_ topic: TopicShared) {
    let count = topicCount
    precondition(topic.id == count + 1 && count < limits.topicsMax, "topics come in order")
    unsafe (topics + count + 1).initialize(to: topic)
    unsafe words[Self.topicCountWord].store(UInt64(count + 1), ordering: .sequentiallyConsistent)
  }

  // MARK: Sleep

  /// A shard says that it is about to sleep, or that it is awake. It looks at everything that
  /// could wake it after it has said so; who has something for it looks at this word after having
  /// put it there. Both are sequentially consistent, so that one of them sees the other.
  func setSleeping(_ sleeping: Bool, shard: Int) {
    unsafe words[Self.sleepingWords + shard * Self.sleepingStride]
      .store(sleeping ? 1 : 0, ordering: .sequentiallyConsistent)
  }

  func isSleeping(_ shard: Int) -> Bool {
    unsafe words[Self.sleepingWords + shard * Self.sleepingStride]
      .load(ordering: .sequentiallyConsistent) != 0
  }

  // MARK: Draining

  /// A shard has come so far in a drain; what it told the others before comes before it.
  func setDrainStep(_ step: UInt64, shard: Int) {
    unsafe words[Self.sleepingWords + shard * Self.sleepingStride + 1]
      .store(step, ordering: .releasing)
  }

  func drainStep(_ shard: Int) -> UInt64 {
    unsafe words[Self.sleepingWords + shard * Self.sleepingStride + 1].load(ordering: .acquiring)
  }

  func ring(from: Int, to: Int) -> SPSCRing { rings[from * shards + to] }
}

/// For each publisher of one shard the words that the owner of its topic writes: what it has
/// accepted and what it grants. They only rise while a slot belongs to one publisher, and a slot is
/// not used again before the owner has confirmed that it is done with it.
///
/// A value, so that taking one out of an array counts no reference; `Broker` owns the memory and
/// frees it when all shards are gone.
///
/// `@unchecked Sendable`: all shared state is atomic.
@safe
struct PublisherWords: @unchecked Sendable {
  private let words: UnsafeMutablePointer<Atomic<UInt64>>
  private let count: Int
  private static let stride = 4

  init(count: Int) {
    self.count = count
    unsafe words = .allocate(capacity: count * Self.stride)
  }

  func deallocate() { unsafe words.deallocate() }

  private func word(_ slot: UInt32, _ index: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
    precondition(Int(slot) < count, "no such publisher")
    return unsafe words + Int(slot) * Self.stride + index
  }

  /// The publisher's shard, before it asks the owner to open.
  func reset(_ slot: UInt32) {
    for i in 0..<Self.stride { unsafe word(slot, i).initialize(to: Atomic(0)) }
  }

  /// Publisher sequence through which events are accepted, and the topic sequence of that event.
  /// The pair changes inside a version that is odd meanwhile.
  func accept(_ slot: UInt32, through: UInt64, sequence: UInt64) {
    let version = unsafe word(slot, 3).pointee.load(ordering: .relaxed)
    unsafe word(slot, 3).pointee.store(version &+ 1, ordering: .relaxed)
    atomicMemoryFence(ordering: .releasing)
    unsafe word(slot, 0).pointee.store(through, ordering: .relaxed)
    unsafe word(slot, 1).pointee.store(sequence, ordering: .relaxed)
    unsafe word(slot, 3).pointee.store(version &+ 2, ordering: .releasing)
  }
  /// Nil while the pair changes: the bit that follows the change says when to look again.
  func accepted(_ slot: UInt32) -> (through: UInt64, sequence: UInt64)? {
    let version = unsafe word(slot, 3).pointee.load(ordering: .acquiring)
    let through = unsafe word(slot, 0).pointee.load(ordering: .relaxed)
    let sequence = unsafe word(slot, 1).pointee.load(ordering: .relaxed)
    atomicMemoryFence(ordering: .acquiring)
    guard version & 1 == 0, unsafe word(slot, 3).pointee.load(ordering: .relaxed) == version
    else { return nil }
    return (through, sequence)
  }

  /// Charged bytes granted in all.
  func grant(_ slot: UInt32, _ total: UInt64) {
    unsafe word(slot, 2).pointee.store(total, ordering: .releasing)
  }
  func granted(_ slot: UInt32) -> UInt64 {
    unsafe word(slot, 2).pointee.load(ordering: .acquiring)
  }
}
