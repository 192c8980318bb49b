/// What the events of the hunt carry. All numbers are little-endian, and every payload has a fixed
/// size by which it is known; one of another size is none of these.
///
///     topic                    key       payload
///     hunt.WALK.positions      player    position, 32 bytes
///     hunt.WALK.treasures      treasure  treasure, 24 bytes
///     hunt.rewards             player    reward, 24 bytes
///
///     position                           treasure                      reward
///      0  player        u32               0  treasure     u32          0  treasure     u32
///      4  step          u32               4  points       u32          4  points       u32
///      8  latitude      i32, 1e-7 deg     8  latitude     i32          8  player       u32
///     12  longitude     i32, 1e-7 deg    12  longitude    i32         12  reserved     u32, 0
///     16  elevation     i32, cm          16  sent         u64, ns     16  sent         u64, ns
///     20  fix           u16
///     22  flags         u8
///     23  walk          u8
///     24  sent          u64, ns
///
/// `sent` is when the event was published, in nanoseconds since 1970 in universal time. `step`
/// counts the fixes of one player from 1, so that a receiver can tell whether it has all of them and
/// in their order. An elevation that is not known is the smallest i32. Keys are the number in
/// decimal digits.
protocol HuntPayload: Equatable, Sendable {
  static var byteCount: Int { get }
  init?(decoding bytes: ArraySlice<UInt8>)
  func encoded(sentNs: UInt64) -> [UInt8]
}

/// A player is somewhere.
struct PositionPayload: HuntPayload {
  struct Flags: OptionSet, Hashable, Sendable {
    let rawValue: UInt8
    /// The recording paused before this fix, so the player stood still and then jumped.
    static var afterPause: Flags { Flags(rawValue: 1) }
    /// The first fix of a round: the player is back where the walk begins.
    static var newRound: Flags { Flags(rawValue: 2) }
  }

  static var byteCount: Int { 32 }

  var player: UInt32
  var step: UInt32
  var place: Place
  var elevationCm: Int32?
  var fix: UInt16
  var flags: Flags
  var walk: UInt8
  /// Set when it is published, and not before.
  var sentNs: UInt64 = 0

  init(
    player: UInt32, step: UInt32, place: Place, elevationCm: Int32?, fix: UInt16, flags: Flags,
    walk: UInt8
  ) {
    self.player = player
    self.step = step
    self.place = place
    self.elevationCm = elevationCm
    self.fix = fix
    self.flags = flags
    self.walk = walk
  }

  init?(decoding bytes: ArraySlice<UInt8>) {
    guard bytes.count == Self.byteCount else { return nil }
    var reader = FieldReader(bytes)
    player = reader.next()
    step = reader.next()
    place = Place(latitudeE7: reader.next(), longitudeE7: reader.next())
    let elevation: Int32 = reader.next()
    elevationCm = elevation == .min ? nil : elevation
    fix = reader.next()
    flags = Flags(rawValue: reader.next())
    walk = reader.next()
    sentNs = reader.next()
  }

  func encoded(sentNs: UInt64) -> [UInt8] {
    var writer = FieldWriter(capacity: Self.byteCount)
    writer.append(player)
    writer.append(step)
    writer.append(place.latitudeE7)
    writer.append(place.longitudeE7)
    writer.append(elevationCm ?? .min)
    writer.append(fix)
    writer.append(flags.rawValue)
    writer.append(walk)
    writer.append(sentNs)
    return writer.bytes
  }
}

/// A treasure lies somewhere.
struct TreasurePayload: HuntPayload {
  static var byteCount: Int { 24 }

  var treasure: UInt32
  var points: UInt32
  var place: Place
  var sentNs: UInt64 = 0

  init(treasure: UInt32, points: UInt32, place: Place) {
    self.treasure = treasure
    self.points = points
    self.place = place
  }

  init?(decoding bytes: ArraySlice<UInt8>) {
    guard bytes.count == Self.byteCount else { return nil }
    var reader = FieldReader(bytes)
    treasure = reader.next()
    points = reader.next()
    place = Place(latitudeE7: reader.next(), longitudeE7: reader.next())
    sentNs = reader.next()
  }

  func encoded(sentNs: UInt64) -> [UInt8] {
    var writer = FieldWriter(capacity: Self.byteCount)
    writer.append(treasure)
    writer.append(points)
    writer.append(place.latitudeE7)
    writer.append(place.longitudeE7)
    writer.append(sentNs)
    return writer.bytes
  }
}

/// A player has picked up a treasure.
struct RewardPayload: HuntPayload {
  static var byteCount: Int { 24 }

  var treasure: UInt32
  var points: UInt32
  var player: UInt32
  var sentNs: UInt64 = 0

  init(treasure: UInt32, points: UInt32, player: UInt32) {
    self.treasure = treasure
    self.points = points
    self.player = player
  }

  init?(decoding bytes: ArraySlice<UInt8>) {
    guard bytes.count == Self.byteCount else { return nil }
    var reader = FieldReader(bytes)
    treasure = reader.next()
    points = reader.next()
    player = reader.next()
    let reserved: UInt32 = reader.next()
    guard reserved == 0 else { return nil }
    sentNs = reader.next()
  }

  func encoded(sentNs: UInt64) -> [UInt8] {
    var writer = FieldWriter(capacity: Self.byteCount)
    writer.append(treasure)
    writer.append(points)
    writer.append(player)
    writer.append(UInt32(0))
    writer.append(sentNs)
    return writer.bytes
  }
}

private struct FieldReader {
  private var rest: ArraySlice<UInt8>

  init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

  /// The sizes were checked before.
  mutating func next<Number: FixedWidthInteger>() -> Number {
    var value: Number = 0
    let size = Number.bitWidth / 8
    for byte in rest.prefix(size).reversed() {
      value = (Number.bitWidth == 8 ? 0 : value << 8) | Number(truncatingIfNeeded: byte)
    }
    rest = rest.dropFirst(size)
    return value
  }
}

private struct FieldWriter {
  private(set) var bytes: [UInt8] = []

  init(capacity: Int) { bytes.reserveCapacity(capacity) }

  mutating func append<Number: FixedWidthInteger>(_ value: Number) {
    for shift in stride(from: 0, to: Number.bitWidth, by: 8) {
      bytes.append(UInt8(truncatingIfNeeded: value >> Number(shift)))
    }
  }
}

/// When an event of the hunt was published: the last field of every payload, whatever else is in
/// it; nil where it is none of them.
func sentTimeNs(of payload: ArraySlice<UInt8>) -> UInt64? {
  guard payload.count == 24 || payload.count == 32 else { return nil }
  var reader = FieldReader(payload.suffix(8))
  return reader.next()
}
