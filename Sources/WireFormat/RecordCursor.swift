/// An inbox and a token: where the answer to a request goes.
public struct ReplyAddress: Hashable, Sendable {
  public var inbox: UInt64
  public var token: UInt64

  @_noLocks public init(inbox: UInt64, token: UInt64) {
    self.inbox = inbox
    self.token = token
  }
}

/// One event of a batch, as offsets into the batch's decoded records.
public struct EventView: Equatable, Sendable {
  public var flags: RecordFlags
  /// Where the record starts.
  public var offset: Int
  /// The key's bytes; empty where there is none.
  public var key: Range<Int>
  /// The encoded headers with their count; empty where there are none.
  public var headers: Range<Int>
  public var payload: Range<Int>
  /// Nil where no answer is asked for.
  public var replyTo: ReplyAddress?

  public var isTombstone: Bool { @_noLocks get { flags.has(.tombstone) } }
  public var hasKey: Bool { @_noLocks get { flags.has(.key) } }
  /// Where the next record starts.
  public var end: Int { @_noLocks get { payload.upperBound } }
}

/// A cursor over the decoded records of one batch. It checks each record as it comes to it, but
/// for the inside of headers, which `HeaderCursor` checks.
///
/// Safe although it holds a pointer: the initialiser is where the caller vouches for the bytes,
/// and every load is checked against them. It does not allocate.
@safe
public struct RecordCursor {
  private let base: UnsafeRawPointer?
  private let end: Int
  /// Where the next record starts.
  public private(set) var position: Int
  /// Events that are still to come.
  public private(set) var left: Int

  /// - Parameters:
  ///   - records: decoded records, which must stay where they are for the cursor's life.
  ///   - from: where the first record starts.
  ///   - count: how many there are.
  @unsafe @inline(__always)
  @_noLocks public init(_ records: UnsafeRawBufferPointer, from: Int = 0, count: Int) {
    precondition(from >= 0 && from <= records.count && count >= 0)
    unsafe base = records.baseAddress
    end = records.count
    position = from
    left = count
  }

  /// The next event, or nil after the last one.
  ///
  /// - Throws: `malformedBatch` where the record is not well-formed, and after the last event
  ///   where bytes are left over.
  @inline(__always)
  @_noLocks public mutating func next() throws(WireError) -> EventView? {
    guard left > 0 else { return nil }
    let start = position
    guard end - start >= RecordWord.bytes, let base = unsafe base else {
      throw WireError(.malformedBatch, offset: start, need: RecordWord.bytes, have: end - start)
    }
    let word = unsafe base.loadUInt32(start)
    let body = start + RecordWord.bytes
    let size = Int(word & RecordWord.sizeMask)
    guard size <= end - body else {
      throw WireError(.malformedBatch, offset: start, need: size, have: end - body)
    }
    left -= 1
    position = body + size
    if word <= RecordWord.sizeMask {
      return EventView(
        flags: RecordFlags(rawValue: 0), offset: start, key: body..<body, headers: body..<body,
        payload: body..<(body + size), replyTo: nil)
    }
    let flags = RecordFlags(rawValue: UInt8(word >> RecordWord.flagsShift))
    if flags.rawValue == RecordFlags.key.rawValue, size > 2 {
      let key = unsafe Int(base.loadUInt16(body))
      if key >= 1, key <= WireLimits.keyBytesMax, key <= size - 2 {
        let payload = body + 2 + key
        return EventView(
          flags: flags, offset: start, key: (body + 2)..<payload, headers: body..<body,
          payload: payload..<(body + size), replyTo: nil)
      }
    }
    return try unsafe Self.parts(base, flags: flags, start: start, end: body + size)
  }

  /// Throws `malformedBatch` unless the cursor is behind the last event and no byte is left over.
  @_noLocks public func finish() throws(WireError) {
    guard left == 0, position == end else {
      throw WireError(.malformedBatch, offset: position, need: position, have: end)
    }
  }

  /// The parts of a record with flags, in the order they stand in.
  @unsafe @inline(never)
  @_noLocks private static func parts(
    _ base: UnsafeRawPointer, flags: RecordFlags, start: Int, end: Int
  ) throws(WireError) -> EventView {
    guard RecordFlags.all.has(flags) else {
      throw WireError(.malformedBatch, offset: start + 3, have: Int(flags.rawValue))
    }
    var part = unsafe PartCursor(base: base, at: start + RecordWord.bytes, end: end)
    var replyTo: ReplyAddress?
    if flags.has(.replyTo) {
      let at = try part.take(16)
      replyTo = unsafe ReplyAddress(inbox: base.loadUInt64(at), token: base.loadUInt64(at + 8))
    }
    var key = part.at..<part.at
    if flags.has(.key) {
      let count = try part.takeCount(max: WireLimits.keyBytesMax)
      let at = try part.take(count)
      key = at..<part.at
    }
    var headers = part.at..<part.at
    if flags.has(.headers) {
      let from = part.at
      let count = try part.takeCount(max: WireLimits.headersMax)
      for _ in 0..<count {
        let nameAt = try part.take(1)
        _ = try part.take(unsafe Int(base.loadUInt8(nameAt)))
        let valueAt = try part.take(2)
        _ = try part.take(unsafe Int(base.loadUInt16(valueAt)))
      }
      headers = from..<part.at
    }
    let at = part.at
    if flags.has(.tombstone) {
      guard flags.has(.key), at == end else {
        throw WireError(.malformedBatch, offset: at, need: 0, have: end - at)
      }
    }
    return EventView(
      flags: flags, offset: start, key: key, headers: headers, payload: at..<end,
      replyTo: replyTo)
  }
}

/// Takes the parts of one record, none of which may pass its end.
///
/// Safe although it holds a pointer: it lives within one call, which vouches for the bytes to
/// `end`, and every load lies before it.
@safe
private struct PartCursor {
  let base: UnsafeRawPointer
  var at: Int
  let end: Int

  @unsafe
  @_noLocks init(base: UnsafeRawPointer, at: Int, end: Int) {
    unsafe self.base = base
    self.at = at
    self.end = end
  }

  /// The next `count` bytes: where they start.
  @_noLocks mutating func take(_ count: Int) throws(WireError) -> Int {
    guard count <= end - at else {
      throw WireError(.malformedBatch, offset: at, need: count, have: end - at)
    }
    at += count
    return at - count
  }

  /// A number of 1 to `max` in two bytes.
  @_noLocks mutating func takeCount(max: Int) throws(WireError) -> Int {
    let from = try take(2)
    let count = unsafe Int(base.loadUInt16(from))
    guard count >= 1, count <= max else {
      throw WireError(.malformedBatch, offset: from, need: max, have: count)
    }
    return count
  }
}
