import WireFormat

// Subscriptions that are sent the newest record of each key: from falling behind, or beginning with
// a state, to the owner's answer. See `PassEntry`.

extension Shard {
  /// With policy latest: age of the next event beyond which a subscription has fallen behind. Many
  /// turns of a busy broker, and less than anybody sees.
  private static let behindNs: UInt64 = 5_000_000
  /// Records asked for at once.
  private static let pullEventsMax: UInt64 = 512
  /// Bytes asked for at once: a frame of the usual size.
  private static let pullBytes = WireLimits.deliverTargetBytes

  /// Bytes that passes may have in buffers, so that however many subscriptions fall behind at once
  /// most of the memory for output is left to what cannot wait.
  private var passBytesMax: Int { limits.outputBytes / 4 }

  /// Whether a subscription conflates a topic.
  func conflates(_ subscription: UInt32, _ id: UInt32) -> Bool {
    subscriptions[subscription].policy == Policy.latest.rawValue
      && topics[id].shared.settings.isKeyed
  }

  /// Whether a cursor is to be sent the newest records, and not what lies in the ring.
  func isFallenBehind(_ subscription: UInt32, _ cursor: UInt32) -> Bool {
    guard conflates(subscription, cursors[cursor].topic), !cursors[cursor].hasGap,
      let batch = nextBatch(cursor)
    else { return false }
    return realtimeNs > batch.time + Shard.behindNs || isExpired(batch)
      || isTooOld(subscription, batch)
  }

  /// Whether a cursor conflates a topic of which the ring no longer held all that it had missed:
  /// its client knows older events of some keys, and the ring does not have the newer ones.
  func lacksState(_ subscription: UInt32, _ cursor: UInt32) -> Bool {
    cursors[cursor].gapCause == GapCause.notRetained.rawValue
      && conflates(subscription, cursors[cursor].topic)
  }

  /// What a cursor's pass has booked of what lies before it.
  func booked(_ cursor: UInt32) -> (events: UInt64, bytes: UInt64) {
    let pass = cursors[cursor].pass
    guard pass != noSlot else { return (0, 0) }
    return (passes[pass].bookedEvents, passes[pass].bookedBytes)
  }

  /// The cursor holds no page: what it is sent comes from the index.
  func isOutOfRing(_ cursor: UInt32) -> Bool {
    let pass = cursors[cursor].pass
    return pass != noSlot && !passes[pass].isState
  }

  /// Whether a cursor has a GAP that is to be told now. What the ring ran over behind a state is
  /// told behind it: whoever is told a place has the state before it.
  func hasGapToTell(_ cursor: UInt32) -> Bool {
    let pass = cursors[cursor].pass
    return cursors[cursor].hasGap && (pass == noSlot || !passes[pass].isState)
  }

  // MARK: Beginning

  /// A cursor leaves the ring for the index, which brings it the whole state where it lacks that.
  /// - Returns: false where there is no room for that.
  @discardableResult
  func beginPass(_ cursor: UInt32, isState: Bool) -> Bool {
    let id = cursors[cursor].topic
    let isWhole = isState || lacksState(cursors[cursor].subscription, cursor)
    if cursors[cursor].pass != noSlot {
      // It began with a state, and the ring ran over it meanwhile: the state anew, up to now.
      let pass = cursors[cursor].pass
      guard passes[pass].isState else { return true }
      // Under another policy something of the ring is lost behind the state already.
      guard !cursors[cursor].hasGap else { return false }
      if passes[pass].isOpen { observePass(cursor, passes[pass], isBroken: true) }
      restart(pass, isState: false, isWhole: true)
      leaveRing(cursor)
      return true
    }
    generationCount &+= 1
    let entry = PassEntry(
      cursor: cursor, generation: generationCount, isState: isState, isWhole: isWhole,
      through: isState ? placeOf(cursor) : topics[id].tail)
    guard let pass = passes.insert(entry) else { return false }
    cursors[cursor].pass = pass
    if !isState { leaveRing(cursor) }
    makeReady(cursor)
    return true
  }

  private func placeOf(_ cursor: UInt32) -> TopicShared.Tail {
    TopicShared.Tail(
      page: cursors[cursor].page, offset: Int(cursors[cursor].offset),
      sequence: cursors[cursor].sequence, bytes: cursors[cursor].bytes)
  }

