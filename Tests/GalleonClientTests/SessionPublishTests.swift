import Testing
import WireFormat

@testable import GalleonClient

@Suite struct SessionPublishTests {
  private static var acknowledged: PublisherOptions {
    PublisherOptions(acknowledgement: .accepted)
  }

  @Test func openTopicCarriesTheOptions() throws {
    let scripted = try ScriptedSession.established()
    var options = PublisherOptions(
      acknowledgement: .accepted, isKeyed: true, blocks: true,
      retention: Retention(events: 5, bytes: 6, age: .seconds(7)))
    options.mode = .mustCreate
    options.blockTimeout = .milliseconds(250)
    let core = PublisherCore(
      ref: 3, topic: "hunt.1", options: options, mailbox: scripted.shared.mailbox)
    let promise = Promise<Void>()
    scripted.shared.mailbox.post(.openPublisher(core, promise))
    let frame = try #require(try scripted.turn().first)
    #expect(frame.ref == 3)
    let open = try frame.openTopic()
    #expect(open.topic == "hunt.1")
    #expect(open.mode == .mustCreate)
    #expect(open.options == [.keyed, .block])
    #expect(open.ackLevel == .accepted)
    #expect(open.blockTimeoutMs == 250)
    #expect(open.retentionEvents == 5)
    #expect(open.retentionBytes == 6)
    #expect(open.retentionMs == 7000)
    scripted.feed(BrokerFrames.error(.topicExists, ref: 3))
    guard case .failure(.refused(let refusal)) = promise.answer else {
      Issue.record("not refused")
      return
    }
    #expect(refusal.name == "topicExists")
    #expect(!refusal.isRetryable)
  }

  @Test func eventsThatGatherLeaveInOneBatch() throws {
    let scripted = try ScriptedSession.established()
    let core = try scripted.publisher()
    for number in 1...5 { try core.add("event \(number)") }
    let sent = try scripted.turn()
    #expect(sent.map(\.type) == [.publish])
    let batch = try sent[0].batch()
    #expect(batch.events.map(\.payload) == (1...5).map { "event \($0)" })
    #expect(batch.header.publisherSequence == 1)
    #expect(batch.header.sequence == 0)
    #expect(batch.header.publishTime > 0)
    try core.add("event 6")
    #expect(try scripted.turn().first?.batch().header.publisherSequence == 6)
  }

  @Test func aBatchEndsAtItsSizeAndWhereTimesToLiveDiffer() throws {
    let scripted = try ScriptedSession.established()
    let core = try scripted.publisher()
    let large = String(repeating: "x", count: 6000)
    for _ in 1...5 { try core.add(large) }
    try core.add("short lived", timeToLiveMs: 100)
    try core.add("again")
    let batches = try scripted.turn().map { try $0.batch() }
    #expect(batches.map(\.events.count) == [2, 2, 1, 1, 1])
    #expect(batches.map(\.header.ttlMs) == [0, 0, 0, 100, 0])
    #expect(batches.map(\.header.publisherSequence) == [1, 3, 5, 6, 7])
  }

