import WireFormat

// Memory for frames that have not arrived whole, or that wait for room elsewhere. It is shared by
// all sessions of a shard: as it gets short, less is read, and then those who leave frames
// unfinished make room for those who do not.

extension Shard {
  /// Read at once from one socket while more than half of the memory is in use: a full receive
  /// buffer of each of a few hundred paused sessions would be all of it.
  private static let receiveBytesShort = 16 << 10
  /// While memory is short, a frame that has been unfinished for so long makes room: a largest
  /// frame at 2 Mbit/s.
  private static let unfinishedNsMax: UInt64 = 1_000_000_000

  /// How much may be read from a socket now; nil where it waits until there is memory.
  func receiveBytesMax(_ slot: UInt32) -> Int? {
    let used = inputPool.usedBytes
    if used <= limits.inputBytes / 2 { return .max }
    if waitsForInputMemory(slot) {
      pause(slot)
      return nil
    }
    return Shard.receiveBytesShort
  }

  /// Whether a session may begin no frame until there is memory again. Who has begun one may finish
  /// it. Subscribers are heard: what publishers wait for may be their credit.
  func waitsForInputMemory(_ slot: UInt32) -> Bool {
    guard isInputMemoryShort else { return false }
    endUnfinished(before: nowNs - min(nowNs, Shard.unfinishedNsMax))
    let entry = connections[slot]
    return isInputMemoryShort && entry.phase == .open && entry.input.isEmpty
      && entry.publisherCount > 0 && entry.subscriptionCount == 0
  }

  private var isInputMemoryShort: Bool { inputPool.usedBytes > limits.inputBytes / 4 * 3 }

  /// Memory for a session's unfinished frame, at the expense of those that have been unfinished for
  /// longest; nil where nobody has any to give.
  func takeInput(_ bytes: Int, for slot: UInt32) -> Buffer? {
    while true {
      if let buffer = inputPool.take(bytes) { return buffer }
      guard let longest = longestUnfinished(but: slot) else { return nil }
      close(longest, .inputMemory)
    }
  }

  /// Ends the sessions whose frames began before a time, those first that began first, until memory
  /// is not short any more.
  private func endUnfinished(before timeNs: UInt64) {
    guard nowNs >= nextUnfinishedNs else { return }
    while inputPool.usedBytes > limits.inputBytes / 2,
      let longest = longestUnfinished(but: noSlot), connections[longest].unfinishedNs <= timeNs
    {
      close(longest, .inputMemory)
    }
    // Looking goes through all connections.
    nextUnfinishedNs = nowNs + Shard.unfinishedNsMax / 16
  }

  /// The session whose frame has been unfinished for longest. One that waits for room elsewhere is
  /// not at fault.
  private func longestUnfinished(but asking: UInt32) -> UInt32? {
    var longest = noSlot
    for slot in 0..<UInt32(connections.highWater) where connections.isUsed(slot) {
      let entry = connections[slot]
      guard slot != asking, entry.phase == .open || entry.phase == .handshake,
        !entry.input.isEmpty, !entry.isListedAsPaused
      else { continue }
      if longest == noSlot || entry.unfinishedNs < connections[longest].unfinishedNs {
        longest = slot
      }
    }
    return longest == noSlot ? nil : longest
  }
}
