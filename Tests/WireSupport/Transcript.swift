/// A conversation between clients and a broker, as `Protocol/vectors/transcripts` holds it. The
/// notation is described in `Protocol/README.md`.
public struct Transcript: Sendable {
  public struct Step: Sendable {
    /// The line of the file, from 1.
    public var line: Int
    /// Which connection, from 1.
    public var connection: Int
    public var action: Action
  }

  public enum Action: Sendable {
    /// The client sends a frame.
    case client(FramePattern)
    /// The client sends bytes that need not be a frame.
    case clientBytes([UInt8])
    /// The broker sends a frame that the pattern matches.
    case broker(FramePattern)
    /// Time passes.
    case clock(milliseconds: Int)
    /// The broker sends CLOSE with the reason and ends the connection.
    case close(reason: String)
    /// The broker ends the connection without a frame.
    case end
    /// The client ends the connection without CLOSE.
    case hangUp
    /// The client of an earlier connection, which has ended, opens this one.
    case comeBack(of: Int)
    /// The broker is told to end, and what to tell its clients about coming back.
    case drain(retryAfterMs: UInt32, spreadMs: UInt32)
  }

  public var name: String
  public var steps: [Step]
  /// Its clients do what no client of its own accord does, so that it says nothing about clients.
  public var isForBrokersOnly = false

  public init(name: String, text: String) throws {
    self.name = name
    steps = []
    var number = 0
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      number += 1
      let words = try Self.words(line)
      guard let first = words.first, !first.hasPrefix("#") else { continue }
      if words == ["only", "broker"] {
        isForBrokersOnly = true
        continue
      }
      do {
        steps.append(try Self.step(first, Array(words.dropFirst()), line: number))
      } catch {
        throw TranscriptError("\(name):\(number): \(error)")
      }
    }
  }

  /// The line's words, parted by blanks outside quotes and braces.
  static func words(_ line: some StringProtocol) throws -> [String] {
    var words: [String] = []
    var word = ""
    var depth = 0
    var isQuoted = false
    for character in line {
      if character == "\"" { isQuoted.toggle() }
      if !isQuoted, character == "{" { depth += 1 }
      if !isQuoted, character == "}" { depth -= 1 }
      if character == " ", !isQuoted, depth == 0 {
        if !word.isEmpty { words.append(word) }
        word = ""
      } else {
        word.append(character)
      }
    }
    guard !isQuoted, depth == 0 else { throw TranscriptError("an open quote or brace: \(line)") }
    if !word.isEmpty { words.append(word) }
    return words
  }

  private static func step(_ first: String, _ rest: [String], line: Int) throws -> Step {
    func one() throws -> String {
      guard rest.count == 1 else { throw TranscriptError("\(first) takes one word") }
      return rest[0]
    }
    switch first.prefix(while: { !$0.isNumber && $0 != ">" }) {
    case "C" where first.hasSuffix(">"):
      let connection = try connection(first.dropFirst().dropLast())
      if rest.first == "hex" {
        guard let bytes = Hex.bytes(rest.dropFirst().joined()) else {
          throw TranscriptError("not hex")
        }
        return Step(line: line, connection: connection, action: .clientBytes(bytes))
      }
      return Step(line: line, connection: connection, action: .client(try FramePattern(rest)))
    case "S" where first.hasSuffix(">"):
      let connection = try connection(first.dropFirst().dropLast())
      return Step(line: line, connection: connection, action: .broker(try FramePattern(rest)))
    case "clock":
      let text = try one()
      guard text.hasPrefix("+"), text.hasSuffix("ms"),
        let milliseconds = Int(text.dropFirst().dropLast(2))
      else { throw TranscriptError("clock takes a time like +250ms") }
      return Step(line: line, connection: 1, action: .clock(milliseconds: milliseconds))
    case "close":
      let connection = try connection(first.dropFirst("close".count))
      let reason = try one()
      guard Registry.shared.number(reason, kind: "CloseReason") != nil else {
        throw TranscriptError("no close reason is named \(reason)")
      }
      return Step(line: line, connection: connection, action: .close(reason: reason))
    case "end":
      let connection = try connection(first.dropFirst("end".count))
      return Step(line: line, connection: connection, action: .end)
    case "hangup":
      let connection = try connection(first.dropFirst("hangup".count))
      return Step(line: line, connection: connection, action: .hangUp)
    case "return":
      let connection = try connection(first.dropFirst("return".count))
      let earlier = try Self.connection(Substring(try one()))
      guard earlier != connection else { throw TranscriptError("a connection is opened once") }
      return Step(line: line, connection: connection, action: .comeBack(of: earlier))
    case "drain":
      guard rest.count == 2, let after = number(rest[0], "retry_after_ms="),
        let spread = number(rest[1], "spread_ms=")
      else { throw TranscriptError("drain takes retry_after_ms and spread_ms") }
      return Step(
        line: line, connection: 1, action: .drain(retryAfterMs: after, spreadMs: spread))
    default:
      throw TranscriptError(
        "a line begins with C>, S>, clock, close, end, hangup, return, drain or only, not \(first)")
    }
  }

  private static func number(_ word: String, _ prefix: String) -> UInt32? {
    word.hasPrefix(prefix) ? UInt32(word.dropFirst(prefix.count)) : nil
  }

  private static func connection(_ text: Substring) throws -> Int {
    guard !text.isEmpty else { return 1 }
    guard let number = Int(text), number >= 1 else {
      throw TranscriptError("\(text) is not the number of a connection")
    }
    return number
  }
}
