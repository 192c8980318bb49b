import WireFormat

/// What a keyed topic's owner knows of its keys: for each the newest record, as a batch of that one
/// event ready to be sent, and the order of these by sequence. Private to the shard; see
/// "Conflation without per-subscriber queues".
///
/// Three parts, all in `StateMemory`:
///
///  - A table from key to record (`KeyTable.swift`): extendible hashing, so that it grows by
///    one segment at a time.
///  - The records. A record that is replaced by one of about its size stays where it is.
///  - The order (`KeyOrder.swift`): chunks of (sequence, record), to which every update appends
///    while it leaves a hole where the record stood. Neighbours that have become sparse are joined,
///    which bounds the order to a little over twice the keys, without ever compacting all at once.
///
/// What an update costs in the worst case is bounded: a segment is split (500 records looked at by
/// their hash alone), two chunks are joined (250 records), or some records are given up at a limit.
///
/// **Limits.** A topic has at most `keysMax` records, and all topics of the shard share its memory.
/// Beyond either the oldest removals go first, then the records with the lowest sequence, and
/// `floor` is the highest sequence of anything that ever went: who stands before it cannot be told
/// of everything that it has missed, and must be given the whole state.
///
/// This value is an address, and copying it counts nothing. The topic's owner ends it with `free`.
struct KeyIndex: BitwiseCopyable {
  let memory: StateMemory
  /// The block of the topic's row.
  let block: UInt32

  /// A topic's row in the memory.
  struct Row: BitwiseCopyable {
    var topic: UInt32
    /// The ring of all indexes of the shard.
    var next: UInt32
    var previous: UInt32

    // The table: a block of 2^depth blocks of segments.
    var segments = noSlot
    var depth: UInt32 = 0

    // The order: a block with room for `chunkRoom` places, of which `chunkCount` from `chunkStart`
    // on are in use.
    var chunks = noSlot
    var chunkStart: UInt32 = 0
    var chunkCount: UInt32 = 0
    var chunkRoom: UInt32 = 0
    var tail = noSlot
    /// Changes whenever a chunk goes or its records move.
    var version: UInt32 = 0

    /// Removals from the oldest to the newest.
    var oldestRemoval = noSlot
    var newestRemoval = noSlot

    var records = 0
    var removals = 0
    /// Of the blocks of the records.
    var recordBytes = 0
    var floor: UInt64
    var lastSequence: UInt64
    var evicted: UInt64 = 0
    /// The highest sequence of those, and of events that came before the index was there.
    var evictedThrough: UInt64
    /// Among those that lost values since somebody looked.
    var isListedAsEvicted = false
    var nextEvicted = noSlot
    var forgotten: UInt64 = 0
  }

  /// What stands before a record's batch.
  struct Prefix: BitwiseCopyable {
    var tag: UInt32
    /// Where the order has it.
    var chunk: UInt32 = noSlot
    var position: UInt16 = 0
    var sizeClass: UInt8
    var flags: UInt8
    /// The row of its index.
    var owner: UInt32
    /// Removals are linked by the order in which they became known.
    var newer = noSlot
    var older = noSlot
  }

  /// The batch has its checksum.
  static let sealedFlag: UInt8 = 1
  /// The record is the removal of its key.
  static let removalFlag: UInt8 = 2
  static let prefixBytes = 24

  /// Removals that a topic may keep however few values it has. A laggard that has missed no more
  /// than the last thousand is told of them instead of being given the whole state.
  static let removalsMin = 1024
  /// Removals to one value that a topic may keep beyond that, as one in so many: the whole state,
  /// which is what a laggard is given where a removal is not known, costs more than these.
  static let removalShare = 2
  /// Removals that one update may drop. More than one, so that a topic whose values vanish comes
  /// to its new bound.
  static let forgetMax = 2

  /// Records that give way to a new topic at most, or as much work: half a slab of small ones.
  private static let openEffort = 64

  private static let rowClass = StateMemory.sizeClass(MemoryLayout<Row>.size)

