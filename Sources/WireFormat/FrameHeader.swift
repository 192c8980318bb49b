/// The sixteen bytes before every body.
public struct FrameHeader: Equatable, Sendable {
  /// Bytes of the header on the wire.
  public static var size: Int { @_noLocks get { 16 } }
  /// Bytes of the length field, which `length` does not count.
  public static var lengthBytes: Int { @_noLocks get { 4 } }
  /// The least that `length` can be: the rest of the header.
  public static var lengthMin: UInt32 { @_noLocks get { 12 } }
  /// A receiver that does not know the frame's type skips it.
  public static var ignorable: UInt8 { @_noLocks get { 1 } }

  /// Bytes of the frame after the length field.
  public var length: UInt32
  /// The number of the frame's type, which need not be a known one.
  public var typeRaw: UInt8
  public var flags: UInt8
  /// The subscription or publisher that the frame is about, or 0.
  public var ref: UInt32
  /// The request that the frame makes or answers, or 0.
  public var correlation: UInt32

  @_noLocks public init(
    length: UInt32, typeRaw: UInt8, flags: UInt8 = 0, ref: UInt32, correlation: UInt32
  ) {
    self.length = length
    self.typeRaw = typeRaw
    self.flags = flags
    self.ref = ref
    self.correlation = correlation
  }

  /// Nil where this module does not know the type.
  public var type: FrameType? { @_noLocks get { FrameType(rawValue: typeRaw) } }

  public var isIgnorable: Bool { @_noLocks get { flags & Self.ignorable != 0 } }

  /// Bytes of the whole frame.
  public var frameBytes: Int { @_noLocks get { Int(length) + Self.lengthBytes } }

  /// Bytes of the body; `length` must be at least `lengthMin`.
  public var bodyCount: Int { @_noLocks get { Int(length) - Int(Self.lengthMin) } }

  /// Reads sixteen bytes.
  @unsafe @inline(__always)
  @_noLocks public init(load pointer: UnsafeRawPointer) {
    unsafe self.init(
      length: pointer.loadUInt32(0), typeRaw: pointer.loadUInt8(4), flags: pointer.loadUInt8(5),
      ref: pointer.loadUInt32(8), correlation: pointer.loadUInt32(12))
  }

  /// Writes sixteen bytes.
  @unsafe @inline(__always)
  @_noLocks public func store(to pointer: UnsafeMutableRawPointer) {
    unsafe pointer.store(length, at: 0)
    unsafe pointer.store(typeRaw, at: 4)
    unsafe pointer.store(flags, at: 5)
    unsafe pointer.store(0 as UInt16, at: 6)
    unsafe pointer.store(ref, at: 8)
    unsafe pointer.store(correlation, at: 12)
  }
}

/// A whole frame in a receiver's buffer, as offsets into that buffer. It says nothing about the
/// body yet.
public struct FrameView: Equatable, Sendable {
  public var header: FrameHeader
  /// Where the frame starts in the buffer.
  public var offset: Int

  public var bodyOffset: Int { @_noLocks get { offset + FrameHeader.size } }
  public var bodyCount: Int { @_noLocks get { header.bodyCount } }
  /// Where the next frame starts.
  public var end: Int { @_noLocks get { offset + header.frameBytes } }
}

/// The frame that starts at `offset`, or nil where more bytes are needed to see it whole.
///
/// A length that is out of bounds is an error as soon as its four bytes are there: nobody waits
/// for the body of a frame that will be refused.
///
/// - Parameters:
///   - bytes: what was received.
///   - offset: where the frame starts, at most `bytes.count`.
///   - lengthMax: the limit in force, in the terms of the header's `length`.
/// - Throws: `frameTooShort` or `frameTooLarge`.
@unsafe
@_noLocks public func nextFrame(
  in bytes: UnsafeRawBufferPointer, at offset: Int, lengthMax: UInt32
) throws(WireError) -> FrameView? {
  precondition(offset >= 0 && offset <= bytes.count)
  let have = bytes.count - offset
  guard have >= FrameHeader.lengthBytes, let base = bytes.baseAddress else { return nil }
  let start = unsafe base + offset
  let length = unsafe start.loadUInt32(0)
  guard length >= FrameHeader.lengthMin else {
    throw WireError(.frameTooShort, need: Int(FrameHeader.lengthMin), have: Int(length))
  }
  guard length <= lengthMax else {
    throw WireError(.frameTooLarge, need: Int(lengthMax), have: Int(length))
  }
  guard have - FrameHeader.lengthBytes >= Int(length) else { return nil }
  return FrameView(header: unsafe FrameHeader(load: start), offset: offset)
}

/// How many bytes from `offset` on make the frame there whole: 4 while its length is not known.
/// For a receiver that must decide how much room to keep.
@unsafe
@_noLocks public func frameBytesNeeded(in bytes: UnsafeRawBufferPointer, at offset: Int) -> Int {
  precondition(offset >= 0 && offset <= bytes.count)
  guard bytes.count - offset >= FrameHeader.lengthBytes, let base = bytes.baseAddress else {
    return FrameHeader.lengthBytes
  }
  return unsafe Int((base + offset).loadUInt32(0)) + FrameHeader.lengthBytes
}
