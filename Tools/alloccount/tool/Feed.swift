import WireFormat

/// PUBLISH frames, made beforehand, that go to the topics in turn. Uncompressed ones are all of
/// one size.
///
/// `@safe`: the memory is allocated and freed here, and `bytes` checks its range.
@safe
struct Feed: ~Copyable {
  private let memory: UnsafeMutableRawPointer
  private(set) var byteCount = 0
  /// Bytes of the frames that are for warming up.
  private(set) var warmBytes = 0
  /// Bytes of the last frame.
  private(set) var frameBytes = 0
  /// What one batch costs in credit.
  let batchCharge: UInt64

  init(_ scenario: Scenario) {
    let frames = (scenario.warmEvents + scenario.countedEvents) / scenario.batch
    let records =
      BatchWriter.recordBytes(payload: Scenario.payloadBytes, key: 8) * scenario.batch
    let codecs = Codecs()
    let capacity = frames * (FrameHeader.size + BatchField.size + records + 8)
    unsafe memory = .allocate(byteCount: max(64, capacity), alignment: 16)
    var writer = BatchWriter()
    // Half of each payload differs from all others, so that compression halves it.
    var payload = [UInt8](repeating: 7, count: Scenario.payloadBytes)
    var random: UInt64 = 1
    var sequences = [UInt64](repeating: 1, count: scenario.topics)
    var charge: UInt64 = 0
    for i in 0..<frames {
      let topic = i % scenario.topics
      writer.reset()
      for _ in 0..<scenario.batch {
        for at in stride(from: 0, to: Scenario.payloadBytes / 2, by: 8) {
          random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
          for byte in 0..<8 {
            payload[at + byte] = UInt8(truncatingIfNeeded: random >> (8 * UInt64(byte)))
          }
        }
        let fits = unsafe payload.withUnsafeBytes { bytes in
          guard scenario.isKeyed else { return unsafe writer.append(payload: bytes) }
          let key = (random >> 33) % UInt64(scenario.keys)
          let isRemoval =
            scenario.removeEvery > 0 && (random >> 20) % UInt64(scenario.removeEvery) == 0
          let payload = unsafe isRemoval ? UnsafeRawBufferPointer(rebasing: bytes[..<0]) : bytes
          return unsafe withUnsafeBytes(of: key) {
            unsafe writer.append(payload: payload, key: $0, tombstone: isRemoval)
          }
        }
        precondition(fits, "a batch that is too large for these events")
      }
      charge = UInt64(writer.charge)
      let frame = unsafe writer.finishPublish(
        ref: UInt32(topic + 1), codec: scenario.codec, codecs: codecs, publishTime: 1,
        publisherSequence: sequences[topic])
      sequences[topic] += UInt64(scenario.batch)
      precondition(byteCount + frame.count <= capacity, "frames are larger than was thought")
      unsafe (memory + byteCount).copyMemory(
        from: frame.baseAddress!, byteCount: frame.count)
      byteCount += frame.count
      frameBytes = frame.count
      if (i + 1) * scenario.batch == scenario.warmEvents { warmBytes = byteCount }
    }
    batchCharge = charge
  }

  deinit { unsafe memory.deallocate() }

  /// Copies the bytes from `offset` on to the room given.
  func copy(from offset: Int, count: Int, to room: UnsafeMutableRawBufferPointer) {
    precondition(offset + count <= byteCount && count <= room.count, "past the end of a feed")
    unsafe room.baseAddress!.copyMemory(from: memory + offset, byteCount: count)
  }
}

/// One frame as bytes.
func frameBytes(_ encode: (inout FrameWriter) -> Bool) -> [UInt8] {
  var writer = FrameWriter()
  let fits = encode(&writer)
  precondition(fits, "a writer that grows takes every frame")
  return writer.array
}
