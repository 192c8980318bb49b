import Testing
import WireSupport

@testable import WireFormat

/// Batches that are damaged or lie: nothing is taken that does not hold together.
@Suite struct BatchTests {
  static func sample() -> [UInt8] {
    LooseBatch.encoded(
      [
        .init(payload: "gold"), .init(key: "k1", payload: "silver"), .init(key: "k1", payload: nil),
        .init(payload: "answer me", replyTo: ReplyAddress(inbox: 3, token: 4)),
      ], publisherSequence: 5)
  }

  @Test func everyFlippedBitIsSeen() throws {
    let whole = Self.sample()
    for bit in 0..<(whole.count * 8) {
      var bytes = whole
      bytes[bit / 8] ^= 1 << UInt8(bit % 8)
      let memory = ExactMemory(bytes)
      var isTaken = true
      do {
        _ = try unsafe validateBatch(memory.bytes, limits: BatchLimits(codecs: .all))
      } catch {
        isTaken = false
      }
      // What the broker stamps is outside the checksum, and nothing else is.
      #expect(isTaken == (8..<40).contains(bit / 8), "bit \(bit)")
    }
  }

  @Test func stampingLeavesTheChecksumRight() throws {
    let memory = ExactMemory(Self.sample())
    unsafe Batch.stamp(
      memory.mutable.baseAddress!, sequence: 11, time: 12, bytesBefore: 13, topic: 14)
    let valid = try unsafe validateBatch(
      memory.bytes, limits: BatchLimits(), expectedPublisherSequence: 5)
    let header = unsafe BatchHeader(load: memory.bytes.baseAddress!)
    #expect(header.sequence == 11 && header.time == 12)
    #expect(header.bytesBefore == 13 && header.topic == 14)
    #expect(header.charge == valid.charge && valid.charge == valid.decodedLength + 4 * 32)
    let charge = unsafe Batch.charge(memory.bytes.baseAddress!)
    #expect(charge == valid.charge)
    #expect(valid.nextPublisherSequence == 9)
  }

