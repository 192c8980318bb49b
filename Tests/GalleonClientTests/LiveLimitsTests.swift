import Synchronization
import Testing
import WireFormat

@testable import GalleonClient

/// Backpressure, cancellation, requests: the client over real sockets.
@Suite struct LiveLimitsTests {
  private static var small: PublisherOptions {
    var options = PublisherOptions(acknowledgement: .accepted)
    options.batchBytes = 1024
    options.bufferBytes = 4096
    return options
  }

  @Test func publishSuspendsUntilThereIsRoom() async throws {
    let mayAcknowledge = try Signal()
    let broker = try FakeBroker { listener in
      let peer = try listener.welcomed()
      let ref = try peer.openTopic()
      var through: UInt64 = 0
      while through < 4 {
        let header = try peer.expect(.publish).batch().header
        through = header.publisherSequence + UInt64(header.count) - 1
      }
      try mayAcknowledge.wait()
      try peer.send(BrokerFrames.ack(ref: ref, through: through))
      try peer.serve { frame in
        guard frame.type == .publish else { return }
        let header = try frame.batch().header
        try peer.send(
          BrokerFrames.ack(
            ref: ref, through: header.publisherSequence + UInt64(header.count) - 1))
      }
    }
    let client = try await GalleonClient.connect(broker.address)
    let publisher = try await client.publisher(for: "hunt.1", options: Self.small)
    let payload = [UInt8](repeating: 1, count: 1000)
    for _ in 1...4 { #expect(try publisher.tryPublish(payload)) }
    #expect(try !publisher.tryPublish(payload))
    let isPublished = Atomic(false)
    let task = Task {
      try await publisher.publish(payload)
      isPublished.store(true, ordering: .releasing)
    }
    // The broker has everything and says nothing: the task cannot have gone on.
    #expect(publisher.acknowledged == 0)
    let isEarly = isPublished.load(ordering: .acquiring)
    #expect(!isEarly)
    try mayAcknowledge.raise()
    try await task.value
    try await publisher.flush()
    #expect(publisher.acknowledged == 5)
    await client.close()
    try await broker.finish()
  }

  @Test func aSuspendedPublishCanBeCancelled() async throws {
    let broker = try FakeBroker { listener in
      let peer = try listener.welcomed()
      _ = try peer.openTopic()
      while try peer.frame() != nil {}
    }
    let client = try await GalleonClient.connect(broker.address)
    let publisher = try await client.publisher(for: "hunt.1", options: Self.small)
    let payload = [UInt8](repeating: 1, count: 1000)
    while try publisher.tryPublish(payload) {}
    let before = publisher.published
    let task = Task { try await publisher.publish(payload) }
    task.cancel()
    await #expect(throws: GalleonError.cancelled) { try await task.value }
    #expect(publisher.published == before)
    let flush = Task { try await publisher.flush() }
    flush.cancel()
    await #expect(throws: GalleonError.cancelled) { try await flush.value }
    await client.close(timeout: .zero)
    try await broker.finish()
  }

  @Test func aWaitingLoopCanBeCancelledAndTheSubscriptionLives() async throws {
    let mayDeliver = try Signal()
    let broker = try FakeBroker { listener in
      let peer = try listener.welcomed()
      let subscribe = try peer.subscribe()
      try mayDeliver.wait()
      try peer.send(
        BrokerFrames.deliver(ref: subscribe.ref, [BrokerFrames.batch(["1"], sequence: 1)]))
      try peer.serve()
    }
    let client = try await GalleonClient.connect(broker.address)
    let subscription = try await client.subscribe("hunt.>")
    let loop = Task { for try await _ in subscription {} }
    loop.cancel()
    await #expect(throws: GalleonError.cancelled) { try await loop.value }
    try mayDeliver.raise()
    for try await event in subscription {
      #expect(event.text == "1")
      break
    }
    await client.close()
    try await broker.finish()
  }

  @Test func connectingCanBeCancelled() async throws {
    let isThere = Promise<Void>()
    let broker = try FakeBroker { listener in
      // Where nobody comes the test must hear of it, or it would wait for ever.
      defer { isThere.fulfil(.failure(.timeout)) }
      let peer = try listener.next()
      isThere.fulfil(.success(()))
      while try peer.frame() != nil {}
    }
    let address = broker.address
    let task = Task { try await GalleonClient.connect(address) }
    try await isThere.value()
    task.cancel()
    await #expect(throws: GalleonError.cancelled) { try await task.value }
    try await broker.finish()
  }

  @Test func sessionsThatEndAtOnceAreAskedForLessAndLessOften() async throws {
    let waits = Mutex<[Duration]>([])
    let broker = try FakeBroker { listener in
      for _ in 1...6 {
        let peer = try listener.welcomed()
        try peer.send(BrokerFrames.close(.slowSubscriber))
        while try peer.frame() != nil {}
      }
      try listener.welcomed().serve()
    }
    let isBack = Promise<Void>()
    var options = ClientOptions()
    options.reconnect.delayMin = .milliseconds(1)
    options.onStateChange = { state in
      guard case .disconnected(let error, let wait) = state else { return }
      let count = waits.withLock { waits in
        waits.append(wait)
        return waits.count
      }
      if count == 6 { isBack.fulfil(.success(())) }
      guard case .closed(let reason, _) = error, reason.name == "slowSubscriber" else {
        Issue.record("\(error)")
        return
      }
    }
    let client = try await GalleonClient.connect(broker.address, options: options)
    try await isBack.value()
    // Opens when the client has come back for the seventh time.
    _ = try await client.publisher(for: "hunt.1")
    for (index, wait) in waits.withLock({ $0 }).enumerated() {
      let whole = Duration.milliseconds(1 << index)
      #expect(wait >= whole / 2 && wait <= whole)
    }
    await client.close()
    try await broker.finish()
  }

  @Test func requestsAreAnswered() async throws {
    let broker = try FakeBroker { listener in
      let peer = try listener.welcomed()
      try peer.serve { frame in
        for event in try frame.batch().events {
          guard let address = event.replyTo else { throw ScriptError(description: "\(event)") }
          try peer.send(
            BrokerFrames.reply(
              inbox: address.inbox, token: address.token, payload: event.payload + "!"))
        }
      }
    }
    let client = try await GalleonClient.connect(broker.address)
    #expect(try await client.request("echo", "one").text == "one!")
    let replies = try await withThrowingTaskGroup(of: (Int, String).self) { group in
      for number in 1...50 {
        group.addTask { (number, try await client.request("echo", "\(number)").text) }
      }
      var replies: [Int: String] = [:]
      for try await (number, text) in group { replies[number] = text }
      return replies
    }
    #expect(replies == Dictionary(uniqueKeysWithValues: (1...50).map { ($0, "\($0)!") }))
    await client.close()
    try await broker.finish()
  }

  @Test func anUnansweredRequestTimesOut() async throws {
    let broker = try FakeBroker { try $0.welcomed().serve() }
    let client = try await GalleonClient.connect(broker.address)
    await #expect(throws: GalleonError.timeout) {
      try await client.request("nobody", "hello?", timeout: .milliseconds(20))
    }
    await client.close()
    try await broker.finish()
  }

