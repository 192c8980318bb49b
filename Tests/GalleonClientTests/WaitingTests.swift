import Synchronization
import Testing
import WireFormat
import WireSupport

@testable import GalleonClient

/// Those who wait are woken, whatever happens to others who wait.
@Suite struct WaitingTests {
  /// Two loops wait for one delivery. The one that it wakes is cancelled before it can take it:
  /// then the other one must get it, as no further delivery may ever come.
  @Test(.timeLimit(.minutes(2)))
  func aCancelledLoopLeavesItsDeliveryToTheOther() async throws {
    for _ in 1...200 {
      let scripted = try ScriptedSession.established()
      let core = try scripted.subscription()
      scripted.feed(BrokerFrames.topicInfo())
      func reader() -> Task<Event?, any Error> {
        Task {
          let reader = DeliveryReader(core, of: nil)
          guard case .event(let event) = try await reader.next() else { return nil }
          return event
        }
      }
      let first = reader()
      while core.waiterCount < 1 { await Task.yield() }
      let second = reader()
      while core.waiterCount < 2 { await Task.yield() }
      scripted.feed(BrokerFrames.deliver(ref: core.ref, [BrokerFrames.batch(["a"], sequence: 1)]))
      first.cancel()
      do {
        // It was faster than its cancellation.
        #expect(try await first.value?.text == "a")
        second.cancel()
      } catch {
        #expect(error as? GalleonError == .cancelled)
        #expect(try await second.value?.text == "a")
      }
    }
  }

  /// There is no room in the publisher, and none comes: the request's time is over all the same.
  @Test(.timeLimit(.minutes(2)))
  func aRequestThatFindsNoRoomTimesOut() async throws {
    let broker = try FakeBroker { listener in
      let peer = try listener.welcomed()
      // No credit ever comes.
      _ = try peer.openTopic(options: .block)
      try peer.serve()
    }
    let client = try await GalleonClient.connect(broker.address)
    var options = PublisherOptions(blocks: true)
    options.batchBytes = 1024
    options.bufferBytes = 4096
    let publisher = try await client.publisher(for: "ask", options: options)
    let payload = [UInt8](repeating: 1, count: 1000)
    while try publisher.tryPublish(payload) {}
    let published = publisher.published
    await #expect(throws: GalleonError.timeout) {
      try await publisher.request(payload, timeout: .milliseconds(20))
    }
    #expect(publisher.published == published)
    await client.close(timeout: .zero)
    try await broker.finish()
  }

  /// Many first requests to one topic at one time: none of them closes another one's publisher.
  @Test func requestsToOneTopicShareAPublisher() async throws {
    let broker = try FakeBroker { listener in
      let peer = try listener.welcomed()
      try peer.serve { frame in
        guard frame.type == .publish else { return }
        for event in try frame.batch().events {
          let address = event.replyTo!
          try peer.send(
            BrokerFrames.reply(
              inbox: address.inbox, token: address.token, payload: event.payload))
        }
      }
    }
    let client = try await GalleonClient.connect(broker.address)
    for topic in 0..<20 {
      try await withThrowingTaskGroup(of: Bool.self) { group in
        for number in 0..<20 {
          group.addTask {
            try await client.request("ask.\(topic)", "\(number)").text == "\(number)"
          }
        }
        for try await isMine in group { #expect(isMine) }
      }
    }
    await client.close()
    try await broker.finish()
  }

  /// The buffer is less than half full, and still has no room for a large event: whoever publishes
  /// it sleeps, rather than asking again and again.
  @Test(.timeLimit(.minutes(2)))
  func aLargeEventWaitsAsleep() async throws {
    let scripted = try ScriptedSession.established()
    var options = PublisherOptions(acknowledgement: .accepted)
    options.batchBytes = 1024
    options.bufferBytes = 8192
    let core = try scripted.publisher(options: options)
    try core.add(String(repeating: "a", count: 2000))
    let large = String(repeating: "b", count: 7000)
    let task = Task {
      while try !core.add(large) { try await core.waitForRoom() }
    }
    while core.roomWaiterCount == 0 { await Task.yield() }
    #expect(try scripted.turn().map(\.type) == [.publish])
    scripted.feed(BrokerFrames.ack(ref: core.ref, through: 1))
    try await task.value
    #expect(core.counts.published == 2)
  }

  /// Under another instance of the broker an inbox is somebody else's.
  @Test func repliesAreNotGivenToAnotherBroker() async throws {
    let scripted = try ScriptedSession.established()
    let core = try scripted.subscription()
    var bindings = Bindings()
    let deliver = try FramePattern([
      "DELIVER", "ref=\(core.ref)", "topic=1", "batch{sequence=1 events=\"x\"@5/6}",
    ])
    scripted.feed(BrokerFrames.topicInfo() + (try deliver.frame(&bindings).encoded()))
    var queue = Queue<Delivery>()
    _ = core.fetch(into: &queue)
    guard case .batch(var batch)? = queue.popFirst() else {
      Issue.record("nothing was delivered")
      return
    }
    let event = batch.next()
    scripted.disconnect()
    try await event.reply("while there is no connection")
    // The same broker gets it.
    try scripted.establish(BrokerFrames.welcome(instance: 7))
    #expect(try scripted.turn().contains { $0.type == .reply })
    scripted.disconnect()
    try await event.reply("in vain")
    try scripted.establish(BrokerFrames.welcome(instance: 8))
    #expect(try !scripted.turn().contains { $0.type == .reply })
    await #expect {
      try await event.reply("too late")
    } throws: { error in
      if case .connectionLost = error as? GalleonError { true } else { false }
    }
  }

  /// A broker that knows nothing of a publisher that is to be closed says so, and nobody waits on.
  @Test func aCloseThatIsRefusedEndsToo() throws {
    let scripted = try ScriptedSession.established()
    let core = try scripted.publisher()
    let closed = Promise<Void>()
    scripted.shared.mailbox.post(.closePublisher(core, closed))
    #expect(try scripted.turn().map(\.type) == [.closeTopic])
    scripted.feed(BrokerFrames.error(.unknownRef, ref: core.ref))
    #expect(throws: GalleonError.self) { try closed.answer?.get() }
    #expect(closed.answer != nil)
  }
}
