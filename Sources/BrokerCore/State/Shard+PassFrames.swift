import Counters
import WireFormat

// What the answers to passes become: frames, the account of what was left out, and where the cursor
// goes on.

extension Shard {
  func addFilled(
    _ slot: UInt32, _ subscription: UInt32, _ cursor: UInt32, _ pass: UInt32
  ) -> Addition {
    let before = cursors[cursor]
    let answer = passes[pass].answer
    let records = passes[pass].buffer.count
    var prefixBytes = 0
    if answer.isWhole, !passes[pass].isResetTold {
      var writer = unsafe FrameWriter(plan.prefixRoom())
      let fits = StateReset(topic: before.topic).encode(
        into: &writer, ref: subscriptions[subscription].ref, correlation: 0)
      precondition(fits, "a STATE_RESET fits its room")
      prefixBytes = writer.count
    }
    if records > 0 {
      prefixBytes = writeSelectedPrefix(
        subscription, topic: before.topic, bodyBytes: records, at: prefixBytes)
    }
    var left: (events: UInt64, bytes: UInt64) = (0, 0)
    if answer.isLast {
      if !passes[pass].isState { left = conflated(cursor, pass) }
      let passed = Passed(
        topic: before.topic, kind: .conflated, first: answer.isWhole ? 0 : before.sequence,
        last: passes[pass].through.sequence - 1, events: left.events, bytes: left.bytes,
        expiredEvents: passes[pass].expiredEvents + answer.expiredEvents,
        expiredBytes: passes[pass].expiredBytes + answer.expiredBytes)
      let bytes = unsafe writePassed(
        passed, ref: subscriptions[subscription].ref, into: passes[pass].buffer.room)
      passes[pass].buffer.advance(bytes)
    }
    // It has its next turn when the socket has taken this.
    makeUnready(cursor)
    unsafe plan.add(
      TransmitPlan.Frame(
        subscription: subscription, cursor: cursor, bytes: prefixBytes + passes[pass].buffer.count,
        events: answer.events, batches: UInt32(answer.events), isGap: false,
        time: dueNs(pass, before), charge: answer.bytes, before: before,
        leftEvents: left.events, leftBytes: left.bytes,
        isPass: true),
      prefixBytes: prefixBytes, body: passes[pass].buffer.bytes)
    return .added
  }

  /// Since when an answer was to be sent. What is older than the subscription, or was sent before,
  /// could not come sooner than the pass.
  private func dueNs(_ pass: UInt32, _ before: CursorEntry) -> UInt64 {
    let answer = passes[pass].answer
    if answer.pendingEvents == 0 { return passes[pass].isOpen ? passes[pass].beganNs : realtimeNs }
    return max(answer.time, before.notBeforeNs)
  }

  /// What a pass will have left out when its last answer has been sent.
  private func conflated(_ cursor: UInt32, _ pass: UInt32) -> (events: UInt64, bytes: UInt64) {
    let entry = passes[pass]
    let answer = entry.answer
    let events = entry.through.sequence - cursors[cursor].sequence
    let bytes = entry.through.bytes - min(entry.through.bytes, cursors[cursor].bytes)
    let booked = (
      events: entry.bookedEvents + answer.pendingEvents + answer.expiredEvents,
      bytes: entry.bookedBytes + answer.pendingBytes + answer.expiredBytes
    )
    precondition(events >= booked.events, "more delivered than was pending")
    return (events - booked.events, bytes - min(bytes, booked.bytes))
  }

