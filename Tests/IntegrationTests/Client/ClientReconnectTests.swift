import GalleonClient
import LinuxIO
import Synchronization
import Testing

/// What the SDK promises when connections break, against a real broker.
@Suite struct ClientReconnectTests {
  private static func quick() -> ClientOptions {
    var options = ClientOptions()
    options.reconnect.delayMin = .milliseconds(1)
    options.reconnect.delayMax = .milliseconds(20)
    return options
  }

  private static func address(of url: String) throws -> SocketAddress {
    try SocketAddress(parsing: String(url.dropFirst("galleon://".count)))
  }

  @Test func aSubscriptionMissesNothingAndRepeatsNothing() async throws {
    let broker = try BrokerProgram()
    let proxy = try CuttingProxy(to: try Self.address(of: broker.url))
    let direct = try await GalleonClient.connect(broker.url)
    let client = try await GalleonClient.connect(proxy.url, options: Self.quick())
    let subscription = try await client.subscribe("hunt.>")
    let count: UInt64 = 20_000
    let publishing = Task {
      let topics = try await (direct.publisher(for: "hunt.1"), direct.publisher(for: "hunt.2"))
      for number in 1...count {
        try await topics.0.publish("\(number)")
        try await topics.1.publish("\(number)")
        if number % 2000 == 0 {
          try await topics.0.flush()
          try proxy.cut()
        }
      }
      try await topics.0.close()
      try await topics.1.close()
    }
    var next: [String: UInt64] = ["hunt.1": 1, "hunt.2": 1]
    for try await event in subscription {
      let expected = try #require(next[event.topic])
      try #require(event.sequence == expected)
      try #require(event.text == "\(expected)")
      next[event.topic] = expected + 1
      if next.values.allSatisfy({ $0 == count + 1 }) { break }
    }
    try await publishing.value
    #expect(proxy.cutCount >= 1)
    await client.close()
    await direct.close()
    try proxy.stop()
  }

  @Test func anAcknowledgedPublisherLosesNothing() async throws {
    let broker = try BrokerProgram()
    let proxy = try CuttingProxy(to: try Self.address(of: broker.url))
    let direct = try await GalleonClient.connect(broker.url)
    let subscription = try await direct.subscribe("hunt.1")
    let client = try await GalleonClient.connect(proxy.url, options: Self.quick())
    let publisher = try await client.publisher(
      for: "hunt.1", options: PublisherOptions(acknowledgement: .accepted))
    let count = 20_000
    let publishing = Task {
      for number in 1...count {
        try await publisher.publish("\(number)")
        if number % 2000 == 1000 { try proxy.cut() }
      }
      try await publisher.flush()
    }
    var seen = [Bool](repeating: false, count: count + 1)
    var left = count
    for try await event in subscription {
      let number = try #require(Int(event.text))
      if !seen[number] {
        seen[number] = true
        left -= 1
      }
      if left == 0 { break }
    }
    try await publishing.value
    #expect(publisher.acknowledged == UInt64(count))
    #expect(publisher.lost == 0)
    #expect(proxy.cutCount >= 1)
    await client.close()
    await direct.close()
    try proxy.stop()
  }

  /// Whether a flush had a loss to report; false when everything before it is with the broker.
  private func isLossReported(_ publisher: Publisher) async throws -> Bool {
    do {
      try await publisher.flush()
      return false
    } catch {
      guard case .eventsLost = error else { throw error }
      return true
    }
  }

  /// Without acknowledgements what arrives and what is counted as lost cover everything.
  @Test func anUnacknowledgedPublisherKnowsWhatItMayHaveLost() async throws {
    let broker = try BrokerProgram()
    let proxy = try CuttingProxy(to: try Self.address(of: broker.url))
    let direct = try await GalleonClient.connect(broker.url)
    let subscription = try await direct.subscribe("hunt.1")
    let client = try await GalleonClient.connect(proxy.url, options: Self.quick())
    let publisher = try await client.publisher(for: "hunt.1")
    let count = 20_000
    for number in 1...count {
      try await publisher.publish("\(number)")
      if number % 2000 == 1000 { try proxy.cut() }
    }
    // Each break is reported once; in the end everything is accounted for.
    while try await isLossReported(publisher) {}
    #expect(publisher.acknowledged + publisher.lost == UInt64(count))
    try await publisher.publish("end")
    try await publisher.flush()
    var seen = Set<String>()
    var last = 0
    for try await event in subscription {
      if event.text == "end" { break }
      let number = try #require(Int(event.text))
      // Never twice, and in order.
      try #require(number > last)
      last = number
      seen.insert(event.text)
    }
    #expect(count - seen.count <= Int(publisher.lost))
    await client.close()
    await direct.close()
    try proxy.stop()
  }

  @Test func anotherRunOfTheBrokerIsAGapAndBeginsAnew() async throws {
    let scratch = try Scratch()
    let path = scratch.path + "/galleon.sock"
    let first = try BrokerProgram(["--unix", path])
    let states = Mutex<[String]>([])
    var options = Self.quick()
    options.reconnect.delayMax = .milliseconds(50)
    options.onStateChange = { state in
      switch state {
      case .disconnected(.closed(let reason, _), _): states.withLock { $0.append(reason.name) }
      case .reconnected(_, let isSame, _): states.withLock { $0.append("same \(isSame)") }
      default: break
      }
    }
    let client = try await GalleonClient.connect("galleon+unix://\(path)", options: options)
    let subscription = try await client.subscribe("hunt.1")
    let publisher = try await client.publisher(
      for: "hunt.1", options: PublisherOptions(acknowledgement: .accepted))
    try await publisher.publish("before")
    var iterator = subscription.items.makeAsyncIterator()
    guard case .event(let before) = try await iterator.next() else {
      Issue.record("no event")
      return
    }
    #expect(before.text == "before")
    try first.running.send(.kill)
    _ = try first.running.wait()
    try await publisher.publish("between")
    let second = try BrokerProgram(["--unix", path])
    guard case .gap(let gap) = try await iterator.next() else {
      Issue.record("no gap")
      return
    }
    #expect(gap.cause == .newEpoch)
    #expect(gap.topic == "hunt.1")
    guard case .event(let between) = try await iterator.next() else {
      Issue.record("no event")
      return
    }
    #expect(between.text == "between")
    #expect(between.sequence == 1)
    try await publisher.flush()
    #expect(states.withLock { $0.last } == "same false")
    await client.close()
    withExtendedLifetime(second) {}
  }

  @Test func aDrainingBrokerSaysSo() async throws {
    let broker = try BrokerProgram()
    let told = AsyncStream<ConnectionState>.makeStream()
    var options = Self.quick()
    options.reconnect = .never
    options.onStateChange = { told.continuation.yield($0) }
    let client = try await GalleonClient.connect(broker.url, options: options)
    let subscription = try await client.subscribe("hunt.>")
    try broker.running.send(.terminate)
    await #expect {
      for try await _ in subscription {}
    } throws: { error in
      guard case .closed(let reason, _) = error as? GalleonError else { return false }
      return reason.name == "draining"
    }
    var states: [ConnectionState] = []
    for await state in told.stream {
      states.append(state)
      if case .closed = state { break }
    }
    #expect(states.count == 2)
    await client.close()
  }
}
