import GalleonClient
import LinuxIO
import Synchronization

/// The whole hunt: starts everybody, lets them run, ends them in the order in which nothing can be
/// missed, and adds up.
final class Hunt: Sendable {
  enum Stage: Sendable {
    case connecting
    case running
    /// No more positions are published; the subscriptions take what is left.
    case catchingUp
  }

  let options: Options
  let walks: [Walk]
  let seed: UInt64
  /// Fixes that should be published in a second, on average.
  let expectedRate: Double
  /// Set by Ctrl-C, and by whoever fails.
  let stop = StopSign()
  let board = Leaderboard()

  private let schedulesNow: @Sendable (ReplayClock) -> [PlayerSchedule]
  private let steps: StepLedger
  /// What those know who conflate, by their names.
  private let maps: [String: StepLedger]

  private struct Parts: Sendable {
    var gateways: [Gateway] = []
    var treasures: TreasureService?
    /// All but the treasure service's.
    var watchers: [Watcher] = []
  }

  private struct State {
    var stage = Stage.connecting
    var startNs: UInt64 = 0
    var parts = Parts()
  }

  private let state = Mutex(State())

  /// How long subscriptions have to take what is left at the end.
  static let catchUpNs: UInt64 = 20_000_000_000
  /// The share of all positions that the slow ones take.
  private static let slowShare = 0.1
  /// How far the slow one that drops may lag, in seconds of all positions.
  private static let slowLagSeconds = 0.25

  init(walks: [Walk], options: Options) {
    self.walks = walks
    self.options = options
    let seed = options.seed ?? System.secureRandomNumber()
    self.seed = seed
    let makeSchedules: @Sendable (ReplayClock) -> [PlayerSchedule] = { clock in
      var random = SeededRandom(seed: seed)
      var players = [[Player]](repeating: [], count: walks.count)
      for id in 0..<options.players {
        let walk = id % walks.count
        players[walk].append(Player(id: UInt32(id), walk: walks[walk], random: &random))
      }
      return walks.indices.map {
        PlayerSchedule(
          walk: walks[$0], walkIndex: UInt8($0), players: players[$0], clock: clock)
      }
    }
    schedulesNow = makeSchedules
    expectedRate =
      walks.enumerated().reduce(0) { sum, entry in
        let here = options.players / walks.count
          + (entry.offset < options.players % walks.count ? 1 : 0)
        return sum + Double(here * entry.element.fixes.count) * 1000 / Double(entry.element.roundMs)
      } * Double(options.speed)
    steps = StepLedger(players: options.players)
    maps = Dictionary(
      uniqueKeysWithValues: [mapName, phoneName].map {
        ($0, StepLedger(players: options.players, mayJump: true))
      })
  }

  // MARK: What the screen asks for

  var stage: Stage { state.withLock { $0.stage } }

  /// Nanoseconds since the players began to walk.
  var elapsedNs: UInt64 {
    let startNs = state.withLock { $0.startNs }
    return startNs == 0 ? 0 : Clock.monotonicNs() - startNs
  }

  /// What was published so far, a topic each.
  var published: [PublishedTopic] {
    let parts = state.withLock { $0.parts }
    let publishers =
      parts.gateways.map(\.publisher) + (parts.treasures?.treasures ?? [])
      + (parts.treasures.map { [$0.rewards] } ?? [])
    return publishers.map {
      PublishedTopic(
        topic: $0.topic, published: $0.published, acknowledged: $0.acknowledged, lost: $0.lost)
    }
  }

  /// Everybody who watches, the treasure service first.
  var watchers: [Watcher] {
    let parts = state.withLock { $0.parts }
    return (parts.treasures.map { [$0.watcher] } ?? []) + parts.watchers
  }

  var treasuresLying: Int { state.withLock { $0.parts.treasures }?.lying ?? 0 }

  /// How late the latest gateway is.
  var latenessNs: UInt64 {
    state.withLock { $0.parts.gateways }.map(\.latenessNs).max() ?? 0
  }

  // MARK: The run

  /// Returns when everything is over.
  ///
  /// - Throws: where the hunt cannot begin. What goes wrong later is in the sums.
  func run() async throws(GalleonError) -> Sums {
    let parts = try await start()
    var watching: [Task<Void, Never>] = parts.watchers.map(watch)
    let service = parts.treasures!
    watching.append(Task { await service.watch() })

    let startNs = Clock.monotonicNs()
    state.withLock {
      $0.startNs = startNs
      $0.stage = .running
    }
    let dropping = Task {
      await service.drop(perSecond: self.options.treasuresPerSecond, until: self.stop)
    }
    let schedules = schedulesNow(ReplayClock(startNs: startNs, speed: options.speed))
    let publishing = zip(parts.gateways, schedules).map { gateway, schedule in
      Task { await gateway.run(schedule, until: self.stop) }
    }
    await waitForTheEnd(startNs)
    stop.set()
    for task in publishing { await task.value }
    await dropping.value
    return await end(parts, watching)
  }

