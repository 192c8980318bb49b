import GalleonClient
import LinuxIO
import Synchronization

/// Drops treasures near the paths, watches where the players are, and gives each treasure to the
/// first who comes by. Its topics block: it waits for those who watch them, rather than that a
/// reward is lost.
final class TreasureService: Sendable {
  /// Treasures that lie at one time; beyond that none is dropped until some are found.
  static let lyingMax = 2000
  /// How far from a recorded fix a treasure is dropped at most, in metres: where players come by.
  static let strayM = 30.0
  /// What a treasure is worth, in points.
  static let pointsRange: ClosedRange<UInt32> = 1...100

  private struct State {
    var map = TreasureMap()
    var random: SeededRandom
    var dropped: UInt32 = 0
    var given = RewardSums()
    var failure: GalleonError?
  }

  let watcher: Watcher
  /// By the number of the walk.
  let treasures: [Publisher]
  let rewards: Publisher
  private let walks: [Walk]
  private let client: GalleonClient
  private let state: Mutex<State>

  private static let tickNs: UInt64 = 10_000_000

  init(walks: [Walk], url: String, random: SeededRandom) async throws(GalleonError) {
    self.walks = walks
    state = Mutex(State(random: random))
    watcher = try await Watcher(
      Watcher.Settings(name: "treasure service", pattern: HuntTopics.allPositions), url: url)
    var options = ClientOptions()
    options.name = "hunt-treasures"
    options.reconnect = .never
    client = try await GalleonClient.connect(url, options: options)
    let publishing = PublisherOptions(acknowledgement: .accepted, blocks: true)
    var treasures: [Publisher] = []
    for walk in walks {
      treasures.append(
        try await client.publisher(for: HuntTopics.treasures(walk.name), options: publishing))
    }
    self.treasures = treasures
    rewards = try await client.publisher(for: HuntTopics.rewards, options: publishing)
  }

  var given: RewardSums { state.withLock { $0.given } }
  var lying: Int { state.withLock { $0.map.count } }
  var failed: GalleonError? { state.withLock { $0.failure } ?? watcher.snapshot.failure }

  /// Drops so many treasures a second until it is told to stop.
  func drop(perSecond rate: Double, until stop: StopSign) async {
    let startNs = Clock.monotonicNs()
    do throws(GalleonError) {
      while !stop.isSet {
        let dueCount = Double(Clock.monotonicNs() - startNs) / 1e9 * rate
        // What could not lie any more is not made up for later.
        while Double(state.withLock { $0.dropped }) < dueCount, !stop.isSet, lying < Self.lyingMax {
          let (walk, treasure) = next()
          try await treasures[walk].publish(
            TreasurePayload(
              treasure: treasure.id, points: treasure.points, place: treasure.place
            ).encoded(sentNs: Clock.realtimeNs()), key: String(treasure.id))
          // Only now: nobody shall find what has not been announced.
          state.withLock { $0.map.insert(treasure) }
        }
        try? await Task.sleep(nanoseconds: Self.tickNs)
      }
    } catch {
      state.withLock { $0.failure = error }
    }
  }

  private func next() -> (walk: Int, TreasureMap.Treasure) {
    state.withLock { state in
      let walk = Int(state.random.number(below: UInt64(walks.count)))
      let fixes = walks[walk].fixes
      let fix = fixes[Int(state.random.number(below: UInt64(fixes.count)))]
      let place = fix.place.moved(
        northM: state.random.fraction(-Self.strayM...Self.strayM),
        eastM: state.random.fraction(-Self.strayM...Self.strayM))
      let points = UInt32.random(in: Self.pointsRange, using: &state.random)
      state.dropped += 1
      return (walk, TreasureMap.Treasure(id: state.dropped, points: points, place: place))
    }
  }

  /// Gives treasures to players until the subscription is closed.
  func watch() async {
    await watcher.run { (event) async throws(GalleonError) in
      guard let position = PositionPayload(decoding: event.payload) else { return }
      for treasure in self.state.withLock({ $0.map.take(near: position.place) }) {
        let reward = RewardPayload(
          treasure: treasure.id, points: treasure.points, player: position.player)
        try await self.rewards.publish(
          reward.encoded(sentNs: Clock.realtimeNs()), key: String(position.player))
        self.state.withLock { $0.given.take(reward) }
      }
    }
  }

  /// Returns when the broker has acknowledged everything.
  func flush() async {
    do throws(GalleonError) {
      for publisher in treasures { try await publisher.flush() }
      try await rewards.flush()
    } catch {
      state.withLock { $0.failure = error }
    }
  }

  func close() async { await client.close() }
}