  /// An index in memory, for a topic of which nothing is known yet.
  ///
  /// - Parameter after: the topic's last event so far; those before were not seen.
  /// - Returns: nil where there is no memory for it.
  static func open(_ memory: StateMemory, topic: UInt32, after: UInt64) -> KeyIndex? {
    guard let block = takeRow(memory) else { return nil }
    let index = KeyIndex(memory: memory, block: block)
    var shared = memory.shared
    var row = Row(
      topic: topic, next: block, previous: block, floor: after, lastSequence: after,
      evictedThrough: after)
    if shared.indexes == noSlot {
      shared.indexes = block
    } else {
      let next = KeyIndex(memory: memory, block: shared.indexes)
      row.next = next.block
      row.previous = next.row.previous
      KeyIndex(memory: memory, block: row.previous).row.next = block
      next.row.previous = block
    }
    shared.indexCount += 1
    memory.shared = shared
    index.row = row
    return index
  }

  private static func takeRow(_ memory: StateMemory) -> UInt32? {
    if let block = memory.take(rowClass, .structure) { return block }
    let indexes = memory.shared.indexes
    guard indexes != noSlot else { return nil }
    // Some other topic gives way.
    var effort = openEffort
    while effort > 0 {
      let other = KeyIndex(memory: memory, block: indexes)
      guard other.makeRoom(for: StateMemory.classBytes(rowClass), &effort) else { return nil }
      if let block = memory.take(rowClass, .structure) { return block }
    }
    return nil
  }

  /// The next index that lost values since it was asked for; each is given once.
  static func takeEvicted(_ memory: StateMemory) -> KeyIndex? {
    let block = memory.shared.evicted
    if block == noSlot { return nil }
    let index = KeyIndex(memory: memory, block: block)
    memory.shared.evicted = index.row.nextEvicted
    index.row.isListedAsEvicted = false
    return index
  }

  func listAsEvicted() {
    if row.isListedAsEvicted { return }
    row.isListedAsEvicted = true
    row.nextEvicted = memory.shared.evicted
    memory.shared.evicted = block
  }

  private func unlistAsEvicted() {
    guard row.isListedAsEvicted else { return }
    if memory.shared.evicted == block {
      memory.shared.evicted = row.nextEvicted
      return
    }
    var other = KeyIndex(memory: memory, block: memory.shared.evicted)
    while other.row.nextEvicted != block {
      other = KeyIndex(memory: memory, block: other.row.nextEvicted)
    }
    other.row.nextEvicted = row.nextEvicted
  }

  /// Gives all of its memory back.
  func free() {
    clear()
    unlistAsEvicted()
    var shared = memory.shared
    let row = row
    shared.indexCount -= 1
    if row.next == block {
      shared.indexes = noSlot
    } else {
      KeyIndex(memory: memory, block: row.previous).row.next = row.next
      KeyIndex(memory: memory, block: row.next).row.previous = row.previous
      if shared.indexes == block { shared.indexes = row.next }
    }
    memory.shared = shared
    memory.give(block, Self.rowClass, .structure)
  }

  @inline(__always)
  var row: Row {
    @inline(__always) _read { yield memory[StateMemory.place(block), Row.self] }
    @inline(__always) nonmutating _modify { yield &memory[StateMemory.place(block), Row.self] }
  }

  // MARK: What it holds

  var topic: UInt32 { row.topic }
  /// Keys, those that were removed included.
  var count: Int { row.records }
  /// Removals among them.
  var removals: Int { row.removals }
  /// Chunks of the order.
  var chunkCount: Int { Int(row.chunkCount) }
  /// Bytes of the blocks of its records.
  var recordBytes: Int { row.recordBytes }
  /// The highest sequence of anything that was dropped, 0 where nothing was: who stands before it
  /// must be given the whole state.
  var floor: UInt64 { row.floor }
  /// Records but for removals.
  var valueCount: Int { row.records - row.removals }
  /// Values that were given up at a limit.
  var evicted: UInt64 { row.evicted }
  /// The highest sequence of those, and of events that came before the index was there; 0 for none.
  var evictedThrough: UInt64 { row.evictedThrough }
  /// Removals that were dropped since they were old, or at a limit.
  var forgotten: UInt64 { row.forgotten }
  /// The last event that it has seen.
  var lastSequence: UInt64 { row.lastSequence }
}
