import Synchronization

/// The part of a topic that every shard sees: constants, and words that only rise.
///
/// It is made by the directory (shard 0), published by the topic count's release store, and lives
/// until the broker ends. This value is the address of its block; copying it copies the address,
/// and nothing is counted. Mutable words have one writer each, named below.
///
/// `@unchecked Sendable`, `@safe`: constants are written before publication; the rest is atomic,
/// and each group that a different thread writes has cache lines of its own; the block outlives
/// every shard (`Directory` frees it).
@safe
struct TopicShared: BitwiseCopyable, @unchecked Sendable {
  /// Where the topic ends for everybody who is not its owner.
  struct Tail: BitwiseCopyable, Equatable {
    var page: UInt = 0
    var offset: Int = 0
    /// Sequence of the next event.
    var sequence: UInt64 = 1
    /// Charged bytes of all events so far.
    var bytes: UInt64 = 0
  }

  /// The constants, at the start of the block.
  private struct Constants: BitwiseCopyable {
    var id: UInt32
    var owner: UInt32
    var epoch: UInt64
    var settings: TopicSettings
    var nameBytes: UInt32
    var nameOffset: UInt32 = 0
  }

  private let words: UnsafeMutablePointer<Atomic<UInt64>>
  private let constants: UnsafeMutablePointer<Constants>

  // Indices of words; 16 words are two cache lines.
  private static let version = 0
  private static let slots = 1  // two tails of four words
  private static let firstPage = 9
  private static let floor = 10
  private static let ungate = 11
  private static let interest = 16
  private static let perShard = 32
  private static let wordsPerShard = 16
  private static let constantsBytes = 128

  init(
    id: UInt32, name: [UInt8], epoch: UInt64, owner: Int, shards: Int, settings: TopicSettings
  ) {
    precondition(MemoryLayout<Constants>.size <= Self.constantsBytes, "the block's layout")
    let count = Self.perShard + shards * Self.wordsPerShard
    let block = UnsafeMutableRawPointer.allocate(
      byteCount: Self.constantsBytes + count * 8 + name.count, alignment: 128)
    unsafe constants = block.bindMemory(to: Constants.self, capacity: 1)
    unsafe constants.initialize(
      to: Constants(
        id: id, owner: UInt32(owner), epoch: epoch, settings: settings,
        nameBytes: UInt32(name.count)))
    unsafe words = (block + Self.constantsBytes).bindMemory(
      to: Atomic<UInt64>.self, capacity: count)
    for i in 0..<count { unsafe (words + i).initialize(to: Atomic(0)) }
    let nameStart = unsafe block + Self.constantsBytes + count * 8
    unsafe name.withUnsafeBytes { bytes in
      if let base = bytes.baseAddress {
        unsafe nameStart.copyMemory(from: base, byteCount: bytes.count)
      }
    }
    unsafe constants.pointee.nameOffset = UInt32(Self.constantsBytes + count * 8)
    // Until it has seen the announcement a shard counts as standing at the first event.
    for s in 0..<shards {
      setHold(1, shard: s)
      setGate(settings.isBlock ? 0 : .max, shard: s)
    }
    publishTail(Tail())
  }

  /// Ends the block; nobody may use the topic any more.
  func deallocate() { unsafe UnsafeMutableRawPointer(constants).deallocate() }

