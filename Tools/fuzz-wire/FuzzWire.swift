import WireFormat

// Any bytes must be decoded or refused: no crash, no read or write beyond what was given, and what
// is taken must hold together. The first byte chooses what the rest is.

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOne(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  guard count > 0 else { return 0 }
  // A copy of the exact size, aligned as a receiver's buffer is.
  let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: count - 1, alignment: 8)
  defer { memory.deallocate() }
  if count > 1 { memory.baseAddress!.copyMemory(from: start + 1, byteCount: count - 1) }
  switch start[0] % 3 {
  case 0: fuzzFrames(UnsafeRawBufferPointer(memory))
  case 1: fuzzBatch(memory)
  default: fuzzNames(UnsafeRawBufferPointer(memory))
  }
  return 0
}

nonisolated(unsafe) private let codecs = Codecs()
private let lengthMax = UInt32(WireLimits.frameLengthMax)

// MARK: - Frames

private func fuzzFrames(_ bytes: UnsafeRawBufferPointer) {
  var at = 0
  do {
    while let frame = try nextFrame(in: bytes, at: at, lengthMax: lengthMax) {
      precondition(frame.end <= bytes.count && frame.end > at)
      at = frame.end
      guard let type = frame.header.type else { continue }
      var reader = FrameReader(frame, in: bytes)
      if let range = try rest(of: type, &reader) {
        let first = frame.offset + range.lowerBound
        precondition(range.upperBound == frame.header.frameBytes)
        try fuzzRun(UnsafeRawBufferPointer(rebasing: bytes[first..<frame.end]))
      }
    }
  } catch {
    precondition(error.code.retryable == false)
  }
}

/// Decodes the body; where the frame carries batches, says where.
private func rest(of type: FrameType, _ reader: inout FrameReader) throws(WireError) -> Range<Int>?
{
  switch type {
  case .hello: _ = try Hello(reader: &reader)
  case .welcome: _ = try Welcome(reader: &reader)
  case .ping: _ = try Ping(reader: &reader)
  case .pong: _ = try Pong(reader: &reader)
  case .close: _ = try Close(reader: &reader)
  case .error: _ = try ErrorFrame(reader: &reader)
  case .openTopic: _ = try OpenTopic(reader: &reader)
  case .topic: _ = try Topic(reader: &reader)
  case .publish: return try Publish(reader: &reader).batches
  case .ack: _ = try Ack(reader: &reader)
  case .publishCredit: _ = try PublishCredit(reader: &reader)
  case .closeTopic: _ = try CloseTopic(reader: &reader)
  case .topicClosed: _ = try TopicClosed(reader: &reader)
  case .subscribe: _ = try Subscribe(reader: &reader)
  case .subscribed: _ = try Subscribed(reader: &reader)
  case .unsubscribe: _ = try Unsubscribe(reader: &reader)
  case .unsubscribed: _ = try Unsubscribed(reader: &reader)
  case .credit: _ = try Credit(reader: &reader)
  case .deliver: return try Deliver(reader: &reader).batches
  case .gap: _ = try Gap(reader: &reader)
  case .topicInfo: _ = try TopicInfo(reader: &reader)
  case .setPolicy: _ = try SetPolicy(reader: &reader)
  case .policySet: _ = try PolicySet(reader: &reader)
  case .deliverSelected: return try DeliverSelected(reader: &reader).batches
  case .passed: _ = try Passed(reader: &reader)
  case .stateReset: _ = try StateReset(reader: &reader)
  case .blocked: _ = try Blocked(reader: &reader)
  case .reply: return try Reply(reader: &reader).batch
  case .stats: _ = try Stats(reader: &reader)
  case .statsPage: _ = try StatsPage(reader: &reader)
  }
  return nil
}

private func fuzzRun(_ bytes: UnsafeRawBufferPointer) throws(WireError) {
  var at = 0
  while at < bytes.count {
    let batch = UnsafeRawBufferPointer(rebasing: bytes[at...])
    let valid = try validateBatch(
      batch, limits: BatchLimits(codecs: .all, openCompressed: true), codecs: codecs)
    check(batch, valid)
    at += valid.paddedLength
  }
}

// MARK: - Batches

