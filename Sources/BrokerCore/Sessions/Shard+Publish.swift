import Counters
import WireFormat

extension Shard {
  // MARK: Batches

  /// A PUBLISH, as places in the receive buffer.
  struct PublishFrame {
    var ref: UInt32
    var start: Int
    var end: Int

    var bodyOffset: Int { start + FrameHeader.size }
  }

  /// Takes a PUBLISH and those behind it that are of the same publisher: with one event a batch and
  /// one batch a frame, what is the same for all of them is most of the work.
  ///
  /// - Parameters:
  ///   - frame: the first; then the one that was worked off last, or that it stopped at.
  ///   - done: how many have been worked off is added to it.
  func receivePublishes(
    _ frame: inout PublishFrame, done: inout Int, in bytes: UnsafeRawBufferPointer, on slot: UInt32
  ) throws(WireError) -> FrameFate {
    guard let publisher = findPublisher(slot, frame.ref),
      publishers[publisher].isOpen, !publishers[publisher].isClosing
    else { return closeForFault(slot, .unknownPublisher) }
    let id = publishers[publisher].topic
    let isKeyed = publishers[publisher].topicFlags & TopicSettings.keyedFlag != 0
    let isBlock = publishers[publisher].topicFlags & TopicSettings.blockFlag != 0
    let owner = Int(publishers[publisher].owner)
    let limits = BatchLimits(
      batchBytesMax: self.limits.batchBytesMax,
      codecs: CodecSet(rawValue: connections[slot].codecs), requireKey: isKeyed,
      openCompressed: isKeyed)
    if tally.publisher != publisher {
      flushTally()
      tally.publisher = publisher
      tally.connection = slot
    }
    // Where an earlier attempt at this frame had to stop. Whatever stops one now, it goes on from
    // where it came to.
    var offset = frame.bodyOffset + Int(connections[slot].frameDone)
    defer {
      connections[slot].frameDone =
        offset == frame.end ? 0 : UInt32(offset - frame.bodyOffset)
    }
    while true {
      guard offset < frame.end else {
        throw WireError(.malformedBatch, offset: FrameHeader.size, need: BatchHeader.size, have: 0)
      }
      let rest = unsafe UnsafeRawBufferPointer(rebasing: unsafe bytes[offset..<frame.end])
      let batch = try unsafe validateClosedBatch(
        rest, limits: limits,
        expectedPublisherSequence: publishers[publisher].nextPublisherSequence)
      var opened: UnsafeRawBufferPointer?
      if batch.needsOpening {
        unsafe opened = try codecs.openCompressed(
          rest.baseAddress!, batch, requireKey: limits.requireKey)
      }
      if isBlock, publishers[publisher].sentBytes >= publishers[publisher].grantSent {
        return closeForFault(slot, .publishCreditExceeded)
      }
      let whole = unsafe UnsafeRawBufferPointer(rebasing: rest[..<batch.paddedLength])
      let isAccepted =
        owner == index
        ? unsafe accept(
          whole, batch, opened: opened, from: publisher, topic: id, isBlock: isBlock)
        : unsafe forward(whole, from: publisher, topic: id, to: owner)
      guard isAccepted else {
        // In the next turn subscriptions have been told of what came before.
        if !isHeldBack {
          flushTally()
          notePublisher(publisher, .memory)
        }
        return .later
      }
      publishers[publisher].note(batch)
      #if DEBUG
        if plants(.acknowledgedEarly), owner != index {
          broker.publisherWords[index].accept(
            publisher, through: batch.nextPublisherSequence - 1, sequence: 1)
          listForAnswer(publisher)
        }
      #endif
      tally.note(batch)
      offset += batch.paddedLength
      guard offset == frame.end else { continue }
      done += 1
      guard let next = unsafe wholePublish(in: bytes, at: frame.end, on: slot),
        next.ref == frame.ref
      else { return .done }
      frame = next
      offset = frame.bodyOffset
    }
  }

  /// What one publisher has published since the counters were last told: a read brings many frames
  /// of one publisher, and one update for all of them.
  struct PublishTally {
    var publisher = noSlot
    var connection = noSlot
    var events = 0
    var charge = 0
    var batches = 0

