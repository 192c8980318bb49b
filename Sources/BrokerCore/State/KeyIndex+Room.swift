// What keeps an index within its limits: removals beyond the horizon, records that give way, and
// slabs that are emptied.

extension KeyIndex {
  // MARK: Removals

  /// Adds a record to the removals, as the newest.
  func linkRemoval(_ block: UInt32) {
    let place = StateMemory.place(block)
    let newest = row.newestRemoval
    memory[place, Prefix.self].older = newest
    memory[place, Prefix.self].newer = noSlot
    if newest == noSlot {
      row.oldestRemoval = block
    } else {
      memory[StateMemory.place(newest), Prefix.self].newer = block
    }
    row.newestRemoval = block
    row.removals += 1
  }

  func unlinkRemoval(_ block: UInt32) {
    let prefix = memory[StateMemory.place(block), Prefix.self]
    if prefix.older == noSlot {
      row.oldestRemoval = prefix.newer
    } else {
      memory[StateMemory.place(prefix.older), Prefix.self].newer = prefix.newer
    }
    if prefix.newer == noSlot {
      row.newestRemoval = prefix.older
    } else {
      memory[StateMemory.place(prefix.newer), Prefix.self].older = prefix.older
    }
    row.removals -= 1
  }

  /// Drops the oldest removals beyond the horizon.
  func forget() {
    for _ in 0..<Self.forgetMax {
      let values = row.records - row.removals
      guard row.removals > max(Self.removalsMin, values / Self.removalShare) else { return }
      drop(row.oldestRemoval)
    }
  }

  // MARK: Giving way

  func giveRecord(_ block: UInt32, _ sizeClass: Int) {
    memory.give(block, sizeClass, .record)
    row.recordBytes -= StateMemory.classBytes(sizeClass)
  }

  /// Takes a record out. With the last one goes what finds them.
  func remove(_ block: UInt32) {
    let prefix = memory[StateMemory.place(block), Prefix.self]
    if prefix.flags & Self.removalFlag != 0 { unlinkRemoval(block) }
    removeKey(prefix.tag, record: block)
    leaveHole(prefix.chunk, prefix.position)
    giveRecord(block, Int(prefix.sizeClass))
    row.records -= 1
    if row.records == 0 {
      clearOrder()
      clearTable()
    }
  }

  /// Takes a record out that readers may not have met.
  private func drop(_ block: UInt32) {
    let place = StateMemory.place(block)
    let sequence = memory.batch(place + Self.prefixBytes).sequence
    row.floor = max(row.floor, sequence)
    if memory[place, Prefix.self].flags & Self.removalFlag != 0 {
      row.forgotten += 1
    } else {
      row.evicted += 1
      row.evictedThrough = max(row.evictedThrough, sequence)
      listAsEvicted()
    }
    remove(block)
  }

  /// Gives up the oldest removal, or else the record with the lowest sequence.
  /// - Returns: the bytes of its block; 0 where there is none.
  @discardableResult
  private func giveUpOne() -> Int {
    let oldest = row.oldestRemoval
    guard let block = oldest != noSlot ? oldest : oldestRecord() else { return 0 }
    let sizeClass = Int(memory[StateMemory.place(block), Prefix.self].sizeClass)
    drop(block)
    return StateMemory.classBytes(sizeClass)
  }

  /// Gives up all there is.
  func clear() {
    while row.records > 0 { giveUpOne() }
    clearOrder()
    clearTable()
  }

  /// Indexes that are looked at for one that can give way.
  private static let victimsMax = 8
  /// What emptying a slab counts for: it moves some hundred records.
  private static let slabEffort = 8

  /// Gets nearer to having room for a block: one of this topic's keys goes where they are too many;
  /// else a slab is emptied, or records go of the topic that has the most, among this one and some
  /// others.
  ///
  /// - Parameter effort: records that may still go, or as much work; counted down.
  /// - Returns: false where nothing could be done.
  @discardableResult
  func makeRoom(for bytes: Int, _ effort: inout Int) -> Bool {
    if row.records >= memory.keysMax {
      effort -= 1
      return giveUpOne() > 0
    }
    if emptySlab() {
      effort -= Self.slabEffort
      return true
    }
    var victim = self
    var next = memory.shared.indexes
    for _ in 0..<Self.victimsMax {
      let other = KeyIndex(memory: memory, block: next)
      if other.row.recordBytes > victim.row.recordBytes { victim = other }
      next = other.row.next
    }
    memory.shared.indexes = next
    var freed = 0
    while freed < bytes, effort > 0 {
      let gone = victim.giveUpOne()
      effort -= 1
      if gone == 0 { break }
      freed += gone
    }
    return freed > 0
  }

  /// Moves the records out of a sparse slab.
  private func emptySlab() -> Bool {
    guard let slab = memory.sparseSlab() else { return false }
    // A bit for each block that is free; the smallest blocks have 16 bytes.
    var free = InlineArray<16, UInt64>(repeating: 0)
    memory.forEachFree(slab) { free[$0 >> 6] |= 1 << UInt64($0 & 63) }
    for i in 0..<memory.touched(slab) where free[i >> 6] & (1 << UInt64(i & 63)) == 0 {
      let from = memory.block(slab, i)
      guard let to = memory.take(slab.sizeClass, .record) else {
        preconditionFailure("a slab whose blocks find no room")
      }
      let owner = memory[StateMemory.place(from), Prefix.self].owner
      memory.move(
        from: StateMemory.place(from), to: StateMemory.place(to),
        StateMemory.classBytes(slab.sizeClass))
      KeyIndex(memory: memory, block: owner).moved(from, to: to)
    }
    memory.finish(slab)
    return true
  }

  /// A record has been copied to another block, which all that names it must name.
  func moved(_ from: UInt32, to: UInt32) {
    let prefix = memory[StateMemory.place(to), Prefix.self]
    memory[find(prefix.tag, record: from), UInt32.self] = to
    let chunk = StateMemory.place(prefix.chunk)
    let room = memory[chunk, Chunk.self].room
    memory[recordPlace(chunk, room, Int(prefix.position)), UInt32.self] = to
    guard prefix.flags & Self.removalFlag != 0 else { return }
    if prefix.older == noSlot {
      row.oldestRemoval = to
    } else {
      memory[StateMemory.place(prefix.older), Prefix.self].newer = to
    }
    if prefix.newer == noSlot {
      row.newestRemoval = to
    } else {
      memory[StateMemory.place(prefix.newer), Prefix.self].older = to
    }
  }
}
