import WireFormat

// Replies: from the session that answers to the session that asked, past all topics. They are not
// stored; whoever cannot be reached is named to the one who answers.

extension Shard {
  func receiveReply(
    _ frame: FrameView, in bytes: UnsafeRawBufferPointer, on slot: UInt32
  ) throws(WireError) -> FrameFate {
    var reader = unsafe FrameReader(frame, in: bytes)
    let reply = try Reply(reader: &reader)
    let body = unsafe UnsafeRawBufferPointer(
      rebasing: bytes[frame.bodyOffset..<frame.end])
    let batchBytes = unsafe UnsafeRawBufferPointer(rebasing: unsafe body[16...])
    let valid: ValidBatch
    do throws(WireError) {
      valid = try unsafe validateBatch(
        batchBytes,
        limits: BatchLimits(
          batchBytesMax: limits.batchBytesMax, codecs: [], requireKey: false,
          openCompressed: false))
    } catch {
      // No codec is right here, whatever the session has agreed on.
      guard error.code == .codecNotNegotiated else { throw error }
      throw WireError(
        .malformedBatch, offset: error.offset, need: error.need, have: error.have)
    }
    guard valid.count == 1, valid.paddedLength == batchBytes.count else {
      throw WireError(.malformedBatch, offset: frame.bodyOffset + 16, need: 1, have: valid.count)
    }
    let inbox = Inbox(word: reply.inbox)
    guard inbox.shard < broker.shards else { return refuse(slot, frame.header, .noReceiver) }
    if inbox.shard == index {
      guard unsafe deliverReply(body, to: inbox) else {
        return refuse(slot, frame.header, .noReceiver)
      }
      return connections[slot].phase == .open ? .done : .closed
    }
    let ring = broker.ring(from: index, to: inbox.shard)
    guard let room = unsafe ring.reserve(kind: MessageKind.reply, bytes: 24 + body.count) else {
      return .later
    }
    unsafe room.storeBytes(of: inbox.slot, toByteOffset: 0, as: UInt32.self)
    unsafe room.storeBytes(of: inbox.generation, toByteOffset: 4, as: UInt32.self)
    unsafe room.storeBytes(of: slot, toByteOffset: 8, as: UInt32.self)
    unsafe room.storeBytes(
      of: connections[slot].generation, toByteOffset: 12, as: UInt32.self)
    unsafe room.storeBytes(of: frame.header.correlation, toByteOffset: 16, as: UInt32.self)
    unsafe room.storeBytes(of: frame.header.ref, toByteOffset: 20, as: UInt32.self)
    unsafe (room.baseAddress! + 24).copyMemory(from: body.baseAddress!, byteCount: body.count)
    ring.commit()
    counters.forwarded()
    wake(inbox.shard)
    return .done
  }

  /// Puts a reply into the asker's control lane; false where it is gone or does not read.
  private func deliverReply(_ body: UnsafeRawBufferPointer, to inbox: Inbox) -> Bool {
    let id = ConnectionID(slot: inbox.slot, generation: inbox.generation)
    guard let slot = live(id), connections[slot].phase == .open,
      FrameHeader.size + body.count <= Int(connections[slot].outputLengthMax),
      connections[slot].control.count + FrameHeader.size + body.count
        <= limits.controlBytesPerSession / 2
    else { return false }
    guard reserveControl(slot, FrameHeader.size + body.count) else { return false }
    let header = FrameHeader(
      length: UInt32(FrameHeader.size - FrameHeader.lengthBytes + body.count),
      typeRaw: FrameType.reply.rawValue, ref: 0, correlation: 0)
    unsafe header.store(to: connections[slot].control.room.baseAddress!)
    connections[slot].control.advance(FrameHeader.size)
    unsafe connections[slot].control.append(body)
    counters.frameSent(slot)
    listForTransmit(slot)
    return true
  }

  /// A reply from another shard.
  func takeReply(_ message: UnsafeRawBufferPointer, from other: Int) {
    let inbox = unsafe Inbox(
      shard: index, slot: message.load(fromByteOffset: 0, as: UInt32.self),
      generation: message.load(fromByteOffset: 4, as: UInt32.self))
    let body = unsafe UnsafeRawBufferPointer(rebasing: message[24...])
    if unsafe deliverReply(body, to: inbox) { return }
    // The refusal is told where there is room for it; it is no promise that anybody waits for.
    let ring = broker.ring(from: index, to: other)
    guard let room = unsafe ring.reserve(kind: MessageKind.noReceiver, bytes: 16) else {
      counters.refused(.noReceiver)
      return
    }
    unsafe room.copyMemory(
      from: UnsafeRawBufferPointer(rebasing: message[8..<24]))
    ring.commit()
    wake(other)
  }

  /// A reply that this shard passed on has reached nobody.
  func replyRefused(_ message: UnsafeRawBufferPointer) {
    let id = unsafe ConnectionID(
      slot: message.load(fromByteOffset: 0, as: UInt32.self),
      generation: message.load(fromByteOffset: 4, as: UInt32.self))
    guard let slot = live(id), connections[slot].phase == .open else { return }
    refuse(
      slot, ref: unsafe message.load(fromByteOffset: 12, as: UInt32.self),
      correlation: unsafe message.load(fromByteOffset: 8, as: UInt32.self), .noReceiver)
  }
}
