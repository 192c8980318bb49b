/// What the events of the hunt carry. All numbers are little-endian, and every payload has a fixed
/// size by which it is known; one of another size, or with a place that is not on earth, is none
/// of these.
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
/// counts the fixes of one player from 1, so that a receiver can tell whether it has all of them
/// and in their order. An elevation that is not known is the smallest i32. Keys are the number in
/// decimal digits.
protocol HuntPayload: Equatable, Sendable {
  static var byteCount: Int { get }
  /// With numbers that mean nothing, to be read into.
  init()
  /// Set when it is published, and not before.
  var sentNs: UInt64 { get set }
  /// Passes over all fields in the order above. The one list of them serves reading and writing.
  mutating func visit(_ fields: inout some FieldVisitor)
}

extension HuntPayload {
  init?(decoding bytes: ArraySlice<UInt8>) {
    guard bytes.count == Self.byteCount else { return nil }
    self.init()
    var reader = FieldReader(bytes)
    visit(&reader)
    guard reader.isSound else { return nil }
  }

  func encoded(sentNs: UInt64) -> [UInt8] {
    var sent = self
    sent.sentNs = sentNs
    var writer = FieldWriter(capacity: Self.byteCount)
    sent.visit(&writer)
    return writer.bytes
  }
}

/// A player is somewhere.
struct PositionPayload: HuntPayload {
  struct Flags: OptionSet, Hashable, Sendable {
    var rawValue: UInt8
    /// The recording paused before this fix, so the player stood still and then jumped.
    static var afterPause: Flags { Flags(rawValue: 1) }
    /// The first fix of a round: the player is back where the walk begins.
    static var newRound: Flags { Flags(rawValue: 2) }
  }

  static var byteCount: Int { 32 }

  var player: UInt32 = 0
  var step: UInt32 = 0
  var place = Place()
  var elevationCm: Int32?
  var fix: UInt16 = 0
  var flags: Flags = []
  var walk: UInt8 = 0
  var sentNs: UInt64 = 0

  mutating func visit(_ fields: inout some FieldVisitor) {
    var elevation = elevationCm ?? .min
    fields.number(&player)
    fields.number(&step)
    fields.place(&place)
    fields.number(&elevation)
    fields.number(&fix)
    fields.number(&flags.rawValue)
    fields.number(&walk)
    fields.number(&sentNs)
    elevationCm = elevation == .min ? nil : elevation
  }
}

/// A treasure lies somewhere.
struct TreasurePayload: HuntPayload {
  static var byteCount: Int { 24 }

  var treasure: UInt32 = 0
  var points: UInt32 = 0
  var place = Place()
  var sentNs: UInt64 = 0

  mutating func visit(_ fields: inout some FieldVisitor) {
    fields.number(&treasure)
    fields.number(&points)
    fields.place(&place)
    fields.number(&sentNs)
  }
}

/// A player has picked up a treasure.
struct RewardPayload: HuntPayload {
  static var byteCount: Int { 24 }

  var treasure: UInt32 = 0
  var points: UInt32 = 0
  var player: UInt32 = 0
  var sentNs: UInt64 = 0

  mutating func visit(_ fields: inout some FieldVisitor) {
    fields.number(&treasure)
    fields.number(&points)
    fields.number(&player)
    fields.reserved(bytes: 4)
    fields.number(&sentNs)
  }
}

/// What is done with each field of a payload: read from bytes or written to them.
protocol FieldVisitor {
  mutating func number<Number: FixedWidthInteger>(_ value: inout Number)
  /// So many bytes that are zero.
  mutating func reserved(bytes: Int)
  /// What must hold of the fields so far, or the payload is none.
  mutating func check(_ holds: Bool)
}

extension FieldVisitor {
  mutating func place(_ place: inout Place) {
    number(&place.latitudeE7)
    number(&place.longitudeE7)
    check(place.isOnEarth)
  }
}

private struct FieldReader: FieldVisitor {
  private var rest: ArraySlice<UInt8>
  private(set) var isSound = true

  init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

  /// The sizes were checked before.
  mutating func number<Number: FixedWidthInteger>(_ value: inout Number) {
    value = 0
    let size = Number.bitWidth / 8
    for byte in rest.prefix(size).reversed() {
      value = (Number.bitWidth == 8 ? 0 : value << 8) | Number(truncatingIfNeeded: byte)
    }
    rest = rest.dropFirst(size)
  }

  mutating func reserved(bytes: Int) {
    check(!rest.prefix(bytes).contains { $0 != 0 })
    rest = rest.dropFirst(bytes)
  }

  mutating func check(_ holds: Bool) {
    if !holds { isSound = false }
  }
}

private struct FieldWriter: FieldVisitor {
  private(set) var bytes: [UInt8] = []

  init(capacity: Int) { bytes.reserveCapacity(capacity) }

  mutating func number<Number: FixedWidthInteger>(_ value: inout Number) {
    for shift in stride(from: 0, to: Number.bitWidth, by: 8) {
      bytes.append(UInt8(truncatingIfNeeded: value >> Number(shift)))
    }
  }

  mutating func reserved(bytes count: Int) {
    bytes += [UInt8](repeating: 0, count: count)
  }

  mutating func check(_ holds: Bool) {
    precondition(holds, "what is published is sound")
  }
}

/// When an event of the hunt was published: the last field of every payload, whatever else is in
/// it; nil where it is none of them.
func sentTimeNs(of payload: ArraySlice<UInt8>) -> UInt64? {
  guard payload.count == 24 || payload.count == 32 else { return nil }
  var reader = FieldReader(payload.suffix(8))
  var sentNs: UInt64 = 0
  reader.number(&sentNs)
  return sentNs
}
