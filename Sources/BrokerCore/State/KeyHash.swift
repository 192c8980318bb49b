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

  /// Multiplies by the point and adds a word of at most 56 bits. What comes out is below 2^62, not
  /// yet reduced to below the prime, which is enough for the next step.
  @inline(__always)
  private func step(_ sum: UInt64, _ word: UInt64) -> UInt64 {
    let product = sum.multipliedFullWidth(by: point)
    let folded =
      (product.low & Self.prime) &+ (product.low &>> 61 | product.high &<< 3) &+ word
    return (folded & Self.prime) &+ (folded &>> 61)
  }

  /// 32 bits that stand for a key.
  @inline(__always)
  func tag(_ key: UnsafeRawBufferPointer) -> UInt32 {
    // The length comes first, so that a key is not another one with zeros.
    let count = key.count
    var sum = UInt64(truncatingIfNeeded: count)
    var at = 0
    while count - at >= 8 {
      sum = unsafe step(sum, word(key, at) & 0x00FF_FFFF_FFFF_FFFF)
      at += 7
    }
    // What is left is 1 to 7 bytes.
    let left = count - at
    let last: UInt64
    if count >= 8 {
      last = unsafe word(key, count - 8) &>> UInt64(truncatingIfNeeded: 64 - 8 * left)
    } else {
      last = unsafe shortWord(key)
    }
    sum = step(sum, last)
    if sum >= Self.prime { sum -= Self.prime }
    return UInt32(truncatingIfNeeded: (sum &* multiplier) &>> 32)
  }

  @unsafe @inline(__always)
  private func word(_ key: UnsafeRawBufferPointer, _ at: Int) -> UInt64 {
    unsafe UInt64(littleEndian: key.loadUnaligned(fromByteOffset: at, as: UInt64.self))
  }

  /// All of a key of at most seven bytes.
  @unsafe
  private func shortWord(_ key: UnsafeRawBufferPointer) -> UInt64 {
    var word: UInt64 = 0
    for i in 0..<key.count { word |= unsafe UInt64(key[i]) &<< UInt64(truncatingIfNeeded: 8 * i) }
    return word
  }
}