  /// Numbers that lie, with a checksum that is right.
  @Test(arguments: [BatchField.length, BatchField.count, BatchField.decodedLength])
  func hostileNumbers(field: Int) throws {
    let whole = Self.sample()
    let truth = LooseFrame.number(whole[field..<(field + 4)])
    for lie in [
      0, 1, 4, 71, 72, 73, truth - 1, truth + 1, truth + 8, 1 << 31, (1 << 32) - 8,
      (1 << 32) - 1,
    ] as [UInt64] where lie != truth {
      let memory = ExactMemory(whole)
      unsafe memory.mutable.baseAddress!.store(UInt32(lie), at: field)
      Self.fixChecksum(memory)
      #expect(throws: WireError.self) {
        try unsafe validateBatch(memory.bytes, limits: BatchLimits(batchBytesMax: 1 << 30))
      }
      // Code that decodes without having validated must stay inside its memory as well.
      let codecs = Codecs()
      _ = try? unsafe codecs.decodeBatch(memory.bytes, batchBytesMax: 65536)
    }
  }

  static func fixChecksum(_ memory: ExactMemory) {
    let base = unsafe memory.mutable.baseAddress!
    let length = unsafe Int(Batch.length(base))
    guard length >= 72, length <= (unsafe memory.bytes.count) else { return }
    let checksum = unsafe crc32c(UnsafeRawBufferPointer(start: base + 40, count: length - 40))
    unsafe base.store(checksum, at: BatchField.crc32c)
  }

  /// Random damage behind a right checksum: what is taken decodes, walks and re-frames.
  @Test func whatIsTakenHoldsTogether() throws {
    let seed = SeededRandom.freshSeed()
    var random = SeededRandom(seed: seed)
    let samples = BatchVectorTests.all.vectors.map(\.bytes)
      .filter { $0.count >= 72 && $0.count < 2000 }
    let codecs = Codecs()
    var taken = 0
    for _ in 0..<20_000 {
      var bytes = samples.randomElement(using: &random)!
      for _ in 0..<Int.random(in: 0...3, using: &random) {
        let at = Int.random(in: 40..<bytes.count, using: &random)
        bytes[at] = [0, 1, 0xFF, UInt8(truncatingIfNeeded: random.next())]
          .randomElement(using: &random)!
      }
      let memory = ExactMemory(bytes)
      Self.fixChecksum(memory)
      let limits = BatchLimits(codecs: .all, openCompressed: true)
      guard let valid = try? unsafe validateBatch(memory.bytes, limits: limits, codecs: codecs)
      else { continue }
      taken += 1
      let room = ExactMemory(valid.decodedLength)
      let records = try unsafe codecs.decodeBatch(
        memory.bytes, batchBytesMax: 65536, into: room.mutable)
      let events = try unsafe BatchVectorTests.events(records, count: valid.count)
      #expect(events.count == valid.count, "seed \(seed)")
      let target = ExactMemory(Codecs.reframedBytes(decodedLength: valid.decodedLength))
      _ = try unsafe codecs.reframe(memory.bytes, batchBytesMax: 65536, into: target.mutable)
      let again = try unsafe validateBatch(target.bytes, limits: BatchLimits())
      #expect(again.count == valid.count, "seed \(seed)")
    }
    #expect(taken > 1000, "seed \(seed)")
  }

  /// The fast walk takes exactly what a cursor can read.
  @Test func theWalkAgreesWithTheCursor() throws {
    let seed = SeededRandom.freshSeed()
    var random = SeededRandom(seed: seed)
    var (good, bad) = (0, 0)
    for _ in 0..<20_000 {
      // Records of one size mostly, so that the walk's runs begin and break everywhere.
      var bytes: [UInt8] = []
      let size = Int.random(in: 0...9, using: &random)
      let count = Int.random(in: 1...20, using: &random)
      for _ in 0..<count {
        let odd = Int.random(in: 0..<8, using: &random) == 0
        let payload = random.bytes(odd ? Int(random.next() % 12) : size)
        var word = UInt64(payload.count)
        if Int.random(in: 0..<100, using: &random) == 0 { word += random.next() % 3 }
        if Int.random(in: 0..<60, using: &random) == 0 { word |= 1 << 24 }
        bytes += LooseFrame.littleEndian(word, 4) + payload
      }
      let stated = Int.random(in: 0..<20, using: &random) == 0 ? count + 1 : count
      let memory = ExactMemory(bytes)
      var (isWalked, isRead) = (true, true)
      do {
        try unsafe checkRecords(memory.bytes, count: stated, requireKey: false)
      } catch {
        isWalked = false
      }
      do {
        _ = try unsafe BatchVectorTests.events(memory.bytes, count: stated)
      } catch {
        isRead = false
      }
      #expect(isWalked == isRead, "\(bytes), \(stated), seed \(seed)")
      if isRead { good += 1 } else { bad += 1 }
    }
    #expect(good > 1000 && bad > 1000, "seed \(seed)")
  }

  /// A decoder is stopped at the size that is stated, and one that stops short is refused.
  @Test(arguments: [Codec.lz4, .zstd])
  func bombsAreStopped(codec: Codec) throws {
    let codecs = Codecs()
    let flood = ExactMemory([UInt8](repeating: 0, count: 1 << 20))
    let room = ExactMemory(1 << 20)
    let size = unsafe codecs.compress(flood.bytes, codec: codec, into: room.mutable)
    let bomb = unsafe UnsafeRawBufferPointer(rebasing: room.bytes[..<(try #require(size))])
    #expect(bomb.count < 10_000)
    for stated in [0, 1, 1000, (1 << 20) - 1, (1 << 20) + 1] {
      let target = ExactMemory(stated)
      #expect(throws: WireError.self) {
        try unsafe codecs.decompress(bomb, codec: codec, into: target.mutable)
      }
    }
    let target = ExactMemory(1 << 20)
    try unsafe codecs.decompress(bomb, codec: codec, into: target.mutable)
    #expect(unsafe target.bytes.allSatisfy { $0 == 0 })
  }
}