  @Test func aLargeEventGetsABatchOfItsOwnAndATooLargeOneIsRefused() throws {
    let scripted = try ScriptedSession.established()
    let core = try scripted.publisher()
    try core.add(String(repeating: "x", count: 60_000))
    #expect(try scripted.turn().first?.batch().events.first?.payload.utf8.count == 60_000)
    #expect(throws: GalleonError.eventTooLarge(bytes: 65_541, max: 65_536)) {
      try core.add(String(repeating: "x", count: 65_537))
    }
  }

  @Test func keysAndHeadersAreWritten() throws {
    let scripted = try ScriptedSession.established()
    let core = try scripted.publisher(topicOptions: .keyed)
    let headers = (["kind": "gold", "by": "ann"] as Headers).wire
    try core.add("compass", key: "player 7", RecordParts(hasKey: true, headers: headers))
    try core.add("", key: "player 8", RecordParts(hasKey: true, isTombstone: true))
    let events = try #require(try scripted.turn().first).batch().events
    #expect(
      events == [
        SentEvent(payload: "compass", key: "player 7", headers: ["kind": "gold", "by": "ann"]),
        SentEvent(payload: "", key: "player 8", isTombstone: true),
      ])
    #expect(throws: GalleonError.invalidEvent("every event of the topic hunt.1 must have a key")) {
      try core.add("no key")
    }
    #expect(throws: GalleonError.invalidEvent("a key has 1 to 1024 bytes")) {
      try core.add("empty key", key: "")
    }
  }

  @Test(arguments: [Compression.lz4, .zstd])
  func batchesAreCompressedWhereTheSessionHasTheCodec(compression: Compression) throws {
    let scripted = try ScriptedSession.established()
    let core = try scripted.publisher(options: PublisherOptions(compression: compression))
    for _ in 1...20 { try core.add("the same words again and again and again") }
    let batch = try #require(try scripted.turn().first).batch()
    #expect(batch.header.codec == (compression == .lz4 ? .lz4 : .zstd))
    #expect(batch.header.length < batch.header.decodedLength / 2)
    #expect(batch.events.count == 20)

    let plain = ScriptedSession()
    try plain.establish(BrokerFrames.welcome(codecs: []))
    let plainCore = try plain.publisher(options: PublisherOptions(compression: compression))
    for _ in 1...20 { try plainCore.add("the same words again and again and again") }
    #expect(try plain.turn().first?.batch().header.codec == Codec.none)
  }

  @Test func acknowledgementsAreCumulative() throws {
    let scripted = try ScriptedSession.established()
    let core = try scripted.publisher(options: Self.acknowledged)
    for number in 1...3 {
      try core.add("\(number)")
      _ = try scripted.turn()
    }
    #expect(core.counts.settled == 0)
    scripted.feed(BrokerFrames.ack(ref: core.ref, through: 2))
    #expect(core.counts.settled == 2)
    scripted.feed(BrokerFrames.ack(ref: core.ref, through: 1))
    #expect(core.counts.settled == 2)
    scripted.feed(BrokerFrames.ack(ref: core.ref, through: 3))
    #expect(core.counts.settled == 3)
    #expect(core.counts.lost == 0)
  }

  @Test func theBufferIsBoundedUntilAcknowledged() throws {
    let scripted = try ScriptedSession.established()
    var options = Self.acknowledged
    options.bufferBytes = 64 * 1024
    let core = try scripted.publisher(options: options)
    var taken = 0
    while try core.add(String(repeating: "x", count: 1000)) { taken += 1 }
    // Four blocks of 16 KiB.
    #expect(taken == 64)
    _ = try scripted.turn()
    #expect(try !core.add("sent is not acknowledged"))
    scripted.feed(BrokerFrames.ack(ref: core.ref, through: 16))
    #expect(try core.add("one block is free"))
  }

  @Test func unacknowledgedEventsAreConfirmedByAPingBehindThem() throws {
    let scripted = try ScriptedSession.established()
    let core = try scripted.publisher()
    try core.add("a")
    #expect(try scripted.turn().map(\.type) == [.publish])
    #expect(core.counts.settled == 0)
    scripted.shared.mailbox.post(.flush(core))
    let ping = try #require(try scripted.turn().first)
    #expect(ping.type == .ping)
    try core.add("b")
    #expect(try scripted.turn().map(\.type) == [.publish])
    scripted.feed(BrokerFrames.pong(correlation: ping.correlation))
    #expect(core.counts.settled == 1)
    // A trickle is confirmed after a second.
    scripted.nowNs += 1_000_000_000
    let second = try #require(try scripted.turn().first)
    #expect(second.type == .ping)
    scripted.feed(BrokerFrames.pong(correlation: second.correlation))
    #expect(core.counts.settled == 2)
  }

  @Test func aBlockTopicWaitsForCreditAndMayOverdrawOnce() throws {
    let scripted = try ScriptedSession.established()
    let core = try scripted.publisher(topicOptions: .block)
    for _ in 1...3 {
      // Each time to live makes a batch.
      try core.add("two", timeToLiveMs: 1)
      try core.add("batches", timeToLiveMs: 2)
    }
    #expect(try scripted.turn().isEmpty)
    scripted.feed(BrokerFrames.publishCredit(ref: core.ref, events: 2, bytes: 60))
    #expect(try scripted.turn().count == 2)
    scripted.feed(BrokerFrames.publishCredit(ref: core.ref, events: 100, bytes: 1))
    #expect(try scripted.turn().isEmpty)
    scripted.feed(BrokerFrames.publishCredit(ref: core.ref, events: 100, bytes: 10_000))
    #expect(try scripted.turn().count == 4)
  }

  @Test func publishersTakeTurns() throws {
    let scripted = try ScriptedSession.established()
    let first = try scripted.publisher("a")
    let second = try scripted.publisher("b")
    let large = String(repeating: "x", count: 10_000)
    for _ in 1...4 { try first.add(large) }
    for _ in 1...4 { try second.add(large) }
    let refs = try scripted.turn().map(\.ref)
    #expect(refs == [1, 2, 1, 2, 1, 2, 1, 2] || refs == [2, 1, 2, 1, 2, 1, 2, 1])
  }

  @Test func controlFramesGoBetweenBatchesAndNeverInsideOne() throws {
    let scripted = try ScriptedSession.established()
    let core = try scripted.publisher()
    let large = String(repeating: "x", count: 10_000)
    for _ in 1...3 { try core.add(large) }
    scripted.session.handleMailbox(nowNs: scripted.nowNs)
    scripted.send(limit: 100)
    scripted.feed(BrokerFrames.ping(time: 1, correlation: 4))
    let types = try scripted.turn().map(\.type)
    #expect(types == [.publish, .pong, .publish, .publish])
  }

  @Test func closingSendsWhatIsLeftFirst() throws {
    let scripted = try ScriptedSession.established()
    let core = try scripted.publisher(options: Self.acknowledged)
    let promise = Promise<Void>()
    try core.add("last words")
    scripted.shared.mailbox.post(.closePublisher(core, promise))
    #expect(try scripted.turn().map(\.type) == [.publish, .closeTopic])
    #expect(promise.answer == nil)
    scripted.feed(BrokerFrames.topicClosed(ref: core.ref))
    #expect(throws: Never.self) { try promise.answer?.get() }
    #expect(promise.answer != nil)
    #expect(core.counts.settled == 1)
    #expect(throws: GalleonError.clientClosed) { try core.add("too late") }
  }
}
