import GalleonClient
import LinuxIO
import Testing

/// Policies that leave events out, and the state of a topic, with the SDK against a real broker.
@Suite struct ClientPolicyTests {
  /// What a program that follows a subscription knows.
  private struct Follower {
    var values: [String: String] = [:]
    var events: UInt64 = 0
    var leftOut: UInt64 = 0
    var isComplete = false

    mutating func take(_ item: SubscriptionItems.Element) throws {
      switch item {
      case .event(let event):
        events += 1
        values[try #require(event.keyText)] = event.isTombstone ? nil : event.text
      case .leftOut(let out): leftOut += out.count + out.expiredCount
      case .stateReset: values = [:]
      case .stateComplete: isComplete = true
      case .gap(let gap): Issue.record("\(gap)")
      }
    }
  }

  private func publisher(_ client: GalleonClient) async throws -> Publisher {
    try await client.publisher(
      for: "map", options: PublisherOptions(acknowledgement: .accepted, isKeyed: true))
  }

  @Test func aLaggardSeesTheFinalStateAndEveryEventIsAccountedFor() async throws {
    let broker = try BrokerProgram()
    let client = try await GalleonClient.connect(broker.url)
    var options = SubscriptionOptions(start: .latest, policy: .latest())
    options.windowEvents = 4
    let subscription = try await client.subscribe("map", options: options)
    let publisher = try await publisher(client)
    let count: UInt64 = 2000
    var final: [String: String] = [:]
    for number in 1...count {
      let key = "key \(number % 20)"
      if number % 3 == 0 {
        try await publisher.delete(key: key)
      } else {
        try await publisher.publish("\(number)", key: key)
      }
      final[key] = number % 3 == 0 ? nil : "\(number)"
      if number % 100 == 0 { try await publisher.flush() }
    }
    var follower = Follower()
    for try await item in subscription.items {
      try follower.take(item)
      if follower.events + follower.leftOut == count { break }
    }
    #expect(follower.values == final)
    #expect(follower.leftOut > 0)
    let account = try await subscription.close()
    #expect(account.matched == count && account.delivered == follower.events)
    #expect(account.leftOut == follower.leftOut)
    await client.close()
  }

  @Test func theStateComesFirstThenWhatChanges() async throws {
    let broker = try BrokerProgram()
    let client = try await GalleonClient.connect(broker.url)
    let publisher = try await publisher(client)
    for number in 1...100 { try await publisher.publish("\(number)", key: "key \(number % 10)") }
    try await publisher.delete(key: "key 3")
    try await publisher.flush()
    let subscription = try await client.subscribe(
      "*", options: SubscriptionOptions(start: .state))
    var follower = Follower()
    for try await item in subscription.items {
      try follower.take(item)
      if follower.isComplete { break }
    }
    #expect(follower.values.count == 9 && follower.values["key 4"] == "94")
    try await publisher.publish("new", key: "key 3")
    for try await event in subscription {
      #expect(event.sequence == 102 && event.text == "new")
      break
    }
    await client.close()
  }

  @Test func aSampleIsEveryNthEvent() async throws {
    let broker = try BrokerProgram()
    let client = try await GalleonClient.connect(broker.url)
    let subscription = try await client.subscribe(
      "map", options: SubscriptionOptions(start: .latest, policy: .sample(every: 10)))
    let publisher = try await publisher(client)
    for number in 1...1000 { try await publisher.publish("\(number)", key: "k") }
    try await publisher.flush()
    var leftOut: UInt64 = 0
    var sequences: [UInt64] = []
    for try await item in subscription.items {
      switch item {
      case .event(let event): sequences.append(event.sequence)
      case .leftOut(let out):
        #expect(out.cause == .sampledOut)
        leftOut += out.count
      default: Issue.record("\(item)")
      }
      if UInt64(sequences.count) + leftOut == 1000 { break }
    }
    #expect(sequences == (1...100).map { $0 * 10 })
    // From here on all of them.
    try await subscription.setPolicy(.lossless)
    try await publisher.publish("last", key: "k")
    for try await event in subscription {
      #expect(event.sequence == 1001)
      break
    }
    await client.close()
  }
}
