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

/// Follows every player: after step 7 comes step 8, whatever the topic's sequences say; or any
/// later one, where only the newest is to come.
struct StepBook: Sendable {
  private(set) var last: [UInt32]
  private let mayJump: Bool
  /// The first few breaks, as sentences; `breakCount` has all.
  private(set) var faults: [String] = []
  private(set) var breakCount: UInt64 = 0

  static let faultsMax = 5

  init(players: Int, mayJump: Bool = false) {
    last = Array(repeating: 0, count: players)
    self.mayJump = mayJump
  }

  mutating func take(_ position: PositionPayload) {
    let player = Int(position.player)
    guard player < last.count else {
      fault("there is no player \(position.player)")
      return
    }
    if mayJump ? position.step <= last[player] : position.step != last[player] &+ 1 {
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

  init(players: Int, mayJump: Bool = false) {
    book = Mutex(StepBook(players: players, mayJump: mayJump))
  }

  func take(_ event: Event) {
    guard let position = PositionPayload(decoding: event.payload) else { return }
    take(position)
  }

  func take(_ position: PositionPayload) { book.withLock { $0.take(position) } }

  /// The last step seen of each player; 0 where there was none.
  var last: [UInt32] { book.withLock { $0.last } }

  /// Where it does not end with the same steps as another one, the first few as sentences.
  func differences(from other: StepLedger) -> [String] {
    let pairs = zip(last, other.last).enumerated().filter { $0.element.0 != $0.element.1 }
    return pairs.prefix(StepBook.faultsMax).map { player, steps in
      "player \(player) ends at step \(steps.0), and was at \(steps.1)"
    } + (pairs.count > StepBook.faultsMax ? ["and \(pairs.count - StepBook.faultsMax) more"] : [])
  }

  var faults: [String] {
    book.withLock { book in
      let unsaid = book.breakCount - UInt64(book.faults.count)
      return book.faults + (unsaid > 0 ? ["and \(unsaid) more"] : [])
    }
  }
}
