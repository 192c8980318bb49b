import Synchronization
import Testing
import WireFormat

@testable import GalleonClient

/// The client over real sockets, against a broker that follows a script.
@Suite struct LiveTests {
  @Test func aRefusedConnectionIsAnErrorWithASentence() async throws {
    // A port that was just free.
    let broker = try FakeBroker { _ in }
    try await broker.finish()
    await #expect {
      _ = try await GalleonClient.connect(broker.address)
    } throws: { error in
      guard case .cannotConnect(let text) = error as? GalleonError else { return false }
      return text.contains("127.0.0.1")
    }
  }

  @Test func aBrokerThatDoesNotWantUsSaysWhy() async throws {
    let broker = try FakeBroker { listener in
      let peer = try listener.next()
      _ = try peer.expect(.hello)
      try peer.send(BrokerFrames.close(.tooManyConnections))
      while try peer.frame() != nil {}
    }
    await #expect {
      _ = try await GalleonClient.connect(broker.address)
    } throws: { error in
      guard case .closed(let reason, _) = error as? GalleonError else { return false }
      return reason.name == "tooManyConnections"
    }
    try await broker.finish()
  }

  @Test func everythingPublishedArrivesInOrderAndInBatches() async throws {
    let batches = Atomic<Int>(0)
    let count = 20_000
    let broker = try FakeBroker { listener in
      let events = try listener.welcomed().serve { frame in
        if frame.type == .publish { batches.wrappingAdd(1, ordering: .relaxed) }
      }
      guard events.map(\.payload) == (1...count).map({ "event \($0)" }) else {
        throw ScriptError(description: "\(events.count) events, or not in order")
      }
    }
    let client = try await GalleonClient.connect(broker.address)
    let publisher = try await client.publisher(for: "hunt.1")
    for number in 1...count { try await publisher.publish("event \(number)") }
    try await publisher.flush()
    #expect(publisher.acknowledged == UInt64(count))
    #expect(publisher.lost == 0)
    try await publisher.close()
    await client.close()
    try await broker.finish()
    #expect(batches.load(ordering: .relaxed) < count / 4)
  }

  @Test func aUnixSocketWorksToo() async throws {
    let path = "/tmp/galleon-client-\(UInt64.random(in: 0...UInt64.max)).sock"
    let broker = try FakeBroker(unixPath: path) { listener in
      let events = try listener.welcomed().serve()
      guard events.map(\.payload) == ["hello"] else {
        throw ScriptError(description: "\(events)")
      }
    }
    let client = try await GalleonClient.connect(broker.address)
    try await client.publisher(for: "a").publish("hello")
    await client.close()
    try await broker.finish()
  }

  @Test func consumptionRenewsTheCredit() async throws {
    let broker = try FakeBroker { listener in
      let peer = try listener.welcomed()
      let subscribe = try peer.subscribe()
      var granted = try subscribe.subscribe().eventsTotal
      var next: UInt64 = 1
      while next <= 100 {
        while next <= granted && next <= 100 {
          try peer.send(
            BrokerFrames.deliver(
              ref: subscribe.ref, [BrokerFrames.batch(["\(next)"], sequence: next)]))
          next += 1
        }
        if next <= 100 { granted = try peer.expect(.credit).credit().eventsTotal }
      }
      try peer.serve()
    }
    let client = try await GalleonClient.connect(broker.address)
    var options = SubscriptionOptions()
    options.windowEvents = 8
    let subscription = try await client.subscribe("hunt.>", options: options)
    var expected: UInt64 = 1
    for try await event in subscription {
      #expect(event.sequence == expected)
      #expect(event.text == "\(expected)")
      expected += 1
      if expected == 101 { break }
    }
    try await subscription.close()
    await client.close()
    try await broker.finish()
  }

  @Test func leavingALoopAndStartingAnotherLosesNothing() async throws {
    let broker = try FakeBroker { listener in
      let peer = try listener.welcomed()
      let subscribe = try peer.subscribe()
      try peer.send(
        BrokerFrames.deliver(
          ref: subscribe.ref,
          [
            BrokerFrames.batch(["1", "2", "3"], sequence: 1),
            BrokerFrames.batch(["4", "5"], sequence: 4),
          ]))
      try peer.send(BrokerFrames.gap(ref: subscribe.ref, cause: .dropOldest, first: 6, last: 9))
      try peer.send(
        BrokerFrames.deliver(ref: subscribe.ref, [BrokerFrames.batch(["10"], sequence: 10)]))
      try peer.serve()
    }
    let client = try await GalleonClient.connect(broker.address)
    let subscription = try await client.subscribe("hunt.>")
    for try await event in subscription {
      #expect(event.text == "1")
      break
    }
    for try await event in subscription where event.text == "2" { break }
    var rest: [String] = []
    let error = await #expect(throws: GalleonError.self) {
      for try await event in subscription { rest.append(event.text) }
    }
    #expect(rest == ["3", "4", "5"])
    guard case .gap(let gap) = error else {
      Issue.record("no gap")
      return
    }
    #expect(gap.first == 6 && gap.last == 9 && gap.count == 4)
    #expect(gap.cause == .dropOldest)
    #expect(gap.topic == "hunt.1")
    for try await item in subscription.items {
      guard case .event(let event) = item else {
        Issue.record("a gap twice")
        break
      }
      #expect(event.text == "10")
      break
    }
    await client.close()
    try await broker.finish()
  }

  @Test func afterABreakTheClientComesBackAndGoesOn() async throws {
    let states = Mutex<[String]>([])
    let broker = try FakeBroker { listener in
      let first = try listener.welcomed()
      let subscribe = try first.subscribe()
      try first.send(
        BrokerFrames.deliver(
          ref: subscribe.ref, [BrokerFrames.batch(["1", "2"], sequence: 1)]))
      let ref = try first.openTopic()
      _ = try first.expect(.publish)
      _ = ref
      try first.reset()
      let second = try listener.welcomed(BrokerFrames.welcome(session: 2))
      let opened = try second.openTopic()
      let again = try second.subscribe()
      guard try again.positions() == [1: 3] else {
        throw ScriptError(description: "resumed at \(try again.positions())")
      }
      try second.send(
        BrokerFrames.deliver(ref: again.ref, [BrokerFrames.batch(["3"], sequence: 3)]))
      let batch = try second.expect(.publish).batch()
      try second.send(
        BrokerFrames.ack(ref: opened, through: batch.header.publisherSequence))
      guard batch.events.map(\.payload) == ["not acknowledged"] else {
        throw ScriptError(description: "\(batch.events)")
      }
      try second.serve()
    }
    var options = ClientOptions()
    options.reconnect.delayMin = .milliseconds(1)
    options.onStateChange = { state in
      states.withLock { states in
        switch state {
        case .connected: states.append("connected")
        case .disconnected: states.append("disconnected")
        case .reconnected(_, let isSame, let lost): states.append("reconnected \(isSame) \(lost)")
        case .closed(let error): states.append("closed \(error == nil)")
        }
      }
    }
    let client = try await GalleonClient.connect(broker.address, options: options)
    let subscription = try await client.subscribe("hunt.>")
    let publisher = try await client.publisher(
      for: "hunt.1", options: PublisherOptions(acknowledgement: .accepted))
    try await publisher.publish("not acknowledged")
    var texts: [String] = []
    for try await event in subscription {
      texts.append(event.text)
      if texts.count == 3 { break }
    }
    #expect(texts == ["1", "2", "3"])
    try await publisher.flush()
    #expect(publisher.acknowledged == 1)
    await client.close()
    try await broker.finish()
    #expect(
      states.withLock { $0 } == ["connected", "disconnected", "reconnected true 0", "closed true"])
  }

  @Test func whatWasUnderWayWithoutAcknowledgementIsCounted() async throws {
    let broker = try FakeBroker { listener in
      let first = try listener.welcomed()
      _ = try first.openTopic()
      _ = try first.expect(.publish)
      try first.reset()
      try listener.welcomed().serve()
    }
    var options = ClientOptions()
    options.reconnect.delayMin = .milliseconds(1)
    let client = try await GalleonClient.connect(broker.address, options: options)
    let publisher = try await client.publisher(for: "hunt.1")
    try await publisher.publish("in doubt")
    await #expect(throws: GalleonError.eventsLost(1)) { try await publisher.flush() }
    #expect(publisher.lost == 1)
    try await publisher.publish("fine")
    try await publisher.flush()
    #expect(publisher.acknowledged == 1)
    await client.close()
    try await broker.finish()
  }

  @Test func aFinalCloseEndsTheSequenceWithItsReason() async throws {
    let broker = try FakeBroker { listener in
      let peer = try listener.welcomed()
      _ = try peer.subscribe()
      try peer.send(BrokerFrames.close(.protocolViolation))
      while try peer.frame() != nil {}
    }
    let client = try await GalleonClient.connect(broker.address)
    let subscription = try await client.subscribe("hunt.>")
    await #expect {
      for try await _ in subscription {}
    } throws: { error in
      guard case .closed(let reason, _) = error as? GalleonError else { return false }
      return reason.name == "protocolViolation"
    }
    await #expect(throws: GalleonError.clientClosed) { try await client.subscribe("more") }
    try await broker.finish()
  }

  @Test func aClientThatNobodyRefersToSendsWhatItHasAndCloses() async throws {
    let broker = try FakeBroker { listener in
      let events = try listener.welcomed().serve()
      guard events.map(\.payload) == ["last words"] else {
        throw ScriptError(description: "\(events)")
      }
    }
    func speak() async throws {
      let client = try await GalleonClient.connect(broker.address)
      let subscription = try await client.subscribe("hunt.>")
      let publisher = try await client.publisher(for: "hunt.1")
      try await publisher.publish("last words")
      withExtendedLifetime(subscription) {}
    }
    try await speak()
    try await broker.finish()
  }

  @Test func closingTheClientEndsTheLoops() async throws {
    let broker = try FakeBroker { listener in
      let peer = try listener.welcomed()
      _ = try peer.subscribe()
      try peer.serve()
    }
    let client = try await GalleonClient.connect(broker.address)
    let subscription = try await client.subscribe("hunt.>")
    let loop = Task {
      var count = 0
      for try await _ in subscription { count += 1 }
      return count
    }
    await client.close()
    #expect(try await loop.value == 0)
    try await broker.finish()
  }
}
