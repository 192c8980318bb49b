import WireFormat

// Policy sample: of what lies in the ring, the events whose sequence is a multiple of the
// subscription's n, each as a batch of its own.

extension Shard {
  /// Events looked at for one frame at most: a look at a batch of which nothing is wanted costs as
  /// little as its header, and the turn has others to serve.
  private static let sampledPerLook: UInt64 = 64 << 10

  /// Opening a batch counts as so many looks, for each record and each decoded byte.
  private static let recordsPerLook = 16
  private static let decodedBytesPerLook = 64

  /// The place where a selection of a topic's events stands.
  private struct Sampling {
    var place: TopicShared.Tail
    /// Of what has been selected.
    var bytes = 0
    var events: UInt64 = 0
    var charge: UInt64 = 0
    var batches: UInt32 = 0
    var time: UInt64 = 0
    var creditEvents: UInt64
    var creditBytes: UInt64
    var bytesMax: Int

    /// What was granted is used up; one event may overdraw.
    var isSpent: Bool { events > 0 && (events >= creditEvents || charge >= creditBytes) }
  }

  /// Whether a subscription wants a topic's events one by one, and not as they lie in the ring.
  func samples(_ subscription: UInt32) -> Bool {
    subscriptions[subscription].policy == Policy.sample.rawValue
      && bounds(of: subscription).sampleEvery > 1
  }

  func addSampled(_ slot: UInt32, _ subscription: UInt32, _ cursor: UInt32) -> Addition {
    let room = unsafe plan.selectionRoom().count
    let frameMax = Int(connections[slot].outputLengthMax) - DeliverSelected.prefixSize
    let bytesMax = min(frameMax, room - Shard.passedBytes)
    // One largest event must fit, or it would never come.
    guard bytesMax >= Batch.singleBytes(record: limits.batchBytesMax) else { return .full }
    normalize(cursor)
    let before = cursors[cursor]
    guard let page = Page(address: before.page) else {
      preconditionFailure("a ready cursor without a page")
    }
    let entry = subscriptions[subscription]
    let every = UInt64(bounds(of: subscription).sampleEvery)
    var sampling = Sampling(
      place: TopicShared.Tail(
        page: before.page, offset: Int(before.offset), sequence: before.sequence,
        bytes: before.bytes),
      creditEvents: entry.creditEvents - entry.sentEvents,
      creditBytes: entry.creditBytes - entry.sentBytes, bytesMax: bytesMax)
    let tail = topics[before.topic].tail
    let limit = before.page == tail.page ? tail.offset : page.used
    while sampling.place.offset < limit, !sampling.isSpent,
      sampling.bytes < WireLimits.deliverTargetBytes,
      sampling.place.sequence - before.sequence < Shard.sampledPerLook
    {
      let batch = page.batch(at: sampling.place.offset)
      looksInTurn += 1
      if sampling.place.sequence > before.sequence,
        isExpired(batch) || isTooOld(subscription, batch)
      {
        break
      }
      do throws(WireError) {
        guard try select(batch, every: every, &sampling, in: page) else { break }
      } catch {
        guard sampling.place.sequence == before.sequence else { break }
        // Frames of this plan may yet be taken back, and what is lost here is booked for good.
        guard plan.frameCount == 0 else { return .full }
        skip(cursor, to: behind(batch, in: page, at: before.offset), cause: .corrupt)
        return .added
      }
    }
    return add(sampling, slot, subscription, cursor, before)
  }

