import Foundation
import GalleonClient
import LinuxIO
import Testing

/// The SDK against a real broker.
@Suite struct ClientBrokerTests {
  @Test(arguments: [Compression.none, .lz4, .zstd])
  func whatIsPublishedArrivesAsItWas(compression: Compression) async throws {
    let broker = try BrokerProgram()
    let client = try await GalleonClient.connect(broker.url)
    let subscription = try await client.subscribe("hunt.*.loot")
    let publisher = try await client.publisher(
      for: "hunt.1.loot",
      options: PublisherOptions(acknowledgement: .accepted, compression: compression))
    let count = 5000
    for number in 1...count {
      try await publisher.publish(
        "a chest that holds \(number) coins, and coins, and coins", key: "player \(number % 7)",
        headers: number % 10 == 0 ? ["number": "\(number)"] : nil)
    }
    try await publisher.flush()
    #expect(publisher.acknowledged == UInt64(count))
    var number = 0
    for try await event in subscription {
      number += 1
      try #require(event.sequence == UInt64(number))
      try #require(event.text == "a chest that holds \(number) coins, and coins, and coins")
      try #require(event.keyText == "player \(number % 7)")
      try #require(event.headers["number"] == (number % 10 == 0 ? "\(number)" : nil))
      try #require(event.topic == "hunt.1.loot")
      try #require(event.timeNs > 0 && event.publishTimeNs > 0)
      if number == count { break }
    }
    let account = try await subscription.close()
    #expect(account.matched == UInt64(count))
    #expect(account.delivered == UInt64(count))
    await client.close()
  }

  @Test func aSmallWindowCarriesEverythingOnABlockTopic() async throws {
    let broker = try BrokerProgram()
    let client = try await GalleonClient.connect(broker.url)
    var options = SubscriptionOptions()
    options.windowEvents = 64
    options.windowBytes = 8192
    let subscription = try await client.subscribe("all", options: options)
    let publisher = try await client.publisher(for: "all", options: PublisherOptions(blocks: true))
    let count: UInt64 = 20_000
    let publishing = Task {
      for number in 1...count { try await publisher.publish("\(number)") }
      try await publisher.close()
    }
    var expected: UInt64 = 1
    for try await event in subscription {
      try #require(event.text == "\(expected)")
      if expected == count { break }
      expected += 1
    }
    try await publishing.value
    await client.close()
  }

  @Test func lossIsItemised() async throws {
    let broker = try BrokerProgram()
    let client = try await GalleonClient.connect(broker.url)
    var options = SubscriptionOptions(start: .latest, policy: .dropOldest(lagEvents: 100))
    options.windowEvents = 10
    let publisher = try await client.publisher(
      for: "busy", options: PublisherOptions(acknowledgement: .accepted))
    let subscription = try await client.subscribe("busy", options: options)
    let count: UInt64 = 5000
    for number in 1...count {
      try await publisher.publish("\(number)")
      if number % 500 == 0 { try await publisher.flush() }
    }
    try await publisher.flush()
    var next: UInt64 = 1
    var lost: UInt64 = 0
    for try await item in subscription.items {
      switch item {
      case .event(let event):
        try #require(event.sequence == next)
        next += 1
      case .gap(let gap):
        try #require(gap.first == next)
        try #require(gap.count == gap.last - gap.first + 1)
        #expect(gap.cause == .dropOldest)
        lost += gap.count
        next = gap.last + 1
      case .leftOut, .stateReset, .stateComplete:
        Issue.record("this policy leaves nothing out")
      }
      if next == count + 1 { break }
    }
    #expect(lost > 0)
    await client.close()
  }

  @Test func subscriptionsStartWhereTheyAreAskedTo() async throws {
    let broker = try BrokerProgram()
    let client = try await GalleonClient.connect(broker.url)
    let publisher = try await client.publisher(
      for: "old", options: PublisherOptions(acknowledgement: .accepted))
    for number in 1...10 {
      try await publisher.publish("\(number)")
      try await publisher.flush()
    }
    func first(_ start: StartPosition) async throws -> Event {
      let subscription = try await client.subscribe(
        "old", options: SubscriptionOptions(start: start))
      for try await event in subscription { return event }
      throw GalleonError.clientClosed
    }
    #expect(try await first(.earliest).sequence == 1)
    let fifth = try await first(.sequence(5))
    #expect(fifth.text == "5")
    #expect(try await first(.time(nanoseconds: fifth.timeNs)).timeNs >= fifth.timeNs)
    async let next = first(.latest)
    // Published until the subscription has seen one: when it opens is not known here.
    let more = Task {
      while !Task.isCancelled {
        try await publisher.publish("new")
        try await publisher.flush()
      }
    }
    #expect(try await next.text == "new")
    more.cancel()
    _ = await more.result
    await client.close()
  }

