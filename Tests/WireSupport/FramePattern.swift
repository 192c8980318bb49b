import WireFormat

/// What was seen earlier in a conversation: values by the names the transcript gives them, and
/// the ids of topics.
public struct Bindings: Sendable {
  public var values: [String: UInt64] = [:]
  public var topicIDs: [String: UInt64] = [:]

  public init() {}
}

/// A frame in a transcript. To send it, everything that is not named is 0 or empty; to compare it
/// with what came, only what is named is looked at.
public struct FramePattern: Sendable {
  enum Value: Sendable {
    /// `*`: anything; 0 or empty where it is sent.
    case any
    /// `$name`: what the name was bound to; bound at first sight.
    case variable(String)
    /// A number, a case, a code, or flags joined by `+`.
    case word(String)
    /// A quoted text; in a field that is a number, the id of the topic with this name.
    case text(String)
  }

  struct Event: Sendable {
    var key: String?
    var payload: String?
    var replyTo: (inbox: Value, token: UInt64)?
  }

  struct BatchPattern: Sendable {
    var fields: [(name: String, value: Value)] = []
    var events: [Event]?
  }

  /// Where a subscription is to go on in a topic.
  public struct Position: Sendable {
    var topic: Value
    var sequence: Value
  }

  public let name: String
  var fields: [(name: String, value: Value)] = []
  var batches: [BatchPattern] = []
  public internal(set) var positions: [Position] = []

  public init(_ words: [String]) throws {
    guard let first = words.first, let frame = Registry.shared.frame(named: first) else {
      throw TranscriptError("no frame is named \(words.first ?? "")")
    }
    name = first
    for word in words.dropFirst() {
      if word.hasPrefix("batch{"), word.hasSuffix("}") {
        batches.append(try Self.batch(word.dropFirst("batch{".count).dropLast()))
        continue
      }
      if word.hasPrefix("position{"), word.hasSuffix("}") {
        positions.append(try Self.position(word.dropFirst("position{".count).dropLast()))
        continue
      }
      let (field, value) = try Self.pair(word)
      guard
        field == "ref" || field == "correlation"
          || frame.fields.contains(where: { $0.name == field })
      else { throw TranscriptError("\(name) has no field \(field)") }
      fields.append((field, value))
    }
  }

  private static func pair(_ word: String) throws -> (String, Value) {
    guard let equals = word.firstIndex(of: "=") else {
      throw TranscriptError("\(word) is not name=value")
    }
    return (String(word[..<equals]), value(word[word.index(after: equals)...]))
  }

  private static func value(_ text: Substring) -> Value {
    if text == "*" { return .any }
    if text.hasPrefix("$") { return .variable(String(text.dropFirst())) }
    if text.hasPrefix("\""), text.hasSuffix("\""), text.count >= 2 {
      return .text(String(text.dropFirst().dropLast()))
    }
    return .word(String(text))
  }

  private static let batchFields = [
    "publisher_sequence", "ttl_ms", "publish_time", "sequence", "count", "topic", "bytes_before",
    "decoded_length", "codec",
  ]

  private static func batch(_ text: Substring) throws -> BatchPattern {
    var batch = BatchPattern()
    for word in try Transcript.words(text) {
      if word.hasPrefix("events=") {
        batch.events = try list(word.dropFirst("events=".count)).map(event)
        continue
      }
      let (name, value) = try pair(word)
      guard batchFields.contains(name) else { throw TranscriptError("no batch field \(name)") }
      batch.fields.append((name, value))
    }
    return batch
  }

  private static func position(_ text: Substring) throws -> Position {
    let pairs = try Transcript.words(text).map(pair)
    guard pairs.map(\.0) == ["topic", "sequence"] else {
      throw TranscriptError("a position has a topic and a sequence")
    }
    return Position(topic: pairs[0].1, sequence: pairs[1].1)
  }

  /// Parts at commas outside quotes.
  private static func list(_ text: Substring) -> [String] {
    var out = [""]
    var isQuoted = false
    for character in text {
      if character == "\"" { isQuoted.toggle() }
      if character == ",", !isQuoted {
        out.append("")
      } else {
        out[out.count - 1].append(character)
      }
    }
    return out
  }

