// The walk over a batch's records that the broker makes for every batch it is sent.

/// The first word of a record.
enum RecordWord {
  static var bytes: Int { @_noLocks get { 4 } }
  /// Bits 0 to 23: bytes of the record after the word.
  static var sizeMask: UInt32 { @_noLocks get { 0x00FF_FFFF } }
  static var flagsShift: UInt32 { @_noLocks get { 24 } }
  /// Largest size that a word can say, in bytes.
  static var sizeMax: Int { @_noLocks get { 0x00FF_FFFF } }
}

/// Checks that the bytes are exactly `count` well-formed records.
///
/// A record without flags is its word and a payload that may be anything, so it costs one hop.
/// The hop is a chain of loads, each waiting for the one before. Most batches hold many records of
/// one size, so four words at a time are compared with the last one that was seen: their places
/// follow from it without waiting, and a wrong guess costs nothing but the comparison.
///
/// - Throws: `malformedBatch`, or `keyRequired` for a record without a key where one is required.
@unsafe
@_noLocks func checkRecords(
  _ records: UnsafeRawBufferPointer, count: Int, requireKey: Bool
) throws(WireError) {
  guard let base = records.baseAddress else {
    throw WireError(.malformedBatch, need: count * RecordWord.bytes, have: 0)
  }
  let end = records.count
  var at = 0
  var left = count
  while left > 0 {
    // Records without flags, as long as there are some. `at` may pass `end` by one record before
    // it is compared, and four steps are far below what an Int holds.
    while !requireKey, left > 0, end - at >= RecordWord.bytes {
      let word = unsafe base.loadUInt32(at)
      guard word <= RecordWord.sizeMask else { break }
      let step = RecordWord.bytes + Int(word)
      at += step
      left -= 1
      while left >= 4, end - at >= 3 * step + RecordWord.bytes,
        unsafe base.loadUInt32(at) == word, unsafe base.loadUInt32(at + step) == word,
        unsafe base.loadUInt32(at + 2 * step) == word,
        unsafe base.loadUInt32(at + 3 * step) == word
      {
        at += 4 * step
        left -= 4
      }
    }
    guard left > 0 else { break }
    guard end - at >= RecordWord.bytes else {
      throw WireError(.malformedBatch, offset: min(at, end), need: RecordWord.bytes, have: end - at)
    }
    let word = unsafe base.loadUInt32(at)
    if let bytes = unsafe keyedRecordBytes(base + at, word: word, left: end - at) {
      at += bytes
    } else {
      at = try unsafe checkRecord(records, at: at, requireKey: requireKey)
    }
    left -= 1
  }
  guard at == end else {
    throw WireError(.malformedBatch, offset: min(at, end), need: at, have: end)
  }
}

/// Bytes of a well-formed record whose only flag is its key, which is what keyed topics are full
/// of; nil where it is something else or has a fault.
@unsafe @inline(__always)
@_noLocks private func keyedRecordBytes(_ record: UnsafeRawPointer, word: UInt32, left: Int) -> Int?
{
  let size = Int(word & RecordWord.sizeMask)
  guard word >> RecordWord.flagsShift == UInt32(RecordFlags.key.rawValue), size > 2,
    size <= left - RecordWord.bytes
  else { return nil }
  let key = unsafe Int(record.loadUInt16(RecordWord.bytes))
  guard key >= 1, key <= WireLimits.keyBytesMax, key <= size - 2 else { return nil }
  return RecordWord.bytes + size
}

/// Checks one record that has flags, or must have a key, and returns where the next one starts.
@unsafe @inline(never)
@_noLocks private func checkRecord(
  _ records: UnsafeRawBufferPointer, at start: Int, requireKey: Bool
) throws(WireError) -> Int {
  var cursor = unsafe RecordCursor(records, from: start, count: 1)
  guard let event = try cursor.next() else {
    throw WireError(.malformedBatch, offset: start)
  }
  guard !requireKey || event.flags.has(.key) else {
    throw WireError(.keyRequired, offset: start)
  }
  if event.flags.has(.headers) { try unsafe event.checkHeaders(in: records) }
  return cursor.position
}