  @Test func requestsGoFromOneClientToAnother() async throws {
    let broker = try BrokerProgram()
    let server = try await GalleonClient.connect(broker.url)
    let asker = try await GalleonClient.connect(broker.url)
    let questions = try await server.subscribe("ask")
    let serving = Task {
      for try await question in questions where question.wantsReply {
        try await question.reply("\(question.text)?", headers: ["from": "server"])
      }
    }
    let answer = try await asker.request("ask", "who")
    #expect(answer.text == "who?")
    #expect(answer.headers["from"] == "server")
    try await withThrowingTaskGroup { group in
      for number in 1...100 {
        group.addTask {
          let reply = try await asker.request("ask", "\(number)")
          try #require(reply.text == "\(number)?")
        }
      }
      try await group.waitForAll()
    }
    await #expect(throws: GalleonError.timeout) {
      try await asker.request("nobody", "there", timeout: .milliseconds(50))
    }
    await server.close()
    try await serving.value
    await asker.close()
  }

  @Test func refusalsSayWhy() async throws {
    let broker = try BrokerProgram()
    let client = try await GalleonClient.connect(broker.url)
    var options = PublisherOptions()
    options.mode = .mustExist
    func refusal(_ body: () async throws -> Void) async -> Refusal? {
      do {
        try await body()
      } catch GalleonError.refused(let refusal) {
        return refusal
      } catch {
        Issue.record("\(error)")
      }
      return nil
    }
    let missing = await refusal { _ = try await client.publisher(for: "none", options: options) }
    #expect(missing?.name == "topicNotFound")
    #expect(missing?.isRetryable == true)
    let name = await refusal { _ = try await client.publisher(for: "a..b") }
    #expect(name?.name == "invalidTopicName")
    let pattern = await refusal { _ = try await client.subscribe("a.>.b") }
    #expect(pattern?.name == "invalidPattern")
    await client.close()
  }

  @Test func countersCanBeRead() async throws {
    let broker = try BrokerProgram()
    let client = try await GalleonClient.connect(broker.url)
    let page = try await client.statsPage(offset: 0, count: 64)
    #expect(page.offset == 0)
    #expect(page.total > 64)
    #expect(page.bytes.count == 64)
    let beyond = try await client.statsPage(offset: page.total, count: 64)
    #expect(beyond.bytes.isEmpty)
    await client.close()
  }

  /// What lies in the kernel is old news: its room is what was asked for, and does not grow.
  @Test(arguments: [nil, 64 << 10] as [Int?])
  func theKernelKeepsLittle(bytes: Int?) async throws {
    let broker = try BrokerProgram()
    var options = ClientOptions()
    if let bytes { options.receiveBufferBytes = bytes }
    let client = try await GalleonClient.connect(broker.url, options: options)
    let socket = try #require(try descriptor(toPort: broker.url))
    // The kernel says twice the number, and allows no more than its administrator.
    let most = try Files.contents("/proc/sys/net/core/rmem_max", limitBytes: 64)
    let allowed = try #require(
      Int(String(decoding: most, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)))
    let kept = Int(try Socket.get(.receiveBufferBytes, on: socket))
    #expect(kept == 2 * min(bytes ?? 256 << 10, allowed))
    await client.close()
  }

  /// Of this process, that of the socket whose other end is there.
  private func descriptor(toPort url: String) throws -> Int32? {
    let port = try #require(url.split(separator: ":").last.flatMap { UInt16($0) })
    let hex = String(port, radix: 16, uppercase: true)
    let suffix = ":" + String(repeating: "0", count: 4 - hex.count) + hex
    let table = try Files.contents("/proc/net/tcp", limitBytes: 1 << 24)
    // Columns as of proc(5): the third is the remote address, the tenth the inode.
    let inodes = String(decoding: table, as: UTF8.self).split(separator: "\n").compactMap { line in
      let columns = line.split(separator: " ")
      return columns.count > 9 && columns[2].hasSuffix(suffix) ? "socket:[\(columns[9])]" : nil
    }
    return try Files.list("/proc/self/fd").first { name in
      let target = try? FileManager.default.destinationOfSymbolicLink(
        atPath: "/proc/self/fd/" + name)
      return target.map(inodes.contains) ?? false
    }.flatMap { Int32($0) }
  }
}
