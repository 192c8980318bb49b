import Counters
import WireFormat

// From what subscriptions have to send to pieces of memory for a socket, and back what the socket
// did not take.

extension Shard {
  func listForTransmit(_ slot: UInt32) {
    guard !connections[slot].isListedForTransmit, connections[slot].isWritable,
      connections[slot].phase != .ended
    else { return }
    connections[slot].isListedForTransmit = true
    append(slot, to: &transmitList, of: connections, \.transmit)
  }

  func hasOutput(_ slot: UInt32) -> Bool {
    !connections[slot].stash.isEmpty || !connections[slot].control.isEmpty
      || connections[slot].serving != noSlot
  }

  /// The next connection to write to; what to write is in `transmitVectors`. The caller writes it,
  /// at once, and says with `transmitted` how much the socket took. Nil too where the rest is for
  /// the next turn; `hasTransmit` says so.
  public func pollTransmit() -> ConnectionID? {
    while transmitList != noSlot, looksInTurn < Shard.looksPerTurn {
      let slot = transmitList
      remove(slot, from: &transmitList, of: connections, \.transmit)
      connections[slot].isListedForTransmit = false
      guard connections[slot].isWritable, connections[slot].phase != .ended else { continue }
      if fillPlan(slot) {
        return ConnectionID(slot: slot, generation: connections[slot].generation)
      }
      if looksInTurn >= Shard.looksPerTurn, hasOutput(slot) { listForTransmit(slot) }
      if connections[slot].phase == .closing, !connections[slot].isShut {
        connections[slot].isShut = true
        connections[slot].stalledNs = nowNs
        shutConnections.append(slot)
      }
    }
    return nil
  }

  /// Batches and records that are looked at without being sent, in one turn: a few milliseconds of
  /// work. What is expired, too old or left out by a policy costs its subscription nothing, and a
  /// topic may hold millions; who is not through waits for the next turn with the others.
  static let looksPerTurn = 32 * 1024

  /// What to write to the connection that `pollTransmit` named; valid until `transmitted`.
  public var transmitVectors: UnsafeBufferPointer<TransmitVector> { unsafe plan.vectors }
  /// How many bytes that is.
  public var transmitBytes: Int { plan.bytes }

  /// The connection can be written to again.
  public func handleWritable(_ id: ConnectionID) {
    guard let slot = live(id), !connections[slot].isWritable else { return }
    connections[slot].isWritable = true
    if connections[slot].phase != .closing { connections[slot].stalledNs = 0 }
    forEach(from: connections[slot].serving, of: subscriptions, \.serving) { rouse($0) }
    noteBlockedAll(slot)
    if hasOutput(slot) || isToBeShut(slot) { listForTransmit(slot) }
  }

  /// A closing connection is listed once more when all is written.
  private func isToBeShut(_ slot: UInt32) -> Bool {
    connections[slot].phase == .closing && !connections[slot].isShut
  }

  // MARK: Filling

  private func fillPlan(_ slot: UInt32) -> Bool {
    plan.begin(slot)
    if connections[slot].phase == .open { addFrames(slot) }
    guard connections[slot].phase != .ended else {
      plan.end()
      return false
    }
    unsafe plan.setWaiting(
      stash: connections[slot].stash.bytes, control: connections[slot].control.bytes)
    if plan.bytes == 0 {
      plan.end()
      return false
    }
    return true
  }

  /// Weighted turns: each subscription sends up to its weight in frames, each time of the next of
  /// its topics, then the next subscription.
  private func addFrames(_ slot: UInt32) {
    while plan.hasRoom, looksInTurn < Shard.looksPerTurn, connections[slot].serving != noSlot {
      let subscription = connections[slot].serving
      let cursor = subscriptions[subscription].ready
      precondition(cursor != noSlot, "a subscription in the round has nothing to send")
      plan.noteTurns(subscriptions[subscription].turns)
      switch addFrame(slot, subscription, cursor) {
      case .added:
        // The cursor may have caught up and be out of the ring of topics.
        if cursors[cursor].isReady, subscriptions[subscription].ready == cursor {
          subscriptions[subscription].ready = cursors[cursor].ready.next
        }
        guard subscriptions[subscription].isServed else { continue }
        subscriptions[subscription].turns -= 1
        if subscriptions[subscription].turns == 0 {
          subscriptions[subscription].turns = subscriptions[subscription].weight
          connections[slot].serving = subscriptions[subscription].serving.next
        }
      case .asked:
        continue
      case .noCredit:
        stopServing(subscription)
      case .full:
        return
      }
    }
  }

