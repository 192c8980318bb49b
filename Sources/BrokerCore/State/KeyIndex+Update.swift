import WireFormat

// Feeding the index: record by record out of the batches that a topic takes.

extension KeyIndex {
  /// One event of a keyed topic.
  @safe
  struct Event {
    /// The whole record with its first word.
    let record: UnsafeRawBufferPointer
    let key: UnsafeRawBufferPointer
    let isRemoval: Bool
    let stamps: EventStamps

    /// - Parameter record: lasts as long as the event.
    @unsafe @inline(__always)
    init(
      record: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer, isRemoval: Bool,
      stamps: EventStamps
    ) {
      unsafe self.record = record
      unsafe self.key = key
      self.isRemoval = isRemoval
      self.stamps = stamps
    }
  }

  /// Takes all events of a batch of the topic, which has been validated.
  ///
  /// - Parameters:
  ///   - batch: with its stamps.
  ///   - records: its records, decoded.
  @unsafe
  func ingest(_ batch: UnsafeRawPointer, records: UnsafeRawBufferPointer) {
    var stamps = unsafe EventStamps(first: batch)
    var at = 0
    for _ in unsafe 0..<Batch.count(batch) {
      let view = unsafe keyedRecord(records, at)
      unsafe update(
        Event(
          record: UnsafeRawBufferPointer(rebasing: records[at..<view.end]),
          key: UnsafeRawBufferPointer(rebasing: records[view.key]),
          isRemoval: view.isTombstone, stamps: stamps))
      stamps.advance(past: view.end - at)
      at = view.end
    }
  }

  /// Puts an event in the place of what is known of its key. Where there is no memory for it, the
  /// key is as good as evicted.
  @inline(__always)
  func update(_ event: Event) {
    precondition(event.stamps.sequence > row.lastSequence, "events out of order")
    let tag = unsafe memory.hash.tag(event.key)
    if !put(event, tag) { putWithRoom(event, tag) }
    if event.isRemoval || row.removals > Self.removalsMin { forget() }
  }

  /// What `put` has no memory for at first.
  @inline(never)
  private func putWithRoom(_ event: Event, _ tag: UInt32) {
    let bytes = unsafe Self.prefixBytes + Batch.singleBytes(record: event.record.count)
    var effort = Self.effortMax
    while effort > 0, makeRoom(for: bytes, &effort) {
      if put(event, tag) { return }
    }
    // What stands there is no longer true.
    if let place = find(tag, where: { unsafe isKey($0, event.key) }) {
      remove(memory[place, UInt32.self])
    }
    row.evicted += 1
    row.floor = max(row.floor, event.stamps.sequence)
    row.evictedThrough = max(row.evictedThrough, event.stamps.sequence)
    row.lastSequence = event.stamps.sequence
  }

  /// Records that give way to one event at most, or as much work, before it is given up itself.
  private static var effortMax: Int { 64 }

  @unsafe @inline(__always)
  private func isKey(_ record: Int, _ key: UnsafeRawBufferPointer) -> Bool {
    let batch = record + Self.prefixBytes
    let range = unsafe Batch.singleKey(memory.batch(batch).start)
    guard range.count == key.count else { return false }
    return unsafe memory.isEqual(batch + range.lowerBound, key)
  }

  /// - Returns: false where there is no memory; then nothing has changed.
  @inline(__always)
  private func put(_ event: Event, _ tag: UInt32) -> Bool {
    let record = unsafe event.record
    let sizeClass = StateMemory.sizeClass(
      Self.prefixBytes + Batch.singleBytes(record: record.count))
    guard reserveOrder() else { return false }
    if let named = find(tag, where: { unsafe isKey($0, event.key) }) {
      let old = memory[named, UInt32.self]
      let prefix = memory[StateMemory.place(old), Prefix.self]
      var block = old
      if Int(prefix.sizeClass) != sizeClass {
        guard let other = memory.take(sizeClass, .record) else { return false }
        block = other
        memory[named, UInt32.self] = block
      }
      if prefix.flags & Self.removalFlag != 0 { unlinkRemoval(old) }
      if block != old { giveRecord(old, Int(prefix.sizeClass)) }
      write(event, tag, to: block, sizeClass, isNew: block != old)
      append(block, event.stamps.sequence)
      leaveHole(prefix.chunk, prefix.position)
    } else {
      guard row.records < memory.keysMax, reserveTable(tag),
        let block = memory.take(sizeClass, .record)
      else { return false }
      insert(tag, block)
      row.records += 1
      write(event, tag, to: block, sizeClass, isNew: true)
      append(block, event.stamps.sequence)
    }
    return true
  }

  /// Writes a record; its place in the order comes later.
  @inline(__always)
  private func write(
    _ event: Event, _ tag: UInt32, to block: UInt32, _ sizeClass: Int, isNew: Bool
  ) {
    let place = StateMemory.place(block)
    memory[place, Prefix.self] = Prefix(
      tag: tag, sizeClass: UInt8(sizeClass), flags: event.isRemoval ? Self.removalFlag : 0,
      owner: self.block)
    let bytes = unsafe Batch.singleBytes(record: event.record.count)
    unsafe Batch.writeSingle(
      event.record, event.stamps, to: memory.room(place + Self.prefixBytes, bytes))
    if isNew { row.recordBytes += StateMemory.classBytes(sizeClass) }
    if event.isRemoval { linkRemoval(block) }
  }
}
