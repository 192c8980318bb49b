import WireFormat

// Which batches go out in one frame.

extension Shard {
  /// Batches that go out in one frame.
  struct Run: BitwiseCopyable {
    var bytes = 0
    var batches: UInt32 = 0
    var endSequence: UInt64 = 0
    var endBytes: UInt64 = 0

    @inline(__always)
    mutating func add(_ count: UInt32, bytes more: Int, last: BatchRef) {
      bytes += more
      batches += count
      endSequence = last.sequence + UInt64(last.count)
      endBytes = last.bytesBefore + last.charge
    }
  }

  /// As many batches from a cursor on as one frame may have: up to the target size, the credit, the
  /// end of the page, and the first that must be treated on its own. None where that is the first.
  func takeRun(
    _ slot: UInt32, _ subscription: UInt32, _ cursor: CursorEntry, page: Page, limit: Int
  ) -> Run {
    let start = Int(cursor.offset)
    let codecs = connections[slot].codecs
    let bytesMax = min(
      WireLimits.deliverTargetBytes, Int(connections[slot].outputLengthMax) - Deliver.prefixSize)
    let creditEvents = subscriptions[subscription].creditEvents
      - subscriptions[subscription].sentEvents
    let creditBytes = subscriptions[subscription].creditBytes
      - subscriptions[subscription].sentBytes
    let known = KnownRun.slot(cursor)
    if runs[known].isUsable(
      cursor, limit: limit, bytesMax: bytesMax, codecs: codecs, creditEvents: creditEvents,
      creditBytes: creditBytes)
    {
      return runs[known].run
    }
    var run = Run(endSequence: cursor.sequence, endBytes: cursor.bytes)
    var offset = start
    var codecsUsed: UInt32 = 0
    var isForAll = true
    while offset < limit {
      let batch = page.batch(at: offset)
      let padded = batch.paddedLength
      if 4 * padded <= min(limit - offset, bytesMax - run.bytes),
        page.hasFourAlike(at: offset, length: batch.length)
      {
        let last = page.batch(at: offset + 3 * padded)
        if last.sequence - cursor.sequence < creditEvents,
          last.bytesBefore - cursor.bytes < creditBytes
        {
          offset += 4 * padded
          run.add(4, bytes: 4 * padded, last: last)
          continue
        }
      }
      if run.bytes > 0 {
        if run.bytes + padded > bytesMax { break }
        if run.endSequence - cursor.sequence >= creditEvents
          || run.endBytes - cursor.bytes >= creditBytes
        {
          isForAll = false
          break
        }
      }
      let codec = batch.codec
      if codec != 0 {
        codecsUsed |= 1 << UInt32(codec)
        if codecs & (1 << UInt32(codec)) == 0 {
          isForAll = false
          break
        }
      }
      if batch.ttlMs != 0 {
        isForAll = false
        if isExpired(batch) { break }
      }
      offset += padded
      run.add(1, bytes: padded, last: batch)
    }
    if isForAll, run.bytes > 0 {
      runs[known] = KnownRun(cursor, limit: limit, codecs: codecsUsed, run: run)
    }
    return run
  }
}
