import WireFormat

extension Shard {
  /// Takes the events of a stamped batch of a keyed topic, which has been validated, into the
  /// topic's key index.
  @unsafe
  func noteKeys(_ id: UInt32, _ batch: UnsafeRawPointer) {
    if topics[id].keys == nil {
      topics[id].keys = KeyIndex.open(state, topic: id, after: topics[id].nextSequence - 1)
    }
    guard let keys = topics[id].keys else { return }
    do throws(WireError) {
      let whole = unsafe UnsafeRawBufferPointer(
        start: batch, count: BatchRef(batch).paddedLength)
      let records = try unsafe codecs.decodeBatch(whole, batchBytesMax: limits.batchBytesMax)
      unsafe keys.ingest(batch, records: records)
    } catch {
      preconditionFailure("a batch of a keyed topic that was not opened")
    }
  }
}
