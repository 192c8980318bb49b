import Synchronization

/// A set of small numbers that many threads add to and one thread empties: which words changed.
///
/// Two levels: a bit for each number, and a bit for each word of 64 of them, so that an empty set
/// costs one load for 4096 numbers. Adding is idempotent and never fails, which is why everything
/// between shards that is not a message is a word that only rises plus a bit here.
///
///     adder: change the word (release), set the bit, set the summary bit (sequentially consistent)
///     taker: take the summary, take the bits, then read the words (acquire)
///
/// A bit that is set while the taker is between the two levels is found the next time, since its
/// summary bit is set after it. An adder may leave the read-modify-write out only where it finds
/// both its bits set, and it looks at them after its change to the word.
///
/// A value, so that taking one out of an array counts no reference; `Broker` owns the memory and
/// frees it when all shards are gone.
///
/// `@unchecked Sendable`: all shared state is atomic.
@safe
struct DirtyBits: @unchecked Sendable {
  private let words: UnsafeMutablePointer<Atomic<UInt64>>
  private let summary: UnsafeMutablePointer<Atomic<UInt64>>
  private let wordCount: Int
  private let summaryCount: Int

  init(count: Int) {
    wordCount = (count + 63) / 64
    summaryCount = (wordCount + 63) / 64
    unsafe words = .allocate(capacity: wordCount)
    unsafe summary = .allocate(capacity: summaryCount)
    for i in 0..<wordCount { unsafe (words + i).initialize(to: Atomic(0)) }
    for i in 0..<summaryCount { unsafe (summary + i).initialize(to: Atomic(0)) }
  }

  func deallocate() {
    unsafe words.deallocate()
    unsafe summary.deallocate()
  }

  /// Any thread: adds `number`.
  func add(_ number: Int) {
    let word = number >> 6
    precondition(word >= 0 && word < wordCount, "number out of range")
    let bit = UInt64(1) << UInt64(number & 63)
    unsafe words[word].bitwiseOr(bit, ordering: .sequentiallyConsistent)
    unsafe summary[word >> 6].bitwiseOr(
      UInt64(1) << UInt64(word & 63), ordering: .sequentiallyConsistent)
  }

  /// The taker: takes all numbers out, lowest first within what it finds, and gives each to
  /// `body`.
  func takeAll(_ body: (Int) -> Void) {
    for s in 0..<summaryCount {
      if unsafe summary[s].load(ordering: .relaxed) == 0 { continue }
      var wordsLeft = unsafe summary[s].exchange(0, ordering: .sequentiallyConsistent)
      while wordsLeft != 0 {
        let word = s << 6 + wordsLeft.trailingZeroBitCount
        wordsLeft &= wordsLeft - 1
        var bits = unsafe words[word].exchange(0, ordering: .sequentiallyConsistent)
        while bits != 0 {
          body(word << 6 + bits.trailingZeroBitCount)
          bits &= bits - 1
        }
      }
    }
  }

  /// The taker, before it sleeps.
  var isEmpty: Bool {
    for s in 0..<summaryCount {
      if unsafe summary[s].load(ordering: .sequentiallyConsistent) != 0 { return false }
    }
    return true
  }
}