  enum Addition {
    case added
    /// What the cursor is sent has to come from elsewhere first; or it has come, and is next.
    case asked
    case noCredit
    /// Nothing more fits into this plan, or the session ended.
    case full
  }

  private func addFrame(_ slot: UInt32, _ subscription: UInt32, _ cursor: UInt32) -> Addition {
    let id = cursors[cursor].topic
    if cursors[cursor].pass == noSlot,
      lacksState(subscription, cursor) || isFallenBehind(subscription, cursor)
    {
      // Frames of this plan may yet be taken back, behind the place where the pass would begin.
      guard plan.frameCount == 0 else { return .full }
      beginPass(cursor, isState: false)
    }
    let hasPass = cursors[cursor].pass != noSlot
    if !hasPass, plan.frameCount == 0 {
      if dropsOldest(subscription, id) { dropOldest(subscription, cursor) }
      dropExpired(subscription, cursor)
    } else if !hasPass, hasLoss(subscription, cursor) {
      // A loss is booked for good, and frames of this plan may yet be taken back, behind it.
      return .full
    }
    let hasGap = hasGapToTell(cursor)
    if isFilled(cursor), !hasGap {
      guard announce(slot, id) else { return .full }
      return addPass(slot, subscription, cursor)
    }
    guard hasGap || subscriptions[subscription].hasCredit else {
      return nextWithGap(subscription) ? .added : .noCredit
    }
    guard announce(slot, id) else { return .full }
    if hasGap {
      addGap(subscription, cursor)
      return .added
    }
    if hasPass { return addPass(slot, subscription, cursor) }
    if samples(subscription) { return addSampled(slot, subscription, cursor) }
    return addDeliver(slot, subscription, cursor)
  }

  /// Without credit only gaps are told, and what was asked for with credit is sent: brings the next
  /// cursor with either to the front.
  private func nextWithGap(_ subscription: UInt32) -> Bool {
    var cursor = subscriptions[subscription].ready
    let first = cursor
    repeat {
      if hasGapToTell(cursor) || isFilled(cursor) {
        subscriptions[subscription].ready = cursor
        return true
      }
      cursor = cursors[cursor].ready.next
    } while cursor != first
    return false
  }

  private func addGap(_ subscription: UInt32, _ cursor: UInt32) {
    #if DEBUG
      if plants(.gapNotTold) { cursors[cursor].gapFirst = cursors[cursor].sequence - 1 }
      if plants(.gapBytesWrong) { cursors[cursor].gapBytes += 1 }
    #endif
    let before = cursors[cursor]
    let count = before.sequence - before.gapFirst
    let gap = Gap(
      topic: before.topic, cause: GapCause(rawValue: before.gapCause) ?? .several,
      first: before.gapFirst, last: before.sequence - 1, count: count, bytes: before.gapBytes)
    var writer = unsafe FrameWriter(plan.prefixRoom())
    let fits = gap.encode(
      into: &writer, ref: subscriptions[subscription].ref, correlation: 0)
    precondition(fits, "a GAP fits its room")
    cursors[cursor].gapCause = CursorEntry.noGap
    cursors[cursor].gapBytes = 0
    settle(cursor)
    unsafe plan.add(
      TransmitPlan.Frame(
        subscription: subscription, cursor: cursor, bytes: writer.count, events: 0, batches: 0,
        isGap: true, time: realtimeNs, charge: 0, before: before),
      prefixBytes: writer.count, body: UnsafeRawBufferPointer(start: nil, count: 0))
  }

