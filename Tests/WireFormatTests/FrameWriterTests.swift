import Testing
import WireSupport

@testable import WireFormat

@Suite struct FrameWriterTests {
  static let info = TopicInfo(topic: 3, options: [.keyed], epoch: 9, name: "hunt.7.loot")

  /// In memory of every size: a frame that does not fit leaves what was there before it.
  @Test func aFrameThatDoesNotFitLeavesNoTrace() throws {
    var whole = FrameWriter()
    let isWhole = Self.info.encode(into: &whole)
    try #require(isWhole)
    let size = whole.count
    for capacity in 0...(3 * size) {
      let memory = ExactMemory(capacity)
      var writer = unsafe FrameWriter(memory.mutable)
      var frames = 0
      while Self.info.encode(into: &writer) { frames += 1 }
      #expect(frames == capacity / size)
      #expect(writer.count == frames * size)
      let wanted = Array(repeatElement(whole.array, count: frames).joined())
      #expect(writer.array == wanted)
      // A shorter frame may still fit.
      let room = capacity - writer.count
      let isIn = CloseTopic().encode(into: &writer, ref: 1)
      #expect(isIn == (room >= 16))
    }
  }

  @Test func ownedMemoryGrowsToItsLimit() throws {
    var writer = FrameWriter(reserving: 0, limit: 100)
    var frames = 0
    while CloseTopic().encode(into: &writer, ref: UInt32(frames)) { frames += 1 }
    #expect(frames == 6)
    #expect(writer.capacity <= 100)
    writer.removeFirst(32)
    let bytes = writer.array
    #expect(bytes.count == 64 && bytes[8] == 2)
    let isIn = CloseTopic().encode(into: &writer, ref: 7)
    #expect(isIn)
    writer.removeAll()
    #expect(writer.count == 0)
  }

  @Test func aPrefixCountsWhatFollows() throws {
    let batches = LooseBatch.encoded([.init(payload: "gold")])
    var whole = FrameWriter()
    var prefix = FrameWriter()
    let deliver = Deliver(topic: 3, skip: 1)
    let isWhole = unsafe deliver.encode(into: &whole, ref: 6, batches: batches.span.bytes)
    let isPrefix = deliver.encodePrefix(into: &prefix, ref: 6, restCount: batches.count)
    try #require(isWhole && isPrefix)
    #expect(prefix.count == Deliver.prefixSize)
    #expect(whole.array == prefix.array + batches)
  }

  @Test func textForPeopleIsCutAtACharacter() throws {
    for count in 60...70 {
      var writer = FrameWriter()
      // Two bytes before, so that every way to cut a character of four bytes comes up.
      let name = String(repeating: "a", count: count % 4) + String(repeating: "💰", count: 20)
      let hello = Hello(
        magic: ProtocolVersion.magic, versionMin: 1, versionMax: 1, codecs: [], clientName: name)
      let isWritten = hello.encode(into: &writer)
      #expect(isWritten)
      guard
        case .frame(_, let frame) = try receive(
          writer.array, lengthMax: 8192, isBroker: true), let hello = frame as? Hello
      else {
        Issue.record("no HELLO")
        return
      }
      #expect(name.hasPrefix(hello.clientName))
      #expect((61...64).contains(hello.clientName.utf8.count))
    }
  }

  @Test func aNameThatIsTooLongIsOurMistake() async {
    await #expect(processExitsWith: .failure) {
      var writer = FrameWriter()
      let info = TopicInfo(
        topic: 1, options: [], epoch: 1, name: String(repeating: "x", count: 256))
      _ = info.encode(into: &writer)
    }
  }

  @Test func codesAndReasonsAreApart() {
    let codes = Set(ErrorCode.allCases.map(\.rawValue))
    #expect(codes.isDisjoint(with: CloseReason.allCases.map(\.rawValue)))
    for code in Registry.shared.closeReasons {
      let reason = CloseReason(rawValue: UInt16(code.code))
      #expect(reason.map { "\($0.name)" } == code.name)
      #expect(reason?.retryable == code.retryable)
    }
    for code in Registry.shared.errorCodes {
      let error = ErrorCode(rawValue: UInt16(code.code))
      #expect(error.map { "\($0.name)" } == code.name)
      #expect(error?.retryable == code.retryable)
    }
    #expect(CloseReason(rawValue: 0) == nil && ErrorCode(rawValue: 65535) == nil)
  }
}