    @inline(__always)
    mutating func note(_ batch: ValidBatch) {
      events += batch.count
      charge += batch.charge
      batches += 1
    }
  }

  func flushTally() {
    if tally.batches > 0 {
      let id = publishers[tally.publisher].topic
      let isBlock = topics[id].shared.settings.isBlock
      if Int(publishers[tally.publisher].owner) == index {
        counters.readToRing(
          id, ns: nowNs - connections[tally.connection].readNs, batches: tally.batches)
      }
      counters.published(
        tally.connection, tally.publisher, events: tally.events, charge: tally.charge,
        batches: tally.batches, credit: isBlock ? creditLeft(tally.publisher) : nil)
      notePublisher(
        tally.publisher, isBlock && creditLeft(tally.publisher) == 0 ? .subscriber : .none)
    }
    tally = PublishTally()
  }

  private func creditLeft(_ publisher: UInt32) -> UInt64 {
    let entry = publishers[publisher]
    return entry.grantSent > entry.sentBytes ? entry.grantSent - entry.sentBytes : 0
  }

  @inline(__always)
  private func findPublisher(_ slot: UInt32, _ ref: UInt32) -> UInt32? {
    if connections[slot].lastPublisherRef == ref, ref != 0 {
      return connections[slot].lastPublisher
    }
    guard let publisher = publisherIndex.find(slot, ref) else { return nil }
    connections[slot].lastPublisherRef = ref
    connections[slot].lastPublisher = publisher
    return publisher
  }

  /// Puts a batch into a topic that this shard owns. False where there is no page now.
  private func accept(
    _ whole: UnsafeRawBufferPointer, _ batch: ValidBatch, opened: UnsafeRawBufferPointer?,
    from publisher: UInt32, topic id: UInt32, isBlock: Bool
  ) -> Bool {
    guard
      let sequence = unsafe appendBatch(
        id, whole, count: batch.count, charge: batch.charge, opened: opened)
    else { return false }
    if isBlock {
      writers[publishers[publisher].writer].usedBytes += UInt64(batch.charge)
      listForGrant(id)
    }
    if publishers[publisher].ackLevel != AckLevel.none.rawValue {
      broker.publisherWords[index].accept(
        publisher, through: batch.nextPublisherSequence - 1,
        sequence: sequence + UInt64(batch.count) - 1)
      listForAnswer(publisher)
    }
    return true
  }

  /// Sends a batch to the shard that owns its topic. False where the ring is full.
  private func forward(
    _ whole: UnsafeRawBufferPointer, from publisher: UInt32, topic id: UInt32, to owner: Int
  ) -> Bool {
    let ring = broker.ring(from: index, to: owner)
    guard let room = unsafe ring.reserve(kind: MessageKind.publish, bytes: 16 + whole.count) else {
      return false
    }
    unsafe room.storeBytes(of: id, toByteOffset: 0, as: UInt32.self)
    unsafe room.storeBytes(of: publishers[publisher].writer, toByteOffset: 4, as: UInt32.self)
    unsafe room.storeBytes(
      of: connections[publishers[publisher].connection].readNs, toByteOffset: 8, as: UInt64.self)
    unsafe (room.baseAddress! + 16).copyMemory(from: whole.baseAddress!, byteCount: whole.count)
    ring.commit()
    counters.forwarded()
    wake(owner)
    return true
  }

