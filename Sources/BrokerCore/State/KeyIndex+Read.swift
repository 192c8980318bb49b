// Readers: passes over the records with a sequence after one and up to another. A pass is a plain
// value that its reader keeps. It holds no place but a sequence, so records may come, go and move
// meanwhile: one that is updated moves behind the pass and is not met in it again.

extension KeyIndex {
  /// A pass over the records after a sequence and up to another, each at most once: from a place
  /// chosen at random to the end, then from the beginning to that place. So a key that changes
  /// faster than passes end takes nobody's turn.
  struct Pass: BitwiseCopyable {
    /// The pass covers the sequences above this,
    let after: UInt64
    /// up to this.
    let through: UInt64
    /// The sequence it starts with.
    let start: UInt64
    /// The sequence it goes on with.
    fileprivate(set) var next: UInt64
    /// It is at what comes before `start`.
    fileprivate(set) var hasWrapped = false
    /// Where that is, as long as the order has this version.
    fileprivate var position: UInt16 = 0
    fileprivate var chunk: UInt32 = noSlot
    fileprivate var version: UInt32 = 0

    /// Over nothing.
    static let none = Pass(after: 0, through: 0, start: 1)

    fileprivate init(after: UInt64, through: UInt64, start: UInt64) {
      self.after = after
      self.through = through
      self.start = start
      next = start
    }
  }

  /// A record as a reader gets it.
  struct Record {
    /// One event, uncompressed, ready to be copied: `paddedLength` bytes. Until the index changes.
    let batch: BatchRef
    /// The key is gone.
    let isRemoval: Bool
  }

  enum Step {
    case record(Record)
    /// The steps are used up: to be continued with the same pass.
    case later
    /// All of it was met.
    case end
  }

  /// Whether a reader that has seen all up to a sequence can be told of all that it has missed.
  func knowsAll(after sequence: UInt64) -> Bool { sequence >= row.floor }

  /// How many records have a sequence after one and up to another.
  func count(after: UInt64, through: UInt64) -> Int {
    max(0, countThrough(through) - countThrough(after))
  }

  /// Records with a sequence up to one.
  private func countThrough(_ last: UInt64) -> Int {
    guard row.chunkCount > 0, last < row.lastSequence else { return row.records }
    let at = findChunk(last + 1)
    var count = 0
    // Sums over the shorter side.
    let chunks = Int(row.chunkCount)
    if at < chunks / 2 {
      for i in 0..<at { count += live(i) }
    } else {
      count = row.records
      for i in at..<chunks { count -= live(i) }
    }
    return count + countBefore(last + 1, inChunk: at)
  }

  /// Records of a chunk with a lower sequence.
  private func countBefore(_ sequence: UInt64, inChunk at: Int) -> Int {
    let place = StateMemory.place(memory[chunkPlace(at), ChunkPlace.self].chunk)
    let header = memory[place, Chunk.self]
    let end = findPosition(place, sequence)
    var count = 0
    for i in Int(header.head)..<end
    where memory[recordPlace(place, header.room, i), UInt32.self] != noSlot {
      count += 1
    }
    return count
  }

  private func live(_ i: Int) -> Int {
    Int(memory[StateMemory.place(memory[chunkPlace(i), ChunkPlace.self].chunk), Chunk.self].live)
  }

  /// Begins a pass over the records after a sequence and up to another; `after` 0 is the whole
  /// state.
  ///
  /// - Parameter random: any number, evenly distributed: every record is as likely to be the first.
  func beginPass(after: UInt64, through: UInt64, random: UInt64) -> Pass {
    let count = count(after: after, through: through)
    guard count > 0 else { return Pass(after: after, through: through, start: after + 1) }
    let choice = Int(random.multipliedFullWidth(by: UInt64(count)).high)
    return Pass(after: after, through: through, start: sequence(behind: after, skipping: choice))
  }

  /// The sequence of a record after a sequence, with so many between.
  private func sequence(behind after: UInt64, skipping count: Int) -> UInt64 {
    let first = findChunk(after + 1)
    var left = countBefore(after + 1, inChunk: first) + count
    for i in first..<Int(row.chunkCount) {
      let place = StateMemory.place(memory[chunkPlace(i), ChunkPlace.self].chunk)
      let header = memory[place, Chunk.self]
      if left >= Int(header.live) {
        left -= Int(header.live)
        continue
      }
      for at in Int(header.head)..<Int(header.used)
      where memory[recordPlace(place, header.room, at), UInt32.self] != noSlot {
        if left == 0 { return memory[sequencePlace(place, at), UInt64.self] }
        left -= 1
      }
    }
    preconditionFailure("fewer records than are counted")
  }

