import WireFormat

// What stands in the way of delivering batches as they lie in the ring: age, lag bounds, a client
// without the codec, and topics that the client has not been told the name of.

extension Shard {
  func isExpired(_ batch: BatchRef) -> Bool {
    #if DEBUG
      if plants(.expiredDelivered) { return false }
    #endif
    return batch.ttlMs != 0 && realtimeNs > batch.time + UInt64(batch.ttlMs) * 1_000_000
  }

  /// Whether a batch is older than a subscription wants its events.
  func isTooOld(_ subscription: UInt32, _ batch: BatchRef) -> Bool {
    isTooOld(subscription, batch.time)
  }

  private func isTooOld(_ subscription: UInt32, _ time: UInt64) -> Bool {
    let ms = bounds(of: subscription).ageMs
    return ms != 0 && realtimeNs > time + UInt64(ms) * 1_000_000
  }

  /// The batch at which a cursor stands; nil where it is at its shard's tail, or still attaching.
  func nextBatch(_ cursor: UInt32) -> BatchRef? {
    let tail = topics[cursors[cursor].topic].tail
    guard !cursors[cursor].isAttaching, !isOutOfRing(cursor),
      cursors[cursor].sequence < tail.sequence
    else { return nil }
    normalize(cursor)
    guard let page = Page(address: cursors[cursor].page) else { return nil }
    return page.batch(at: Int(cursors[cursor].offset))
  }

  /// Whether a subscription loses a topic's oldest events beyond its bounds.
  func dropsOldest(_ subscription: UInt32, _ id: UInt32) -> Bool {
    switch subscriptions[subscription].policy {
    case Policy.dropOldest.rawValue: true
    case Policy.latest.rawValue: !topics[id].shared.settings.isKeyed
    default: false
    }
  }

  /// Whether a batch's time is over, or it is older than a subscription that samples wants it.
  private func isExpired(_ subscription: UInt32, _ batch: BatchRef) -> Bool {
    isExpired(batch)
      || (subscriptions[subscription].policy == Policy.sample.rawValue
        && isTooOld(subscription, batch))
  }

  /// Whether a cursor is to be moved on without delivery before it is sent anything.
  func hasLoss(_ subscription: UInt32, _ cursor: UInt32) -> Bool {
    let tail = topics[cursors[cursor].topic].tail
    let drops = dropsOldest(subscription, cursors[cursor].topic)
    if drops, exceedsLag(subscription, cursor, tail) { return true }
    guard let batch = nextBatch(cursor) else { return false }
    return isExpired(subscription, batch) || (drops && isTooOld(subscription, batch))
  }

  /// Batches that one look at a cursor moves past at most. What is left is for the next plan, and
  /// has a GAP of its own: memory full of the smallest batches holds a million of them, and their
  /// subscriptions are many.
  private static let expiredPerLook = 1024

  /// Moves a cursor past batches whose time to live is over.
  func dropExpired(_ subscription: UInt32, _ cursor: UInt32) {
    let id = cursors[cursor].topic
    let tail = topics[id].tail
    var left = Shard.expiredPerLook
    while left > 0, cursors[cursor].sequence < tail.sequence {
      normalize(cursor)
      guard let page = Page(address: cursors[cursor].page) else { return }
      let limit = page.address == tail.page ? tail.offset : page.used
      guard Int(cursors[cursor].offset) < limit else { return }
      let batch = page.batch(at: Int(cursors[cursor].offset))
      guard isExpired(subscription, batch) else { return }
      skip(cursor, to: behind(batch, in: page, at: cursors[cursor].offset), cause: .expired)
      left -= 1
      looksInTurn += 1
    }
  }

  /// The place after a batch.
  func behind(_ batch: BatchRef, in page: Page, at offset: UInt32) -> TopicShared.Tail {
    TopicShared.Tail(
      page: page.address, offset: Int(offset) + batch.paddedLength,
      sequence: batch.sequence + UInt64(batch.count), bytes: batch.bytesBefore + batch.charge)
  }

  /// With policy drop-oldest: moves a cursor that is too far behind to the first batch within the
  /// bounds.
  func dropOldest(_ subscription: UInt32, _ cursor: UInt32) {
    let tail = topics[cursors[cursor].topic].tail
    guard let oldest = nextBatch(cursor),
      exceedsLag(subscription, cursor, tail) || isTooOld(subscription, oldest)
    else { return }
    let bounds = bounds(of: subscription)
    let (eventsMax, bytesMax) = (bounds.events, bounds.bytes)
    var place = TopicShared.Tail(
      page: cursors[cursor].page, offset: Int(cursors[cursor].offset),
      sequence: cursors[cursor].sequence, bytes: cursors[cursor].bytes)
    while place.sequence < tail.sequence, let page = Page(address: place.page) {
      let limit = page.address == tail.page ? tail.offset : page.used
      let isOver =
        (eventsMax != 0 && tail.sequence - place.sequence > eventsMax)
        || (bytesMax != 0 && tail.bytes - place.bytes > bytesMax)
        || (place.offset < limit && isTooOld(subscription, page.batch(at: place.offset)))
      // The end of a page is no place to stop at: what follows may be too old as well.
      guard isOver || place.offset == limit else { break }
      // Whole pages first.
      if page.address != tail.page, let next = page.next,
        (eventsMax != 0 && tail.sequence - page.endSequence > eventsMax)
          || place.offset == limit || isTooOld(subscription, page.lastTime)
          || (bytesMax != 0 && tail.bytes - next.firstBytes > bytesMax)
      {
        place = TopicShared.Tail(
          page: next.address, offset: Page.headerBytes, sequence: next.firstSequence,
          bytes: next.firstBytes)
        continue
      }
      let batch = page.batch(at: place.offset)
      place = behind(batch, in: page, at: UInt32(place.offset))
    }
    skip(cursor, to: place, cause: .dropOldest)
  }

