import LinuxIO
import WireFormat

@testable import GalleonClient

/// A session without a socket: a test plays the broker and the clock.
final class ScriptedSession {
  let shared: Shared
  let session: ClientSession
  var nowNs: UInt64 = 1_000_000_000
  private var received: [UInt8] = []
  private var output: [UInt8] = []

  init(options: ClientOptions = ClientOptions()) {
    shared = Shared(options: options, mailbox: Mailbox {}, firstToken: 5000)
    session = ClientSession(shared: shared)
  }

  deinit {
    // Commands that nobody has looked at refer to cores, and those to the mailbox.
    _ = shared.mailbox.shut()
  }

  /// A session after WELCOME.
  static func established(options: ClientOptions = ClientOptions()) throws -> ScriptedSession {
    let scripted = ScriptedSession(options: options)
    try scripted.establish()
    return scripted
  }

  func establish(_ welcome: [UInt8] = BrokerFrames.welcome()) throws {
    session.connected(nowNs: nowNs)
    let sent = try turn()
    precondition(sent.first?.type == .hello)
    feed(welcome)
  }

  /// Hands the session bytes as a socket would: all that has not been taken yet, and `piece` more
  /// each time.
  func feed(_ bytes: [UInt8], piece: Int = .max) {
    var rest = bytes[...]
    while !rest.isEmpty {
      received.append(contentsOf: rest.prefix(piece))
      rest = rest.dropFirst(piece)
      let taken = unsafe received.withUnsafeBytes { unsafe session.receive($0, nowNs: nowNs) }
      received.removeFirst(taken)
    }
  }

  /// One turn of the client's thread: what users asked for, what is due, and everything that there
  /// is to send.
  func turn() throws -> [SentFrame] {
    session.handleMailbox(nowNs: nowNs)
    session.handleTimeout(nowNs: nowNs)
    send()
    return try takeFrames(&output)
  }

  /// Sends up to so many bytes.
  func send(limit: Int = .max) {
    var left = limit
    while left > 0 {
      session.fillOutput(nowNs: nowNs)
      guard session.hasOutput else { break }
      var count = 0
      for piece in session.outputPieces() {
        let part = min(left - count, piece.count)
        unsafe output.append(
          contentsOf: UnsafeRawBufferPointer(start: piece.base, count: part))
        count += part
      }
      session.didSend(count, nowNs: nowNs)
      left -= count
    }
  }

  /// What was sent and not looked at, without sending more.
  func sentSoFar() throws -> [SentFrame] { try takeFrames(&output) }

  func disconnect() {
    received = []
    output = []
    session.end = nil
    session.disconnected(.connectionLost("cut"))
  }

  func publisher(
    _ topic: String = "hunt.1", options: PublisherOptions = PublisherOptions(),
    topicOptions: TopicOptions = []
  ) throws -> PublisherCore {
    let core = PublisherCore(
      ref: shared.nextRef(), topic: topic, options: options, mailbox: shared.mailbox)
    shared.mailbox.post(.openPublisher(core, Promise()))
    _ = try turn()
    feed(BrokerFrames.topic(ref: core.ref, options: topicOptions))
    return core
  }

  /// A publisher that nobody has opened, for requests.
  var asker: PublisherCore {
    PublisherCore(ref: 999, topic: "ask", options: PublisherOptions(), mailbox: shared.mailbox)
  }

  func subscription(
    _ pattern: String = "hunt.>", options: SubscriptionOptions = SubscriptionOptions()
  ) throws -> SubscriptionCore {
    let core = SubscriptionCore(
      ref: shared.nextRef(), pattern: pattern, options: options, mailbox: shared.mailbox)
    shared.mailbox.post(.subscribe(core, Promise()))
    _ = try turn()
    feed(BrokerFrames.subscribed(ref: core.ref))
    return core
  }
}

extension PublisherCore {
  @discardableResult
  func add(
    _ payload: String, key: String?, _ parts: RecordParts, timeToLiveMs: UInt32 = 0
  ) throws -> Bool {
    try payload.withEventBytes { payload in
      try (key ?? "").withEventBytes { key in
        try append(payload, key: key, parts, timeToLiveMs: timeToLiveMs)
      }
    }
  }

  /// Takes one event in for a test.
  @discardableResult
  func add(_ payload: String, key: String? = nil, timeToLiveMs: UInt32 = 0) throws -> Bool {
    try add(payload, key: key, RecordParts(hasKey: key != nil), timeToLiveMs: timeToLiveMs)
  }
}

/// What waits in a subscription: payloads with their sequences, gaps, what was left out.
enum Taken: Equatable {
  case event(UInt64, String)
  case gap(ClientGapCause, UInt64, UInt64)
  case leftOut(LeftOutCause, UInt64, UInt64, count: UInt64, expired: UInt64)
  case stateReset(String)
  case stateComplete(String, UInt64)
}

extension SubscriptionCore {
  /// Takes everything that waits, and books it as consumed.
  func takeAll() -> [Taken] {
    var deliveries = Queue<Delivery>()
    guard case .deliveries = fetch(into: &deliveries) else { return [] }
    var taken: [Taken] = []
    while let delivery = deliveries.popFirst() {
      switch delivery {
      case .batch(var batch):
        let count = batch.left
        while batch.left > 0 {
          let event = batch.next()
          taken.append(.event(event.sequence, event.text))
        }
        consumed(events: UInt64(count), bytes: UInt64(batch.chargedBytes))
      case .gap(let gap):
        taken.append(.gap(gap.cause, gap.first, gap.last))
      case .leftOut(let out):
        taken.append(
          .leftOut(out.cause, out.first, out.last, count: out.count, expired: out.expiredCount))
      case .stateReset(let topic): taken.append(.stateReset(topic))
      case .stateComplete(let topic, let last): taken.append(.stateComplete(topic, last))
      }
    }
    return taken
  }
}
