import WireFormat

extension Shard {
  /// Takes the events of a stamped batch of a keyed topic, which has been validated, into the
  /// topic's key index.
  ///
  /// - Parameter opened: its records, where it is compressed and they have been decoded already.
  @unsafe
  func noteKeys(
    _ id: UInt32, _ batch: UnsafeRawPointer, opened: UnsafeRawBufferPointer?
  ) {
    if topics[id].keys == nil {
      let keys = KeyIndex.open(state, topic: id, after: topics[id].nextSequence - 1)
      topics[id].keys = keys
      if let keys { counters.keysChanged(keys) }
    }
    guard let keys = topics[id].keys else { return }
    if let opened = unsafe opened {
      unsafe keys.ingest(batch, records: opened)
      return
    }
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
