/// The players of one walk, and whose turn is next: a heap by the time of the next fix.
struct PlayerSchedule: Sendable {
  let walk: Walk
  let walkIndex: UInt8
  private let clock: ReplayClock
  private var players: [Player]
  /// Due time and number in `players`, the earliest first.
  private var heap: [(dueNs: UInt64, player: Int)] = []

  init(walk: Walk, walkIndex: UInt8, players: [Player], clock: ReplayClock) {
    self.walk = walk
    self.walkIndex = walkIndex
    self.players = players
    self.clock = clock
    heap = players.indices.map { (clock.dueNs(afterMs: players[$0].nextMs(on: walk)), $0) }
    // A sorted array is a heap. At one time the lower number goes first, here and below.
    heap.sort { Self.isBefore($0, $1) }
  }

  var playerCount: Int { players.count }

  /// When the next fix of anybody is due; nil where there are no players.
  var nextDueNs: UInt64? { heap.first?.dueNs }

  /// The next fix, if it is due by then.
  mutating func next(dueByNs nowNs: UInt64) -> PositionPayload? {
    guard let first = heap.first, first.dueNs <= nowNs else { return nil }
    let position = players[first.player].step(on: walk, walkIndex: walkIndex)
    heap[0].dueNs = clock.dueNs(afterMs: players[first.player].nextMs(on: walk))
    sink()
    return position
  }

  /// Fixes of a recorded second, on average over a round: what this schedule publishes in a second
  /// at speed 1.
  var fixesPerSecond: Double {
    Double(players.count * walk.fixes.count) * 1000 / Double(walk.roundMs)
  }

  private mutating func sink() {
    var parent = 0
    while true {
      var least = parent
      for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count {
        if Self.isBefore(heap[child], heap[least]) { least = child }
      }
      if least == parent { return }
      heap.swapAt(parent, least)
      parent = least
    }
  }

  private static func isBefore(
    _ left: (dueNs: UInt64, player: Int), _ right: (dueNs: UInt64, player: Int)
  ) -> Bool {
    left.dueNs != right.dueNs ? left.dueNs < right.dueNs : left.player < right.player
  }
}
