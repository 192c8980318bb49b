import WireFormat

/// What became of a frame.
enum FrameFate {
  case done
  /// Not now: there is no room elsewhere. The frame stays, and the connection is not read.
  case later
  /// The session ended.
  case closed
}

extension Shard {
  // MARK: Connections come

  /// A connection was accepted.
  /// - Returns: its identity, or nil where the limit is reached: tell the peer with
  ///   `refusal(.tooManyConnections)` and close the socket.
  public func openConnection(peer: String) -> ConnectionID? {
    guard drain == nil else { return nil }
    generationCount &+= 1
    let entry = ConnectionEntry(
      generation: generationCount,
      inputLengthMax: UInt32(WireLimits.frameLengthMaxBeforeWelcome),
      heartbeatMs: UInt32(limits.heartbeatMs), openedNs: nowNs, heardNs: nowNs)
    guard let slot = connections.insert(entry) else { return nil }
    counters.connectionOpened(slot, peer: peer, realtimeNs: realtimeNs)
    sweep(atNs: nowNs + UInt64(limits.handshakeTimeoutMs) * 1_000_000 + 1)
    return ConnectionID(slot: slot, generation: generationCount)
  }

  /// Connections here, with those that end.
  public var connectionCount: Int { connections.used }

  /// The row of a connection that has not ended; nil for an identity from before.
  @inline(__always)
  func live(_ id: ConnectionID) -> UInt32? {
    guard connections.isUsed(id.slot), connections[id.slot].generation == id.generation,
      connections[id.slot].phase != .ended
    else { return nil }
    return id.slot
  }

  // MARK: Bytes come

  /// Where to read the connection's socket into; nil where it is not to be read now (it waits for
  /// room, or ends).
  public func receiveRoom(_ id: ConnectionID) -> UnsafeMutableRawBufferPointer? {
    guard let slot = live(id) else { return nil }
    // What a closing peer still sends is read and dropped: a socket that is closed with bytes
    // unread resets the connection, and the peer would not see why.
    if connections[slot].phase == .closing { return unsafe receiveBuffer.room(from: 0) }
    guard isReadable(slot) else { return nil }
    let room = unsafe receiveBuffer.room(from: connections[slot].input.count)
    guard let bytesMax = receiveBytesMax(slot) else { return nil }
    return unsafe UnsafeMutableRawBufferPointer(rebasing: room[..<min(room.count, bytesMax)])
  }

  func isReadable(_ slot: UInt32) -> Bool {
    let phase = connections[slot].phase
    return (phase == .open || phase == .handshake) && !connections[slot].isListedAsPaused
      && !connections[slot].isMuted
  }

  /// `count` bytes were read into `receiveRoom`.
  public func received(_ count: Int, on id: ConnectionID) {
    guard let slot = live(id), connections[slot].phase != .closing else { return }
    connections[slot].heardNs = nowNs
    connections[slot].readNs = nowNs
    connections[slot].hasPingOutstanding = false
    counters.received(slot, bytes: count, realtimeNs: realtimeNs)
    let carried = connections[slot].input.count
    unsafe receiveBuffer.copyIn(connections[slot].input.bytes)
    unsafe workOff(slot, receiveBuffer.bytes(carried + count), carried: carried)
  }

  /// The peer will send nothing more, or the connection broke.
  public func handleEndOfInput(_ id: ConnectionID, reset: Bool) {
    guard let slot = live(id) else { return }
    if connections[slot].closeReason == 0 {
      connections[slot].closeReason =
        (reset ? CloseReason.connectionReset : CloseReason.disconnected).rawValue
    }
    end(slot)
  }

  /// Whether more sockets are to be read in this turn. What was read of those whose frames have to
  /// wait takes memory, which is bounded; each turn lets some of them go on.
  public var mayReceive: Bool { heldBackCount < Shard.heldBackMax }

  /// Reads that wait for subscriptions to be told of what came before, 256 KiB each.
  private static let heldBackMax = 64
  /// Of these so many are looked at in a turn, since a look copies what was read.
  private static let heldBackLooks = 8

