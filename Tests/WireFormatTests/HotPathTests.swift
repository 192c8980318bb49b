import Testing
// Not testable: as another module sees it.
import WireFormat
import WireSupport

/// What a broker does to every frame and batch can be proved free of allocation and locks by the
/// compiler, from another module: that this file compiles is the proof.
@Suite struct HotPathTests {
  struct Totals {
    var batches = 0
    var events = 0
    var charge = 0
    var payloadBytes = 0
    var credit: UInt64 = 0
  }

  /// Takes every frame, checks and stamps every batch, and writes the frames a broker answers
  /// with into `answers`.
  @unsafe
  @_noLocks static func turn(
    _ bytes: UnsafeMutableRawBufferPointer, _ answers: UnsafeMutableRawPointer
  ) throws(WireError) -> Totals {
    var totals = Totals()
    let all = UnsafeRawBufferPointer(bytes)
    var at = 0
    while let frame = try unsafe nextFrame(in: all, at: at, lengthMax: 1 << 18) {
      at = frame.end
      guard let type = frame.header.type else {
        throw WireError(.unknownFrame)
      }
      guard frame.header.isIgnorable || type.isAllowedBeforeWelcome || type.sender != .broker else {
        throw WireError(.wrongDirection)
      }
      var reader = unsafe FrameReader(frame, in: all)
      switch type {
      case .credit:
        totals.credit &+= try Credit(reader: &reader).eventsTotal
      case .publish:
        let publish = try Publish(reader: &reader)
        try unsafe take(bytes, frame.offset + publish.batches.lowerBound, frame.end, &totals)
      default:
        throw WireError(.unknownFrame)
      }
    }
    let deliver = Deliver(topic: 3, skip: 0)
    unsafe deliver.store(to: answers, ref: 4, restCount: 96)
    let ack = Ack(level: .accepted, through: 4, sequence: 9)
    unsafe ack.store(to: answers + Deliver.prefixSize, ref: 5)
    return totals
  }

  @unsafe
  @_noLocks static func take(
    _ bytes: UnsafeMutableRawBufferPointer, _ start: Int, _ end: Int, _ totals: inout Totals
  ) throws(WireError) {
    let limits = BatchLimits(batchBytesMax: 65536, codecs: CodecSet.all)
    var at = start
    while at < end {
      let batch = unsafe bytes.baseAddress! + at
      let rest = unsafe UnsafeRawBufferPointer(start: batch, count: end - at)
      let valid = try unsafe validateClosedBatch(rest, limits: limits)
      guard !valid.needsOpening else { throw WireError(.malformedBatch) }
      unsafe Batch.stamp(batch, sequence: 1, time: 2, bytesBefore: 3, topic: 4)
      totals.batches += 1
      totals.events += valid.count
      totals.charge += unsafe Batch.charge(UnsafeRawPointer(batch))
      let records = unsafe UnsafeRawBufferPointer(
        start: batch + BatchField.size, count: valid.decodedLength)
      var cursor = unsafe RecordCursor(records, count: valid.count)
      while let event = try cursor.next() {
        totals.payloadBytes += event.payload.upperBound - event.payload.lowerBound
      }
      at += valid.paddedLength
    }
  }

  @Test func aTurn() throws {
    let publish = LooseFrame(
      "PUBLISH", ref: 1,
      fields: [
        "batches": .bytes(
          LooseBatch.encoded([.init(payload: "gold"), .init(key: "k", payload: "silver")])
            + LooseBatch.encoded([.init(payload: "x")], publisherSequence: 3))
      ])
    let credit = LooseFrame("CREDIT", ref: 2, fields: ["events_total": .number(77)])
    let memory = ExactMemory(try publish.encoded() + credit.encoded())
    let answers = ExactMemory(Deliver.prefixSize + Ack.prefixSize)
    let totals = try unsafe Self.turn(memory.mutable, answers.mutable.baseAddress!)
    #expect(totals.batches == 2 && totals.events == 3 && totals.payloadBytes == 11)
    #expect(totals.credit == 77)
    // What is stored is what is encoded.
    var writer = FrameWriter()
    let isIn =
      Deliver(topic: 3, skip: 0).encodePrefix(into: &writer, ref: 4, restCount: 96)
      && Ack(level: .accepted, through: 4, sequence: 9).encode(into: &writer, ref: 5)
    #expect(isIn)
    let (stored, written) = unsafe ([UInt8](answers.bytes), writer.array)
    #expect(stored == written)
  }
}
