import CommandSupport
import Testing

struct EventFormatTests {
  private func shown(_ format: TailCommand.Format, _ change: (inout ShownEvent) -> Void = { _ in })
    -> String
  {
    var event = ShownEvent(
      topic: "hunt.7", sequence: 12, timeNs: 1_772_366_400_123_456_789, key: nil, headers: [],
      payload: Array("gold".utf8)[...], isTombstone: false)
    change(&event)
    var formatter = EventFormat(format)
    var output: [UInt8] = []
    formatter.append(event, to: &output)
    return String(decoding: output, as: UTF8.self)
  }

  @Test func people() {
    #expect(shown(.people) == "2026-03-01T12:00:00.123Z hunt.7 12 gold\n")
    let full = shown(.people) { event in
      event.key = Array("k\u{1B}".utf8)[...]
      event.headers = [("a", [0xFF]), ("b", Array("x".utf8))]
      event.payload = Array("two\nlines".utf8)[...]
    }
    #expect(full == "2026-03-01T12:00:00.123Z hunt.7 12 [k\\x1b] a=\\xff b=x two\\nlines\n")
    #expect(shown(.people) { $0.isTombstone = true }.hasSuffix("12 (deleted)\n"))
  }

  @Test func json() {
    #expect(
      shown(.json) { $0.key = Array("k".utf8)[...] }
        == #"{"topic":"hunt.7","sequence":12,"time":"2026-03-01T12:00:00.123456789Z","key":"k","#
        + #""headers":[],"payload":"gold"}"# + "\n")
    #expect(
      shown(.json) { $0.headers = [("h", [0xFE])] }.contains(#"{"name":"h","valueBase64":"/g=="}"#))
    #expect(shown(.json) { $0.isTombstone = true }.contains(#""tombstone":true"#))
  }

  @Test func rawIsThePayloadAsItIs() {
    #expect(shown(.raw) { $0.payload = Array("a\u{1B}\n".utf8)[...] } == "a\u{1B}\n\n")
  }

  @Test func gaps() {
    let gap = ShownGap(
      topic: "t\u{7}", first: 5, last: 1004, count: 1000, bytes: 99, cause: "ringOverrun")
    func shown(_ format: TailCommand.Format) -> String {
      var formatter = EventFormat(format)
      var output: [UInt8] = []
      formatter.append(gap, to: &output)
      return String(decoding: output, as: UTF8.self)
    }
    #expect(shown(.people) == "--- t\\x07: lost 1,000 events, 5 to 1004 (ringOverrun)\n")
    #expect(
      shown(.json)
        == #"{"gap":true,"topic":"t\u0007","first":5,"last":1004,"count":1000,"bytes":99,"#
        + #""cause":"ringOverrun"}"# + "\n")
    #expect(shown(.raw).isEmpty)
  }

  @Test func whatPoliciesLeaveOut() {
    func shown(_ format: TailCommand.Format, _ note: ShownNote) -> String {
      var formatter = EventFormat(format)
      var output: [UInt8] = []
      formatter.append(note, to: &output)
      return String(decoding: output, as: UTF8.self)
    }
    let gap = ShownGap(
      topic: "t\u{7}", first: 5, last: 1004, count: 1000, bytes: 99, cause: "conflated")
    let note = ShownNote.leftOut(gap, expiredCount: 3, expiredBytes: 7)
    #expect(
      shown(.people, note)
        == "--- t\\x07: left out 1,000 events, 5 to 1004 (conflated), and 3 too old\n")
    #expect(
      shown(.json, note)
        == #"{"leftOut":true,"topic":"t\u0007","first":5,"last":1004,"count":1000,"bytes":99,"#
        + #""cause":"conflated","expiredCount":3,"expiredBytes":7}"# + "\n")
    #expect(shown(.raw, note).isEmpty)
    #expect(shown(.people, .stateReset(topic: "t")) == "--- t: its whole state follows\n")
    #expect(shown(.json, .stateReset(topic: "t")) == #"{"stateReset":true,"topic":"t"}"# + "\n")
    #expect(
      shown(.people, .stateComplete(topic: "t", last: 9)) == "--- t: this was its state at 9\n")
    #expect(
      shown(.json, .stateComplete(topic: "t", last: 9))
        == #"{"stateComplete":true,"topic":"t","last":9}"# + "\n")
  }
}
