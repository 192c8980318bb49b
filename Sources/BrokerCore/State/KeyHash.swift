/// The hash of keys, which peers choose, so it must not be known to them.
///
/// A key is read as a polynomial, seven bytes a coefficient, and evaluated at a secret point modulo
/// the prime 2^61 - 1: two keys of at most n such words meet there with a chance of n in 2^61
/// (Carter, Wegman: "Universal classes of hash functions", JCSS 18, 1979). The result is scattered
/// as in `HashIndex`, by a secret odd number of which the product's upper bits count.
struct KeyHash: BitwiseCopyable {
  private static let prime: UInt64 = 1 << 61 - 1
  private let point: UInt64
  private let multiplier: UInt64

  /// - Parameter secret: what peers cannot know.
  init(secret: UInt64) {
    // Not the number that `HashIndex` multiplies with, nor related to it in a way that shows.
    var mixed = (secret ^ (secret >> 31)) &* 0x9FB2_1C65_1E98_DF25
    mixed ^= mixed >> 28
    self.init(point: mixed % (Self.prime - 2) + 2, multiplier: secret | 1)
  }

  /// For tests of keys that meet: at point 0 the last word decides alone.
  init(point: UInt64, multiplier: UInt64) {
    self.point = point
    self.multiplier = multiplier
  }

  private static func reduce(_ number: UInt64) -> UInt64 {
    let sum = (number & prime) + (number >> 61)
    return sum >= prime ? sum - prime : sum
  }

  @inline(__always)
  private func step(_ sum: UInt64, _ word: UInt64) -> UInt64 {
    let product = sum.multipliedFullWidth(by: point)
    let folded = (product.low & Self.prime) + (product.low >> 61 | product.high << 3)
    return Self.reduce(folded + word)
  }

  /// 32 bits that stand for a key.
  @inline(__always)
  func tag(_ key: UnsafeRawBufferPointer) -> UInt32 {
    // The length comes first, so that a key is not another one with zeros.
    var sum = UInt64(key.count)
    var at = 0
    while key.count - at >= 8 {
      let word = unsafe key.loadUnaligned(fromByteOffset: at, as: UInt64.self)
      sum = step(sum, UInt64(littleEndian: word) & 0x00FF_FFFF_FFFF_FFFF)
      at += 7
    }
    var word: UInt64 = 0
    var shift: UInt64 = 0
    if key.count - at >= 4 {
      let half = unsafe key.loadUnaligned(fromByteOffset: at, as: UInt32.self)
      word = UInt64(UInt32(littleEndian: half))
      shift = 32
      at += 4
    }
    while at < key.count {
      word |= unsafe UInt64(key[at]) << shift
      shift += 8
      at += 1
    }
    sum = step(sum, word)
    return UInt32(truncatingIfNeeded: (sum &* multiplier) >> 32)
  }
}