  private func leaveRing(_ cursor: UInt32) {
    cursors[cursor].page = 0
    cursors[cursor].offset = 0
    listForHold(cursors[cursor].topic)
  }

  /// Begins a pass anew, up to the tail of now. What is under way for it is dropped when it comes.
  func restart(_ pass: UInt32, isState: Bool, isWhole: Bool) {
    giveBack(pass)
    let cursor = passes[pass].cursor
    generationCount &+= 1
    passes[pass] = PassEntry(
      cursor: cursor, generation: generationCount, isState: isState, isWhole: isWhole,
      through: topics[cursors[cursor].topic].tail)
    makeReady(cursor)
  }

  /// The pass is over, or its cursor ends.
  func endPass(_ pass: UInt32) {
    giveBack(pass)
    cursors[passes[pass].cursor].pass = noSlot
    passes.remove(pass)
  }

  /// Gives back what a pass holds: its buffer, and credit for records that it has asked for.
  func giveBack(_ pass: UInt32) {
    give(&passes[pass].buffer)
    let subscription = cursors[passes[pass].cursor].subscription
    subscriptions[subscription].sentEvents -= passes[pass].reservedEvents
    subscriptions[subscription].sentBytes -= passes[pass].reservedBytes
    passes[pass].reservedEvents = 0
    passes[pass].reservedBytes = 0
    if passes[pass].step == .waiting { remove(pass, from: &waitingPasses, of: passes, \.waiting) }
    if passes[pass].step == .asking || passes[pass].step == .waiting {
      connections[subscriptions[subscription].connection].askingCount -= 1
    }
    passes[pass].step = .idle
  }

  private func give(_ buffer: inout Buffer) {
    passBytes -= buffer.capacity
    outputPool.give(&buffer)
  }

  // MARK: Asking

  /// The turn of a cursor with a pass.
  func addPass(_ slot: UInt32, _ subscription: UInt32, _ cursor: UInt32) -> Addition {
    let pass = cursors[cursor].pass
    switch passes[pass].step {
    case .filled: return addFilled(slot, subscription, cursor, pass)
    case .idle: return ask(slot, subscription, cursor, pass)
    case .asking, .waiting:
      // The ring has run over the cursor of a state meanwhile, and it had a turn for the gap.
      makeUnready(cursor)
      return .asked
    }
  }

  /// Whether a cursor's pass has something that is to be sent, for which credit was taken off.
  func isFilled(_ cursor: UInt32) -> Bool {
    let pass = cursors[cursor].pass
    return pass != noSlot && passes[pass].step == .filled
  }

  /// Lets as many of those that wait ask as there is room for.
  func askWaiting() {
    var left = min(
      requests.capacity - requests.used,
      passBytes == 0 ? 1 : max(0, passBytesMax - passBytes) / Shard.pullBytes)
    while left > 0, waitingPasses != noSlot {
      let pass = waitingPasses
      giveBack(pass)
      makeReady(passes[pass].cursor)
      left -= 1
    }
  }

  /// Whether what a cursor is sent has to come from elsewhere first.
  func isAsking(_ cursor: UInt32) -> Bool {
    let pass = cursors[cursor].pass
    return pass != noSlot && (passes[pass].step == .asking || passes[pass].step == .waiting)
  }

