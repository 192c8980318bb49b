import LinuxIO
import WireFormat

/// A block on its way to the socket.
struct Transmission {
  let block: PublishBlock
  let row: PublisherRow
}

// Output: control frames first, then blocks of the publishers in turn. A frame that was begun is
// always ended before anything else.
extension ClientSession {
  /// Blocks are taken from the publishers up to so many bytes; the others keep growing where they
  /// are, which is what makes batches under load.
  static var transmitBytesTarget: Int { 128 * 1024 }
  /// Pieces of one send.
  static var piecesMax: Int { 64 }

  var hasOutput: Bool { control.count > 0 || !transmit.isEmpty }

  /// Puts a publisher into the round, if it is known and not there.
  func makeReady(_ ref: UInt32) {
    guard let row = publishers[ref], row.isOpen, !row.isReady else { return }
    row.isReady = true
    ready.append(row)
  }

  /// Takes blocks from the publishers that may have some.
  func fillOutput(nowNs: UInt64) {
    takeReplies()
    guard isOpen, end == nil else { return }
    var again: [PublisherRow] = []
    while transmitBytes < Self.transmitBytesTarget, transmit.count < Self.piecesMax - 1,
      let row = ready.popFirst()
    {
      guard row.isOpen, row.hasCredit, let (block, isLast) = takeBlock(row) else {
        row.isReady = false
        finishIfDrained(row)
        continue
      }
      // One that was still being filled is the last for now: its successor has had no time to grow.
      if isLast { again.append(row) } else { ready.append(row) }
      guard block.recordBytes <= recordBytesMax else {
        // Of an earlier session that allowed more.
        lose(row, through: block.lastSequence)
        row.writtenThrough = block.lastSequence
        row.core.release(block)
        continue
      }
      row.sentEvents += UInt64(block.count)
      row.sentBytes += UInt64(block.chargedBytes)
      transmitBytes += block.frameBytes
      transmit.append(Transmission(block: block, row: row))
    }
    for row in again { ready.append(row) }
  }

  /// The publisher's next block, sealed, and whether it is the last for now.
  private func takeBlock(_ row: PublisherRow) -> (PublishBlock, isLast: Bool)? {
    if let block = row.resend.popFirst() {
      if let welcome, !welcome.codecs.contains(block.codec) { seal(block, row, .none) }
      return (block, false)
    }
    guard let (block, isLast) = row.core.takeBlock() else { return nil }
    block.number(row.nextSequence)
    row.nextSequence += UInt64(block.count)
    seal(block, row, wireCodec(row.core.options.compression))
    return (block, isLast)
  }

  private func seal(_ block: PublishBlock, _ row: PublisherRow, _ codec: Codec) {
    block.seal(ref: row.core.ref, codec: codec, codecs: codecs)
  }

  /// The codec that was asked for, where the session has it.
  private func wireCodec(_ compression: Compression) -> Codec {
    let codec: Codec =
      switch compression {
      case .none: .none
      case .lz4: .lz4
      case .zstd: .zstd
      }
    return welcome?.codecs.contains(codec) == true ? codec : .none
  }

  /// The pieces to send next, in their order. Valid until the next change.
  func outputPieces() -> [IOVector] {
    pieces.removeAll(keepingCapacity: true)
    let isHeadBegun = headSent > 0
    if !isHeadBegun && control.count > 0 { pieces.append(unsafe IOVector(control.bytes)) }
    transmit.forEach { transmission in
      let frame = unsafe transmission.block.frame
      if isHeadBegun && pieces.isEmpty {
        pieces.append(unsafe IOVector(UnsafeRawBufferPointer(rebasing: frame[headSent...])))
        if control.count > 0 { pieces.append(unsafe IOVector(control.bytes)) }
      } else {
        pieces.append(unsafe IOVector(frame))
      }
    }
    return pieces
  }

  /// So many bytes of the pieces were sent.
  func didSend(_ bytes: Int, nowNs: UInt64) {
    var left = bytes
    if headSent > 0 { left = sendHead(left, nowNs) }
    if headSent == 0 {
      let sent = min(left, control.count)
      control.removeFirst(sent)
      left -= sent
    }
    while left > 0 {
      precondition(!transmit.isEmpty, "more was sent than there was")
      left = sendHead(left, nowNs)
    }
    sendBarrierIfDue(nowNs)
    closeIfDrained(nowNs)
  }

  /// Counts sent bytes against the first block; returns those that are left.
  private func sendHead(_ bytes: Int, _ nowNs: UInt64) -> Int {
    guard let head = transmit.first else { return bytes }
    let size = head.block.frameBytes
    let sent = min(bytes, size - headSent)
    headSent += sent
    if headSent == size {
      headSent = 0
      transmitBytes -= size
      _ = transmit.popFirst()
      didWrite(head, nowNs)
    }
    return bytes - sent
  }

  private func didWrite(_ transmission: Transmission, _ nowNs: UInt64) {
    let (block, row) = (transmission.block, transmission.row)
    row.writtenThrough = block.lastSequence
    if row.isAcknowledged {
      row.inFlight.append(block)
    } else {
      unconfirmedBytes += block.frameBytes
      unconfirmedSinceNs = min(unconfirmedSinceNs, nowNs)
      row.core.release(block)
    }
    finishIfDrained(row)
  }
}
