/// Somebody who walks a recorded walk, again and again, from a start and beside a path of their
/// own.
struct Player: Sendable {
  /// Counts the players of the whole hunt from 0.
  let id: UInt32
  /// Where in the round this player is when the replay starts, in milliseconds of the recording.
  let startMs: UInt64
  /// How far from the recorded path, in ten millionths of a degree.
  let northE7: Int32
  let eastE7: Int32

  /// Fixes that this player has had; the next one has this number and 1 more.
  private(set) var steps: UInt32 = 0
  /// The next fix: its number in the walk, and rounds before it.
  private(set) var fix: Int
  private(set) var round: UInt64 = 0

  /// The widest offset from the path, in metres: players share it as hikers do, side by side.
  static let offsetMaxM = 40.0

  /// A player whose start and offset come from the random numbers that are given.
  init(id: UInt32, walk: Walk, random: inout SeededRandom) {
    self.init(
      id: id, walk: walk, startMs: random.number(below: walk.roundMs),
      northM: random.fraction(-Self.offsetMaxM...Self.offsetMaxM),
      eastM: random.fraction(-Self.offsetMaxM...Self.offsetMaxM))
  }

  init(id: UInt32, walk: Walk, startMs: UInt64, northM: Double, eastM: Double) {
    precondition(startMs < walk.roundMs)
    self.id = id
    self.startMs = startMs
    let origin = walk.fixes[0].place
    let moved = origin.moved(northM: northM, eastM: eastM)
    northE7 = moved.latitudeE7 - origin.latitudeE7
    eastE7 = moved.longitudeE7 - origin.longitudeE7
    fix = walk.firstFix(atOrAfterMs: startMs)
    if fix == walk.fixes.count {
      // Between the last fix of a round and the first of the next.
      fix = 0
      round = 1
    }
  }

  /// When the next fix comes, in recorded milliseconds since the start of the replay.
  func nextMs(on walk: Walk) -> UInt64 {
    round * walk.roundMs + walk.fixes[fix].elapsedMs - startMs
  }

  /// Takes the next fix, and says where this player is then.
  mutating func step(on walk: Walk, walkIndex: UInt8) -> PositionPayload {
    let recorded = walk.fixes[fix]
    steps &+= 1
    var flags: PositionPayload.Flags = []
    if walk.isAfterPause(fix) { flags.insert(.afterPause) }
    if fix == 0 && steps > 1 { flags.insert(.newRound) }
    let position = PositionPayload(
      player: id, step: steps,
      place: Place(
        latitudeE7: recorded.place.latitudeE7 &+ northE7,
        longitudeE7: recorded.place.longitudeE7 &+ eastE7),
      elevationCm: recorded.elevationCm, fix: UInt16(truncatingIfNeeded: fix), flags: flags,
      walk: walkIndex)
    fix += 1
    if fix == walk.fixes.count {
      fix = 0
      round += 1
    }
    return position
  }
}

/// Random numbers that are the same again for the same seed, so that a hunt can be repeated
/// (SplitMix64).
struct SeededRandom: RandomNumberGenerator, Sendable {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
    return value ^ value >> 31
  }

  /// A number from 0 up to and without the bound.
  mutating func number(below bound: UInt64) -> UInt64 { next(upperBound: bound) }

  mutating func fraction(_ range: ClosedRange<Double>) -> Double {
    Double.random(in: range, using: &self)
  }
}
