import GalleonClient
import LinuxIO

/// One measurement of rewards, with a stream of positions or without.
struct TurnsRun {
  /// Where the positions are while rewards are measured.
  enum Place: String, CaseIterable {
    /// There are none.
    case alone
    /// On a connection of their own: what they cost the machine and the broker.
    case apart
    /// On the connection of the rewards.
    case beside
  }

  /// What came of it.
  struct Outcome {
    /// From just before a reward was published until the program had it, ascending.
    var latenciesNs: [UInt64]
    /// Positions published, and those that the subscription lost, as it was too slow for them.
    var published: UInt64 = 0
    var lost: UInt64 = 0

    func quantileNs(_ share: Double) -> UInt64 {
      guard !latenciesNs.isEmpty else { return 0 }
      return latenciesNs[min(latenciesNs.count - 1, Int(Double(latenciesNs.count) * share))]
    }

    /// The reader was the limit throughout: it got clearly fewer than there were.
    var isSaturated: Bool { lost * 10 > published }
  }

  let address: String
  let place: Place
  /// First part of the names of topics, which no other run has.
  let prefix: String
  let seconds: Double
  let windowBytes: UInt64
  /// Charged bytes a second that the reader of positions takes.
  let readerBytesPerSecond: Double

  /// Half as much again as the reader takes.
  private static let excess = 1.5
  private static let positionBytes = 128
  /// With the charge for an event.
  private static let positionCharge: Double = 164
  /// Positions that may wait at the broker: far more than a window, so that it never runs dry.
  private static let lagEventsMax: UInt64 = 8192
  private static let rewardIntervalNs: UInt64 = 1_000_000
  private static let tickNs: UInt64 = 2_000_000
  /// Until the stream stands, and every part of the program has run once.
  private static let warmupNs: UInt64 = 300_000_000

  func measure() async throws -> Outcome {
    let reader = try await GalleonClient.connect(address)
    let rewards = try await reader.subscribe("\(prefix).reward")
    let giver = try await GalleonClient.connect(address)
    let publisher = try await giver.publisher(for: "\(prefix).reward")
    let startNs = Clock.monotonicNs() + Self.warmupNs
    let endNs = startNs + UInt64(seconds * 1e9)

    var others: [GalleonClient] = []
    var positions: Subscription?
    var walkers: Publisher?
    if place != .alone {
      let client = place == .beside ? reader : try await GalleonClient.connect(address)
      var options = SubscriptionOptions()
      options.policy = .dropOldest(lagEvents: Self.lagEventsMax)
      options.windowBytes = windowBytes
      positions = try await client.subscribe("\(prefix).positions", options: options)
      let walker = try await GalleonClient.connect(address)
      walkers = try await walker.publisher(for: "\(prefix).positions")
      others = place == .beside ? [walker] : [client, walker]
    }

    async let published = walk(walkers, untilNs: endNs)
    async let lost = follow(positions, untilNs: endNs)
    async let given: Void = give(publisher, untilNs: endNs)
    var latencies: [UInt64] = []
    let last = UInt64.max
    for try await reward in rewards {
      let nowNs = Clock.monotonicNs()
      let sentNs = reward.withPayload { unsafe $0.unsafeLoadUnaligned(as: UInt64.self) }
      if sentNs == last { break }
      if sentNs >= startNs { latencies.append(nowNs - sentNs) }
    }
    try await given
    let outcome = Outcome(
      latenciesNs: latencies.sorted(), published: try await published, lost: try await lost)
    for client in [reader, giver] + others { await client.close() }
    return outcome
  }

  /// Rewards, each with the time at which it is published; the last one says that it is the last.
  private func give(_ publisher: Publisher, untilNs endNs: UInt64) async throws {
    var dueNs = Clock.monotonicNs()
    while dueNs < endNs {
      dueNs += Self.rewardIntervalNs
      try await sleep(untilNs: dueNs)
      try await publisher.publish(Self.bytes(Clock.monotonicNs()))
    }
    try await publisher.publish(Self.bytes(.max))
    try await publisher.flush()
  }

  /// Publishes more positions than the reader takes.
  private func walk(_ publisher: Publisher?, untilNs endNs: UInt64) async throws -> UInt64 {
    guard let publisher else { return 0 }
    let payload = [UInt8](repeating: 7, count: Self.positionBytes)
    let perTick =
      readerBytesPerSecond * Self.excess / Self.positionCharge * Double(Self.tickNs) / 1e9
    var dueNs = Clock.monotonicNs()
    var ticks = 0.0
    while dueNs < endNs {
      dueNs += Self.tickNs
      ticks += 1
      try await sleep(untilNs: dueNs)
      while Double(publisher.published) < ticks * perTick { try await publisher.publish(payload) }
    }
    return publisher.published
  }

  /// Takes positions at the reader's pace, a quarter of a window at a time.
  private func follow(_ positions: Subscription?, untilNs endNs: UInt64) async throws -> UInt64 {
    guard let positions else { return 0 }
    let portion = Double(windowBytes) / 4
    var taken = 0.0
    var lost: UInt64 = 0
    var dueNs = Clock.monotonicNs()
    for try await item in positions.items {
      switch item {
      case .event: taken += Self.positionCharge
      case .gap(let gap): lost += gap.count
      default: break
      }
      if taken >= portion {
        taken -= portion
        dueNs += UInt64(portion / readerBytesPerSecond * 1e9)
        try await sleep(untilNs: dueNs)
        if dueNs >= endNs { break }
      }
    }
    return lost
  }

  private func sleep(untilNs: UInt64) async throws {
    let nowNs = Clock.monotonicNs()
    if untilNs > nowNs { try await Task.sleep(for: .nanoseconds(untilNs - nowNs)) }
  }

  private static func bytes(_ number: UInt64) -> [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
  }
}