  /// Selects out of one batch.
  /// - Returns: false where it is not through with the batch.
  private func select(
    _ batch: BatchRef, every n: UInt64, _ sampling: inout Sampling, in page: Page
  ) throws(WireError) -> Bool {
    let end = batch.sequence + UInt64(batch.count)
    let first = (sampling.place.sequence + n - 1) / n * n
    if first < end {
      let whole = unsafe UnsafeRawBufferPointer(start: batch.start, count: batch.paddedLength)
      looksInTurn += batch.count / Shard.recordsPerLook
      if batch.codec != 0 { looksInTurn += batch.decodedLength / Shard.decodedBytesPerLook }
      let records = try unsafe codecs.decodeBatch(whole, batchBytesMax: limits.batchBytesMax)
      var cursor = unsafe RecordCursor(records, count: batch.count)
      var stamps = unsafe EventStamps(first: batch.start)
      while let event = try cursor.next() {
        let bytes = event.end - event.offset
        if stamps.sequence >= sampling.place.sequence, stamps.sequence % n == 0 {
          let single = Batch.singleBytes(record: bytes)
          guard !sampling.isSpent, sampling.bytes + single <= sampling.bytesMax else {
            sampling.place.sequence = stamps.sequence
            sampling.place.bytes = max(sampling.place.bytes, stamps.bytesBefore)
            return false
          }
          let target = unsafe plan.selectionRoom().baseAddress! + sampling.bytes
          unsafe Batch.writeSingle(
            UnsafeRawBufferPointer(rebasing: records[event.offset..<event.end]), stamps, to: target)
          unsafe Batch.seal(target)
          if sampling.events == 0 { sampling.time = batch.time }
          sampling.bytes += single
          sampling.events += 1
          sampling.batches += 1
          sampling.charge += UInt64(Batch.charge(count: 1, decodedLength: bytes))
        }
        stamps.advance(past: bytes)
      }
    }
    sampling.place = behind(batch, in: page, at: UInt32(sampling.place.offset))
    return true
  }

  /// Adds what was selected as one frame, and behind it the account of what was not.
  private func add(
    _ sampling: Sampling, _ slot: UInt32, _ subscription: UInt32, _ cursor: UInt32,
    _ before: CursorEntry
  ) -> Addition {
    let place = sampling.place
    let passed = place.sequence - before.sequence
    precondition(passed >= sampling.events, "more selected than passed")
    let leftEvents = passed - sampling.events
    let leftBytes = place.bytes - min(place.bytes, before.bytes + sampling.charge)
    let room = unsafe plan.selectionRoom()
    var bytes = sampling.bytes
    bytes += unsafe writePassed(
      Passed(
        topic: before.topic, kind: .sampledOut, first: before.sequence, last: place.sequence - 1,
        events: leftEvents, bytes: leftBytes, expiredEvents: 0, expiredBytes: 0),
      ref: subscriptions[subscription].ref,
      into: UnsafeMutableRawBufferPointer(rebasing: room[bytes...]))
    let body = unsafe plan.takeSelection(bytes)
    let prefixBytes =
      sampling.events > 0
      ? writeSelectedPrefix(subscription, topic: before.topic, bodyBytes: sampling.bytes, at: 0) : 0
    cursors[cursor].offset = UInt32(place.offset)
    cursors[cursor].sequence = place.sequence
    cursors[cursor].bytes = place.bytes
    subscriptions[subscription].sentEvents += sampling.events
    subscriptions[subscription].sentBytes += sampling.charge
    settle(cursor)
    unsafe plan.add(
      TransmitPlan.Frame(
        subscription: subscription, cursor: cursor, bytes: prefixBytes + body.count,
        events: sampling.events, batches: sampling.batches, isGap: false,
        time: max(sampling.time, before.notBeforeNs), charge: sampling.charge, before: before,
        leftEvents: leftEvents, leftBytes: leftBytes),
      prefixBytes: prefixBytes, body: body)
    return .added
  }

  // MARK: Frames

  /// Bytes of a PASSED.
  static let passedBytes = 72

  /// Writes a PASSED.
  /// - Returns: its bytes.
  func writePassed(
    _ passed: Passed, ref: UInt32, into room: UnsafeMutableRawBufferPointer
  ) -> Int {
    var writer = unsafe FrameWriter(room)
    let fits = passed.encode(into: &writer, ref: ref, correlation: 0)
    precondition(fits && writer.count == Shard.passedBytes, "a PASSED fits its room")
    return writer.count
  }

  /// Writes the start of a DELIVER_SELECTED into the plan's room for prefixes, from `offset` on.
  /// - Returns: bytes of the prefix, with those before it.
  func writeSelectedPrefix(
    _ subscription: UInt32, topic: UInt32, bodyBytes: Int, at offset: Int
  ) -> Int {
    let room = unsafe plan.prefixRoom().baseAddress! + offset
    let header = FrameHeader(
      length: UInt32(DeliverSelected.prefixSize - FrameHeader.lengthBytes + bodyBytes),
      typeRaw: FrameType.deliverSelected.rawValue, ref: subscriptions[subscription].ref,
      correlation: 0)
    unsafe header.store(to: room)
    unsafe room.storeBytes(of: topic, toByteOffset: 16, as: UInt32.self)
    unsafe room.storeBytes(of: 0, toByteOffset: 20, as: UInt32.self)
    return offset + DeliverSelected.prefixSize
  }
}
