/// Which key an event has, by its number. In each round all keys come once, in another order than
/// in the round before: so neighbours in time are none in a server's memory.
struct KeyCycle: Sendable, BitwiseCopyable {
  let keys: UInt64
  /// Steps from key to key, one for each of two rounds.
  private let strides: (UInt64, UInt64)

  /// Bytes of a key: its number, little-endian.
  static let keyBytes = 8

  init(keys: Int) {
    self.keys = UInt64(keys)
    strides = (Self.stride(0.618, of: self.keys), Self.stride(0.414, of: self.keys))
  }

  /// About that part of the keys, and without a divisor in common, so that all are met.
  private static func stride(_ part: Double, of keys: UInt64) -> UInt64 {
    var stride = max(1, UInt64(Double(keys) * part))
    while divisor(stride, keys) != 1 { stride -= 1 }
    return stride
  }

  private static func divisor(_ a: UInt64, _ b: UInt64) -> UInt64 {
    b == 0 ? a : divisor(b, a % b)
  }

  @inline(always)
  func key(of number: UInt64) -> UInt64 {
    let round = number / keys
    let place = number &- round &* keys
    return place &* (round & 1 == 0 ? strides.0 : strides.1) % keys
  }
}

/// What one laggard has seen of a topic with keys, from one publisher. It is `@safe` because the
/// numbers' memory has a place for each key, which the loop owns, and keys are compared with that.
@safe struct NewestOfKeys {
  private let numbers: UnsafeMutablePointer<UInt64>
  private let cycle: KeyCycle

  init(_ numbers: UnsafeMutablePointer<UInt64>, _ cycle: KeyCycle) {
    unsafe self.numbers = numbers
    self.cycle = cycle
  }

  /// Takes an event. False where it has not the key of its number, or is no newer than what was
  /// seen of that key before.
  @inline(always)
  func take(_ number: UInt64, key: UInt64) -> Bool {
    guard key < cycle.keys, cycle.key(of: number) == key,
      unsafe numbers[Int(truncatingIfNeeded: key)] < number
    else { return false }
    unsafe numbers[Int(truncatingIfNeeded: key)] = number
    return true
  }

  /// How many of the last events are newer than all it has seen of their key. Two rounds hold the
  /// last event of each key.
  func missing(of published: UInt64) -> Int {
    let first = published > 2 * cycle.keys ? published - 2 * cycle.keys : 0
    var missing = 0
    for number in (first + 1)..<(published + 1)
    where unsafe numbers[Int(cycle.key(of: number))] < number {
      missing += 1
    }
    return missing
  }
}