  /// The owner: puts a batch that another shard has validated into its topic. False where there is
  /// no page now; the message then stays where it is.
  func acceptForwarded(_ message: UnsafeRawBufferPointer) -> Bool {
    let id = unsafe message.load(fromByteOffset: 0, as: UInt32.self)
    let writer = unsafe message.load(fromByteOffset: 4, as: UInt32.self)
    let whole = unsafe UnsafeRawBufferPointer(rebasing: message[16...])
    let header = unsafe BatchRef(whole.baseAddress!)
    let count = header.count
    let charge = Int(header.charge)
    guard let sequence = unsafe appendBatch(id, whole, count: count, charge: charge) else {
      return false
    }
    let readNs = unsafe message.load(fromByteOffset: 8, as: UInt64.self)
    counters.readToRing(id, ns: nowNs > readNs ? nowNs - readNs : 0, batches: 1)
    if topics[id].shared.settings.isBlock {
      writers[writer].usedBytes += UInt64(charge)
      listForGrant(id)
    }
    if writers[writer].wantsAck {
      let shard = Int(writers[writer].shard)
      // Whoever subscribes to what comes, once this is acknowledged, is not sent it.
      topics[id].shared.publishTail(ownTail(id))
      let through = unsafe Batch.publisherSequence(whole.baseAddress!) + UInt64(count) - 1
      broker.publisherWords[shard].accept(
        writers[writer].publisher, through: through, sequence: sequence + UInt64(count) - 1)
      broker.publisherBits[shard].add(Int(writers[writer].publisher))
      wake(shard)
    }
    return true
  }

  // MARK: Answers to publishers

  func listForAnswer(_ publisher: UInt32) {
    guard !publishers[publisher].isListed else { return }
    publishers[publisher].isListed = true
    ackPublishers.append(publisher)
  }

  /// The owner of a publisher's topic has accepted or granted more.
  func publisherWordsRose(_ publisher: UInt32) {
    guard publishers.isUsed(publisher) else { return }
    listForAnswer(publisher)
  }

  /// ACK and PUBLISH_CREDIT, one of each at most for each publisher and turn.
  func sendAcks() {
    // From the end: an answer for which there is no memory may end other sessions, and with them
    // publishers in this list.
    while let publisher = ackPublishers.removeLast() {
      publishers[publisher].isListed = false
      answer(publisher)
    }
  }

  private func answer(_ publisher: UInt32) {
    let entry = publishers[publisher]
    guard entry.isOpen, !entry.isOrphan, acknowledge(publisher) else { return }
    let granted = broker.publisherWords[index].granted(publisher)
    if granted > entry.grantSent {
      publishers[publisher].grantSent = granted
      counters.granted(publisher, credit: creditLeft(publisher))
      if publishers[publisher].stop == UInt8(BlockedCause.subscriber.rawValue) {
        notePublisher(publisher, .none)
      }
      let credit = PublishCredit(eventsTotal: .max, bytesTotal: granted)
      sendControl(entry.connection) { credit.encode(into: &$0, ref: entry.ref, correlation: 0) }
    }
  }

  /// Sends the ACK that is due to a publisher.
  /// - Returns: false where the session has ended over it.
  private func acknowledge(_ publisher: UInt32) -> Bool {
    let entry = publishers[publisher]
    guard entry.ackLevel != AckLevel.none.rawValue,
      let (through, sequence) = broker.publisherWords[index].accepted(publisher),
      through > entry.ackedThrough
    else { return true }
    publishers[publisher].ackedThrough = through
    counters.acked(publisher, through: through)
    let ack = Ack(level: .accepted, through: through, sequence: sequence)
    return sendControl(
      entry.connection, { ack.encode(into: &$0, ref: entry.ref, correlation: 0) }) == .done
  }

  /// Sends a session the ACKs that are due to its publishers, before its CLOSE.
  func acknowledgeAll(_ slot: UInt32) {
    var publisher = connections[slot].publishers
    for _ in 0..<connections[slot].publisherCount {
      guard !publishers[publisher].isOpen || acknowledge(publisher) else { return }
      publisher = publishers[publisher].inConnection.next
    }
  }

  /// Whether batches of a session are on their way to the owners of their topics, which have not
  /// yet said that they accepted them.
  func awaitsAcknowledgement(_ slot: UInt32) -> Bool {
    var publisher = connections[slot].publishers
    for _ in 0..<connections[slot].publisherCount {
      let entry = publishers[publisher]
      if entry.isOpen, Int(entry.owner) != index, entry.ackLevel != AckLevel.none.rawValue,
        entry.nextPublisherSequence != 0
      {
        guard let (through, _) = broker.publisherWords[index].accepted(publisher),
          through + 1 == entry.nextPublisherSequence
        else { return true }
      }
      publisher = entry.inConnection.next
    }
    return false
  }
}
