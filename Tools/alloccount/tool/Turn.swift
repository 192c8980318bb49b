import BrokerCore
import Counters
import WireFormat

extension World {
  private var realtimeNs: UInt64 { 1_700_000_000_000_000_000 + nowNs }

  /// One turn of a shard, as its event loop would take it.
  mutating func turn(_ shard: Shard, side: Int) {
    nowNs += 5_000
    turns += 1
    shard.beginTurn(nowNs: nowNs, realtimeNs: realtimeNs)
    _ = shard.handleInbound()
    for slot in 0..<peerCount(side) { read(shard, side, slot) }
    _ = shard.retryPaused()
    while shard.pollResumed() != nil {}
    shard.fanOut()
    while let id = shard.pollTransmit() { write(shard, side, id) }
    while shard.pollClosed() != nil { closed += 1 }
    _ = shard.endTurn()
  }

  /// A turn in which no peer sends anything, while they are being set up.
  mutating func turnAlone(_ shard: Shard, side: Int) {
    nowNs += 5_000
    shard.beginTurn(nowNs: nowNs, realtimeNs: realtimeNs)
    _ = shard.handleInbound()
    shard.fanOut()
    while shard.pollTransmit() != nil {
      if side == scenario.shards - 1 { unsafe takeAnswers(shard.transmitVectors) }
      shard.transmitted(
        shard.transmitBytes, realtimeNs: realtimeNs)
    }
    while shard.pollClosed() != nil { closed += 1 }
    _ = shard.endTurn()
  }

  /// What a connection sends in a turn.
  private mutating func read(_ shard: Shard, _ side: Int, _ slot: Int) {
    let peer = self[side, slot]
    if peer.blockedTurns > 0 {
      self[side, slot].blockedTurns -= 1
      if peer.blockedTurns == 1 { shard.handleWritable(peer.id) }
    }
    guard let room = unsafe shard.receiveRoom(peer.id) else { return }
    if peer.subscription < 0 {
      let count = min(readable(), min(scenario.readBytes, room.count))
      guard count > 0 else { return }
      unsafe feed.copy(from: fed, count: count, to: room)
      fed += count
      shard.received(count, on: peer.id)
    } else if scenario.window > 0, !peer.isIdle, !peer.isSlow || turns & 15 == 0 {
      let row = subscription(side, peer.subscription)
      let credit = Credit(
        eventsTotal: row.get(.deliveredEvents) + scenario.window, bytesTotal: .max)
      unsafe credit.store(to: room.baseAddress!, ref: 1)
      shard.received(Credit.prefixSize, on: peer.id)
    }
  }

  /// What a connection is sent.
  private mutating func write(_ shard: Shard, _ side: Int, _ id: ConnectionID) {
    let peer = self[side, Int(id.slot)]
    let bytes = shard.transmitBytes
    if peer.isBlocked {
      shard.transmitted(0, realtimeNs: realtimeNs)
      return
    }
    if peer.isCut, bytes > 1000 {
      self[side, Int(id.slot)].blockedTurns = 3
      cuts += 1
      // Odd, so that frames are cut anywhere.
      shard.transmitted((bytes / 2) | 1, realtimeNs: realtimeNs)
      return
    }
    if peer.subscription < 0 { unsafe takeAnswers(shard.transmitVectors) }
    shard.transmitted(bytes, realtimeNs: realtimeNs)
  }

  /// The publisher reads what it is answered.
  private mutating func takeAnswers(_ vectors: UnsafeBufferPointer<TransmitVector>) {
    for i in 0..<vectors.count {
      let vector = unsafe vectors[i]
      let bytes = unsafe UnsafeRawBufferPointer(start: vector.base, count: vector.count)
      do throws(WireError) {
        var at = 0
        while let frame = try unsafe nextFrame(in: bytes, at: at, lengthMax: 1 << 20) {
          at = frame.end
          var reader = unsafe FrameReader(frame, in: bytes)
          switch frame.header.type {
          case .publishCredit: granted = try PublishCredit(reader: &reader).bytesTotal
          case .ack: ackedThrough = try Ack(reader: &reader).through
          default: break
          }
        }
      } catch {
        preconditionFailure("the broker sent what nobody can read")
      }
    }
  }

  /// Turns until all that may be fed has arrived, and at least so many.
  mutating func run(_ a: Shard, _ b: Shard, turnsMin: Int) {
    var left = turnsMin
    let turnsMax = turns + 200_000
    while turns < turnsMax, left > 0 || !isSettled() {
      left -= 1
      turn(a, side: 0)
      if scenario.shards > 1 { turn(b, side: 1) }
    }
  }
}
