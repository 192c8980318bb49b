/// A cursor over the body of one frame, from which the generated frames read their fields.
///
/// Safe although it holds a pointer: the one initialiser is where the caller vouches that the
/// bytes stay where they are for the reader's life, and every load is checked against them.
@safe
public struct FrameReader {
  private let base: UnsafeRawPointer
  /// Bytes of the frame with its header.
  public let end: Int
  /// Where the next field starts, from the start of the frame.
  public private(set) var position: Int

  /// - Parameter bytes: the receiver's buffer, in which `frame` was found.
  @unsafe @inline(__always)
  @_noLocks public init(_ frame: FrameView, in bytes: UnsafeRawBufferPointer) {
    precondition(frame.offset >= 0 && frame.end <= bytes.count && frame.bodyCount >= 0)
    unsafe base = bytes.baseAddress! + frame.offset
    end = frame.header.frameBytes
    position = FrameHeader.size
  }

  /// Takes the next `count` bytes and returns where they start.
  @inline(__always)
  @_noLocks public mutating func take(_ count: Int) throws(WireError) -> Int {
    guard count <= end - position else {
      throw WireError(.malformedFrame, offset: position, need: count, have: end - position)
    }
    let at = position
    position += count
    return at
  }

  @inline(__always)
  @_noLocks public func loadUInt8(_ at: Int) -> UInt8 {
    precondition(at >= 0 && at + 1 <= end)
    return unsafe base.loadUInt8(at)
  }

  @inline(__always)
  @_noLocks public func loadUInt16(_ at: Int) -> UInt16 {
    precondition(at >= 0 && at + 2 <= end)
    return unsafe base.loadUInt16(at)
  }

  @inline(__always)
  @_noLocks public func loadUInt32(_ at: Int) -> UInt32 {
    precondition(at >= 0 && at + 4 <= end)
    return unsafe base.loadUInt32(at)
  }

  @inline(__always)
  @_noLocks public func loadUInt64(_ at: Int) -> UInt64 {
    precondition(at >= 0 && at + 8 <= end)
    return unsafe base.loadUInt64(at)
  }

  /// A byte that must be 0 or 1.
  @_noLocks public func loadBool(_ at: Int) throws(WireError) -> Bool {
    let byte = loadUInt8(at)
    guard byte <= 1 else {
      throw WireError(.malformedFrame, offset: at, need: 1, have: Int(byte))
    }
    return byte == 1
  }

  /// A string16 of at most `max` bytes of UTF-8.
  public mutating func string16(max: Int) throws(WireError) -> String {
    let lengthAt = try take(2)
    let count = Int(loadUInt16(lengthAt))
    guard count <= max else {
      throw WireError(.malformedFrame, offset: lengthAt, need: max, have: count)
    }
    let at = try take(count)
    let bytes = unsafe UnsafeRawBufferPointer(start: base + at, count: count)
    guard unsafe isValidUTF8(bytes) else {
      throw WireError(.malformedFrame, offset: at, need: count, have: count)
    }
    return unsafe String(decoding: bytes, as: UTF8.self)
  }

  /// Everything that is left, as offsets from the start of the frame.
  @inline(__always)
  @_noLocks public mutating func takeRest() -> Range<Int> {
    let rest = position..<end
    position = end
    return rest
  }

  /// A run of bytes must be exactly `count` entries of a size.
  @_noLocks func expect(_ range: Range<Int>, _ count: Int, of size: Int) throws(WireError) {
    guard range.count == count * size else {
      throw WireError(
        .malformedFrame, offset: range.lowerBound, need: count * size, have: range.count)
    }
  }

  /// Nothing may be left over.
  @inline(__always)
  @_noLocks public func finish() throws(WireError) {
    guard position == end else {
      throw WireError(.malformedFrame, offset: position, need: 0, have: end - position)
    }
  }
}