  /// Tries again what had to wait for room.
  /// - Returns: how many connections wait still.
  public func retryPaused() -> Int {
    for _ in 0..<pausedCount {
      let slot = pausedConnections
      guard slot != noSlot else { break }
      let isLater =
        connections[slot].isHeldBack
        ? heldBackInTurn >= Shard.heldBackLooks : waitsForInputMemory(slot)
      if isLater {
        pausedConnections = connections[slot].paused.next
        continue
      }
      unpause(slot)
      guard connections[slot].phase == .open else {
        // Closing: what it sent meanwhile is to be read and dropped.
        resumed(slot)
        continue
      }
      let carried = connections[slot].input.count
      unsafe receiveBuffer.copyIn(connections[slot].input.bytes)
      unsafe workOff(slot, receiveBuffer.bytes(carried), carried: carried)
      if !connections[slot].isListedAsPaused { resumed(slot) }
    }
    return pausedCount
  }

  /// Works off the frames in `bytes`, and keeps what is left of them.
  private func workOff(_ slot: UInt32, _ bytes: UnsafeRawBufferPointer, carried: Int) {
    var offset = 0
    var fate = FrameFate.done
    var frames = 0
    let wasHeldBack = isHeldBack
    isHeldBack = false
    defer {
      if wasHeldBack { isHeldBack = true }
      counters.framesReceived(slot, frames)
    }
    frames: while true {
      if var publish = unsafe wholePublish(in: bytes, at: offset, on: slot) {
        if drain != nil { return mute(slot) }
        fate = unsafe receivePublishesOrClose(&publish, done: &frames, in: bytes, on: slot)
        guard fate == .done else {
          offset = publish.start
          if fate == .later { break frames }
          return
        }
        offset = publish.end
        continue
      }
      let frame: FrameView?
      do throws(WireError) {
        frame = try unsafe nextFrame(
          in: bytes, at: offset, lengthMax: connections[slot].inputLengthMax)
      } catch {
        fate = closeForFault(slot, error.code)
        if fate == .later { break frames }
        return
      }
      guard let frame else { break }
      // Answers that fill the room for them are sent before more are made, as long as the client
      // takes them.
      if connections[slot].isWritable,
        connections[slot].control.count > limits.controlBytesPerSession / 2
      {
        fate = .later
        break
      }
      // Whatever else comes may end publishers, which must have been counted before.
      flushTally()
      fate = unsafe receive(frame, in: bytes, on: slot)
      switch fate {
      case .done:
        offset = frame.end
        frames += 1
        // Its answer may have been the one for which there was no memory.
        guard connections[slot].phase == .open else { return }
      case .later: break frames
      case .closed: return
      }
    }
    flushTally()
    unsafe keep(slot, UnsafeRawBufferPointer(rebasing: bytes[offset...]), consumed: offset)
    guard fate == .later else { return }
    pause(slot)
    if isHeldBack, connections[slot].isListedAsPaused, !connections[slot].isHeldBack {
      connections[slot].isHeldBack = true
      heldBackCount += 1
      heldBackInTurn += 1
    }
  }

  /// Keeps the bytes of a frame that is not whole, or waits, for the next time.
  private func keep(_ slot: UInt32, _ rest: UnsafeRawBufferPointer, consumed: Int) {
    let carried = connections[slot].input
    if unsafe rest.isEmpty {
      inputPool.give(&connections[slot].input)
      return
    }
    if consumed > 0 || carried.isEmpty { connections[slot].unfinishedNs = nowNs }
    // Nothing was worked off and nothing came: it is all there already.
    if consumed == 0 && rest.count == carried.count { return }
    if carried.capacity < rest.count {
      guard let larger = takeInput(rest.count, for: slot) else {
        close(slot, .inputMemory)
        return
      }
      inputPool.give(&connections[slot].input)
      connections[slot].input = larger
    } else {
      connections[slot].input.consume(carried.count)
    }
    unsafe connections[slot].input.append(rest)
  }

