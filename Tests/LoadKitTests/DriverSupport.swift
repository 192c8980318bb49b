import Testing

@testable import LoadKit

/// Everything a driver needs besides bytes, for one subscriber of a topic with one publisher.
@safe final class Desk {
  let expected = UnsafeMutablePointer<UInt64>.allocate(capacity: 1)
  let latencies = UnsafeMutablePointer<LatencyHistogram>.allocate(capacity: 1)

  init() {
    unsafe expected.initialize(to: 1)
    unsafe latencies.initialize(to: LatencyHistogram())
  }

  deinit {
    unsafe expected.deallocate()
    unsafe latencies.deinitialize(count: 1)
    unsafe latencies.deallocate()
  }

  var tally: Tally { unsafe Tally(expected: expected, slotCount: 1, latencies: latencies) }
}

func shape(payloadBytes: Int = 24) -> EventShape {
  EventShape(payloadBytes: payloadBytes, batch: 1, topics: 1, topicPrefix: "t.")
}

/// Gives `bytes` to the driver in pieces of `piece` bytes, as the receive loop does.
func feed<Driver: WireDriver & ~Copyable>(
  _ driver: inout Driver, _ session: inout Driver.Session, _ bytes: [UInt8], piece: Int,
  _ tally: inout Tally
) throws(LoadError) -> [UInt8] {
  var outbox = Outbox()
  var carried: [UInt8] = []
  var start = 0
  while start < bytes.count {
    let end = min(start + piece, bytes.count)
    carried += bytes[start..<end]
    start = end
    let block = ByteBlock(carried)
    let used = unsafe try driver.receive(
      block.base, block.count, session: &session, tally: &tally, out: &outbox)
    carried.removeFirst(used)
  }
  #expect(carried.isEmpty)
  return sentBytes(&outbox)
}

func sent(_ outbox: inout Outbox) -> String {
  String(decoding: sentBytes(&outbox), as: UTF8.self)
}

func sentBytes(_ outbox: inout Outbox) -> [UInt8] {
  let bytes = unsafe UnsafeRawBufferPointer(start: outbox.base, count: outbox.count)
  defer { outbox.removeAll() }
  return unsafe Array(bytes)
}
