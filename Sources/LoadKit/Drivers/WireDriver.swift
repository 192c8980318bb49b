/// One protocol as the load generator needs it.
///
/// Loops are generic over the driver and specialised for each one, so that no event goes through
/// an existential. A driver keeps what is constant for a run; what belongs to one connection is in
/// `Session`, a trivial value that the loop keeps in its row. Each thread has its own driver.
///
/// A driver must be as cheap as the others: no allocation and no copy for an event, neither in
/// `encode` nor in `receive`. Otherwise a comparison measures the client.
protocol WireDriver: ~Copyable, SendableMetatype {
  associatedtype Session: BitwiseCopyable

  init(_ shape: EventShape) throws(LoadError)

  /// Starts a session and writes the first bytes to send.
  mutating func open(_ role: Role, out: inout Outbox) -> Session

  /// Whether everything that `open` asked for has been confirmed.
  func isReady(_ session: Session) -> Bool

  /// Takes received bytes and returns how many it is done with; the rest comes again with more
  /// behind it. Every delivered event goes through `tally.deliver`.
  mutating func receive(
    _ bytes: UnsafeRawPointer, _ count: Int, session: inout Session, tally: inout Tally,
    out: inout Outbox
  ) throws(LoadError) -> Int

  /// The largest piece that `receive` may leave behind, in bytes.
  var pieceBytesMax: Int { get }

  /// How many events at most one call of `encode` fits into a buffer of `capacity` bytes.
  func eventsFitting(_ capacity: Int) -> Int

  /// Makes a publisher's send buffer ready for `encode`, once.
  func prepare(_ buffer: UnsafeMutableRawPointer, capacity: Int, role: Role)

  /// Writes the publishes of a run, at most `eventsFitting` events, and returns their bytes.
  mutating func encode(
    _ run: EventRun, into buffer: UnsafeMutableRawPointer, session: inout Session
  ) -> Int

  /// What the server means by a cause that it gave for events it left out.
  static func gapWords(_ cause: UInt8) -> String

  /// Tells the server how many events in all a laggard takes.
  func grant(_ events: UInt64, to session: Session, out: inout Outbox)

  /// How many more events the server's flow control allows this publisher now.
  func allowance(_ session: Session) -> Int
}

extension WireDriver where Self: ~Copyable {
  func allowance(_ session: Session) -> Int { .max }
  static func gapWords(_ cause: UInt8) -> String { "cause \(cause)" }
  func grant(_ events: UInt64, to session: Session, out: inout Outbox) {
    preconditionFailure("laggards are for protocols with credit")
  }
}

/// What is the same for all events of a run.
struct EventShape: Sendable {
  var payloadBytes: Int
  /// Events in one batch, where the protocol has batches.
  var batch: Int
  var topics: Int
  /// First part of the topics' names, so that runs against one server do not meet.
  var topicPrefix: String
  /// Of those that never read.
  var stalledPolicy = "lossless"
  var stalledLagEventsMax: UInt64 = 0
  /// What a topic shall keep, where that is the publisher's to say; 0 for the server's default.
  var retentionBytes = 0
  /// 0 for events without keys.
  var keys = 0

  func topicName(_ topic: Int) -> String { "\(topicPrefix)\(topic)" }
}

/// What a connection is for.
enum Role: Equatable, Sendable, BitwiseCopyable {
  case publisher(topic: Int)
  case subscriber(topic: Int)
  /// A subscriber that will never read.
  case stalled(topic: Int)
  /// A subscriber with policy latest that is always behind.
  case laggard(topic: Int)

  var topic: Int {
    switch self {
    case .publisher(let topic), .subscriber(let topic), .stalled(let topic), .laggard(let topic):
      topic
    }
  }
}

/// Bytes that a driver wants sent on a connection besides events: handshakes, answers, credit.
///
/// One outbox serves a whole loop; the loop empties it after every call. It is `@safe` because it
/// owns its memory and `append` refuses what does not fit.
@safe struct Outbox: ~Copyable {
  /// A handshake is a few hundred bytes.
  static let byteCountMax = 4096

  private let block = ByteBlock(zeroed: byteCountMax)
  private(set) var count = 0

  var base: UnsafeRawPointer { unsafe UnsafeRawPointer(block.base) }

  mutating func append(_ bytes: [UInt8]) {
    unsafe bytes.withUnsafeBytes { unsafe append($0) }
  }

  mutating func append(_ text: String) {
    append(Array(text.utf8))
  }

  mutating func append(_ bytes: UnsafeRawBufferPointer) {
    precondition(count + bytes.count <= Self.byteCountMax, "a driver wrote too much at once")
    guard let source = bytes.baseAddress else { return }
    unsafe (block.base + count).copyMemory(from: source, byteCount: bytes.count)
    count += bytes.count
  }

  mutating func removeAll() { count = 0 }
}
