import WireFormat

extension Shard {
  /// A piece of the counters: copied as it is, since rows carry what their readers need to see
  /// whether they are whole.
  func receiveStats(_ stats: Stats, header: FrameHeader, on slot: UInt32) -> FrameFate {
    let total = counters.byteCount
    let offset = Int(clamping: stats.offset)
    // Half of what may wait for a session, so that one answer alone never ends it.
    let roomMax = min(
      WireLimits.statsPageBytesMax, limits.controlBytesPerSession / 2 - StatsPage.prefixSize,
      Int(connections[slot].outputLengthMax) + FrameHeader.lengthBytes - StatsPage.prefixSize)
    let count = max(0, min(Int(stats.count), roomMax, total - min(offset, total)))
    guard reserveControl(slot, StatsPage.prefixSize + count) else { return .closed }
    var writer = unsafe FrameWriter(connections[slot].control.room)
    writer.beginFrame(.statsPage, ref: 0, correlation: header.correlation)
    writer.append(UInt64(total))
    writer.append(stats.offset)
    let fits = writer.endFrame(followedBy: count)
    precondition(fits, "room was reserved")
    connections[slot].control.advance(writer.count)
    let copied = unsafe counters.copy(
      from: offset,
      into: UnsafeMutableRawBufferPointer(rebasing: connections[slot].control.room[..<count]))
    precondition(copied == count, "the region is as large as it says")
    connections[slot].control.advance(count)
    counters.frameSent(slot)
    listForTransmit(slot)
    return .done
  }
}