  @Test func aRequestCanBeReplied() async throws {
    let broker = try FakeBroker { listener in
      let peer = try listener.welcomed()
      let subscribe = try peer.subscribe(topic: "echo")
      var writer = BatchWriter()
      let fits = unsafe [UInt8]("ask".utf8).withUnsafeBytes {
        unsafe writer.append(
          payload: $0, key: nil, replyTo: ReplyAddress(inbox: 41, token: 42))
      }
      precondition(fits)
      var batch = unsafe [UInt8](writer.finish(publisherSequence: 1))
      unsafe batch.withUnsafeMutableBytes {
        unsafe Batch.stamp($0.baseAddress!, sequence: 1, time: 1, bytesBefore: 0, topic: 1)
      }
      try peer.send(BrokerFrames.deliver(ref: subscribe.ref, [batch]))
      let frame = try peer.expect(.reply)
      let reply = try frame.reply()
      let event = try frame.batch().events.first
      guard reply.inbox == 41, reply.token == 42, event?.payload == "answer",
        event?.headers == ["kind": "test"]
      else { throw ScriptError(description: "\(reply) \(String(describing: event))") }
      try peer.serve()
    }
    let client = try await GalleonClient.connect(broker.address)
    let subscription = try await client.subscribe("echo")
    for try await event in subscription {
      #expect(event.wantsReply)
      try await event.reply("answer", headers: ["kind": "test"])
      break
    }
    await client.close()
    try await broker.finish()
  }
}
