/// One header of an event, as offsets into the batch's decoded records.
public struct HeaderView: Equatable, Sendable {
  public var name: Range<Int>
  public var value: Range<Int>
}

/// A cursor over the headers of one event.
///
/// Safe although it holds a pointer, for the reasons of `RecordCursor`.
@safe
public struct HeaderCursor {
  private let base: UnsafeRawPointer?
  private var at: Int
  private let end: Int
  /// Headers that are still to come.
  public private(set) var left: Int

  /// - Parameter records: what the event was found in.
  @unsafe
  public init(_ event: EventView, in records: UnsafeRawBufferPointer) {
    precondition(event.headers.upperBound <= records.count)
    unsafe base = records.baseAddress
    at = event.headers.lowerBound
    end = event.headers.upperBound
    left = 0
    if !event.headers.isEmpty, let base = unsafe base {
      precondition(event.headers.count >= 2)
      left = unsafe Int(base.loadUInt16(at))
      at += 2
    }
  }

  /// The next header, or nil after the last one.
  ///
  /// - Throws: `malformedBatch` where a name is empty, too long, not UTF-8 or has a control
  ///   character in it.
  @_noLocks public mutating func next() throws(WireError) -> HeaderView? {
    guard left > 0, let base = unsafe base else { return nil }
    left -= 1
    guard end - at >= 1 else { throw WireError(.malformedBatch, offset: at, need: 1, have: 0) }
    let nameCount = unsafe Int(base.loadUInt8(at))
    let name = (at + 1)..<(at + 1 + nameCount)
    guard nameCount >= 1, nameCount <= WireLimits.headerNameBytesMax, end - name.upperBound >= 2
    else {
      throw WireError(
        .malformedBatch, offset: at, need: WireLimits.headerNameBytesMax, have: nameCount)
    }
    let nameBytes = unsafe UnsafeRawBufferPointer(start: base + name.lowerBound, count: nameCount)
    guard unsafe isValidHeaderName(nameBytes) else {
      throw WireError(.malformedBatch, offset: name.lowerBound)
    }
    let valueCount = unsafe Int(base.loadUInt16(name.upperBound))
    let valueAt = name.upperBound + 2
    guard valueCount <= end - valueAt else {
      throw WireError(.malformedBatch, offset: valueAt, need: valueCount, have: end - valueAt)
    }
    at = valueAt + valueCount
    return HeaderView(name: name, value: valueAt..<at)
  }
}

extension EventView {
  /// Walks over the headers and throws where one is not well-formed.
  @unsafe
  @_noLocks public func checkHeaders(in records: UnsafeRawBufferPointer) throws(WireError) {
    var cursor = unsafe HeaderCursor(self, in: records)
    while try cursor.next() != nil {}
  }
}

/// Whether the bytes may be a header's name: 1 to `headerNameBytesMax` bytes of UTF-8 without
/// control characters.
@unsafe
@_noLocks public func isValidHeaderName(_ bytes: UnsafeRawBufferPointer) -> Bool {
  guard let base = bytes.baseAddress, bytes.count >= 1,
    bytes.count <= WireLimits.headerNameBytesMax
  else { return false }
  var at = 0
  while at < bytes.count {
    let length = unsafe characterLength(base, at: at, end: bytes.count)
    guard length > 0, unsafe !isControl(base, at: at, length: length) else { return false }
    at += length
  }
  return true
}

/// The headers of an event to be published, in the form they have in a record. They are encoded
/// once and may be used for any number of events.
public struct EventHeaders: Equatable, Sendable {
  private(set) var encoded: [UInt8] = [0, 0]
  public private(set) var count = 0

  public init() {}

  public var isEmpty: Bool { count == 0 }

  /// Adds a header. False where the name is not one, the value is over 65535 bytes, or there are
  /// `headersMax` already; then nothing is added.
  public mutating func append(name: String, value: [UInt8]) -> Bool {
    let nameBytes = [UInt8](name.utf8)
    let isValid = unsafe nameBytes.withUnsafeBytes { unsafe isValidHeaderName($0) }
    guard isValid, value.count <= Int(UInt16.max), count < WireLimits.headersMax else {
      return false
    }
    encoded.append(UInt8(nameBytes.count))
    encoded.append(contentsOf: nameBytes)
    encoded.append(UInt8(truncatingIfNeeded: value.count))
    encoded.append(UInt8(truncatingIfNeeded: value.count >> 8))
    encoded.append(contentsOf: value)
    count += 1
    encoded[0] = UInt8(count)
    return true
  }

  /// Adds a header whose value is text.
  public mutating func append(name: String, value: String) -> Bool {
    append(name: name, value: [UInt8](value.utf8))
  }
}