  /// Goes on to the next record of a pass.
  ///
  /// A record whose time to live is over becomes the removal of its key, with the sequence it had,
  /// so that whoever has it hears that it is gone.
  ///
  /// - Parameters:
  ///   - pass: to take a record back, keep a copy of the pass from before.
  ///   - steps: places of the order that may still be looked at; counted down.
  func next(_ pass: inout Pass, realtimeNs: UInt64, steps: inout Int) -> Step {
    if !pass.hasWrapped {
      let limit = pass.through
      switch advance(&pass, through: limit, realtimeNs, &steps) {
      case .end:
        pass.hasWrapped = true
        pass.next = pass.after + 1
        pass.chunk = noSlot
      case let step: return step
      }
    }
    return advance(&pass, through: pass.start - 1, realtimeNs, &steps)
  }

  private func advance(
    _ pass: inout Pass, through limit: UInt64, _ realtimeNs: UInt64, _ steps: inout Int
  ) -> Step {
    guard pass.next <= limit, row.chunkCount > 0 else { return .end }
    var chunk = pass.chunk
    var i = Int(pass.position)
    if chunk == noSlot || pass.version != row.version {
      chunk = memory[chunkPlace(findChunk(pass.next)), ChunkPlace.self].chunk
      i = findPosition(StateMemory.place(chunk), pass.next)
    }
    while true {
      let place = StateMemory.place(chunk)
      let header = memory[place, Chunk.self]
      while i < Int(header.used) {
        let sequence = memory[sequencePlace(place, i), UInt64.self]
        if sequence > limit { return .end }
        pass.chunk = chunk
        pass.position = UInt16(i)
        pass.version = row.version
        pass.next = sequence
        if steps <= 0 { return .later }
        steps -= 1
        let record = memory[recordPlace(place, header.room, i), UInt32.self]
        i += 1
        guard record != noSlot else { continue }
        pass.next = sequence + 1
        pass.position = UInt16(i)
        return .record(show(record, realtimeNs))
      }
      guard header.next != noSlot else {
        pass.next = limit + 1
        return .end
      }
      chunk = header.next
      i = 0
    }
  }

  private func show(_ block: UInt32, _ realtimeNs: UInt64) -> Record {
    var place = StateMemory.place(block) + Self.prefixBytes
    let batch = memory.batch(place)
    if batch.ttlMs != 0, realtimeNs > batch.time + UInt64(batch.ttlMs) * 1_000_000 {
      place = StateMemory.place(expire(block)) + Self.prefixBytes
    }
    let prefix = place - Self.prefixBytes
    let flags = memory[prefix, Prefix.self].flags
    if flags & Self.sealedFlag == 0 {
      memory.seal(place)
      memory[prefix, Prefix.self].flags = flags | Self.sealedFlag
    }
    return Record(batch: memory.batch(place), isRemoval: flags & Self.removalFlag != 0)
  }

  /// Makes a record the removal of its key, in a block of the size that this needs if there is one.
  private func expire(_ block: UInt32) -> UInt32 {
    let place = StateMemory.place(block)
    memory.bury(place + Self.prefixBytes)
    let old = Int(memory[place, Prefix.self].sizeClass)
    let wasRemoval = memory[place, Prefix.self].flags & Self.removalFlag != 0
    memory[place, Prefix.self].flags &= ~Self.sealedFlag
    let bytes = Self.prefixBytes + memory.batch(place + Self.prefixBytes).paddedLength
    let sizeClass = StateMemory.sizeClass(bytes)
    var here = block
    if sizeClass != old, let smaller = memory.take(sizeClass, .record) {
      here = smaller
      memory.move(from: place, to: StateMemory.place(here), bytes)
      memory[StateMemory.place(here), Prefix.self].sizeClass = UInt8(sizeClass)
      moved(block, to: here)
      giveRecord(block, old)
      row.recordBytes += StateMemory.classBytes(sizeClass)
    }
    if !wasRemoval {
      memory[StateMemory.place(here), Prefix.self].flags |= Self.removalFlag
      linkRemoval(here)
      forget()
    }
    return here
  }
}