  /// Takes a connection from among those that wait for room.
  func unpause(_ slot: UInt32) {
    guard connections[slot].isListedAsPaused else { return }
    remove(slot, from: &pausedConnections, of: connections, \.paused)
    connections[slot].isListedAsPaused = false
    pausedCount -= 1
    if connections[slot].isHeldBack {
      connections[slot].isHeldBack = false
      heldBackCount -= 1
    }
  }

  func pause(_ slot: UInt32) {
    guard connections[slot].phase == .open, !connections[slot].isListedAsPaused else { return }
    connections[slot].isListedAsPaused = true
    append(slot, to: &pausedConnections, of: connections, \.paused)
    pausedCount += 1
  }

  /// The connection may be read again: whoever reads sockets is told by `pollResumed`.
  private func resumed(_ slot: UInt32) { resumedConnections.append(slot) }

  /// A connection whose socket is to be read again, since its frames had to wait and no longer do.
  public func pollResumed() -> ConnectionID? {
    while let slot = resumedConnections.removeLast() {
      guard connections.isUsed(slot) else { continue }
      if isReadable(slot) || connections[slot].phase == .closing {
        return ConnectionID(slot: slot, generation: connections[slot].generation)
      }
    }
    return nil
  }

  // MARK: Frames

  /// The way of most frames: a PUBLISH that is there as a whole. Everything else, what is wrong
  /// with a frame's length above all, goes the way of `nextFrame`.
  @inline(__always)
  func wholePublish(
    in bytes: UnsafeRawBufferPointer, at offset: Int, on slot: UInt32
  ) -> PublishFrame? {
    let have = bytes.count - offset
    guard have >= FrameHeader.size, connections[slot].phase == .open else { return nil }
    let header = unsafe FrameHeader(load: bytes.baseAddress! + offset)
    guard header.typeRaw == FrameType.publish.rawValue, header.length >= FrameHeader.lengthMin,
      header.length <= connections[slot].inputLengthMax, header.frameBytes <= have
    else { return nil }
    return PublishFrame(ref: header.ref, start: offset, end: offset + header.frameBytes)
  }

  private func receivePublishesOrClose(
    _ frame: inout PublishFrame, done: inout Int, in bytes: UnsafeRawBufferPointer, on slot: UInt32
  ) -> FrameFate {
    do throws(WireError) {
      return try unsafe receivePublishes(&frame, done: &done, in: bytes, on: slot)
    } catch {
      return closeForFault(slot, error.code)
    }
  }

  private func receive(
    _ frame: FrameView, in bytes: UnsafeRawBufferPointer, on slot: UInt32
  ) -> FrameFate {
    let header = frame.header
    guard let type = header.type else {
      if connections[slot].phase == .handshake { return close(slot, .handshakeRequired) }
      return header.isIgnorable ? .done : closeForFault(slot, .unknownFrame)
    }
    if connections[slot].phase == .handshake && type != .hello && type != .close {
      return close(slot, .handshakeRequired)
    }
    do throws(WireError) {
      switch type {
      case .publish:
        preconditionFailure("a whole PUBLISH takes its own way")
      case .credit:
        var reader = unsafe FrameReader(frame, in: bytes)
        let credit = try Credit(reader: &reader)
        return receiveCredit(credit, header: header, on: slot)
      case .ping:
        var reader = unsafe FrameReader(frame, in: bytes)
        let ping = try Ping(reader: &reader)
        return sendControl(slot) { writer in
          Pong(time: ping.time).encode(into: &writer, ref: 0, correlation: header.correlation)
        }
      case .pong:
        var reader = unsafe FrameReader(frame, in: bytes)
        let pong = try Pong(reader: &reader)
        counters.roundTrip(slot, sentNs: pong.time, nowNs: nowNs)
        return .done
      case .hello:
        var reader = unsafe FrameReader(frame, in: bytes)
        return receiveHello(try Hello(reader: &reader), header: header, on: slot)
      case .close:
        var reader = unsafe FrameReader(frame, in: bytes)
        _ = try Close(reader: &reader)
        connections[slot].closeReason = CloseReason.clientClosed.rawValue
        end(slot)
        return .closed
      case .openTopic:
        var reader = unsafe FrameReader(frame, in: bytes)
        return receiveOpenTopic(try OpenTopic(reader: &reader), header: header, on: slot)
      case .closeTopic:
        var reader = unsafe FrameReader(frame, in: bytes)
        _ = try CloseTopic(reader: &reader)
        return receiveCloseTopic(header, on: slot)
      case .subscribe:
        var reader = unsafe FrameReader(frame, in: bytes)
        let subscribe = try Subscribe(reader: &reader)
        return try unsafe receiveSubscribe(subscribe, frame: frame, in: bytes, on: slot)
      case .setPolicy:
        var reader = unsafe FrameReader(frame, in: bytes)
        return receiveSetPolicy(try SetPolicy(reader: &reader), header: header, on: slot)
      case .unsubscribe:
        var reader = unsafe FrameReader(frame, in: bytes)
        _ = try Unsubscribe(reader: &reader)
        return receiveUnsubscribe(header, on: slot)
      case .reply:
        return try unsafe receiveReply(frame, in: bytes, on: slot)
      case .stats:
        var reader = unsafe FrameReader(frame, in: bytes)
        return receiveStats(try Stats(reader: &reader), header: header, on: slot)
      case .welcome, .error, .topic, .ack, .publishCredit, .topicClosed, .subscribed,
        .unsubscribed, .deliver, .gap, .topicInfo, .statsPage, .policySet, .deliverSelected,
        .passed, .stateReset, .blocked:
        return closeForFault(slot, .wrongDirection)
      }
    } catch {
      return closeForFault(slot, error.code)
    }
  }

