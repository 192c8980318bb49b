import Testing
import WireFormat

@testable import LoadKit

private func shape(payloadBytes: Int = 24, batch: Int = 4) -> EventShape {
  EventShape(payloadBytes: payloadBytes, batch: batch, topics: 1, topicPrefix: "t.")
}

private func frame(_ encode: (inout FrameWriter) -> Bool) -> [UInt8] {
  var writer = FrameWriter()
  let fits = encode(&writer)
  #expect(fits)
  return writer.array
}

private let welcome = frame { writer in
  Welcome(
    version: 1, codecs: [], frameLengthMax: 262_144, batchBytesMax: 65_536, heartbeatMs: 300_000,
    subscriptionsMax: 1, publishersMax: 1, instance: 1, session: 1, inbox: 1, time: 1,
    brokerName: "b"
  ).encode(into: &writer)
}

private let subscribed = frame { writer in
  Subscribed(topics: 1, policy: .lossless).encode(into: &writer, ref: 1, correlation: 1)
}

/// The frames in `bytes`, whole and none left over.
private func frames(_ bytes: [UInt8]) throws -> [(type: FrameType, bytes: [UInt8])] {
  var found: [(FrameType, [UInt8])] = []
  var at = 0
  try unsafe bytes.withUnsafeBytes { buffer in
    while let view = unsafe try nextFrame(in: buffer, at: at, lengthMax: 262_144) {
      found.append((try #require(view.header.type), Array(bytes[view.offset..<view.end])))
      at = view.end
    }
  }
  #expect(at == bytes.count)
  return found
}

/// PUBLISH frames of a run, from a buffer that was used for another run before.
private func published(
  _ driver: inout GalleonDriver, first: UInt64 = 1, count: Int
) -> [UInt8] {
  let block = ByteBlock(zeroed: 65_536)
  unsafe driver.prepare(block.base, capacity: block.count, role: .publisher(topic: 0))
  var outbox = Outbox()
  var session = driver.open(.publisher(topic: 0), out: &outbox)
  for used in [1, 2, 3, 5, count] {
    let run = EventRun(
      firstNumber: used == count ? first : 1000, count: used, slot: 0, firstTimeNs: 70,
      stepPs: 2500)
    let size = unsafe driver.encode(run, into: block.base, session: &session)
    if used == count {
      return unsafe Array(UnsafeRawBufferPointer(start: block.base, count: size))
    }
  }
  return []
}

/// What a broker makes of PUBLISH frames: batches with the topic's sequences, in DELIVER frames.
private func delivered(_ publishes: [UInt8], from sequence: UInt64) throws -> [UInt8] {
  var next = sequence
  var bytes: [UInt8] = []
  for (type, publish) in try frames(publishes) {
    #expect(type == .publish)
    var batches = Array(publish[FrameHeader.size...])
    try unsafe batches.withUnsafeMutableBytes { memory in
      let whole = UnsafeRawBufferPointer(memory)
      let batch = unsafe try validateBatch(whole, limits: BatchLimits())
      guard let base = memory.baseAddress else { return }
      unsafe Batch.stamp(base, sequence: next, time: 1, bytesBefore: 0, topic: 9)
      next += UInt64(batch.count)
    }
    bytes += frame { writer in
      unsafe Deliver(topic: 9).encode(into: &writer, ref: 1, batches: batches.span.bytes)
    }
  }
  return bytes
}

@Suite struct GalleonDriverTests {
  @Test(arguments: [16, 17, 24, 128, 4096], [1, 4, 15])
  func publishesAreValidBatches(_ payloadBytes: Int, _ batch: Int) throws {
    var driver = try GalleonDriver(shape(payloadBytes: payloadBytes, batch: batch))
    let count = min(14, driver.eventsFitting(65_536))
    var next: UInt64 = 1
    for (type, bytes) in try frames(published(&driver, count: count)) {
      #expect(type == .publish)
      let batch = unsafe try bytes.withUnsafeBytes { buffer in
        unsafe try validateBatch(
          UnsafeRawBufferPointer(rebasing: buffer[FrameHeader.size...]), limits: BatchLimits(),
          expectedPublisherSequence: next)
      }
      #expect(batch.paddedLength == bytes.count - FrameHeader.size)
      #expect(batch.decodedLength == batch.count * (payloadBytes + 4))
      next = batch.nextPublisherSequence
    }
    #expect(next == UInt64(count) + 1)
  }

  @Test(arguments: [1, 2, 7, 31, 64, 333, 65_536])
  func eventsAreCountedInAnyPieces(_ piece: Int) throws {
    let desk = Desk()
    var tally = desk.tally
    var driver = try GalleonDriver(shape())
    var outbox = Outbox()
    var session = driver.open(.subscriber(topic: 0), out: &outbox)
    let hello = unsafe Array(UnsafeRawBufferPointer(start: outbox.base, count: outbox.count))
    #expect(try frames(hello).map(\.type) == [.hello])
    outbox.removeAll()
    let batches = try delivered(published(&driver, count: 30), from: 41)
    let ping = frame { Ping(time: 5).encode(into: &$0, correlation: 3) }
    let answers = try feed(
      &driver, &session, welcome + subscribed + batches + ping, piece: piece, &tally)
    let isReady = driver.isReady(session)
    #expect(isReady)
    #expect(tally.delivered == 30)
    #expect(tally.firstFault == nil)
    #expect(try frames(answers).map(\.type) == [.subscribe, .pong])
  }

  @Test func aBatchThatDoesNotContinueTheTopicIsAnError() throws {
    let desk = Desk()
    var tally = desk.tally
    var driver = try GalleonDriver(shape())
    var outbox = Outbox()
    var session = driver.open(.subscriber(topic: 0), out: &outbox)
    let first = try delivered(published(&driver, count: 4), from: 41)
    let second = try delivered(published(&driver, first: 5, count: 4), from: 46)
    #expect(throws: LoadError.self) {
      _ = try feed(&driver, &session, first + second, piece: 99, &tally)
    }
    #expect(tally.delivered == 4)
  }

  @Test func anAnnouncedGapIsCountedAndSeenInTheNumbers() throws {
    let desk = Desk()
    var tally = desk.tally
    var driver = try GalleonDriver(shape())
    var outbox = Outbox()
    var session = driver.open(.subscriber(topic: 0), out: &outbox)
    let first = try delivered(published(&driver, count: 4), from: 41)
    let gap = frame {
      Gap(topic: 9, cause: .ringOverrun, first: 45, last: 54, count: 10, bytes: 0)
        .encode(into: &$0, ref: 1)
    }
    let second = try delivered(published(&driver, first: 15, count: 4), from: 55)
    _ = try feed(&driver, &session, first + gap + second, piece: 99, &tally)
    #expect(tally.announcedGaps == 10)
    #expect(tally.missing == 10)
    #expect(tally.delivered == 8)
  }

  @Test func aRefusalCarriesTheBrokersWords() throws {
    let desk = Desk()
    var tally = desk.tally
    var driver = try GalleonDriver(shape())
    var outbox = Outbox()
    var session = driver.open(.publisher(topic: 0), out: &outbox)
    let close = frame {
      Close(reason: .draining, retryable: true, retryAfterMs: 1, spreadMs: 1, text: "later")
        .encode(into: &$0)
    }
    #expect(throws: LoadError.refused("draining: later")) {
      _ = try feed(&driver, &session, welcome + close, piece: 99, &tally)
    }
  }

  @Test func aBatchThatIsTooLargeIsRefusedBeforeItIsSent() {
    #expect(throws: LoadError.self) {
      _ = try GalleonDriver(shape(payloadBytes: 4096, batch: 64)).pieceBytesMax
    }
  }
}
