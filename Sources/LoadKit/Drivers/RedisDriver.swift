/// RESP 2 as Redis speaks it for `SUBSCRIBE` and `PUBLISH`.
///
/// Redis answers every publish with a number; those replies are looked through for errors and
/// thrown away.
struct RedisDriver: WireDriver, ~Copyable {
  struct Session: BitwiseCopyable {
    var isPublisher: Bool
    var topic: Int32
    var isReady = false
  }

  var pieceBytesMax: Int { max(TextLine.byteCountMax, publishes.strideMax + 64) }

  private let shape: EventShape
  private let publishes: TemplateTable
  private let deliveries: TemplateTable

  init(_ shape: EventShape) throws(LoadError) {
    self.shape = shape
    publishes = Self.table("PUBLISH", shape)
    deliveries = Self.table("message", shape)
  }

  private static func table(_ word: String, _ shape: EventShape) -> TemplateTable {
    TemplateTable(count: shape.topics) { topic in
      let name = shape.topicName(topic)
      return EventTemplate(
        prefix: Array(
          ("*3\r\n$\(word.utf8.count)\r\n\(word)\r\n$\(name.utf8.count)\r\n\(name)\r\n"
            + "$\(shape.payloadBytes)\r\n").utf8),
        payloadBytes: shape.payloadBytes, suffix: Array("\r\n".utf8))
    }
  }

  /// What the server confirms a subscription with, up to the number of subscriptions.
  private func confirmation(_ topic: Int) -> [UInt8] {
    let name = shape.topicName(topic)
    return Array("*3\r\n$9\r\nsubscribe\r\n$\(name.utf8.count)\r\n\(name)\r\n:1\r\n".utf8)
  }

  mutating func open(_ role: Role, out: inout Outbox) -> Session {
    switch role {
    case .publisher(let topic):
      out.append("*1\r\n$4\r\nPING\r\n")
      return Session(isPublisher: true, topic: Int32(topic))
    case .subscriber(let topic), .stalled(let topic), .laggard(let topic):
      let name = shape.topicName(topic)
      out.append("*2\r\n$9\r\nSUBSCRIBE\r\n$\(name.utf8.count)\r\n\(name)\r\n")
      return Session(isPublisher: false, topic: Int32(topic))
    }
  }

  func isReady(_ session: Session) -> Bool { session.isReady }

  mutating func receive(
    _ bytes: UnsafeRawPointer, _ count: Int, session: inout Session, tally: inout Tally,
    out: inout Outbox
  ) throws(LoadError) -> Int {
    if session.isPublisher {
      return unsafe try receiveReplies(bytes, count, session: &session)
    }
    var done = 0
    if !session.isReady {
      let wanted = confirmation(Int(session.topic))
      for index in 0..<min(count, wanted.count)
      where unsafe bytes.load(fromByteOffset: index, as: UInt8.self) != wanted[index] {
        throw .unexpectedReply(unsafe TextLine.text(bytes, count))
      }
      guard count >= wanted.count else { return 0 }
      session.isReady = true
      done = wanted.count
    }
    let template = unsafe deliveries[Int(session.topic)]
    done += unsafe template.pointee.receive(bytes + done, count - done, tally: &tally)
    let left = count - done
    guard unsafe left < template.pointee.stride,
      unsafe template.pointee.canStart(bytes + done, left)
    else { throw .unexpectedReply(unsafe TextLine.text(bytes + done, left)) }
    return done
  }

  /// Replies to publishes are short lines that start with a colon. An error starts with a minus,
  /// which occurs nowhere else.
  private func receiveReplies(
    _ bytes: UnsafeRawPointer, _ count: Int, session: inout Session
  ) throws(LoadError) -> Int {
    var hasMinus = false
    for index in 0..<count {
      let byte = unsafe bytes.load(fromByteOffset: index, as: UInt8.self)
      hasMinus = hasMinus || byte == UInt8(ascii: "-")
    }
    if hasMinus { throw .refused(unsafe TextLine.text(bytes, count)) }
    if !session.isReady {
      guard let line = unsafe try TextLine.length(bytes, count) else { return 0 }
      guard unsafe TextLine.starts(bytes, line, with: "+PONG") else {
        throw .unexpectedReply(unsafe TextLine.text(bytes, line))
      }
      session.isReady = true
    }
    return count
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