  private func start() async throws(GalleonError) -> Parts {
    var parts = Parts()
    // Watchers first: they are to see every topic from its first event.
    for settings in watcherSettings {
      parts.watchers.append(try await Watcher(settings, url: options.url))
    }
    parts.treasures = try await TreasureService(
      walks: walks, url: options.url, random: SeededRandom(seed: seed ^ 0x7EA5))
    for walk in walks {
      parts.gateways.append(try await Gateway(walk: walk, url: options.url))
    }
    let all = parts
    state.withLock { $0.parts = all }
    return parts
  }

  private var watcherSettings: [Watcher.Settings] {
    [
      Watcher.Settings(name: ledgerName, pattern: HuntTopics.everything),
      Watcher.Settings(name: mapName, pattern: HuntTopics.allPositions, policy: .latest()),
      // Ten times too slow, and shows everybody's newest place all the same.
      Watcher.Settings(
        name: phoneName, pattern: HuntTopics.allPositions, policy: .latest(),
        rateMax: max(expectedRate * Self.slowShare, 1)),
      Watcher.Settings(name: "region", pattern: HuntTopics.positions(walks[0].name)),
      Watcher.Settings(name: "treasure board", pattern: HuntTopics.allTreasures),
      Watcher.Settings(name: boardName, pattern: HuntTopics.rewards),
      Watcher.Settings(
        name: "slow on purpose", pattern: HuntTopics.allPositions,
        policy: .dropOldest(lagEvents: lag(Self.slowLagSeconds)),
        rateMax: max(expectedRate * Self.slowShare, 1)),
    ]
  }

  private let ledgerName = "ledger"
  private let boardName = "leaderboard"
  private let mapName = "map"
  private let phoneName = "map on a phone"

  private func lag(_ seconds: Double) -> UInt64 {
    UInt64(max(expectedRate * seconds, 100))
  }

  private func watch(_ watcher: Watcher) -> Task<Void, Never> {
    Task {
      switch watcher.settings.name {
      case self.ledgerName: await watcher.run { event in self.steps.take(event) }
      case self.boardName: await watcher.run { event in self.board.take(event) }
      default:
        let map = self.maps[watcher.settings.name]
        await watcher.run { event in map?.take(event) }
      }
    }
  }

  private func waitForTheEnd(_ startNs: UInt64) async {
    while !stop.isSet, Clock.monotonicNs() - startNs < options.durationNs, failure == nil {
      try? await Task.sleep(nanoseconds: 20_000_000)
    }
  }

  /// Why somebody cannot go on; nil while all can.
  var failure: String? {
    let parts = state.withLock { $0.parts }
    for gateway in parts.gateways {
      if let error = gateway.failed { return "\(gateway.publisher.topic): \(error)" }
    }
    if let error = parts.treasures?.failed { return "treasure service: \(error)" }
    for watcher in parts.watchers {
      if let error = watcher.snapshot.failure { return "\(watcher.settings.name): \(error)" }
    }
    return nil
  }

  private func end(_ parts: Parts, _ watching: [Task<Void, Never>]) async -> Sums {
    state.withLock { $0.stage = .catchingUp }
    let deadlineNs = Clock.monotonicNs() + Self.catchUpNs
    for watcher in parts.watchers { watcher.catchUp() }
    let service = parts.treasures!
    // The service has to see the last position before its last reward is known.
    await waitUntilCaughtUp([service.watcher], deadlineNs)
    await service.flush()
    await waitUntilCaughtUp(parts.watchers, deadlineNs)

    let published = published
    let watchers = watchers
    var accounts: [SubscriptionAccount?] = []
    for watcher in watchers { accounts.append(await watcher.finish()) }
    // Nothing is judged before all have seen all that they will.
    for task in watching { await task.value }
    var watched: [WatchedSubscription] = []
    for (watcher, account) in zip(watchers, accounts) {
      var seen = watcher.seen(account)
      if seen.name == ledgerName { seen.stepFaults = steps.faults(in: seen) }
      if let map = maps[seen.name] {
        seen.stepFaults = map.faults
        seen.stateFaults = map.differences(from: steps)
      }
      watched.append(seen)
    }
    for gateway in parts.gateways { await gateway.close() }
    await service.close()
    return Sums(
      published: published, watched: watched, rewardsGiven: service.given, rewardsSeen: board.sums)
  }

  private func waitUntilCaughtUp(_ watchers: [Watcher], _ deadlineNs: UInt64) async {
    for watcher in watchers {
      let pattern = watcher.settings.pattern
      while Clock.monotonicNs() < deadlineNs, failure == nil {
        let sums = Sums(published: published, watched: [])
        let seen = watcher.snapshot
        if seen.accounted >= sums.published(matching: pattern) { break }
        try? await Task.sleep(nanoseconds: 5_000_000)
      }
    }
  }
}

extension StepLedger {
  /// Where positions were lost, steps are missing as well, and the gaps say so already.
  func faults(in seen: WatchedSubscription) -> [String] {
    let hasGaps = seen.topics.contains { $0.key.hasSuffix(".positions") && $0.value.gapCount > 0 }
    return hasGaps ? [] : faults
  }
}
