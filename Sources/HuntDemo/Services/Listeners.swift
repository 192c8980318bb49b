import GalleonClient
import Synchronization

/// Adds up the rewards.
final class Leaderboard: Sendable {
  private struct State {
    var points: [UInt32: UInt64] = [:]
    var sums = RewardSums()
  }

  private let state = Mutex(State())

  func take(_ event: Event) {
    // What is none is told by the books of the subscription.
    guard let reward = RewardPayload(decoding: event.payload) else { return }
    state.withLock { state in
      state.sums.take(reward)
      state.points[reward.player, default: 0] += UInt64(reward.points)
    }
  }

  var sums: RewardSums { state.withLock { $0.sums } }

  /// The players with the most points, the best first.
  func best(_ count: Int) -> [(player: UInt32, points: UInt64)] {
    let all = state.withLock { $0.points }
    return all.map { (player: $0.key, points: $0.value) }
      .sorted { $0.points != $1.points ? $0.points > $1.points : $0.player < $1.player }
      .prefix(count).map { $0 }
  }
}

/// Follows every player: after step 7 comes step 8, whatever the topic's sequences say.
struct StepBook: Sendable {
  private var last: [UInt32]
  /// The first few breaks, as sentences; `breakCount` has all.
  private(set) var faults: [String] = []
  private(set) var breakCount: UInt64 = 0

  static let faultsMax = 5

  init(players: Int) { last = Array(repeating: 0, count: players) }

  mutating func take(_ position: PositionPayload) {
    let player = Int(position.player)
    guard player < last.count else {
      fault("there is no player \(position.player)")
      return
    }
    if position.step != last[player] &+ 1 {
      fault("player \(player): step \(position.step) after step \(last[player])")
    }
    last[player] = position.step
  }

  private mutating func fault(_ sentence: String) {
    breakCount += 1
    if faults.count < Self.faultsMax { faults.append(sentence) }
  }
}

/// The same, for tasks.
final class StepLedger: Sendable {
  private let book: Mutex<StepBook>

  init(players: Int) { book = Mutex(StepBook(players: players)) }

  func take(_ event: Event) {
    guard let position = PositionPayload(decoding: event.payload) else { return }
    book.withLock { $0.take(position) }
  }

  var faults: [String] {
    book.withLock { book in
      let unsaid = book.breakCount - UInt64(book.faults.count)
      return book.faults + (unsaid > 0 ? ["and \(unsaid) more"] : [])
    }
  }
}
