/// One event, as `tail` was handed it.
public struct ShownEvent {
  public var topic: String
  public var sequence: UInt64
  /// Nanoseconds since the Unix epoch.
  public var timeNs: UInt64
  public var key: ArraySlice<UInt8>?
  public var headers: [(name: String, value: [UInt8])]
  public var payload: ArraySlice<UInt8>
  public var isTombstone: Bool

  public init(
    topic: String, sequence: UInt64, timeNs: UInt64, key: ArraySlice<UInt8>?,
    headers: [(name: String, value: [UInt8])], payload: ArraySlice<UInt8>, isTombstone: Bool
  ) {
    self.topic = topic
    self.sequence = sequence
    self.timeNs = timeNs
    self.key = key
    self.headers = headers
    self.payload = payload
    self.isTombstone = isTombstone
  }
}

/// Events that are missing. The numbers are 0 where they are not known.
public struct ShownGap {
  public var topic: String
  public var first: UInt64
  public var last: UInt64
  public var count: UInt64
  public var bytes: UInt64
  public var cause: String

  public init(
    topic: String, first: UInt64, last: UInt64, count: UInt64, bytes: UInt64, cause: String
  ) {
    self.topic = topic
    self.first = first
    self.last = last
    self.count = count
    self.bytes = bytes
    self.cause = cause
  }
}

/// What a policy has left out, and the marks around the state of a topic.
public enum ShownNote {
  case leftOut(ShownGap, expiredCount: UInt64, expiredBytes: UInt64)
  case stateReset(topic: String)
  case stateComplete(topic: String, last: UInt64)
}

/// How `tail` writes what it is handed.
public struct EventFormat: Sendable {
  private let format: TailCommand.Format
  private var json = JSONWriter()

  public init(_ format: TailCommand.Format) { self.format = format }

  /// Appends an event with the end of its line.
  public mutating func append(_ event: ShownEvent, to output: inout [UInt8]) {
    switch format {
    case .raw:
      output += event.payload
      output.append(UInt8(ascii: "\n"))
    case .people: Self.appendLine(event, to: &output)
    case .json:
      json.removeAll()
      json.object { json in
        json.field("topic", event.topic)
        json.field("sequence", event.sequence)
        json.field("time", timeNs: event.timeNs)
        if let key = event.key {
          json.field("key", orBase64: "keyBase64", key)
        } else {
          json.field("key", nil as String?)
        }
        json.array("headers") { json in
          for (name, value) in event.headers {
            json.object { json in
              json.field("name", name)
              json.field("value", orBase64: "valueBase64", value[...])
            }
          }
        }
        json.field("payload", orBase64: "payloadBase64", event.payload)
        if event.isTombstone { json.field("tombstone", true) }
      }
      json.endLine()
      output += json.bytes
    }
  }

  /// Appends a gap with the end of its line. With `raw` there is no place for it: then nothing is
  /// appended, and the caller says it elsewhere.
  public mutating func append(_ gap: ShownGap, to output: inout [UInt8]) {
    append(Self.sentence(gap), to: &output) { json in
      json.field("gap", true)
      Self.append(gap, to: &json)
    }
  }

  /// Appends a note with the end of its line; with `raw` nothing.
  public mutating func append(_ note: ShownNote, to output: inout [UInt8]) {
    append(Self.sentence(note), to: &output) { json in
      switch note {
      case .leftOut(let gap, let expiredCount, let expiredBytes):
        json.field("leftOut", true)
        Self.append(gap, to: &json)
        json.field("expiredCount", expiredCount)
        json.field("expiredBytes", expiredBytes)
      case .stateReset(let topic):
        json.field("stateReset", true)
        json.field("topic", topic)
      case .stateComplete(let topic, let last):
        json.field("stateComplete", true)
        json.field("topic", topic)
        json.field("last", last)
      }
    }
  }

  /// Something that is no event: a sentence between the lines, or the members of an object.
  private mutating func append(
    _ sentence: @autoclosure () -> String, to output: inout [UInt8],
    members: (inout JSONWriter) -> Void
  ) {
    switch format {
    case .raw: break
    case .people:
      output += "--- ".utf8
      output += sentence().utf8
      output.append(UInt8(ascii: "\n"))
    case .json:
      json.removeAll()
      json.object(members)
      json.endLine()
      output += json.bytes
    }
  }

  private static func append(_ gap: ShownGap, to json: inout JSONWriter) {
    json.field("topic", gap.topic)
    json.field("first", gap.first)
    json.field("last", gap.last)
    json.field("count", gap.count)
    json.field("bytes", gap.bytes)
    json.field("cause", gap.cause)
  }

  /// A note for people.
  public static func sentence(_ note: ShownNote) -> String {
    switch note {
    case .leftOut(let gap, let expired, _):
      let old = expired == 0 ? "" : ", and \(HumanNumber.plain(expired)) too old"
      return TerminalText.text(gap.topic) + ": left out \(events(gap.count)), \(gap.first) to "
        + "\(gap.last) (\(gap.cause))\(old)"
    case .stateReset(let topic): return TerminalText.text(topic) + ": its whole state follows"
    case .stateComplete(let topic, let last):
      return TerminalText.text(topic) + ": this was its state at \(last)"
    }
  }

  private static func events(_ count: UInt64) -> String {
    count == 1 ? "1 event" : "\(HumanNumber.plain(count)) events"
  }

  /// A gap for people.
  public static func sentence(_ gap: ShownGap) -> String {
    let topic = TerminalText.text(gap.topic)
    if gap.count == 0 { return "\(topic): lost events, how many is not known (\(gap.cause))" }
    return "\(topic): lost \(events(gap.count)), \(gap.first) to \(gap.last) (\(gap.cause))"
  }

  /// Time, topic, sequence, key, headers, payload.
  private static func appendLine(_ event: ShownEvent, to output: inout [UInt8]) {
    RFC3339.append(ns: event.timeNs, digits: 3, to: &output)
    output.append(UInt8(ascii: " "))
    // The broker takes no names with anything to escape, but who knows who this broker is.
    if event.topic.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != 0x5C }) {
      output += event.topic.utf8
    } else {
      TerminalText.append(Array(event.topic.utf8)[...], to: &output)
    }
    output.append(UInt8(ascii: " "))
    Decimal.append(event.sequence, to: &output)
    output.append(UInt8(ascii: " "))
    if let key = event.key {
      output.append(UInt8(ascii: "["))
      TerminalText.append(key, to: &output)
      output += "] ".utf8
    }
    for (name, value) in event.headers {
      TerminalText.append(Array(name.utf8)[...], to: &output)
      output.append(UInt8(ascii: "="))
      TerminalText.append(value[...], to: &output)
      output.append(UInt8(ascii: " "))
    }
    if event.isTombstone {
      output += "(deleted)".utf8
    } else {
      TerminalText.append(event.payload, to: &output)
    }
    output.append(UInt8(ascii: "\n"))
  }
}
