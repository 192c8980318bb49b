import BrokerCore
import Counters
import CountersSupport
import WireFormat

// Any bytes, sent by a client to a core, must be answered or end its session: no crash, and nothing
// left behind. The first byte chooses what the rest is: a stream as it is, or the sizes of its
// reads, the time that passes between them and which of two connections each is for.

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOne(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  guard count > 1 else { return 0 }
  let bytes = UnsafeRawBufferPointer(start: start, count: count)
  let core = FuzzCore()
  switch bytes[0] % 3 {
  case 0: core.feed(0, UnsafeRawBufferPointer(rebasing: bytes[1...]))
  case 1:
    core.greet(0)
    core.feed(0, UnsafeRawBufferPointer(rebasing: bytes[1...]))
  default: core.play(UnsafeRawBufferPointer(rebasing: bytes[1...]))
  }
  core.end()
  return 0
}

final class FuzzCore {
  let broker: Broker
  let shard: Shard
  let counters: CountersOnHeap
  var ids: [ConnectionID?] = [nil, nil]
  var nowNs: UInt64 = 1_000_000_000
  /// Bytes that each socket takes a turn.
  var room = Int.max

  init() {
    var limits = BrokerLimits()
    limits.ringBytes = 2 << 20
    limits.stateBytes = 2 << 20
    limits.connectionsMax = 4
    limits.subscriptionsMax = 16
    limits.publishersMax = 16
    limits.topicsMax = 8
    limits.cursorsMax = 32
    limits.linksMax = 64
    limits.requestsMax = 8
    limits.inputBytes = 1 << 20
    limits.outputBytes = 1 << 20
    limits.controlBytesPerSession = 256 << 10
    limits.meshBytes = 512 << 10
    broker = Broker(limits: limits, shards: 1, instance: 7, name: "fuzz")
    counters = CountersOnHeap(limits.countersConfiguration(shards: 1))
    shard = Shard(broker, index: 0, counters: counters.region)
  }

  func turn(_ read: () -> Void = {}) {
    shard.beginTurn(nowNs: nowNs, realtimeNs: nowNs)
    _ = shard.handleInbound()
    read()
    _ = shard.retryPaused()
    while shard.pollResumed() != nil {}
    shard.fanOut()
    while shard.pollTransmit() != nil {
      let count = min(room, shard.transmitBytes)
      var sum = 0
      for vector in shard.transmitVectors {
        let bytes = UnsafeRawBufferPointer(start: vector.base, count: vector.count)
        for byte in bytes { sum &+= Int(byte) }
      }
      precondition(sum >= 0)
      shard.transmitted(count, realtimeNs: nowNs)
    }
    while shard.pollShutdown() != nil {}
    while let id = shard.pollClosed() {
      for i in ids.indices where ids[i] == id { ids[i] = nil }
    }
    _ = shard.endTurn()
    if let fault = shard.findFault() { preconditionFailure(fault) }
  }

  func feed(_ connection: Int, _ bytes: UnsafeRawBufferPointer) {
    turn {
      if ids[connection] == nil { ids[connection] = shard.openConnection(peer: "fuzz") }
      guard let id = ids[connection] else { return }
      var at = 0
      while at < bytes.count, let room = shard.receiveRoom(id) {
        let n = min(room.count, bytes.count - at)
        room.baseAddress!.copyMemory(from: bytes.baseAddress! + at, byteCount: n)
        shard.received(n, on: id)
        at += n
      }
    }
    turn()
  }

  func greet(_ connection: Int) {
    var writer = FrameWriter(reserving: 256)
    let hello = Hello(
      magic: ProtocolVersion.magic, versionMin: 1, versionMax: 1, codecs: .all, frameLengthMax: 0,
      heartbeatMs: 0, clientName: "")
    _ = hello.encode(into: &writer, ref: 0, correlation: 0)
    feed(connection, writer.bytes)
  }

  /// A byte for what to do, a byte for how much, then so much.
  func play(_ bytes: UnsafeRawBufferPointer) {
    greet(0)
    greet(1)
    var at = 0
    while at + 2 <= bytes.count {
      let what = bytes[at]
      let count = min(Int(bytes[at + 1]) * (what & 0x40 == 0 ? 1 : 64), bytes.count - at - 2)
      at += 2
      let connection = Int(what & 1)
      if what & 2 != 0 { nowNs += UInt64(what) * 20_000_000 }
      if what & 4 != 0 { room = Int(what) }
      if what & 8 != 0 {
        room = .max
        if let id = ids[connection] { shard.handleWritable(id) }
      }
      let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, count), alignment: 8)
      defer { piece.deallocate() }
      if count > 0 {
        piece.baseAddress!.copyMemory(from: bytes.baseAddress! + at, byteCount: count)
      }
      at += count
      if what & 16 != 0 { makeChecksumsRight(piece, count) }
      feed(connection, UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(piece)[..<count]))
      if what & 32 != 0, let id = ids[connection] {
        turn { shard.handleEndOfInput(id, reset: true) }
      }
    }
  }

  /// Else no batch that was changed would be accepted.
  private func makeChecksumsRight(_ bytes: UnsafeMutableRawBufferPointer, _ count: Int) {
    guard count >= 16 + BatchField.size, let base = bytes.baseAddress,
      base.load(fromByteOffset: 4, as: UInt8.self) == FrameType.publish.rawValue
    else { return }
    let batch = base + 16
    let length = Int(Batch.length(batch))
    guard length >= BatchField.size, length <= count - 16 else { return }
    let covered = UnsafeRawBufferPointer(
      start: batch + BatchField.checksumFrom, count: length - BatchField.checksumFrom)
    batch.storeBytes(
      of: crc32c(covered).littleEndian, toByteOffset: BatchField.crc32c, as: UInt32.self)
  }

  func end() {
    for id in ids { if let id { turn { shard.handleEndOfInput(id, reset: true) } } }
    turn()
    turn()
    precondition(shard.usage == ShardUsage(), "something is left behind")
  }
}
