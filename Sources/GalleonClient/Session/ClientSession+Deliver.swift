import WireFormat

// Deliveries: each batch is checked, its place in the order is checked, and what is sound is handed
// to the subscription. A damaged batch is a gap, and the session lives.
extension ClientSession {
  @unsafe
  func receive(
    _ batches: UnsafeRawBufferPointer, _ ref: UInt32, topic id: UInt32, skip skipped: Int = 0,
    isSelected: Bool = false
  ) throws(WireError) {
    // One that is being closed still gets deliveries that were on their way.
    guard let row = subscriptions[ref] else { return }
    let topic = try topic(id)
    let limits = BatchLimits(
      batchBytesMax: recordBytesMax, codecs: welcome?.codecs ?? [])
    // One copy for all batches of the frame that are as they are to be kept.
    var kept: DeliveryStorage?
    var at = 0
    var skip = skipped
    while at < batches.count {
      let rest = unsafe UnsafeRawBufferPointer(rebasing: batches[at...])
      let valid: ValidBatch
      do throws(WireError) {
        valid = try unsafe validateBatch(rest, limits: limits)
      } catch {
        at += try unsafe receiveCorrupt(row, topic, rest, skip: skip, isSelected)
        skip = 0
        continue
      }
      guard skip < valid.count else {
        throw WireError(.malformedBatch, offset: at, need: valid.count, have: skip)
      }
      let base = rest.baseAddress!
      let first = unsafe Batch.sequence(base)
      guard Self.sequences.contains(first) else {
        throw WireError(.malformedBatch, offset: at, have: Int(truncatingIfNeeded: first))
      }
      let place = Place(
        first: first, count: valid.count, skip: skip, charge: valid.charge,
        isSelected: isSelected)
      if unsafe Batch.codec(base) == Codec.none {
        let storage =
          unsafe kept ?? DeliveryStorage(topic: topic, bytes: [UInt8](batches))
        kept = storage
        accept(row, topic, storage, offset: at, place)
      } else if let storage = unsafe decode(rest, valid, topic) {
        accept(row, topic, storage, offset: 0, place)
      } else {
        lose(row, topic, place)
      }
      skip = 0
      at += valid.paddedLength
    }
  }

  /// Sequences that a broker can have stamped. A topic that gets a thousand million events a second
  /// comes to the end of them in 292 years; until then sums of them do not overflow.
  private static var sequences: ClosedRange<UInt64> { 1...(.max / 2) }

  /// Which events of a topic a batch holds, and what it costs.
  private struct Place {
    let first: UInt64
    let count: Int
    let skip: Int
    let charge: Int
    /// It is one of those that the policy has chosen: PASSED will say how far the subscription is.
    let isSelected: Bool

    var firstDelivered: UInt64 { first &+ UInt64(skip) }
    var next: UInt64 { first &+ UInt64(count) }
  }