  /// `"payload"`, `"x"*1000` for so many of it, `key:"payload"`, `key:-` for a tombstone, each with
  /// `@inbox/token` behind it.
  private static func event(_ text: String) throws -> Event {
    var rest = text[...]
    var event = Event()
    if let at = rest.lastIndex(of: "@"), !rest[at...].contains("\"") {
      let address = rest[rest.index(after: at)...].split(separator: "/")
      guard address.count == 2, let token = UInt64(address[1]) else {
        throw TranscriptError("\(text): a reply address is inbox/token")
      }
      event.replyTo = (value(address[0]), token)
      rest = rest[..<at]
    }
    if !rest.hasPrefix("\""), let colon = rest.firstIndex(of: ":") {
      event.key = String(rest[..<colon])
      rest = rest[rest.index(after: colon)...]
    }
    if rest == "-" { return event }
    var times = 1
    if let star = rest.lastIndex(of: "*"), !rest[star...].contains("\"") {
      guard let number = Int(rest[rest.index(after: star)...]), number > 0 else {
        throw TranscriptError("\(text): how often is not a number")
      }
      times = number
      rest = rest[..<star]
    }
    guard case .text(let payload) = value(rest) else {
      throw TranscriptError("\(text) is not an event")
    }
    event.payload = String(repeating: payload, count: times)
    return event
  }

  // MARK: - To send

  /// The frame's bytes.
  public func encoded(_ bindings: Bindings) throws -> [UInt8] {
    var frame = LooseFrame(name)
    let layout = Registry.shared.frame(named: name)!
    for (field, value) in fields {
      if field == "ref" || field == "correlation" {
        let number = UInt32(try number(value, kind: nil, bindings))
        if field == "ref" { frame.ref = number } else { frame.correlation = number }
        continue
      }
      let found = layout.fields.first { $0.name == field }!
      if found.size != nil {
        frame.fields[field] = .number(try number(value, kind: found.as, bindings))
      } else if found.type == "string16" {
        if case .text(let text) = value { frame.fields[field] = .text(text) }
      } else {
        guard case .word(let hex) = value, let bytes = Hex.bytes(hex) else {
          throw TranscriptError("\(field) takes hex")
        }
        frame.fields[field] = .bytes(bytes)
      }
    }
    if !batches.isEmpty {
      let rest = layout.fields.last { $0.type == "rest" }!
      frame.fields[rest.name] = .bytes(try batches.flatMap { try encoded($0, bindings) })
    }
    if !positions.isEmpty {
      frame.fields["positions_count"] = .number(UInt64(positions.count))
      frame.fields["positions"] = .bytes(try positions.flatMap { try encoded($0, bindings) })
    }
    return try frame.encoded()
  }

  func encoded(_ position: Position, _ bindings: Bindings) throws -> [UInt8] {
    LooseFrame.littleEndian(try number(position.topic, kind: nil, bindings), 4) + [0, 0, 0, 0]
      + LooseFrame.littleEndian(try number(position.sequence, kind: nil, bindings), 8)
  }

  func encoded(_ batch: BatchPattern, _ bindings: Bindings) throws -> [UInt8] {
    func field(_ name: String, _ otherwise: UInt64) throws -> UInt64 {
      guard let (_, value) = batch.fields.first(where: { $0.name == name }) else {
        return otherwise
      }
      return try number(value, kind: nil, bindings)
    }
    return LooseBatch.encoded(
      try events(of: batch, bindings), publisherSequence: try field("publisher_sequence", 1),
      ttlMs: UInt32(try field("ttl_ms", 0)), publishTime: try field("publish_time", 0))
  }

  func events(of batch: BatchPattern, _ bindings: Bindings) throws -> [LooseBatch.Event] {
    try (batch.events ?? []).map { event in
      var address: ReplyAddress?
      if let (inbox, token) = event.replyTo {
        address = ReplyAddress(inbox: try number(inbox, kind: nil, bindings), token: token)
      }
      return LooseBatch.Event(key: event.key, payload: event.payload, replyTo: address)
    }
  }

  func number(_ value: Value, kind: String?, _ bindings: Bindings) throws -> UInt64 {
    switch value {
    case .any: return 0
    case .variable(let name):
      guard let bound = bindings.values[name] else {
        throw TranscriptError("$\(name) is not bound")
      }
      return bound
    case .word(let word):
      guard let number = Registry.shared.number(word, kind: kind) else {
        throw TranscriptError("\(word) is no number here")
      }
      return number
    case .text(let topic):
      guard let id = bindings.topicIDs[topic] else {
        throw TranscriptError("no TOPIC_INFO has named \(topic)")
      }
      return id
    }
  }

  // MARK: - To compare

  /// Throws a sentence about the first difference; binds names that are new.
  public func match(_ bytes: [UInt8], _ bindings: inout Bindings) throws {
    let frame = try LooseFrame(decoding: bytes)
    guard frame.name == name else {
      throw TranscriptError("\(name) was to come and \(frame.name) came: \(frame.fields)")
    }
    let layout = Registry.shared.frame(named: name)!
    for (field, value) in fields {
      let kind = layout.fields.first { $0.name == field }?.as
      let found: LooseFrame.Value? =
        switch field {
        case "ref": .number(UInt64(frame.ref))
        case "correlation": .number(UInt64(frame.correlation))
        default: frame.fields[field]
        }
      switch found {
      case .number(let number)?:
        try compare(number, value, kind: kind, field, &bindings)
      case .text(let text)?:
        if case .any = value { continue }
        guard case .text(let wanted) = value, wanted == text else {
          throw TranscriptError("\(name).\(field) is \"\(text)\"")
        }
      case .bytes(let bytes)?:
        if case .any = value { continue }
        guard case .word(let hex) = value, Hex.bytes(hex) == bytes else {
          throw TranscriptError("\(name).\(field) is \(Hex.text(bytes))")
        }
      case nil: throw TranscriptError("\(name) came without \(field)")
      }
    }
    if name == "TOPIC_INFO", case .text(let topic)? = frame.fields["name"],
      case .number(let id)? = frame.fields["topic"]
    {
      bindings.topicIDs[topic] = id
    }
    if !batches.isEmpty { try match(LooseBatch.decode(frame.rest ?? []), &bindings) }
  }