  /// A cursor that has nothing more to send leaves the ring of its subscription's topics; it ends
  /// when what it sent has been taken.
  func settle(_ cursor: UInt32) {
    if cursors[cursor].sequence == topics[cursors[cursor].topic].tail.sequence,
      !cursors[cursor].hasGap, cursors[cursor].pass == noSlot
    {
      makeUnready(cursor)
    }
  }

  private func addDeliver(_ slot: UInt32, _ subscription: UInt32, _ cursor: UInt32) -> Addition {
    normalize(cursor)
    let before = cursors[cursor]
    guard let page = Page(address: before.page) else {
      preconditionFailure("a ready cursor without a page")
    }
    let tail = topics[before.topic].tail
    let limit = before.page == tail.page ? tail.offset : page.used
    let start = Int(before.offset)
    var whole = before
    whole.bytes = min(before.bytes, page.batch(at: start).bytesBefore)
    let run = takeRun(slot, subscription, whole, page: page, limit: limit)
    if run.bytes == 0 { return addReframed(slot, subscription, cursor, page) }

    let skip = before.sequence - page.batch(at: start).sequence
    writeDeliverPrefix(subscription, topic: before.topic, skip: skip, bodyBytes: run.bytes)
    cursors[cursor].offset = UInt32(start + run.bytes)
    cursors[cursor].sequence = run.endSequence
    cursors[cursor].bytes = run.endBytes
    let events = run.endSequence - before.sequence
    let charge = run.endBytes - whole.bytes
    subscriptions[subscription].sentEvents += events
    subscriptions[subscription].sentBytes += charge
    settle(cursor)
    unsafe plan.add(
      TransmitPlan.Frame(
        subscription: subscription, cursor: cursor, bytes: Deliver.prefixSize + run.bytes,
        events: events, batches: run.batches, isGap: false,
        time: max(page.batch(at: start).time, before.notBeforeNs),
        charge: charge, before: before, againBytes: before.bytes - whole.bytes),
      prefixBytes: Deliver.prefixSize,
      body: UnsafeRawBufferPointer(start: page.start + start, count: run.bytes))
    return .added
  }

  private func writeDeliverPrefix(
    _ subscription: UInt32, topic: UInt32, skip: UInt64, bodyBytes: Int
  ) {
    let room = unsafe plan.prefixRoom().baseAddress!
    let header = FrameHeader(
      length: UInt32(Deliver.prefixSize - FrameHeader.lengthBytes + bodyBytes),
      typeRaw: FrameType.deliver.rawValue, ref: subscriptions[subscription].ref, correlation: 0)
    unsafe header.store(to: room)
    unsafe room.storeBytes(of: topic, toByteOffset: 16, as: UInt32.self)
    unsafe room.storeBytes(of: UInt32(skip), toByteOffset: 20, as: UInt32.self)
  }

  // MARK: Taken or not

  /// The socket took the first `count` bytes of the plan; fewer than all means that it is full.
  ///
  /// - Parameter realtimeNs: the time after the write, for the histogram of time in the broker.
  public func transmitted(_ count: Int, realtimeNs: UInt64) {
    let slot = plan.connection
    precondition(slot != noSlot && count >= 0 && count <= plan.bytes, "no such transmission")
    counters.sent(slot, bytes: count, isCut: count < plan.bytes)
    var offset = min(count, plan.stashBytes)
    let hadStash = plan.stashBytes > 0
    connections[slot].stash.consume(offset)
    if connections[slot].stash.isEmpty { outputPool.give(&connections[slot].stash) }
    let control = min(count - offset, plan.controlBytes)
    connections[slot].control.consume(control)
    if connections[slot].control.isEmpty { outputPool.give(&connections[slot].control) }
    offset += control

    var taken = 0
    var cutBytes = 0
    while taken < plan.frameCount, offset < count {
      offset += plan[taken].bytes
      taken += 1
      cutBytes = max(0, offset - count)
    }
    bookTaken(slot, taken, realtimeNs: realtimeNs)
    if count < plan.bytes {
      connections[slot].isWritable = false
      if connections[slot].stalledNs == 0 || count > 0, connections[slot].phase != .closing {
        connections[slot].stalledNs = nowNs
      }
    }
    for i in stride(from: plan.frameCount - 1, through: taken, by: -1) {
      takeBack(plan[i])
      giveTurnBack(slot, plan[i])
    }
    if cutBytes > 0 { stash(slot, from: count, bytes: cutBytes) }
    for i in 0..<taken where connections[slot].phase != .ended {
      let cursor = plan[i].cursor
      if plan[i].isPass {
        passTaken(slot, plan[i], realtimeNs: realtimeNs)
      } else if cursors.isUsed(cursor), !cursors[cursor].isReady, !cursors[cursor].isAttaching,
        cursors[cursor].pass == noSlot
      {
        endCursor(cursor)
      }
    }
    if hadStash || cutBytes > 0 { counters.stashed(slot, bytes: connections[slot].stash.count) }
    plan.end()
    guard connections[slot].phase != .ended else { return }
    if !connections[slot].isWritable {
      noteBlockedAll(slot)
    } else {
      connections[slot].stalledNs = connections[slot].phase == .closing
        ? connections[slot].stalledNs : 0
      if hasOutput(slot) || isToBeShut(slot) { listForTransmit(slot) }
    }
  }

