/// The protocol of the relay that only copies bytes, which shows the limit of the machine.
///
/// A connection starts with 8 bytes: the letter `P` or `S`, three zero bytes, and the topic as a
/// little-endian u32. The relay answers `R`. From then on it copies what a publisher sends to all
/// subscribers of its topic and never looks into it. An event is its length as a little-endian u32
/// and the payload.
struct RelayDriver: WireDriver, ~Copyable {
  /// Bytes of the first thing a connection says.
  static let helloByteCount = 8
  static let ready = UInt8(ascii: "R")

  struct Session: BitwiseCopyable {
    var isReady = false
  }

  var pieceBytesMax: Int { template.stride }

  private let template: EventTemplate

  init(_ shape: EventShape) throws(LoadError) {
    template = EventTemplate(
      prefix: Self.littleEndian(UInt32(shape.payloadBytes)), payloadBytes: shape.payloadBytes,
      suffix: [])
  }

  private static func littleEndian(_ value: UInt32) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * UInt32($0))) }
  }

  mutating func open(_ role: Role, out: inout Outbox) -> Session {
    switch role {
    case .publisher(let topic):
      out.append([UInt8(ascii: "P"), 0, 0, 0] + Self.littleEndian(UInt32(topic)))
    case .subscriber(let topic), .stalled(let topic), .laggard(let topic):
      out.append([UInt8(ascii: "S"), 0, 0, 0] + Self.littleEndian(UInt32(topic)))
    }
    return Session()
  }

  func isReady(_ session: Session) -> Bool { session.isReady }

  mutating func receive(
    _ bytes: UnsafeRawPointer, _ count: Int, session: inout Session, tally: inout Tally,
    out: inout Outbox
  ) throws(LoadError) -> Int {
    var done = 0
    if !session.isReady {
      guard unsafe bytes.load(as: UInt8.self) == Self.ready else {
        throw .unexpectedReply("the relay did not say that it is ready")
      }
      session.isReady = true
      done = 1
    }
    done += unsafe template.receive(bytes + done, count - done, tally: &tally)
    guard count - done < template.stride else {
      throw .unexpectedReply("the relay's bytes are not those of an event")
    }
    return done
  }

  func eventsFitting(_ capacity: Int) -> Int { capacity / template.stride }

  func prepare(_ buffer: UnsafeMutableRawPointer, capacity: Int, role: Role) {
    unsafe template.prepare(buffer, capacity: capacity)
  }

  mutating func encode(
    _ run: EventRun, into buffer: UnsafeMutableRawPointer, session: inout Session
  ) -> Int {
    unsafe template.encode(run, into: buffer)
  }
}
