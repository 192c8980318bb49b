/// An inbox and a token: where the answer to a request goes.
public struct ReplyAddress: Hashable, Sendable {
  public var inbox: UInt64
  public var token: UInt64

  public init(inbox: UInt64, token: UInt64) {
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

  public var isTombstone: Bool { flags.contains(.tombstone) }
  public var hasKey: Bool { flags.contains(.key) }
  /// Where the next record starts.
  public var end: Int { payload.upperBound }
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
  public init(_ records: UnsafeRawBufferPointer, from: Int = 0, count: Int) {
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
  public mutating func next() throws(WireError) -> EventView? {
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
        flags: [], offset: start, key: body..<body, headers: body..<body,
        payload: body..<(body + size), replyTo: nil)
    }
    let flags = RecordFlags(rawValue: UInt8(word >> RecordWord.flagsShift))
    if flags == .key, size > 2 {
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
  public func finish() throws(WireError) {
    guard left == 0, position == end else {
      throw WireError(.malformedBatch, offset: position, need: position, have: end)
    }
  }

  /// The parts of a record with flags, in the order they stand in.
  @unsafe @inline(never)
  private static func parts(
    _ base: UnsafeRawPointer, flags: RecordFlags, start: Int, end: Int
  ) throws(WireError) -> EventView {
    guard flags.isSubset(of: .all) else {
      throw WireError(.malformedBatch, offset: start + 3, have: Int(flags.rawValue))
    }
    var at = start + RecordWord.bytes
    func need(_ bytes: Int) throws(WireError) {
      guard bytes <= end - at else {
        throw WireError(.malformedBatch, offset: at, need: bytes, have: end - at)
      }
    }
    var replyTo: ReplyAddress?
    if flags.contains(.replyTo) {
      try need(16)
      replyTo = unsafe ReplyAddress(inbox: base.loadUInt64(at), token: base.loadUInt64(at + 8))
      at += 16
    }
    var key = at..<at
    if flags.contains(.key) {
      try need(2)
      let count = unsafe Int(base.loadUInt16(at))
      guard count >= 1, count <= WireLimits.keyBytesMax else {
        throw WireError(.malformedBatch, offset: at, need: WireLimits.keyBytesMax, have: count)
      }
      at += 2
      try need(count)
      key = at..<(at + count)
      at += count
    }
    var headers = at..<at
    if flags.contains(.headers) {
      try need(2)
      let from = at
      let count = unsafe Int(base.loadUInt16(at))
      guard count >= 1, count <= WireLimits.headersMax else {
        throw WireError(.malformedBatch, offset: at, need: WireLimits.headersMax, have: count)
      }
      at += 2
      for _ in 0..<count {
        try need(1)
        at += 1 + (unsafe Int(base.loadUInt8(at)))
        try need(2)
        at += 2 + (unsafe Int(base.loadUInt16(at)))
        try need(0)
      }
      headers = from..<at
    }
    if flags.contains(.tombstone) {
      guard flags.contains(.key), at == end else {
        throw WireError(.malformedBatch, offset: at, need: 0, have: end - at)
      }
    }
    return EventView(
      flags: flags, offset: start, key: key, headers: headers, payload: at..<end,
      replyTo: replyTo)
  }
}
