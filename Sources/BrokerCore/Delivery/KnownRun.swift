/// A run of batches that was found for one cursor and serves every other one at the same place, so
/// that a thousand subscriptions that keep up look at each batch header once, not a thousand times.
struct KnownRun: BitwiseCopyable {
  /// Topics in flight in one turn, and places in them.
  static let slots = 256

  private var topic: UInt32 = 0
  private var offset: UInt32 = 0
  private var sequence: UInt64 = 0
  private var limit = 0
  private var codecs: UInt32 = 0
  private(set) var run = Shard.Run()
  private var events: UInt64 = 0
  private var charge: UInt64 = 0

  init() {}

  init(_ cursor: CursorEntry, limit: Int, codecs: UInt32, run: Shard.Run) {
    topic = cursor.topic
    offset = cursor.offset
    sequence = cursor.sequence
    self.limit = limit
    self.codecs = codecs
    self.run = run
    events = run.endSequence - cursor.sequence
    charge = run.endBytes - cursor.bytes
  }

  static func slot(_ cursor: CursorEntry) -> Int {
    Int(truncatingIfNeeded: cursor.sequence &+ UInt64(cursor.topic) &* 37) & (slots - 1)
  }

  /// Whether this is the run for a cursor whose subscription has all the credit it takes and whose
  /// client has the codecs. A sequence of a topic stands at one place only, so the sequence and the
  /// offset name it; pages that were used again hold other sequences.
  @inline(__always)
  func isUsable(
    _ cursor: CursorEntry, limit: Int, bytesMax: Int, codecs: UInt32, creditEvents: UInt64,
    creditBytes: UInt64
  ) -> Bool {
    cursor.sequence == sequence && cursor.topic == topic && cursor.offset == offset
      && limit == self.limit && run.bytes <= bytesMax && self.codecs & ~codecs == 0
      && creditEvents >= events && creditBytes >= charge
  }
}