  /// The same for a DELIVER that may have only the first of the batches, or a DELIVER_SELECTED that
  /// has some of them in any order; returns what must follow in the next frame, or nil.
  func matchBeginning(_ bytes: [UInt8], _ bindings: inout Bindings) throws -> FramePattern? {
    let frame = try LooseFrame(decoding: bytes)
    if name == "DELIVER_SELECTED", frame.name == name {
      return try matchSelected(bytes, frame, &bindings)
    }
    guard name == "DELIVER", frame.name == name, batches.count > 1 else {
      try match(bytes, &bindings)
      return nil
    }
    let count = try LooseBatch.decode(frame.rest ?? []).count
    var first = self
    first.batches = Array(batches.prefix(count))
    try first.match(bytes, &bindings)
    var rest = self
    rest.batches = Array(batches.dropFirst(count))
    rest.fields = fields.map { $0.name == "skip" ? ("skip", .word("0")) : $0 }
    return rest.batches.isEmpty ? nil : rest
  }

  private func matchSelected(
    _ bytes: [UInt8], _ frame: LooseFrame, _ bindings: inout Bindings
  ) throws -> FramePattern? {
    var (first, rest) = (self, self)
    first.batches = []
    for batch in try LooseBatch.decode(frame.rest ?? []) {
      let place = try rest.batches.firstIndex { wanted in
        guard let (_, value) = wanted.fields.first(where: { $0.name == "sequence" }) else {
          throw TranscriptError("a batch that is delivered has a sequence")
        }
        return try number(value, kind: nil, bindings) == batch.header.sequence
      }
      guard let place else {
        throw TranscriptError("the sequence \(batch.header.sequence) was not to come")
      }
      first.batches.append(rest.batches.remove(at: place))
    }
    try first.match(bytes, &bindings)
    return rest.batches.isEmpty ? nil : rest
  }

  private func match(_ found: [LooseBatch], _ bindings: inout Bindings) throws {
    guard found.count == batches.count else {
      throw TranscriptError("\(name) has \(found.count) batches, not \(batches.count)")
    }
    for (batch, wanted) in zip(found, batches) {
      for (field, value) in wanted.fields {
        let header = batch.header
        let number: UInt64 =
          switch field {
          case "publisher_sequence": header.publisherSequence
          case "ttl_ms": UInt64(header.ttlMs)
          case "publish_time": header.publishTime
          case "sequence": header.sequence
          case "count": UInt64(header.count)
          case "topic": UInt64(header.topic)
          case "bytes_before": header.bytesBefore
          case "decoded_length": UInt64(header.decodedLength)
          default: UInt64(header.codecRaw)
          }
        let kind = field == "codec" ? "Codec" : nil
        try compare(number, value, kind: kind, "batch.\(field)", &bindings)
      }
      guard let events = wanted.events else { continue }
      guard events.count == batch.events.count else {
        throw TranscriptError("a batch has \(batch.events.count) events, not \(events.count)")
      }
      for (event, wanted) in zip(batch.events, events) {
        guard event.key == wanted.key, event.payload == wanted.payload else {
          throw TranscriptError("an event is \(event)")
        }
        guard (event.replyTo == nil) == (wanted.replyTo == nil) else {
          throw TranscriptError("an event's reply address is \(String(describing: event.replyTo))")
        }
        if let address = event.replyTo, let (inbox, token) = wanted.replyTo {
          try compare(address.inbox, inbox, kind: nil, "inbox", &bindings)
          guard address.token == token else {
            throw TranscriptError("a reply address's token is \(address.token)")
          }
        }
      }
    }
  }

  private func compare(
    _ number: UInt64, _ value: Value, kind: String?, _ field: String, _ bindings: inout Bindings
  ) throws {
    if case .any = value { return }
    if case .variable(let name) = value, bindings.values[name] == nil {
      bindings.values[name] = number
      return
    }
    let wanted = try self.number(value, kind: kind, bindings)
    guard number == wanted else {
      throw TranscriptError("\(name).\(field) is \(number), not \(wanted)")
    }
  }
}