/// A batch whose checksum is made right first, or nothing behind it would ever be reached. The
/// limits come from a byte that the broker stamps, which nothing else looks at.
private func fuzzBatch(_ memory: UnsafeMutableRawBufferPointer) {
  guard memory.count >= BatchField.size, let base = memory.baseAddress else { return }
  let length = Int(Batch.length(base))
  if length >= BatchField.size, length <= memory.count {
    let covered = UnsafeRawBufferPointer(
      rebasing: UnsafeRawBufferPointer(memory)[BatchField.checksumFrom..<length])
    base.storeBytes(
      of: crc32c(covered).littleEndian, toByteOffset: BatchField.crc32c, as: UInt32.self)
  }
  let choice = base.load(fromByteOffset: BatchField.sequence, as: UInt8.self)
  let limits = BatchLimits(
    batchBytesMax: choice & 1 == 0 ? 65536 : 512, codecs: choice & 2 == 0 ? .all : [.lz4],
    requireKey: choice & 4 != 0, openCompressed: choice & 8 == 0)
  let batch = UnsafeRawBufferPointer(memory)
  // Decoding what was never validated must be as safe.
  _ = try? codecs.decodeBatch(batch, batchBytesMax: limits.batchBytesMax)
  guard let valid = try? validateBatch(batch, limits: limits, codecs: codecs) else { return }
  precondition(valid.decodedLength <= limits.batchBytesMax)
  check(batch, valid)
}

/// What was taken must decode into exactly its memory, walk to its end, and re-frame.
private func check(_ batch: UnsafeRawBufferPointer, _ valid: ValidBatch) {
  precondition(valid.length <= 72 + valid.decodedLength)
  let room = UnsafeMutableRawBufferPointer.allocate(byteCount: valid.decodedLength, alignment: 1)
  defer { room.deallocate() }
  let isPlain = Batch.codec(batch.baseAddress!) == Codec.none
  guard
    let records = try? codecs.decodeBatch(batch, batchBytesMax: valid.decodedLength, into: room)
  else {
    // Only a compressed batch that nobody has opened may turn out to be none.
    precondition(!isPlain)
    return
  }
  precondition(records.count == valid.decodedLength)
  var cursor = RecordCursor(records, count: valid.count)
  var events = 0
  var sum = 0
  do {
    while let event = try cursor.next() {
      events += 1
      precondition(event.end <= records.count && event.key.upperBound <= records.count)
      var headers = HeaderCursor(event, in: records)
      while let header = try headers.next() {
        precondition(header.value.upperBound <= event.payload.lowerBound)
        for byte in records[header.name] { sum &+= Int(byte) }
      }
      for byte in records[event.payload] { sum &+= Int(byte) }
    }
    try cursor.finish()
  } catch {
    preconditionFailure("a batch that was taken does not walk: \(error)")
  }
  precondition(events == valid.count && sum >= 0)

  let size = Codecs.reframedBytes(decodedLength: valid.decodedLength)
  let target = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 8)
  defer { target.deallocate() }
  do {
    let written = try codecs.reframe(batch, batchBytesMax: valid.decodedLength, into: target)
    precondition(written == size)
    let again = try validateBatch(
      UnsafeRawBufferPointer(target), limits: BatchLimits(batchBytesMax: valid.decodedLength))
    precondition(again.count == valid.count && again.decodedLength == valid.decodedLength)
  } catch {
    preconditionFailure("a batch that was taken does not re-frame: \(error)")
  }
}

// MARK: - Names

private func fuzzNames(_ bytes: UnsafeRawBufferPointer) {
  let cut = bytes.firstIndex(of: 10) ?? bytes.count
  let first = UnsafeRawBufferPointer(rebasing: bytes[..<cut])
  let second = UnsafeRawBufferPointer(rebasing: bytes[min(cut + 1, bytes.count)...])
  let isUTF8 = isValidUTF8(first)
  precondition(isUTF8 == (String(validating: first, as: UTF8.self) != nil))
  if isValidTopicName(first, allowReserved: true) {
    precondition(isUTF8 && isValidPattern(first) && patternMatches(pattern: first, name: first))
  }
  guard isValidPattern(first), isValidTopicName(second, allowReserved: true) else { return }
  precondition(patternMatches(pattern: first, name: second) == slowly(first, second))
}

private func slowly(_ pattern: UnsafeRawBufferPointer, _ name: UnsafeRawBufferPointer) -> Bool {
  if name.first == 0x24, pattern.first != 0x24 { return false }
  let wanted = pattern.split(separator: 0x2E, omittingEmptySubsequences: false).map(Array.init)
  let tokens = name.split(separator: 0x2E, omittingEmptySubsequences: false).map(Array.init)
  if wanted.last == [0x3E] {
    guard tokens.count >= wanted.count else { return false }
    return zip(wanted.dropLast(), tokens).allSatisfy { $0 == [0x2A] || $0 == $1 }
  }
  return wanted.count == tokens.count
    && zip(wanted, tokens).allSatisfy { $0 == [0x2A] || $0 == $1 }
}