  /// The batch with its records decoded; nil where they are not what the header says.
  @unsafe @inline(never)
  private func decode(
    _ batch: UnsafeRawBufferPointer, _ valid: ValidBatch, _ topic: DeliveredTopic
  ) -> DeliveryStorage? {
    let size = Codecs.reframedBytes(decodedLength: valid.decodedLength)
    var isSound = false
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: size) { memory, count in
      let target = UnsafeMutableRawBufferPointer(memory)
      let written = try? unsafe codecs.reframe(
        batch, batchBytesMax: recordBytesMax, into: target)
      isSound = written != nil
      count = written ?? 0
    }
    return isSound ? DeliveryStorage(topic: topic, bytes: bytes) : nil
  }

  /// Hands a sound batch over, from where the subscription stands.
  @inline(never)
  private func accept(
    _ row: SubscriptionRow, _ topic: DeliveredTopic, _ storage: DeliveryStorage, offset: Int,
    _ place: Place
  ) {
    let fresh = account(row, topic, place)
    guard fresh > 0 else { return }
    var batch = DeliveredBatch(
      storage: storage, offset: offset, recordOffset: offset + BatchField.size, index: 0,
      left: place.count, chargedBytes: place.charge)
    while batch.left > fresh { _ = batch.next() }
    add(.batch(batch), to: row)
  }

  /// Books a batch as delivered, explains what lies before it, and says how many of its last events
  /// are new. Normally those are all that were not skipped.
  private func account(_ row: SubscriptionRow, _ topic: DeliveredTopic, _ place: Place) -> Int {
    let delivered = place.count - place.skip
    row.deliveredEvents += UInt64(delivered)
    row.deliveredBytes += UInt64(place.charge)
    let fresh =
      place.isSelected
      ? (isBehind(row, topic, place.next) ? 0 : delivered) : advance(row, topic, place)
    if fresh < delivered {
      // Had been delivered before. Nobody will consume it, so its credit comes back here.
      row.core.consumed(
        events: UInt64(delivered - fresh), bytes: fresh == 0 ? UInt64(place.charge) : 0)
    }
    return fresh
  }

  /// Takes the subscription to the end of a batch, and says how many of its events are new.
  private func advance(_ row: SubscriptionRow, _ topic: DeliveredTopic, _ place: Place) -> Int {
    explain(row, topic, upTo: place.firstDelivered)
    let expected = row.next[topic.id] ?? place.firstDelivered
    row.next[topic.id] = max(expected, place.next)
    return Int(place.next &- max(place.firstDelivered, min(expected, place.next)))
  }

  /// Makes a gap of a batch that cannot be decoded.
  @inline(never)
  private func lose(_ row: SubscriptionRow, _ topic: DeliveredTopic, _ place: Place) {
    let fresh = account(row, topic, place)
    guard fresh > 0 else { return }
    row.core.consumed(events: UInt64(fresh), bytes: UInt64(place.charge))
    let gap = Gap(
      topic: topic.name, first: place.next - UInt64(fresh), last: place.next - 1,
      count: UInt64(fresh), bytes: UInt64(place.charge), cause: .corrupt)
    add(.gap(gap), to: row)
  }

  /// Makes a gap of a batch that is damaged, and says where the next one starts.
  ///
  /// Its place in the topic is stamped by the broker; its count may be damaged too, and then the
  /// next delivery's place shows it. One whose length is no guide to the next ends the session,
  /// and the next session resumes before it.
  @unsafe @inline(never)
  private func receiveCorrupt(
    _ row: SubscriptionRow, _ topic: DeliveredTopic, _ rest: UnsafeRawBufferPointer, skip: Int,
    _ isSelected: Bool
  ) throws(WireError) -> Int {
    guard rest.count >= BatchField.size, let base = rest.baseAddress else {
      throw WireError(.malformedBatch, need: BatchField.size, have: rest.count)
    }
    let header = unsafe BatchHeader(load: base)
    guard header.length >= UInt32(BatchField.size), header.paddedLength <= rest.count,
      Self.sequences.contains(header.sequence)
    else {
      throw WireError(.malformedBatch, need: Int(header.length), have: rest.count)
    }
    var count = isSelected ? 1 : Int(header.count)
    if !isSelected, header.paddedLength + BatchField.size <= rest.count {
      // The next batch of the frame says where this one ends.
      let next = unsafe Batch.sequence(base + header.paddedLength)
      if next > header.sequence && next - header.sequence < UInt64(UInt32.max) {
        count = Int(next - header.sequence)
      }
    }
    let stored = Int(header.length) - BatchField.size
    count = min(max(count, skip + 1), skip + max(1, recordBytesMax))
    lose(
      row, topic,
      Place(
        first: header.sequence, count: count, skip: skip,
        charge: Batch.charge(count: count, decodedLength: stored), isSelected: isSelected))
    return header.paddedLength
  }
}
