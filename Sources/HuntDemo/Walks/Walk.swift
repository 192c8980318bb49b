/// A place as the receiver recorded it, in whole units so that it is the same on every machine.
struct Place: Hashable, Sendable {
  /// Degrees north in ten millionths: about a centimetre.
  var latitudeE7: Int32 = 0
  /// Degrees east in ten millionths.
  var longitudeE7: Int32 = 0

  static let latitudesE7: ClosedRange<Int32> = -900_000_000...900_000_000
  static let longitudesE7: ClosedRange<Int32> = -1_800_000_000...1_800_000_000

  /// Whether there is such a place.
  var isOnEarth: Bool {
    Self.latitudesE7.contains(latitudeE7) && Self.longitudesE7.contains(longitudeE7)
  }
}

/// What a receiver recorded at one moment.
struct Fix: Hashable, Sendable {
  /// Milliseconds since the walk's first fix.
  let elapsedMs: UInt64
  let place: Place
  /// Centimetres above the sea; nil where the receiver did not know.
  let elevationCm: Int32?
}

/// One recording: fixes in the order of their times.
///
/// Real recordings have pauses, when the receiver was off or saw no satellites, and places that
/// jump. Both are kept as they are: a player on this walk stands still through a pause and is then
/// where the receiver was, and nothing is made up in between.
struct Walk: Sendable {
  /// As it stands in topics: one part of a name.
  let name: String
  /// At least two; times never go back, and the last is later than the first.
  let fixes: [Fix]

  /// A longer time without a fix is a pause of the recording.
  static let pauseMs: UInt64 = 60_000

  /// How long one round takes: up to the last fix, and from there to the first of the next round as
  /// long as it usually takes from one fix to the next.
  let roundMs: UInt64

  init(name: String, fixes: [Fix]) {
    precondition(fixes.count >= 2 && fixes[0].elapsedMs < fixes[fixes.count - 1].elapsedMs)
    self.name = name
    self.fixes = fixes
    let steps = zip(fixes, fixes.dropFirst()).map { $1.elapsedMs - $0.elapsedMs }.sorted()
    roundMs = fixes[fixes.count - 1].elapsedMs + max(1, steps[steps.count / 2])
  }

  /// Whether the recording paused before this fix.
  func isAfterPause(_ index: Int) -> Bool {
    index > 0 && fixes[index].elapsedMs - fixes[index - 1].elapsedMs > Self.pauseMs
  }

  /// Pauses of the recording in one round.
  var pauseCount: Int { fixes.indices.count { isAfterPause($0) } }

  /// The number of the first fix at or after a time of the round; `fixes.count` where it lies
  /// behind the last one.
  func firstFix(atOrAfterMs elapsedMs: UInt64) -> Int {
    var low = 0
    var high = fixes.count
    while low < high {
      let middle = (low + high) / 2
      if fixes[middle].elapsedMs < elapsedMs { low = middle + 1 } else { high = middle }
    }
    return low
  }
}

extension Place {
  /// Metres of one degree along a meridian.
  static let metresPerDegree = 111_195.0

  /// This place, moved by metres to the north and to the east. For short ways, and not near the
  /// poles, where a metre to the east may be any number of degrees.
  func moved(northM: Double, eastM: Double) -> Place {
    let north = northM / Self.metresPerDegree * 1e7
    let east = eastM / (Self.metresPerDegree * cosine(ofLatitudeE7: latitudeE7)) * 1e7
    return Place(
      latitudeE7: Int32(min(max(Double(latitudeE7) + north, -90e7), 90e7)),
      longitudeE7: Int32(min(max(Double(longitudeE7) + east, -180e7), 180e7)))
  }

  /// Metres between two places that are near each other, as the crow flies.
  func metres(to other: Place) -> Double {
    let middle = Int32((Int64(latitudeE7) + Int64(other.latitudeE7)) / 2)
    let degree = Self.metresPerDegree / 1e7
    let north = (Double(other.latitudeE7) - Double(latitudeE7)) * degree
    let east =
      (Double(other.longitudeE7) - Double(longitudeE7)) * degree * cosine(ofLatitudeE7: middle)
    return (north * north + east * east).squareRoot()
  }
}

/// The cosine of a latitude, never 0. Its series up to the 12th power is exact to seven digits as
/// far as the poles.
func cosine(ofLatitudeE7 latitude: Int32) -> Double {
  let square = { $0 * $0 }(Double(latitude) / 1e7 * Double.pi / 180)
  var term = 1.0
  var sum = 1.0
  for power in stride(from: 2.0, through: 12.0, by: 2.0) {
    term *= -square / (power * (power - 1))
    sum += term
  }
  return max(sum, 1e-6)
}
