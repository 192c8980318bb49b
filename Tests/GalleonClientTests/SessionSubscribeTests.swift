import Testing
import WireFormat

@testable import GalleonClient

@Suite struct SessionSubscribeTests {
  @Test func subscribeCarriesTheOptions() throws {
    let scripted = try ScriptedSession.established()
    var options = SubscriptionOptions(
      start: .sequence(17), policy: .dropOldest(lagEvents: 100, lagBytes: 2000))
    options.windowEvents = 64
    options.windowBytes = 4096
    options.weight = 3
    let core = SubscriptionCore(
      ref: 2, pattern: "hunt.*", options: options, mailbox: scripted.shared.mailbox)
    scripted.shared.mailbox.post(.subscribe(core, Promise()))
    let subscribe = try #require(try scripted.turn().first).subscribe()
    #expect(subscribe.pattern == "hunt.*")
    #expect(subscribe.start == .sequence)
    #expect(subscribe.startValue == 17)
    #expect(subscribe.policy == .dropOldest)
    #expect(subscribe.lagEventsMax == 100)
    #expect(subscribe.lagBytesMax == 2000)
    #expect(subscribe.eventsTotal == 64)
    #expect(subscribe.bytesTotal == 4096)
    #expect(subscribe.weight == 3)
    #expect(subscribe.positionsCount == 0)
  }

  @Test(arguments: [1, 5, 24, 100, 100_000])
  func deliveriesArriveInOrderHoweverTheyAreCut(piece: Int) throws {
    let scripted = try ScriptedSession.established()
    let core = try scripted.subscription()
    let batches = [
      BrokerFrames.batch(["a", "b", "c"], sequence: 5),
      BrokerFrames.batch(["d"], sequence: 8, codec: .none),
      BrokerFrames.batch(
        (1...40).map { "number \($0) of many that look alike" }, sequence: 9, codec: .lz4),
    ]
    scripted.feed(
      BrokerFrames.topicInfo() + BrokerFrames.deliver(ref: core.ref, skip: 1, batches)
        + BrokerFrames.deliver(ref: core.ref, [BrokerFrames.batch(["z"], sequence: 49)]),
      piece: piece)
    let expected: [Taken] =
      [.event(6, "b"), .event(7, "c"), .event(8, "d")]
      + (1...40).map { .event(8 + UInt64($0), "number \($0) of many that look alike") }
      + [.event(49, "z")]
    #expect(core.takeAll() == expected)
    #expect(scripted.session.end == nil)
  }

  @Test func creditIsRenewedByConsumptionAtHalfAWindow() throws {
    let scripted = try ScriptedSession.established()
    var options = SubscriptionOptions()
    options.windowEvents = 10
    let core = try scripted.subscription(options: options)
    scripted.feed(BrokerFrames.topicInfo())
    scripted.feed(
      BrokerFrames.deliver(
        ref: core.ref, [BrokerFrames.batch(["a", "b", "c", "d"], sequence: 1)]))
    #expect(try scripted.turn().isEmpty)
    #expect(core.takeAll().count == 4)
    #expect(try scripted.turn().isEmpty)
    scripted.feed(
      BrokerFrames.deliver(ref: core.ref, [BrokerFrames.batch(["e"], sequence: 5)]))
    // Arrival renews nothing.
    #expect(try scripted.turn().isEmpty)
    #expect(core.takeAll().count == 1)
    let credit = try #require(try scripted.turn().first).credit()
    #expect(credit.eventsTotal == 15)
    // Five events of five bytes each, and 32 for each.
    #expect(credit.bytesTotal == options.windowBytes + 5 * (5 + 32))
  }

  @Test func bytesRenewCreditToo() throws {
    let scripted = try ScriptedSession.established()
    var options = SubscriptionOptions()
    options.windowBytes = 1000
    let core = try scripted.subscription(options: options)
    scripted.feed(BrokerFrames.topicInfo())
    // One batch overdraws: it is larger than the window.
    let large = String(repeating: "x", count: 2000)
    scripted.feed(
      BrokerFrames.deliver(ref: core.ref, [BrokerFrames.batch([large], sequence: 1)]))
    #expect(try scripted.turn().isEmpty)
    #expect(core.takeAll().count == 1)
    #expect(try scripted.turn().first?.credit().bytesTotal == 1000 + 2000 + 4 + 32)
  }