  private func ask(
    _ slot: UInt32, _ subscription: UInt32, _ cursor: UInt32, _ pass: UInt32
  ) -> Addition {
    let id = cursors[cursor].topic
    let entry = subscriptions[subscription]
    let events = min(entry.creditEvents - entry.sentEvents, Shard.pullEventsMax)
    let bytes = min(entry.creditBytes - entry.sentBytes, UInt64(Shard.pullBytes))
    let room = max(Shard.pullBytes, passes[pass].bytesMin)
    guard requests.used < requests.capacity, passBytes == 0 || passBytes + room <= passBytesMax
    else {
      waitForAnswer(slot, cursor, pass)
      passes[pass].step = .waiting
      append(pass, to: &waitingPasses, of: passes, \.waiting)
      return .asked
    }
    guard let buffer = takeOutput(room, for: slot) else { return .full }
    passBytes += buffer.capacity
    // The newer what it brings, the fewer passes it takes.
    if !passes[pass].isOpen, !passes[pass].isState { passes[pass].through = topics[id].tail }
    let ageMs = conflates(subscription, id) ? bounds(of: subscription).ageMs : 0
    if ageMs > 0 { passes[pass].ageMs = ageMs }
    var request = SharedRequest(kind: .pull, asker: UInt32(index))
    request.topic = id
    request.pull = SharedRequest.Pull(
      pass: pass, generation: passes[pass].generation, isOpen: passes[pass].isOpen,
      isWhole: passes[pass].isWhole,
      after: (passes[pass].isState ? passes[pass].through.sequence : cursors[cursor].sequence) - 1,
      through: passes[pass].through.sequence - 1, place: passes[pass].place,
      eventsMax: events, bytesMax: bytes,
      recordsMax: Int(connections[slot].outputLengthMax) - DeliverSelected.prefixSize,
      ageMsMax: ageMs,
      random: nextRandom(), buffer: buffer)
    passes[pass].reservedEvents = events
    passes[pass].reservedBytes = bytes
    subscriptions[subscription].sentEvents += events
    subscriptions[subscription].sentBytes += bytes
    waitForAnswer(slot, cursor, pass)
    guard let number = requests.insert(request) else {
      preconditionFailure("room for requests was checked")
    }
    send(request: number, to: topics[id].shared.owner)
    return .asked
  }

  func waitForAnswer(_ slot: UInt32, _ cursor: UInt32, _ pass: UInt32) {
    passes[pass].step = .asking
    connections[slot].askingCount += 1
    makeUnready(cursor)
  }

  /// The next of a sequence of numbers that differs with each run: who hears of which key first is
  /// nobody's choice. (SplitMix64, Steele, Lea and Flood 2014.)
  private func nextRandom() -> UInt64 {
    randomState &+= 0x9E37_79B9_7F4A_7C15
    var z = randomState
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// The owner has answered.
  func pulled(_ request: SharedRequest) {
    var pull = request.pull
    let pass = pull.pass
    guard passes.isUsed(pass), passes[pass].generation == pull.generation else {
      give(&pull.buffer)
      return
    }
    let cursor = passes[pass].cursor
    let subscription = cursors[cursor].subscription
    let answer = pull.answer
    giveBack(pass)
    guard !answer.isMissing else {
      give(&pull.buffer)
      return dropPass(cursor, pass)
    }
    passes[pass].bytesMin = answer.bytesMin
    passes[pass].answer = answer
    let isToBeReset = answer.isWhole && !passes[pass].isResetTold
    if answer.events == 0, answer.expiredEvents == 0, !answer.isLast, !isToBeReset {
      accept(pass)
      give(&pull.buffer)
    } else if !connections[subscriptions[subscription].connection].isWritable {
      // It is asked again, for what is newest then, and no memory waits for a socket.
      give(&pull.buffer)
    } else {
      passes[pass].buffer = pull.buffer
      passes[pass].step = .filled
      passes[pass].reservedEvents = answer.events
      passes[pass].reservedBytes = answer.bytes
      subscriptions[subscription].sentEvents += answer.events
      subscriptions[subscription].sentBytes += answer.bytes
    }
    makeReady(cursor)
    serve(subscription)
  }

  /// The pass goes on behind its answer. One that the socket did not take has not happened: the
  /// same is asked for again.
  func accept(_ pass: UInt32) {
    if !passes[pass].isOpen { passes[pass].beganNs = realtimeNs }
    passes[pass].isOpen = true
    passes[pass].isWhole = passes[pass].answer.isWhole
    passes[pass].place = passes[pass].answer.place
  }

  /// There is no index to ask: what has been missed is lost.
  private func dropPass(_ cursor: UInt32, _ pass: UInt32) {
    let isState = passes[pass].isState
    let through = passes[pass].through
    if isState {
      endPass(pass)
      goOn(cursor)
    } else {
      passes[pass].isWhole = false
      skip(cursor, to: through, cause: .ringOverrun)
      finish(cursor, pass)
    }
  }
}