  private func receiveHello(
    _ hello: Hello, header: FrameHeader, on slot: UInt32
  ) -> FrameFate {
    guard connections[slot].phase == .handshake else {
      return closeForFault(slot, .duplicateHello)
    }
    guard hello.magic == ProtocolVersion.magic else { return close(slot, .badMagic) }
    guard hello.versionMin <= ProtocolVersion.version,
      hello.versionMax >= ProtocolVersion.versionMin, hello.versionMin <= hello.versionMax
    else { return close(slot, .unsupportedVersion) }
    let outputMin = UInt32(limits.batchBytesMax + 128)
    guard hello.frameLengthMax == 0 || hello.frameLengthMax >= outputMin else {
      return close(slot, .malformedFrame)
    }
    let codecs = hello.codecs.intersection([.lz4, .zstd])
    let wishedMs = hello.heartbeatMs == 0 ? limits.heartbeatMs : Int(hello.heartbeatMs)
    let heartbeatMs = min(max(wishedMs, WireLimits.heartbeatMsMin), WireLimits.heartbeatMsMax)
    sessionCount += 1
    let session = sessionCount * UInt64(broker.shards) + UInt64(index)
    connections[slot].phase = .open
    connections[slot].version = UInt8(min(hello.versionMax, ProtocolVersion.version))
    connections[slot].codecs = codecs.rawValue
    connections[slot].inputLengthMax = UInt32(limits.frameLengthMax)
    connections[slot].outputLengthMax = UInt32(
      hello.frameLengthMax == 0
        ? limits.frameLengthMax : min(Int(hello.frameLengthMax), limits.frameLengthMax))
    connections[slot].heartbeatMs = UInt32(heartbeatMs)
    sweep(atNs: nowNs + UInt64(heartbeatMs) * 1_000_000 + 1)
    counters.welcomed(slot, session: session, codecs: codecs, name: hello.clientName)
    let welcome = Welcome(
      version: UInt16(connections[slot].version), codecs: codecs,
      frameLengthMax: UInt32(limits.frameLengthMax), batchBytesMax: UInt32(limits.batchBytesMax),
      heartbeatMs: UInt32(heartbeatMs),
      subscriptionsMax: UInt32(limits.subscriptionsPerSessionMax),
      publishersMax: UInt32(limits.publishersPerSessionMax), features: 0,
      instance: broker.instance, session: session,
      inbox: Inbox(shard: index, slot: slot, generation: connections[slot].generation).word,
      time: realtimeNs, brokerName: broker.name)
    return sendControl(slot) { writer in
      welcome.encode(into: &writer, ref: 0, correlation: header.correlation)
    }
  }
}