  // MARK: Codecs

  /// The batch at a cursor is compressed in a way that the client cannot read: it is decoded and
  /// framed anew, into the connection's stash, which goes out before everything else.
  func addReframed(
    _ slot: UInt32, _ subscription: UInt32, _ cursor: UInt32, _ page: Page
  ) -> Addition {
    // The stash goes first, so nothing may have to go before this frame: no frame of this plan, no
    // rest of a cut frame, and no control frame, which may be cut, or name the topic.
    guard plan.frameCount == 0, connections[slot].stash.isEmpty, connections[slot].control.isEmpty
    else { return .full }
    let before = cursors[cursor]
    let batch = page.batch(at: Int(before.offset))
    let bodyBytes = Codecs.reframedBytes(decodedLength: batch.decodedLength)
    guard var buffer = takeOutput(Deliver.prefixSize + bodyBytes, for: slot) else { return .full }
    let end = behind(batch, in: page, at: before.offset)
    let whole = unsafe UnsafeRawBufferPointer(start: batch.start, count: batch.paddedLength)
    let written: Int
    do throws(WireError) {
      written = try unsafe codecs.reframe(
        whole, batchBytesMax: limits.batchBytesMax,
        into: UnsafeMutableRawBufferPointer(rebasing: buffer.room[Deliver.prefixSize...]))
    } catch {
      outputPool.give(&buffer)
      skip(cursor, to: end, cause: .corrupt)
      return .added
    }
    let skipped = before.sequence - batch.sequence
    let header = FrameHeader(
      length: UInt32(Deliver.prefixSize - FrameHeader.lengthBytes + written),
      typeRaw: FrameType.deliver.rawValue, ref: subscriptions[subscription].ref, correlation: 0)
    let room = unsafe buffer.room.baseAddress!
    unsafe header.store(to: room)
    unsafe room.storeBytes(of: before.topic, toByteOffset: 16, as: UInt32.self)
    unsafe room.storeBytes(of: UInt32(skipped), toByteOffset: 20, as: UInt32.self)
    buffer.advance(Deliver.prefixSize + written)
    connections[slot].stash = buffer
    cursors[cursor].page = end.page
    cursors[cursor].offset = UInt32(end.offset)
    cursors[cursor].sequence = end.sequence
    cursors[cursor].bytes = end.bytes
    let events = end.sequence - before.sequence
    let wholeBytes = min(before.bytes, batch.bytesBefore)
    subscriptions[subscription].sentEvents += events
    subscriptions[subscription].sentBytes += end.bytes - wholeBytes
    let frame = TransmitPlan.Frame(
      subscription: subscription, cursor: cursor, bytes: 0, events: events, batches: 1,
      isGap: false, time: batch.time, charge: end.bytes - wholeBytes, before: before,
      againBytes: before.bytes - wholeBytes)
    book(slot, frame, realtimeNs: realtimeNs)
    if end.sequence == topics[before.topic].tail.sequence { endCursor(cursor) }
    return .added
  }

  // MARK: Names

  /// Tells a client the name of a topic, before the first frame that uses its id.
  /// - Returns: false where the session has ended over it.
  func announce(_ slot: UInt32, _ id: UInt32) -> Bool {
    if connections[slot].announcedFirst == id { return true }
    let byte = Int(id >> 3)
    let bit = UInt8(1) << UInt8(id & 7)
    if byte < connections[slot].announced.count,
      unsafe connections[slot].announced.bytes[byte] & bit != 0
    {
      return true
    }
    let shared = topics[id].shared
    let info = TopicInfo(
      topic: id, options: TopicOptions(rawValue: shared.settings.flags), epoch: shared.epoch,
      name: unsafe String(decoding: shared.name, as: UTF8.self))
    let fate = sendControl(slot) { info.encode(into: &$0, ref: 0, correlation: 0) }
    guard fate == .done else { return false }
    if connections[slot].announcedFirst == 0 {
      connections[slot].announcedFirst = id
      return true
    }
    let missing = byte + 1 - connections[slot].announced.count
    // Without memory for the set the name is told again next time, which is allowed.
    if missing > 0 {
      guard smallPool.ensure(&connections[slot].announced, room: missing + 64) else { return true }
      connections[slot].announced.appendZeros(missing)
    }
    connections[slot].announced.setBits(bit, at: byte)
    return true
  }
}
