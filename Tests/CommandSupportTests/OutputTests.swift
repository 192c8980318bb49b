import CommandSupport
import Foundation
import Testing

struct OutputTests {
  func json(_ body: (inout JSONWriter) -> Void) -> String {
    var writer = JSONWriter()
    body(&writer)
    return writer.text
  }

  @Test func structureAndNumbers() {
    let text = json { writer in
      writer.object { object in
        object.field("a", UInt64.max)
        object.field("b", -1)
        object.field("c", 1.5)
        object.field("d", Double.nan)
        object.field("e", true)
        object.field("f", nil as String?)
        object.array("g") {
          $0.value(1)
          $0.object { _ in }
          $0.array { _ in }
        }
      }
      writer.endLine()
      writer.object { _ in }
    }
    #expect(
      text == """
        {"a":18446744073709551615,"b":-1,"c":1.5,"d":null,"e":true,"f":null,"g":[1,{},[]]}
        {}
        """)
  }

  @Test func stringsAreEscaped() throws {
    let nasty = "\"\\/\n\r\t\u{0}\u{1B}[31m\u{7F}\u{9B}\u{202E}\u{2028}ö€😀\u{E0001}"
    let text = json { $0.object { $0.field("s", nasty) } }
    #expect(
      text == #"{"s":"\"\\/\n\r\t\u0000\u001b[31m\u007f\u009b\u202e\u2028ö€😀\udb40\udc01"}"#)
    // Another implementation reads the same.
    let read = try #require(
      JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: String])
    #expect(read["s"] == nasty)
  }

  @Test(
    arguments: [
      [0xFF], [0xC3], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xE2, 0x82],
      [0x61, 0x80],
    ] as [[UInt8]])
  func whatIsNotUTF8BecomesBase64(bytes: [UInt8]) throws {
    let text = json {
      $0.object {
        $0.field("n", 1)
        $0.field("payload", orBase64: "payloadBase64", bytes[...])
        $0.field("m", 2)
      }
    }
    #expect(
      text == #"{"n":1,"payloadBase64":"\#(Data(bytes).base64EncodedString())","m":2}"#)
  }

  @Test func base64LikeFoundation() {
    for count in 0...40 {
      let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 37 + 250) }
      var output: [UInt8] = []
      Base64.append(bytes, to: &output)
      #expect(String(decoding: output, as: UTF8.self) == Data(bytes).base64EncodedString())
    }
  }

  func shown(_ bytes: [UInt8]) -> String {
    var output: [UInt8] = []
    TerminalText.append(bytes[...], to: &output)
    return String(decoding: output, as: UTF8.self)
  }

  @Test func noControlCharacterReachesTheTerminal() {
    #expect(shown(Array("\u{1B}]0;x\u{07}a\nb\\c ö".utf8)) == #"\x1b]0;x\x07a\nb\\c ö"#)
    #expect(shown([0x61, 0xFF, 0x9B, 0xC2, 0x9B]) == #"a\xff\x9b\u{9b}"#)
    #expect(shown(Array("a\u{202E}b\u{200B}".utf8)) == #"a\u{202e}b\u{200b}"#)
    #expect(TerminalText.text("abcdef", max: 4) == "abc…")
  }

  @Test func everyByteIsShownInPrintableCharactersOnly() {
    for first in UInt8.min...UInt8.max {
      for second in UInt8.min...UInt8.max {
        let text = shown([first, second])
        #expect(
          text.unicodeScalars.allSatisfy {
            $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value)
          })
      }
    }
  }

  @Test(
    arguments: [
      (0, "1970-01-01T00:00:00.000000000Z"),
      (951_827_696_000_000_001, "2000-02-29T12:34:56.000000001Z"),
      (4_107_542_399_999_999_999, "2100-02-28T23:59:59.999999999Z"),
      (4_107_542_400_000_000_000, "2100-03-01T00:00:00.000000000Z"),
      (UInt64.max, "2554-07-21T23:34:33.709551615Z"),
    ] as [(UInt64, String)])
  func times(ns: UInt64, text: String) {
    #expect(RFC3339.text(ns: ns) == text)
    #expect(RFC3339.parse(text) == ns)
  }

  @Test func timesLikeFoundation() {
    var generator = SystemRandomNumberGenerator()
    let formatter = ISO8601DateFormatter()
    for _ in 0..<500 {
      let seconds = UInt64.random(in: 0..<16_000_000_000, using: &generator)
      let text = RFC3339.text(ns: seconds * 1_000_000_000, digits: 0)
      #expect(text == formatter.string(from: Date(timeIntervalSince1970: Double(seconds))))
      #expect(RFC3339.parse(text) == seconds * 1_000_000_000)
    }
  }

  @Test func offsetsAndFractions() {
    let noon: UInt64 = 1_772_366_400_000_000_000
    #expect(RFC3339.parse("2026-03-01T12:00:00Z") == noon)
    #expect(RFC3339.parse("2026-03-01t14:30:00+02:30") == noon)
    #expect(RFC3339.parse("2026-03-01 11:00:00-01:00") == noon)
    #expect(RFC3339.parse("2026-03-01T12:00:00.5z") == noon + 500_000_000)
    #expect(RFC3339.parse("2026-03-01T12:00:00.1234567899Z") == noon + 123_456_789)
    #expect(RFC3339.parse("2016-12-31T23:59:60Z") == RFC3339.parse("2017-01-01T00:00:00Z"))
    #expect(RFC3339.text(ns: noon + 129_999_999, digits: 3) == "2026-03-01T12:00:00.129Z")
  }

  @Test(arguments: [
    "", "2026-03-01", "2026-03-01T12:00:00", "2026-13-01T12:00:00Z", "2026-02-29T12:00:00Z",
    "2026-03-01T24:00:00Z", "2026-03-01T12:00:00.Z", "2026-03-01T12:00:00Zx",
    "1969-12-31T23:59:59Z", "1970-01-01T00:00:00+00:01", "9999-01-01T00:00:00Z",
    "2026-3-01T12:00:00Z", "2026-03-01T12:00:00+0200",
  ])
  func noTimes(text: String) { #expect(RFC3339.parse(text) == nil) }

  @Test func numbersForPeople() {
    #expect(HumanNumber.plain(0) == "0" && HumanNumber.plain(1_234_567) == "1,234,567")
    #expect(HumanNumber.short(UInt64(999)) == "999" && HumanNumber.short(UInt64(1000)) == "1 k")
    #expect(HumanNumber.short(999.7) == "1 k" && HumanNumber.short(1_234_567.0) == "1.23 M")
    #expect(HumanNumber.short(0.0) == "0" && HumanNumber.short(0.5) == "0.5")
    #expect(HumanNumber.size(UInt64(512)) == "512 B" && HumanNumber.size(65536.0) == "64 KiB")
    #expect(HumanNumber.size(UInt64(1536) << 20) == "1.5 GiB")
    #expect(HumanNumber.duration(78_400) == "78.4 µs" && HumanNumber.duration(5) == "5 ns")
    #expect(HumanNumber.duration(90_000_000_000) == "90 s")
    #expect(HumanNumber.duration(UInt64(3_600_000_000_000)) == "60 min")
  }

  @Test func aTableFitsItsWidth() {
    var table = TextTable([
      .init("name", right: false, widthMin: 6), .init("events"), .init("extra", rank: 2),
      .init("other", rank: 1),
    ])
    table.add(["hunt.7.positions", "12", "x", "y"])
    table.add(["a", "1234567", "xx", "yy"])
    #expect(
      table.lines(width: 80) == [
        "name               events  extra  other", "hunt.7.positions       12      x      y",
        "a                 1234567     xx     yy",
      ])
    for width in 15...45 {
      #expect(table.lines(width: width).allSatisfy { $0.count <= width })
    }
    let narrow = table.lines(width: 22)
    #expect(narrow[0] == "name     events  other")
    #expect(narrow[1] == "hunt.…       12      y")
    #expect(table.lines(width: 15)[1] == "hunt.…       12")
  }

  @Test func linesAreCutWhereverTheReadsEnd() {
    let text = Array("one\n\nthree\r\nlast".utf8)
    for size in 1...text.count {
      var splitter = LineSplitter(lineBytesMax: 100)
      var lines: [String] = []
      func take(_ range: Range<Int>) {
        lines.append(String(decoding: splitter.bytes[range], as: UTF8.self))
      }
      for start in stride(from: 0, to: text.count, by: size) {
        splitter.append(text[start..<min(start + size, text.count)])
        while case .line(let range) = splitter.next() { take(range) }
        #expect(splitter.next() == .needsMore)
      }
      if let range = splitter.finish() { take(range) }
      #expect(lines == ["one", "", "three\r", "last"])
      #expect(splitter.finish() == nil)
    }
  }

  @Test func aLineThatIsTooLongIsRefusedBeforeItsEnd() {
    var splitter = LineSplitter(lineBytesMax: 4)
    splitter.append(Array("1234\n".utf8)[...])
    #expect(splitter.next() == .line(0..<4))
    splitter.append(Array("12345".utf8)[...])
    #expect(splitter.next() == .tooLong(5))
  }
}
