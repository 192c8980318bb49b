/// A map from a pair of numbers to a slot: open addressing, linear probing, no tombstones (deleting
/// moves later entries back), grown by doubling up to what its owner's tables can hold.
///
/// It stands in for `Dictionary` on the data path: no allocation but for growth, no reference
/// counts, and an order of no consequence. Peers choose halves of keys, and entries of different
/// peers share their runs, so the hash must not be known: the key times an odd number drawn at
/// random, of which the upper bits count (Dietzfelbinger, Hagerup, Katajainen, Penttonen: "A
/// reliable randomized algorithm for the closest-pair problem", J. Algorithms 25, 1997). For any
/// two keys the chance that they meet is at most two in the capacity.
///
/// One thread owns it. `@safe`: indices are masked by the capacity, a power of two.
@safe
struct HashIndex: ~Copyable {
  private struct Entry: BitwiseCopyable {
    var a: UInt32
    var b: UInt32
    var value: UInt32
  }

  private var entries: UnsafeMutablePointer<Entry>
  private var mask: Int
  /// Bits of a product that are not the home.
  private var shift: UInt64
  private let multiplier: UInt64
  private(set) var count = 0

  /// - Parameters:
  ///   - capacity: entries to have room for before it first grows.
  ///   - secret: what peers cannot know.
  init(capacity: Int = 64, secret: UInt64) {
    let bits = Int.bitWidth - max(16, capacity * 2 - 1).leadingZeroBitCount
    let size = 1 << bits
    mask = size - 1
    shift = UInt64(64 - bits)
    multiplier = secret | 1
    unsafe entries = .allocate(capacity: size)
    unsafe entries.initialize(repeating: Entry(a: 0, b: 0, value: noSlot), count: size)
  }

  deinit { unsafe entries.deallocate() }

  private func home(_ a: UInt32, _ b: UInt32) -> Int {
    let key = UInt64(a) << 32 | UInt64(b)
    return Int(truncatingIfNeeded: (key &* multiplier) &>> shift)
  }

  func find(_ a: UInt32, _ b: UInt32) -> UInt32? {
    var i = home(a, b)
    while true {
      let entry = unsafe entries[i]
      if entry.value == noSlot { return nil }
      if entry.a == a && entry.b == b { return entry.value }
      i = (i + 1) & mask
    }
  }

  /// Adds an entry that is not there yet.
  mutating func insert(_ a: UInt32, _ b: UInt32, _ value: UInt32) {
    precondition(value != noSlot, "no value")
    if (count + 1) * 4 > (mask + 1) * 3 { grow() }
    place(Entry(a: a, b: b, value: value))
    count += 1
  }

  private func place(_ entry: Entry) {
    var i = home(entry.a, entry.b)
    while unsafe entries[i].value != noSlot { i = (i + 1) & mask }
    unsafe entries[i] = entry
  }

  /// Removes an entry that is there.
  mutating func remove(_ a: UInt32, _ b: UInt32) {
    var i = home(a, b)
    while true {
      let entry = unsafe entries[i]
      precondition(entry.value != noSlot, "no such entry")
      if entry.a == a && entry.b == b { break }
      i = (i + 1) & mask
    }
    // Close the hole: move back every later entry of the run whose home is at or before the hole.
    var hole = i
    var j = (i + 1) & mask
    while unsafe entries[j].value != noSlot {
      let entry = unsafe entries[j]
      let distanceHome = (j &- home(entry.a, entry.b)) & mask
      if distanceHome >= (j &- hole) & mask {
        unsafe entries[hole] = entry
        hole = j
      }
      j = (j + 1) & mask
    }
    unsafe entries[hole].value = noSlot
    count -= 1
  }

  private mutating func grow() {
    let old = unsafe entries
    let oldSize = mask + 1
    mask = oldSize * 2 - 1
    shift -= 1
    unsafe entries = .allocate(capacity: oldSize * 2)
    unsafe entries.initialize(repeating: Entry(a: 0, b: 0, value: noSlot), count: oldSize * 2)
    for i in 0..<oldSize where unsafe old[i].value != noSlot { unsafe place(old[i]) }
    unsafe old.deallocate()
  }
}
