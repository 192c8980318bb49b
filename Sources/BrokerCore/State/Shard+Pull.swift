import WireFormat

// The owner of a keyed topic answers those who ask for its newest records.

extension Shard {
  /// Places of the order that are looked at for one answer.
  private static let pullSteps = 4096
  /// Bytes that stay free at the end of a buffer, for a PASSED.
  static let pullReserve = passedBytes

  func performPull(_ request: inout SharedRequest) {
    var pull = request.pull
    defer { request.pull = pull }
    var answer = PullAnswer()
    defer { pull.answer = answer }
    guard let index = topics[request.topic].keys else {
      answer.isMissing = topics[request.topic].nextSequence > 1
      answer.isWhole = pull.isWhole
      answer.isLast = true
      return
    }
    answer.isWhole = pull.isWhole || (!pull.isOpen && !index.knowsAll(after: pull.after))
    answer.place =
      pull.isOpen
      ? pull.place
      : index.beginPass(
        after: answer.isWhole ? 0 : pull.after, through: pull.through, random: pull.random)
    // Where to begin is found by going through the order's chunks.
    if !pull.isOpen { looksInTurn += index.chunkCount }
    var steps = Shard.pullSteps
    defer { looksInTurn += Shard.pullSteps - steps }
    records: while answer.events < pull.eventsMax, answer.bytes < pull.bytesMax {
      let before = answer.place
      switch index.next(&answer.place, realtimeNs: realtimeNs, steps: &steps) {
      case .end:
        answer.isLast = true
        break records
      case .later: break records
      case .record(let record):
        let batch = record.batch
        let isPending = batch.sequence > pull.after
        if pull.ageMsMax != 0, !record.isRemoval,
          realtimeNs > batch.time + UInt64(pull.ageMsMax) * 1_000_000
        {
          if isPending {
            answer.expiredEvents += 1
            answer.expiredBytes += batch.charge
          }
          continue
        }
        let bytes = batch.paddedLength
        guard unsafe pull.buffer.room.count - Shard.pullReserve >= bytes,
          answer.events == 0 || pull.buffer.count + bytes <= pull.recordsMax
        else {
          answer.place = before
          if answer.events == 0 { answer.bytesMin = bytes + Shard.pullReserve }
          break records
        }
        unsafe pull.buffer.append(UnsafeRawBufferPointer(start: batch.start, count: bytes))
        answer.events += 1
        answer.bytes += batch.charge
        if isPending {
          answer.time = answer.pendingEvents == 0 ? batch.time : min(answer.time, batch.time)
          answer.pendingEvents += 1
          answer.pendingBytes += batch.charge
        }
      }
    }
    // Looking at records may have dropped some, too, where their time was over.
    if !answer.isWhole, !index.knowsAll(after: pull.after) {
      answer.isBroken = true
      answer.isLast = true
    }
  }
}
