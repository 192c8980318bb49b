/// The address of a session: its shard, slot and generation.
struct Inbox {
  var shard: Int
  var slot: UInt32
  var generation: UInt32

  init(shard: Int, slot: UInt32, generation: UInt32) {
    self.shard = shard
    self.slot = slot
    self.generation = generation
  }

  /// 8 bits of shard, 24 of slot (`BrokerLimits.connectionsMax` stays below), 32 of generation.
  var word: UInt64 { UInt64(shard) << 56 | UInt64(slot) << 32 | UInt64(generation) }

  init(word: UInt64) {
    shard = Int(word >> 56)
    slot = UInt32(truncatingIfNeeded: word >> 32) & 0xFF_FFFF
    generation = UInt32(truncatingIfNeeded: word)
  }
}
