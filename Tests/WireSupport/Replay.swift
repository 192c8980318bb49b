/// Something that a transcript's broker side can be compared with: a broker core in memory, or a
/// broker behind sockets. One object holds all the connections of a transcript.
public protocol TranscriptBroker {
  /// The client of the connection sends bytes; a connection is opened by its first ones.
  mutating func send(_ bytes: [UInt8], on connection: Int) throws
  /// The next whole frame that the broker sends on the connection, or nil at its end. Waits or
  /// runs the broker as far as is needed; throws where nothing comes.
  mutating func receive(on connection: Int) throws -> [UInt8]?
  /// Time passes.
  mutating func advance(milliseconds: Int) throws
  /// The client ends the connection without CLOSE.
  mutating func hangUp(_ connection: Int) throws
  /// The broker is told to end, and what to tell its clients about coming back.
  mutating func drain(retryAfterMs: UInt32, spreadMs: UInt32) throws
}

extension Transcript {
  /// Plays the clients' side against a broker and throws at the first difference, with its line.
  ///
  /// A broker may part what a DELIVER or DELIVER_SELECTED of the transcript carries into several
  /// frames, and choose the order of the latter's batches. TOPIC_INFO, PING, PUBLISH_CREDIT and
  /// BLOCKED may come at any time; where they are not what the transcript waits for, they are
  /// passed over, but for the topic's id. POLICY_SET may overtake the SUBSCRIBED that a line waits
  /// for.
  public func replay(against broker: inout some TranscriptBroker) throws {
    var bindings = Bindings()
    var early: [Int: [UInt8]] = [:]
    for step in steps {
      do {
        try play(step, against: &broker, &bindings, &early)
      } catch {
        throw TranscriptError("\(name):\(step.line): \(error)")
      }
    }
  }

  private func play(
    _ step: Step, against broker: inout some TranscriptBroker, _ bindings: inout Bindings,
    _ early: inout [Int: [UInt8]]
  ) throws {
    let connection = step.connection
    switch step.action {
    case .client(let pattern):
      try broker.send(pattern.encoded(bindings), on: connection)
    case .clientBytes(let bytes):
      try broker.send(bytes, on: connection)
    case .broker(let pattern):
      var rest: FramePattern? = pattern
      while let wanted = rest {
        let frame =
          try early.removeValue(forKey: connection)
          ?? next(from: &broker, connection, wanted: wanted.name, &bindings, &early)
        rest = try wanted.matchBeginning(frame, &bindings)
      }
    case .clock(let milliseconds):
      try broker.advance(milliseconds: milliseconds)
    case .hangUp:
      try broker.hangUp(connection)
    case .comeBack:
      // A broker does not know its clients: the connection is opened by its first bytes.
      break
    case .drain(let retryAfterMs, let spreadMs):
      try broker.drain(retryAfterMs: retryAfterMs, spreadMs: spreadMs)
    case .end:
      if let more = try broker.receive(on: connection) {
        throw TranscriptError("the connection was to end, and \(Hex.text(more)) came")
      }
    case .close(let reason):
      let frame = try next(from: &broker, connection, wanted: "CLOSE", &bindings, &early)
      try FramePattern(["CLOSE", "reason=\(reason)"]).match(frame, &bindings)
      if let more = try broker.receive(on: connection) {
        throw TranscriptError("after CLOSE came \(Hex.text(more))")
      }
    }
  }

  private func next(
    from broker: inout some TranscriptBroker, _ connection: Int, wanted: String,
    _ bindings: inout Bindings, _ early: inout [Int: [UInt8]]
  ) throws -> [UInt8] {
    while true {
      guard let bytes = try broker.receive(on: connection) else {
        throw TranscriptError("\(wanted) was to come and the connection ended")
      }
      let frame = try LooseFrame(decoding: bytes)
      if wanted == "SUBSCRIBED", frame.name == "POLICY_SET" {
        early[connection] = bytes
        continue
      }
      let isAnyTime = ["TOPIC_INFO", "PING", "PUBLISH_CREDIT", "BLOCKED"].contains(frame.name)
      guard isAnyTime, wanted != frame.name else { return bytes }
      if frame.name == "TOPIC_INFO" {
        try FramePattern(["TOPIC_INFO"]).match(bytes, &bindings)
      }
    }
  }
}