  @Test func gapsStandAtTheirPlace() throws {
    let scripted = try ScriptedSession.established()
    let core = try scripted.subscription()
    scripted.feed(BrokerFrames.topicInfo())
    scripted.feed(BrokerFrames.deliver(ref: core.ref, [BrokerFrames.batch(["a"], sequence: 1)]))
    scripted.feed(BrokerFrames.gap(ref: core.ref, cause: .expired, first: 2, last: 6))
    scripted.feed(BrokerFrames.deliver(ref: core.ref, [BrokerFrames.batch(["b"], sequence: 7)]))
    #expect(core.takeAll() == [.event(1, "a"), .gap(.expired, 2, 6), .event(7, "b")])
  }

  /// They cost no credit: a ring that runs over a subscription again and again must not fill the
  /// memory of a program that takes nothing.
  @Test func gapsGatherNoMemoryWhereNobodyReads() throws {
    let scripted = try ScriptedSession.established()
    let core = try scripted.subscription()
    scripted.feed(BrokerFrames.topicInfo() + BrokerFrames.topicInfo(id: 2, name: "hunt.2"))
    func lose(_ cause: WireFormat.GapCause, _ topic: UInt32, _ first: UInt64, _ last: UInt64) {
      scripted.feed(
        BrokerFrames.gap(ref: core.ref, topic: topic, cause: cause, first: first, last: last))
    }
    for round in 0..<100 as Range<UInt64> {
      for topic in 1...2 as ClosedRange<UInt32> {
        lose(.ringOverrun, topic, round * 5 + 1, round * 5 + 5)
      }
    }
    lose(.expired, 2, 501, 502)
    scripted.feed(BrokerFrames.deliver(ref: core.ref, [BrokerFrames.batch(["a"], sequence: 501)]))
    lose(.ringOverrun, 1, 502, 503)
    #expect(
      core.takeAll() == [
        .gap(.ringOverrun, 1, 500), .gap(.several, 1, 502), .event(501, "a"),
        .gap(.ringOverrun, 502, 503),
      ])
  }

  @Test func aJumpThatNobodyExplainedIsAGapToo() throws {
    let scripted = try ScriptedSession.established()
    let core = try scripted.subscription()
    scripted.feed(BrokerFrames.topicInfo())
    scripted.feed(BrokerFrames.deliver(ref: core.ref, [BrokerFrames.batch(["a"], sequence: 1)]))
    scripted.feed(BrokerFrames.deliver(ref: core.ref, [BrokerFrames.batch(["b"], sequence: 4)]))
    #expect(core.takeAll() == [.event(1, "a"), .gap(.unexplained, 2, 3), .event(4, "b")])
  }

  @Test func whatWasDeliveredBeforeIsNotDeliveredTwice() throws {
    let scripted = try ScriptedSession.established()
    let core = try scripted.subscription()
    scripted.feed(BrokerFrames.topicInfo())
    let batch = BrokerFrames.batch(["a", "b"], sequence: 1)
    scripted.feed(BrokerFrames.deliver(ref: core.ref, [batch]))
    scripted.feed(BrokerFrames.deliver(ref: core.ref, [batch]))
    scripted.feed(
      BrokerFrames.deliver(ref: core.ref, [BrokerFrames.batch(["b", "c"], sequence: 2)]))
    #expect(core.takeAll() == [.event(1, "a"), .event(2, "b"), .event(3, "c")])
  }

  @Test func aDamagedBatchIsAGapAndTheSessionLives() throws {
    let scripted = try ScriptedSession.established()
    let core = try scripted.subscription()
    scripted.feed(BrokerFrames.topicInfo())
    var damaged = BrokerFrames.batch(["b", "c"], sequence: 2)
    damaged[BatchField.size + 4] ^= 1
    scripted.feed(
      BrokerFrames.deliver(
        ref: core.ref,
        [
          BrokerFrames.batch(["a"], sequence: 1), damaged,
          BrokerFrames.batch(["d"], sequence: 4),
        ]))
    #expect(core.takeAll() == [.event(1, "a"), .gap(.corrupt, 2, 3), .event(4, "d")])
    #expect(scripted.session.end == nil)
  }

  @Test(arguments: [Codec.lz4, .zstd])
  func aCompressedBatchThatLiesIsAGap(codec: Codec) throws {
    let scripted = try ScriptedSession.established()
    let core = try scripted.subscription()
    scripted.feed(BrokerFrames.topicInfo())
    var lying = BrokerFrames.batch(
      [String](repeating: "the same again and again", count: 30), sequence: 1, codec: codec)
    lying[BatchField.count] = 29
    let length = Int(lying[0]) | Int(lying[1]) << 8
    let sum = unsafe lying.withUnsafeBytes { raw in
      unsafe crc32c(UnsafeRawBufferPointer(rebasing: raw[BatchField.checksumFrom..<length]))
    }
    for index in 0..<4 {
      lying[BatchField.crc32c + index] = UInt8(truncatingIfNeeded: sum >> UInt32(8 * index))
    }
    scripted.feed(BrokerFrames.deliver(ref: core.ref, [lying]))
    #expect(core.takeAll() == [.gap(.corrupt, 1, 29)])
    #expect(scripted.session.end == nil)
  }

  @Test func aDeliveryOfAnUnknownTopicEndsTheSession() throws {
    let scripted = try ScriptedSession.established()
    let core = try scripted.subscription()
    scripted.feed(BrokerFrames.deliver(ref: core.ref, [BrokerFrames.batch(["a"], sequence: 1)]))
    #expect(try scripted.turn().last?.close().reason == .protocolViolation)
  }

  @Test func closingGivesTheAccount() throws {
    let scripted = try ScriptedSession.established()
    let core = try scripted.subscription()
    let promise = Promise<SubscriptionAccount>()
    scripted.shared.mailbox.post(.unsubscribe(core, promise))
    #expect(try scripted.turn().map(\.type) == [.unsubscribe])
    // What was on its way is not an error.
    scripted.feed(BrokerFrames.topicInfo())
    scripted.feed(BrokerFrames.deliver(ref: core.ref, [BrokerFrames.batch(["a"], sequence: 1)]))
    scripted.feed(BrokerFrames.unsubscribed(ref: core.ref, delivered: 1))
    #expect(try promise.answer?.get().delivered == 1)
    #expect(scripted.session.subscriptions.isEmpty)
  }

  @Test func repliesFindTheirRequest() throws {
    let scripted = try ScriptedSession.established()
    let promise = Promise<Event>()
    let address = try scripted.shared.requests.add(
      scripted.asker, deadlineNs: .max, promise)
    scripted.feed(BrokerFrames.reply(inbox: 900, token: address.token + 1, payload: "not mine"))
    #expect(promise.answer == nil)
    scripted.feed(BrokerFrames.reply(inbox: 900, token: address.token, payload: "yes"))
    #expect(try promise.answer?.get().text == "yes")
    #expect(try promise.answer?.get().topic == "ask")
  }

  @Test func requestsThatNobodyAnswersTimeOut() throws {
    let scripted = try ScriptedSession.established()
    let promise = Promise<Event>()
    let deadline = scripted.nowNs + 1000
    _ = try scripted.shared.requests.add(
      scripted.asker, deadlineNs: deadline, promise)
    scripted.shared.mailbox.post(.requestDeadline(deadline))
    _ = try scripted.turn()
    #expect(scripted.session.nextDeadlineNs() == deadline)
    scripted.nowNs = deadline
    _ = try scripted.turn()
    #expect(throws: GalleonError.timeout) { try promise.answer?.get() }
  }
}
