import Counters
import GalleonClient
import LinuxIO
import Synchronization

/// One subscription on a connection of its own, which takes everything that comes, books it and
/// measures how long it was under way.
final class Watcher: Sendable {
  /// Chosen by who watches.
  struct Settings: Sendable {
    let name: String
    let pattern: String
    var policy = DeliveryPolicy.lossless
    /// Events a second that it takes at most, until it is told to catch up; nil for all there are.
    var rateMax: Double?
  }

  /// What it knows so far.
  struct State: Sendable {
    var topics: [String: WatchedTopic] = [:]
    var events: UInt64 = 0
    var missing: UInt64 = 0
    var conflated: UInt64 = 0
    var gaps: UInt64 = 0
    /// From publish to receipt, in the buckets of `LatencyBuckets`.
    var latencyBuckets = [UInt64](repeating: 0, count: LatencyBuckets.count)
    var latencyMaxNs: UInt64 = 0
    /// Why it ended, where that was not asked for.
    var failure: GalleonError?

    var latency: LatencyHistogram {
      LatencyHistogram(buckets: latencyBuckets, maxNs: latencyMaxNs)
    }

    /// Events, and those it was told it would not get.
    var accounted: UInt64 { events + missing + conflated }

    mutating func take(_ event: Event, isOrdered: Bool, atNs nowNs: UInt64) {
      if isOrdered {
        topics[event.topic, default: WatchedTopic()].take(sequence: event.sequence)
      } else {
        topics[event.topic, default: WatchedTopic()].takeInAnyOrder()
      }
      events += 1
      guard let sentNs = sentTimeNs(of: event.payload) else {
        topics[event.topic]!.fault("event \(event.sequence) is none of the hunt's")
        return
      }
      // Somebody may set the clock meanwhile; nothing arrives before it was sent.
      let latencyNs = nowNs > sentNs ? nowNs - sentNs : 0
      latencyBuckets[LatencyBuckets.bucket(of: latencyNs)] += 1
      latencyMaxNs = max(latencyMaxNs, latencyNs)
    }

    mutating func take(_ gap: Gap) {
      topics[gap.topic, default: WatchedTopic()].take(gap)
      gaps += 1
      missing += gap.count
    }

    mutating func take(_ leftOut: LeftOut) {
      topics[leftOut.topic, default: WatchedTopic()].take(leftOut)
      conflated += leftOut.count
    }
  }

  /// What else it does with an event, before it is booked: who waits until all is accounted for
  /// waits for this, too.
  typealias Work = @Sendable (Event) async throws(GalleonError) -> Void

  let settings: Settings
  private let client: GalleonClient
  private let subscription: Subscription
  private let state = Mutex(State())
  private let isCatchingUp = Atomic(false)

  /// Events of the slow one between two looks at the clock, and the most that wait in its process:
  /// what lies here is no loss of the broker's.
  private static let paceEvents: UInt64 = 32

  /// Connects and subscribes, so that nothing which is published from now on escapes it.
  init(_ settings: Settings, url: String) async throws(GalleonError) {
    self.settings = settings
    var options = ClientOptions()
    options.name = "hunt-\(settings.name)"
    options.reconnect = .never
    client = try await GalleonClient.connect(url, options: options)
    var subscribing = SubscriptionOptions(start: .latest, policy: settings.policy)
    if settings.rateMax != nil { subscribing.windowEvents = Self.paceEvents * 4 }
    subscription = try await client.subscribe(settings.pattern, options: subscribing)
  }

  var snapshot: State { state.withLock { $0 } }

  /// Takes no notice of its rate any more.
  func catchUp() { isCatchingUp.store(true, ordering: .relaxed) }

  /// Takes what comes until the subscription is closed or the connection fails.
  func run(_ work: Work? = nil) async {
    let startNs = Clock.monotonicNs()
    var taken: UInt64 = 0
    let isOrdered = settings.policy != .latest()
    do throws(GalleonError) {
      for try await item in subscription.items {
        switch item {
        case .gap(let gap):
          state.withLock { $0.take(gap) }
        case .leftOut(let leftOut):
          state.withLock { $0.take(leftOut) }
        case .stateReset, .stateComplete:
          // These begin with the next event, not with a state.
          break
        case .event(let event):
          let nowNs = Clock.realtimeNs()
          try await work?(event)
          state.withLock { $0.take(event, isOrdered: isOrdered, atNs: nowNs) }
          taken += 1
          if let rate = settings.rateMax, taken % Self.paceEvents == 0 {
            await pause(untilNs: startNs + UInt64(Double(taken) / rate * 1e9))
          }
        }
      }
    } catch {
      state.withLock { $0.failure = error }
    }
  }

  private func pause(untilNs deadlineNs: UInt64) async {
    while !isCatchingUp.load(ordering: .relaxed) {
      let nowNs = Clock.monotonicNs()
      if nowNs >= deadlineNs { return }
      // Short, so that it hears soon that it may catch up.
      try? await Task.sleep(nanoseconds: min(deadlineNs - nowNs, 20_000_000))
    }
  }

  /// Closes the subscription and the connection, so that `run` ends; returns what the broker says.
  func finish() async -> SubscriptionAccount? {
    let account = try? await subscription.close()
    await client.close()
    return account
  }

  /// What it saw until `run` ended, beside what the broker says.
  func seen(_ account: SubscriptionAccount?) -> WatchedSubscription {
    WatchedSubscription(
      name: settings.name, pattern: settings.pattern, topics: snapshot.topics, account: account)
  }
}