  /// The socket has taken a pass's frame.
  func passTaken(_ slot: UInt32, _ frame: TransmitPlan.Frame, realtimeNs: UInt64) {
    let cursor = frame.cursor
    let pass = cursors[cursor].pass
    let answer = passes[pass].answer
    let repeats = answer.events - answer.pendingEvents
    if repeats > 0 {
      counters.matched(
        frame.subscription, events: repeats, bytes: answer.bytes - answer.pendingBytes)
    }
    counters.delivered(slot, frame, nowNs: realtimeNs)
    observe(frame, nowNs: realtimeNs)
    if answer.expiredEvents > 0 {
      counters.lost(
        frame.subscription, cause: .expired, events: answer.expiredEvents,
        bytes: answer.expiredBytes)
    }
    if frame.leftEvents > 0 || frame.leftBytes > 0 {
      counters.leftOut(
        frame.subscription,
        conflated: Ledger.Amount(events: frame.leftEvents, bytes: frame.leftBytes),
        sampled: Ledger.Amount())
    }
    // Sent: it is not given back.
    passes[pass].reservedEvents = 0
    passes[pass].reservedBytes = 0
    passes[pass].bookedEvents += answer.pendingEvents + answer.expiredEvents
    passes[pass].bookedBytes += answer.pendingBytes + answer.expiredBytes
    passes[pass].expiredEvents += answer.expiredEvents
    passes[pass].expiredBytes += answer.expiredBytes
    passes[pass].isResetTold = passes[pass].isResetTold || answer.isWhole
    accept(pass)
    giveBack(pass)
    if answer.isLast {
      observePass(cursor, passes[pass], isBroken: answer.isBroken)
      if passes[pass].isState {
        endPass(pass)
        goOn(cursor)
      } else {
        let through = passes[pass].through
        cursors[cursor].sequence = through.sequence
        cursors[cursor].bytes = through.bytes
        if answer.isBroken {
          restart(pass, isState: false, isWhole: true)
        } else {
          finish(cursor, pass)
        }
      }
    } else {
      makeReady(cursor)
      serve(frame.subscription)
    }
  }

  /// A pass's frame was not taken: its records are asked for again when the socket takes some, and
  /// may be newer by then.
  func takePassBack(_ frame: TransmitPlan.Frame) {
    giveBack(cursors[frame.cursor].pass)
    makeReady(frame.cursor)
    serve(frame.subscription)
  }

  // MARK: Ending

  /// A cursor stands at the end of its pass.
  func finish(_ cursor: UInt32, _ pass: UInt32) {
    let id = cursors[cursor].topic
    let subscription = cursors[cursor].subscription
    if cursors[cursor].sequence == topics[id].tail.sequence, !cursors[cursor].hasGap {
      return endCursor(cursor)
    }
    if conflates(subscription, id) {
      return restart(pass, isState: false, isWhole: false)
    }
    // The policy has changed: it goes on in the ring. What this pass has booked has been told.
    passes[pass].bookedEvents = 0
    passes[pass].bookedBytes = 0
    passes[pass].expiredEvents = 0
    passes[pass].expiredBytes = 0
    returnToRing(cursor, pass)
  }

  /// A cursor goes on with what lies in the ring.
  func goOn(_ cursor: UInt32) {
    if cursors[cursor].sequence == topics[cursors[cursor].topic].tail.sequence,
      !cursors[cursor].hasGap
    {
      endCursor(cursor)
    } else {
      makeReady(cursor)
      serve(cursors[cursor].subscription)
    }
  }

  /// Asks for the cursor's place in the ring.
  private func returnToRing(_ cursor: UInt32, _ pass: UInt32) {
    let id = cursors[cursor].topic
    let slot = subscriptions[cursors[cursor].subscription].connection
    let owner = topics[id].shared.owner
    if owner == index {
      // The tail stays where it is: frames of a plan, of other cursors too, are being worked off.
      let place = locate(id, start: .sequence, value: cursors[cursor].sequence)
      return returned(cursor, pass, to: place)
    }
    guard requests.used < requests.capacity else {
      // As if it had stood in the ring and had been overrun.
      return returned(cursor, pass, to: topics[id].tail)
    }
    var request = SharedRequest(kind: .attach, asker: UInt32(index))
    request.topic = id
    request.start = Start.sequence.rawValue
    request.startValue = cursors[cursor].sequence
    request.pull.pass = pass
    request.pull.generation = passes[pass].generation
    waitForAnswer(slot, cursor, pass)
    guard let number = requests.insert(request) else {
      preconditionFailure("room for requests was checked")
    }
    send(request: number, to: owner)
  }

  /// The owner has said where in the ring the cursor of a pass is.
  func returned(_ request: SharedRequest) {
    let pass = request.pull.pass
    if passes.isUsed(pass), passes[pass].generation == request.pull.generation {
      moveTail(request.topic, to: topics[request.topic].shared.tail())
      giveBack(pass)
      returned(passes[pass].cursor, pass, to: request.position)
    } else if !topics[request.topic].isInterested {
      topics[request.topic].shared.removeInterest(shard: index)
    }
    updateHold(request.topic)
  }

  private func returned(_ cursor: UInt32, _ pass: UInt32, to place: TopicShared.Tail) {
    endPass(pass)
    skip(cursor, to: place, cause: .ringOverrun)
    goOn(cursor)
  }
}
