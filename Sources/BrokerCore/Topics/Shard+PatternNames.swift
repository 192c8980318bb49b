// Patterns by their names. The names stand in the patterns' rows and nowhere else: of twenty
// thousand subscribers each may have a pattern of its own.

extension Shard {
  /// Keyed with a secret of this process, since peers choose the names.
  private func hash(_ name: UnsafeRawBufferPointer) -> (high: UInt32, low: UInt32) {
    var hasher = Hasher()
    unsafe hasher.combine(bytes: name)
    let value = UInt64(bitPattern: Int64(hasher.finalize()))
    return (UInt32(truncatingIfNeeded: value >> 32), UInt32(truncatingIfNeeded: value))
  }

  func findPattern(_ name: UnsafeRawBufferPointer) -> UInt32? {
    let key = unsafe hash(name)
    var next = patternIndex.find(key.high, key.low)
    while let pattern = next, pattern != noSlot {
      if unsafe patterns[pattern].name.bytes.elementsEqual(name) { return pattern }
      next = patterns[pattern].sameHash
    }
    return nil
  }

  /// Makes a pattern known by its name, which no other has.
  func indexPattern(_ pattern: UInt32) {
    let key = unsafe hash(patterns[pattern].name.bytes)
    if let first = patternIndex.find(key.high, key.low) {
      patterns[pattern].sameHash = patterns[first].sameHash
      patterns[first].sameHash = pattern
    } else {
      patternIndex.insert(key.high, key.low, pattern)
    }
  }

  func unindexPattern(_ pattern: UInt32) {
    let key = unsafe hash(patterns[pattern].name.bytes)
    guard let first = patternIndex.find(key.high, key.low) else {
      preconditionFailure("a pattern without a name")
    }
    let after = patterns[pattern].sameHash
    if first == pattern {
      patternIndex.remove(key.high, key.low)
      if after != noSlot { patternIndex.insert(key.high, key.low, after) }
      return
    }
    var before = first
    while patterns[before].sameHash != pattern { before = patterns[before].sameHash }
    patterns[before].sameHash = after
  }
}
