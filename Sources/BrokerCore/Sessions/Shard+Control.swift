public import WireFormat

extension Shard {
  /// Queues a control frame. Control frames are outside credits and leave before anything else; a
  /// client that does not read them ends its own session.
  @discardableResult
  func sendControl(_ slot: UInt32, _ encode: (inout FrameWriter) -> Bool) -> FrameFate {
    var room = Shard.smallFrameBytes
    while true {
      guard reserveControl(slot, room) else { return .closed }
      var writer = unsafe FrameWriter(connections[slot].control.room)
      if encode(&writer) {
        connections[slot].control.advance(writer.count)
        counters.frameSent(slot)
        listForTransmit(slot)
        return .done
      }
      precondition(room < limits.controlBytesPerSession, "a control frame that never fits")
      room *= 4
    }
  }

  /// Room for most control frames.
  private static let smallFrameBytes = 128

  /// Makes room in the control buffer, or ends the session.
  func reserveControl(_ slot: UInt32, _ bytes: Int) -> Bool {
    guard connections[slot].phase != .ended else { return false }
    guard connections[slot].control.count + bytes <= limits.controlBytesPerSession else {
      abandon(slot, .controlOverflow)
      return false
    }
    while !outputPool.ensure(&connections[slot].control, room: bytes) {
      guard closeLongestStalled(but: slot) else {
        abandon(slot, .outputMemory)
        return false
      }
    }
    return true
  }

  /// Answers a request with ERROR.
  @discardableResult
  func refuse(_ slot: UInt32, _ header: FrameHeader, _ code: ErrorCode) -> FrameFate {
    refuse(slot, ref: header.ref, correlation: header.correlation, code)
  }

  @discardableResult
  func refuse(_ slot: UInt32, ref: UInt32, correlation: UInt32, _ code: ErrorCode) -> FrameFate {
    counters.refused(code)
    return sendControl(slot) { writer in
      ErrorFrame(code: code, retryable: code.retryable, text: "\(code.about)")
        .encode(into: &writer, ref: ref, correlation: correlation)
    }
  }

  // MARK: The end of a session

  /// Ends a session by saying why: CLOSE is queued behind what waits already, nothing more is
  /// read, and the connection ends when CLOSE has been written or the grace is over.
  @discardableResult
  func close(
    _ slot: UInt32, _ reason: CloseReason, retryAfterMs: UInt32 = 0, spreadMs: UInt32 = 0
  ) -> FrameFate {
    guard connections[slot].phase == .open || connections[slot].phase == .handshake else {
      return .closed
    }
    connections[slot].closeReason = reason.rawValue
    acknowledgeAll(slot)
    guard connections[slot].phase != .ended else { return .closed }
    let frame = Close(
      reason: reason, retryable: reason.retryable, retryAfterMs: retryAfterMs, spreadMs: spreadMs,
      text: "\(reason.about)")
    sendControl(slot) { frame.encode(into: &$0, ref: 0, correlation: 0) }
    guard connections[slot].phase != .ended else { return .closed }
    releaseSession(slot)
    connections[slot].phase = .closing
    counters.connectionClosing(slot)
    connections[slot].stalledNs = nowNs
    sweep(atNs: nowNs + Shard.closingGraceNs + 1)
    inputPool.give(&connections[slot].input)
    return .closed
  }

  /// Ends a session for a frame that breaks a rule. What came before that frame is acknowledged
  /// first: while its topics' owners have not yet said so, the frame waits, and is looked at again.
  func closeForFault(_ slot: UInt32, _ reason: CloseReason) -> FrameFate {
    flushTally()
    return awaitsAcknowledgement(slot) ? .later : close(slot, reason)
  }

  /// Ends a session that cannot even be told why.
  func abandon(_ slot: UInt32, _ reason: CloseReason) {
    guard connections[slot].phase != .ended else { return }
    if connections[slot].closeReason == 0 { connections[slot].closeReason = reason.rawValue }
    end(slot)
  }

  /// Ends the connection at once: everything it had is given back, and `pollClosed` reports it.
  func end(_ slot: UInt32) {
    guard connections[slot].phase != .ended else { return }
    releaseSession(slot)
    connections[slot].phase = .ended
    if connections[slot].isListedForTransmit {
      remove(slot, from: &transmitList, of: connections, \.transmit)
      connections[slot].isListedForTransmit = false
    }
    unpause(slot)
    inputPool.give(&connections[slot].input)
    #if DEBUG
      if plants(.memoryKept) { outputPool.forget(&connections[slot].stash) }
    #endif
    outputPool.give(&connections[slot].stash)
    outputPool.give(&connections[slot].control)
    counters.connectionClosed(slot, reason: connections[slot].closeReason)
    closedConnections.append(slot)
  }

  /// Gives back the session's subscriptions and publishers.
  private func releaseSession(_ slot: UInt32) {
    while connections[slot].subscriptions != noSlot {
      endSubscription(connections[slot].subscriptions)
    }
    forEach(from: connections[slot].publishers, of: publishers, \.inConnection) {
      orphan($0)
    }
    smallPool.give(&connections[slot].announced)
  }

  /// A connection to which everything has been written: shut its socket for writing, so that the
  /// peer reads to the end and closes. It ends when the peer has, or when the grace is over.
  public func pollShutdown() -> ConnectionID? {
    while let slot = shutConnections.removeLast() {
      if connections.isUsed(slot), connections[slot].phase == .closing {
        return ConnectionID(slot: slot, generation: connections[slot].generation)
      }
    }
    return nil
  }

  /// A connection that has ended: close its socket. Its identity is of no use from now on.
  public func pollClosed() -> ConnectionID? {
    guard let slot = closedConnections.removeLast() else { return nil }
    let id = ConnectionID(slot: slot, generation: connections[slot].generation)
    connections.remove(slot)
    return id
  }

  /// Bytes of a CLOSE for a peer that gets no session.
  public func refusal(_ reason: CloseReason) -> [UInt8] {
    var writer = FrameWriter(reserving: 512)
    let close = Close(
      reason: reason, retryable: reason.retryable, retryAfterMs: 1000, spreadMs: 4000,
      text: "\(reason.about)")
    let fits = close.encode(into: &writer, ref: 0, correlation: 0)
    precondition(fits, "a CLOSE fits 512 bytes")
    counters.refusedConnection(reason)
    return writer.array
  }

  /// The memory for output is used up: of the sessions whose sockets take nothing, the one that has
  /// been so longest ends. False where there is none.
  func closeLongestStalled(but asking: UInt32) -> Bool {
    var longest = noSlot
    for slot in 0..<UInt32(connections.highWater) where connections.isUsed(slot) {
      let phase = connections[slot].phase
      guard slot != asking, phase != .ended, connections[slot].stalledNs != 0,
        !(connections[slot].stash.isEmpty && connections[slot].control.isEmpty)
      else { continue }
      if longest == noSlot || connections[slot].stalledNs < connections[longest].stalledNs {
        longest = slot
      }
    }
    guard longest != noSlot else { return false }
    abandon(longest, .outputMemory)
    return true
  }

  /// How long a session that is told CLOSE has to read it.
  static let closingGraceNs: UInt64 = 1_000_000_000
}
