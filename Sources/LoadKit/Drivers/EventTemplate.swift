/// One event as a text protocol carries it when all payloads are of one size: constant bytes, the
/// payload, constant bytes. So a send buffer is laid out once and afterwards only stamped, and a
/// receiver compares a few words and steps on. That is as cheap as a client can be, and the same
/// for every protocol that is compared.
///
/// It is `@safe` because its memory is its own and the loops compare what is left with `stride`
/// before they look.
@safe struct EventTemplate: ~Copyable {
  /// Bytes before the payload, at least 4.
  let prefixCount: Int
  let payloadBytes: Int
  /// Bytes of one event with everything.
  let stride: Int
  private let image: ByteBlock

  init(prefix: [UInt8], payloadBytes: Int, suffix: [UInt8]) {
    precondition(prefix.count >= 4, "the comparison needs 4 bytes")
    precondition(payloadBytes >= EventStamp.byteCount, "the stamp must fit")
    prefixCount = prefix.count
    self.payloadBytes = payloadBytes
    stride = prefix.count + payloadBytes + suffix.count
    let payload = [UInt8](repeating: 0, count: payloadBytes)
    image = ByteBlock(prefix + payload + suffix)
    unsafe EventStamp.writeFiller(to: image.base + prefixCount, payloadBytes: payloadBytes)
  }

  /// Lays out as many events as fit.
  func prepare(_ buffer: UnsafeMutableRawPointer, capacity: Int) {
    for index in 0..<(capacity / stride) {
      unsafe (buffer + index * stride).copyMemory(from: image.base, byteCount: stride)
    }
  }

  /// Stamps the first `run.count` events of a prepared buffer and returns their bytes.
  @inline(always)
  func encode(_ run: EventRun, into buffer: UnsafeMutableRawPointer) -> Int {
    var payload = unsafe buffer + prefixCount
    for index in 0..<run.count {
      let (word, timeNs) = run.stamp(index)
      unsafe EventStamp.write(word: word, timeNs: timeNs, to: payload)
      unsafe payload += stride
    }
    return run.count * stride
  }

  /// Whether `bytes`, at least `stride` of them, start with this template's prefix.
  @inline(always)
  private func matches(_ bytes: UnsafeRawPointer) -> Bool {
    if prefixCount < 8 {
      let last = prefixCount &- 4
      return unsafe bytes.loadUnaligned(as: UInt32.self)
        == image.base.loadUnaligned(as: UInt32.self)
        && bytes.loadUnaligned(fromByteOffset: last, as: UInt32.self)
          == image.base.loadUnaligned(fromByteOffset: last, as: UInt32.self)
    }
    var offset = 0
    while offset &+ 8 <= prefixCount {
      guard
        unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
          == image.base.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
      else { return false }
      offset &+= 8
    }
    let last = prefixCount &- 8
    return unsafe bytes.loadUnaligned(fromByteOffset: last, as: UInt64.self)
      == image.base.loadUnaligned(fromByteOffset: last, as: UInt64.self)
  }

  /// Delivers events for as long as whole ones of this shape follow each other; returns the bytes
  /// they had.
  @inline(always)
  func receive(_ bytes: UnsafeRawPointer, _ count: Int, tally: inout Tally) -> Int {
    var offset = 0
    while offset &+ stride <= count {
      let event = unsafe bytes + offset
      guard unsafe matches(event) else { break }
      unsafe tally.deliver(event + prefixCount)
      offset &+= stride
    }
    if offset > 0 { unsafe tally.lastPayload = bytes + (offset - stride + prefixCount) }
    return offset
  }

  /// Whether `count` bytes, fewer than a whole event, can be the start of one.
  func canStart(_ bytes: UnsafeRawPointer, _ count: Int) -> Bool {
    for index in 0..<min(count, prefixCount)
    where unsafe bytes.load(fromByteOffset: index, as: UInt8.self)
      != image.base.load(fromByteOffset: index, as: UInt8.self)
    {
      return false
    }
    return true
  }
}