  var id: UInt32 { unsafe constants.pointee.id }
  var owner: Int { unsafe Int(constants.pointee.owner) }
  var epoch: UInt64 { unsafe constants.pointee.epoch }
  var settings: TopicSettings { unsafe constants.pointee.settings }
  /// The name's bytes, valid as long as the topic.
  var name: UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(
      start: UnsafeRawPointer(constants) + Int(constants.pointee.nameOffset),
      count: Int(constants.pointee.nameBytes))
  }

  // MARK: The owner's words

  /// Owner: publishes a new end, once a turn. Readers take the slot that the version names and
  /// look at the version again; the other slot is being written only for the next version.
  func publishTail(_ tail: Tail) {
    let version = unsafe words[Self.version].load(ordering: .relaxed) + 1
    let slot = Self.slots + Int(version & 1) * 4
    // A reader that is still in this slot from two versions ago sees the version change.
    atomicMemoryFence(ordering: .releasing)
    unsafe words[slot].store(UInt64(tail.page), ordering: .relaxed)
    unsafe words[slot + 1].store(UInt64(tail.offset), ordering: .relaxed)
    unsafe words[slot + 2].store(tail.sequence, ordering: .relaxed)
    unsafe words[slot + 3].store(tail.bytes, ordering: .relaxed)
    unsafe words[Self.version].store(version, ordering: .releasing)
    // Before the look at `interest`; see there.
    atomicMemoryFence(ordering: .sequentiallyConsistent)
  }

  /// Any shard: the end that was published last. What it names may be read by a shard whose hold
  /// covers it.
  func tail() -> Tail {
    while true {
      let version = unsafe words[Self.version].load(ordering: .acquiring)
      let slot = Self.slots + Int(version & 1) * 4
      let tail = unsafe Tail(
        page: UInt(words[slot].load(ordering: .relaxed)),
        offset: Int(words[slot + 1].load(ordering: .relaxed)),
        sequence: words[slot + 2].load(ordering: .relaxed),
        bytes: words[slot + 3].load(ordering: .relaxed))
      atomicMemoryFence(ordering: .acquiring)
      if unsafe words[Self.version].load(ordering: .relaxed) == version { return tail }
    }
  }

  /// The page that began when the ring had none; 0 before there was one. Only of use to who stands
  /// at its first event, without a page, and holds it.
  var firstPage: UInt {
    get { unsafe UInt(words[Self.firstPage].load(ordering: .acquiring)) }
    nonmutating set { unsafe words[Self.firstPage].store(UInt64(newValue), ordering: .releasing) }
  }

  /// The owner wishes every cursor to be at this sequence or later, soon.
  var floor: UInt64 {
    get { unsafe words[Self.floor].load(ordering: .acquiring) }
    nonmutating set { unsafe words[Self.floor].store(newValue, ordering: .releasing) }
  }

  /// On a block topic: cursors at or before this many charged bytes hold publishers back no more.
  var ungate: UInt64 {
    get { unsafe words[Self.ungate].load(ordering: .acquiring) }
    nonmutating set { unsafe words[Self.ungate].store(newValue, ordering: .releasing) }
  }

  // MARK: Words of the shards

  /// Which shards, by bit, want to be told of a new tail. Set by each shard, or by the owner for
  /// it. The owner looks after it has published the tail; a shard looks at the tail after it has
  /// set its bit; a full fence stands between the two on both sides, so one of them sees the other.
  func addInterest(shard: Int) {
    unsafe words[Self.interest].bitwiseOr(1 << UInt64(shard), ordering: .sequentiallyConsistent)
    atomicMemoryFence(ordering: .sequentiallyConsistent)
  }
  func removeInterest(shard: Int) {
    unsafe words[Self.interest].bitwiseAnd(
      ~(1 << UInt64(shard)), ordering: .sequentiallyConsistent)
  }
  var interest: UInt64 {
    unsafe words[Self.interest].load(ordering: .sequentiallyConsistent)
  }

  /// The lowest sequence that a shard may still look at; `UInt64.max` where it looks at none.
  /// Written by that shard; it falls only while a pin of the owner covers the lower value.
  func hold(shard: Int) -> UInt64 {
    unsafe words[Self.perShard + shard * Self.wordsPerShard].load(ordering: .acquiring)
  }
  func setHold(_ sequence: UInt64, shard: Int) {
    unsafe words[Self.perShard + shard * Self.wordsPerShard].store(sequence, ordering: .releasing)
  }

  /// On a block topic: the charged bytes before the slowest lossless cursor of a shard;
  /// `UInt64.max` where it has none.
  func gate(shard: Int) -> UInt64 {
    unsafe words[Self.perShard + shard * Self.wordsPerShard + 1].load(ordering: .acquiring)
  }
  func setGate(_ bytes: UInt64, shard: Int) {
    unsafe words[Self.perShard + shard * Self.wordsPerShard + 1].store(bytes, ordering: .releasing)
  }
}

/// What a topic was created with; 0 is no bound of that kind, `blockTimeoutNs` and
/// `retentionBytes` are filled in with defaults.
struct TopicSettings: BitwiseCopyable, Sendable {
  var flags: UInt8 = 0
  var blockTimeoutNs: UInt64 = 0
  var retentionEvents: UInt64 = 0
  var retentionBytes: UInt64 = 0
  var retentionNs: UInt64 = 0

  static let keyedFlag: UInt8 = 1
  static let blockFlag: UInt8 = 2
  var isKeyed: Bool { flags & Self.keyedFlag != 0 }
  var isBlock: Bool { flags & Self.blockFlag != 0 }
}
