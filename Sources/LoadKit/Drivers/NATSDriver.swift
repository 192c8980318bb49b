/// The text protocol of nats-server: `PUB`, `MSG`, and `PING` before and after.
struct NATSDriver: WireDriver, ~Copyable {
  struct Session: BitwiseCopyable {
    var role: UInt8
    var topic: Int32
    var isReady = false
  }

  /// The server's own limit for a line is 4 KiB, its greeting aside.
  var pieceBytesMax: Int { max(TextLine.byteCountMax, publishes.strideMax + 64) }

  private let shape: EventShape
  /// Names of topics may differ in length, so each topic has its own templates. They are in one
  /// row of memory: first all publishes, then all deliveries.
  private let publishes: TemplateTable
  private let deliveries: TemplateTable

  init(_ shape: EventShape) throws(LoadError) {
    self.shape = shape
    let size = shape.payloadBytes
    publishes = TemplateTable(count: shape.topics) { topic in
      EventTemplate(
        prefix: Array("PUB \(shape.topicName(topic)) \(size)\r\n".utf8), payloadBytes: size,
        suffix: Array("\r\n".utf8))
    }
    deliveries = TemplateTable(count: shape.topics) { topic in
      EventTemplate(
        prefix: Array("MSG \(shape.topicName(topic)) 1 \(size)\r\n".utf8), payloadBytes: size,
        suffix: Array("\r\n".utf8))
    }
  }

  mutating func open(_ role: Role, out: inout Outbox) -> Session {
    out.append(
      "CONNECT {\"verbose\":false,\"pedantic\":false,\"tls_required\":false,\"echo\":true,"
        + "\"lang\":\"swift\",\"version\":\"1\",\"protocol\":1}\r\n")
    switch role {
    case .publisher(let topic):
      out.append("PING\r\n")
      return Session(role: 0, topic: Int32(topic))
    case .subscriber(let topic), .stalled(let topic), .laggard(let topic):
      out.append("SUB \(shape.topicName(topic)) 1\r\nPING\r\n")
      return Session(role: 1, topic: Int32(topic))
    }
  }

  func isReady(_ session: Session) -> Bool { session.isReady }

  mutating func receive(
    _ bytes: UnsafeRawPointer, _ count: Int, session: inout Session, tally: inout Tally,
    out: inout Outbox
  ) throws(LoadError) -> Int {
    var done = 0
    while true {
      done += unsafe deliveries[Int(session.topic)].pointee.receive(
        bytes + done, count - done, tally: &tally)
      let rest = unsafe bytes + done
      let left = count - done
      guard left > 0 else { return done }
      if unsafe TextLine.starts(rest, left, with: "MSG ") {
        let template = unsafe deliveries[Int(session.topic)]
        guard unsafe left < template.pointee.stride, unsafe template.pointee.canStart(rest, left)
        else { throw .unexpectedReply(unsafe TextLine.text(rest, left)) }
        return done
      }
      guard let line = unsafe try TextLine.length(rest, left) else { return done }
      unsafe try handleLine(rest, line, session: &session, out: &out)
      done += line
    }
  }

  private func handleLine(
    _ line: UnsafeRawPointer, _ count: Int, session: inout Session, out: inout Outbox
  ) throws(LoadError) {
    if unsafe TextLine.starts(line, count, with: "PING") {
      out.append("PONG\r\n")
    } else if unsafe TextLine.starts(line, count, with: "PONG") {
      session.isReady = true
    } else if unsafe TextLine.starts(line, count, with: "-ERR") {
      throw .refused(unsafe TextLine.text(line, count))
    } else if unsafe !TextLine.starts(line, count, with: "INFO"),
      unsafe !TextLine.starts(line, count, with: "+OK")
    {
      throw .unexpectedReply(unsafe TextLine.text(line, count))
    }
  }

  func eventsFitting(_ capacity: Int) -> Int { capacity / publishes.strideMax }

  func prepare(_ buffer: UnsafeMutableRawPointer, capacity: Int, role: Role) {
    guard case .publisher(let topic) = role else { return }
    unsafe publishes[topic].pointee.prepare(buffer, capacity: capacity)
  }

  mutating func encode(
    _ run: EventRun, into buffer: UnsafeMutableRawPointer, session: inout Session
  ) -> Int {
    unsafe publishes[Int(session.topic)].pointee.encode(run, into: buffer)
  }
}