  /// Books the first frames of the plan, but for those of passes.
  private func bookTaken(_ slot: UInt32, _ taken: Int, realtimeNs: UInt64) {
    var i = 0
    while i < taken {
      let isLast = i + 1 == taken
      let next = ShardCounters.isOn && !isLast ? plan.join(i, before: taken) : i + 1
      if !plan[i].isPass { book(slot, plan[i], realtimeNs: realtimeNs) }
      i = next
    }
  }

  func book(_ slot: UInt32, _ frame: TransmitPlan.Frame, realtimeNs: UInt64) {
    if frame.againBytes > 0 {
      counters.matched(frame.subscription, events: 0, bytes: frame.againBytes)
    }
    counters.delivered(slot, frame, nowNs: realtimeNs)
    observe(frame, nowNs: realtimeNs)
    guard frame.leftEvents > 0 || frame.leftBytes > 0 else { return }
    counters.leftOut(
      frame.subscription, conflated: Ledger.Amount(),
      sampled: Ledger.Amount(events: frame.leftEvents, bytes: frame.leftBytes))
  }

  /// Undoes a frame that the socket did not take.
  private func takeBack(_ frame: TransmitPlan.Frame) {
    if frame.isPass { return takePassBack(frame) }
    let before = frame.before
    cursors[frame.cursor].page = before.page
    cursors[frame.cursor].offset = before.offset
    cursors[frame.cursor].sequence = before.sequence
    cursors[frame.cursor].bytes = before.bytes
    #if DEBUG
      if plants(.notTakenBack), frame.events > 1 { cursors[frame.cursor].sequence += 1 }
    #endif
    cursors[frame.cursor].gapCause = before.gapCause
    cursors[frame.cursor].gapFirst = before.gapFirst
    cursors[frame.cursor].gapBytes = before.gapBytes
    subscriptions[frame.subscription].sentEvents -= frame.events
    subscriptions[frame.subscription].sentBytes -= frame.charge
    makeReady(frame.cursor)
    // What was behind a GAP may have been asked for in this plan: the GAP has its turn when that
    // has come, and goes before it.
    if cursors[frame.cursor].isReady { serve(frame.subscription) }
  }

  /// Keeps the rest of a frame that was cut, so that ring memory is never waited for by a socket.
  private func stash(_ slot: UInt32, from offset: Int, bytes: Int) {
    precondition(connections[slot].stash.isEmpty, "a second cut frame")
    guard var buffer = takeOutput(bytes, for: slot) else { return }
    plan.copy(from: offset, count: bytes, into: &buffer)
    connections[slot].stash = buffer
  }

  /// Memory for what a session is to be sent, at the expense of those that take nothing; nil where
  /// nobody has any to give, and the session has ended over it.
  func takeOutput(_ bytes: Int, for slot: UInt32) -> Buffer? {
    while true {
      if let buffer = outputPool.take(bytes) { return buffer }
      guard closeLongestStalled(but: slot) else {
        abandon(slot, .outputMemory)
        return nil
      }
    }
  }
}
