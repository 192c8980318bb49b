import LinuxIO
import WireFormat

/// The client's side of the protocol without sockets and clocks: bytes in, bytes out, the time as
/// an argument. It outlives its connections: what was opened in one session is opened again in the
/// next, and goes on where it was.
///
/// Used by the client's thread alone. Users reach it through the mailbox, and it reaches them
/// through the cores of their publishers and subscriptions.
final class ClientSession {
  enum Phase {
    /// No connection.
    case idle
    /// HELLO is on its way.
    case awaitingWelcome(deadlineNs: UInt64)
    case open
    /// Our CLOSE is the last frame to be sent.
    case closing
  }

  let shared: Shared
  var phase = Phase.idle
  /// Why this session is over; the connection is to be closed once it is set.
  var end: SessionEnd?
  /// For whoever watches the connection.
  var notices: [ConnectionState] = []

  /// Of this session, or the last one.
  var welcome: Welcome?
  var welcomedAtNs: UInt64 = 0
  var lastReceivedNs: UInt64 = 0
  var lastPingNs: UInt64 = 0
  /// Frames up to this length are taken in.
  var frameLengthMax = UInt32(WireLimits.frameLengthMaxBeforeWelcome)
  let codecs = Codecs()

  var publishers: [UInt32: PublisherRow] = [:]
  var subscriptions: [UInt32: SubscriptionRow] = [:]
  var topics: [UInt32: DeliveredTopic] = [:]
  var pages: [UInt32: Promise<StatsPage>] = [:]
  private var lastCorrelation: UInt32 = 0
  var requestDeadlineNs = UInt64.max
  /// When publishers and subscriptions that were refused for the time being ask again.
  var reopenAtNs = UInt64.max
  /// Subscriptions that deliveries have come for in this turn.
  var touched: [SubscriptionRow] = []
  /// Set by `close`: the time at which what is not sent stays unsent.
  var closeDeadlineNs: UInt64?
  /// Published events that may not have arrived, since the last WELCOME.
  var lostSinceWelcome: UInt64 = 0

  // Output.
  var control = FrameWriter(reserving: 1024)
  var transmit = Queue<Transmission>()
  /// Bytes of frames in `transmit`.
  var transmitBytes = 0
  /// Bytes of its first frame that are sent.
  var headSent = 0
  /// Publishers that may have something to send, in their round.
  var ready = Queue<PublisherRow>()
  var barrier: Barrier?
  /// Somebody waits in `flush` for an unacknowledged publisher.
  var isFlushAwaited = false
  /// For `outputPieces`, kept for its memory.
  var pieces: [IOVector] = []
  /// Bytes of unacknowledged publishers written since the last barrier, and when the first was.
  var unconfirmedBytes = 0
  var unconfirmedSinceNs = UInt64.max

  private var commands: [Command] = []

  init(shared: Shared) {
    self.shared = shared
  }

  /// A refused publisher or subscription that was open before asks again after so long.
  static var reopenDelayNs: UInt64 { 1_000_000_000 }

  var isOpen: Bool { if case .open = phase { true } else { false } }

  func nextCorrelation() -> UInt32 {
    lastCorrelation &+= 1
    if lastCorrelation == 0 { lastCorrelation = 1 }
    return lastCorrelation
  }

  // MARK: - The connection

  /// The connection is there.
  func connected(nowNs: UInt64) {
    control.removeAll()
    end = nil
    frameLengthMax = UInt32(WireLimits.frameLengthMaxBeforeWelcome)
    lastReceivedNs = nowNs
    lastPingNs = nowNs
    let options = shared.options
    phase = .awaitingWelcome(deadlineNs: nowNs + options.connectTimeout.nanosecondsClamped)
    let heartbeat = options.heartbeat.map { clampedToUInt32($0.wireMilliseconds) } ?? 0
    let hello = Hello(
      magic: ProtocolVersion.magic, versionMin: ProtocolVersion.versionMin,
      versionMax: ProtocolVersion.version, codecs: .all, heartbeatMs: heartbeat,
      clientName: options.name)
    let fits = hello.encode(into: &control)
    precondition(fits)
  }

  /// The connection is gone. Publishers and subscriptions wait for the next one.
  ///
  /// - Parameter error: what those hear who waited for an answer of this session.
  func disconnected(_ error: GalleonError) {
    phase = .idle
    control.removeAll()
    shared.requests.close(error)
    for promise in pages.values { promise.fulfil(.failure(error)) }
    pages = [:]
    topics = [:]
    reopenAtNs = .max
    deliverTouched()
    disconnectPublishers()
    for row in subscriptions.values { disconnect(row) }
  }

  /// The client is at its end; nobody waits for it any longer.
  func finish(_ error: GalleonError?) {
    disconnected(error ?? .clientClosed)
    shared.requests.close(error ?? .clientClosed, forGood: true)
    shared.replies.fail(error ?? .clientClosed)
    for row in publishers.values {
      row.core.fail(error ?? .clientClosed)
      row.opened?.fulfil(.failure(error ?? .clientClosed))
      row.closed?.fulfil(.failure(error ?? .clientClosed))
    }
    for row in subscriptions.values {
      finish(row, .failure(error ?? .clientClosed), ending: error)
    }
    publishers = [:]
    subscriptions = [:]
    for command in shared.mailbox.shut() { refuse(command, error ?? .clientClosed) }
  }

  private func refuse(_ command: Command, _ error: GalleonError) {
    switch command {
    case .openPublisher(let core, let promise):
      core.fail(error)
      promise.fulfil(.failure(error))
    case .subscribe(let core, let promise):
      core.end(error)
      promise.fulfil(.failure(error))
    case .closePublisher(_, let promise), .setPolicy(_, _, let promise):
      promise.fulfil(.failure(error))
    case .unsubscribe(_, let promise): promise.fulfil(.failure(error))
    case .stats(_, _, let promise): promise.fulfil(.failure(error))
    case .publish, .flush, .credit, .requestDeadline, .replies, .close: break
    }
  }

  /// Ends the session for a fault of the broker's, and tells it.
  func fault(_ reason: WireFormat.CloseReason, _ text: String) {
    guard end == nil else { return }
    let close = Close(reason: reason, retryable: true, text: text)
    _ = close.encode(into: &control)
    end = .lost("the broker broke the protocol: \(reason.name): \(text)")
  }

  // MARK: - Commands

  /// Does what users have asked for.
  func handleMailbox(nowNs: UInt64) {
    shared.mailbox.takeAll(&commands)
    for command in commands { handle(command, nowNs) }
  }

  private func handle(_ command: Command, _ nowNs: UInt64) {
    switch command {
    case .openPublisher(let core, let promise): open(core, promise)
    case .publish(let core): makeReady(core.ref)
    case .flush(let core): flush(core, nowNs)
    case .closePublisher(let core, let promise): close(core, promise)
    case .subscribe(let core, let promise): subscribe(core, promise, nowNs)
    case .credit(let core): sendCredit(core)
    case .setPolicy(let core, let policy, let promise): setPolicy(core, policy, promise)
    case .unsubscribe(let core, let promise): unsubscribe(core, promise)
    case .requestDeadline(let deadlineNs): requestDeadlineNs = min(requestDeadlineNs, deadlineNs)
    case .replies: break
    case .stats(let offset, let count, let promise): askForPage(offset, count, promise)
    case .close(let deadlineNs): closeDeadlineNs = min(closeDeadlineNs ?? .max, deadlineNs)
    }
  }

  // MARK: - Time

  /// Nanoseconds between heartbeats in this session.
  var heartbeatNs: UInt64 {
    let milliseconds = welcome?.heartbeatMs ?? 0
    return (milliseconds == 0 ? UInt64(WireLimits.heartbeatMs) : UInt64(milliseconds)) * 1_000_000
  }

  /// When `handleTimeout` is to be called at the latest.
  func nextDeadlineNs() -> UInt64 {
    var deadline = min(requestDeadlineNs, closeDeadlineNs ?? .max)
    switch phase {
    case .idle, .closing: break
    case .awaitingWelcome(let deadlineNs): deadline = min(deadline, deadlineNs)
    case .open:
      deadline = min(deadline, max(lastReceivedNs, lastPingNs) + heartbeatNs)
      deadline = min(deadline, lastReceivedNs + silenceNsMax)
      deadline = min(deadline, barrierDueNs)
      deadline = min(deadline, reopenAtNs)
    }
    return deadline
  }

  /// Two and a half intervals without a byte mean that nobody is there.
  private var silenceNsMax: UInt64 { heartbeatNs * 5 / 2 }

  /// Does what is due.
  func handleTimeout(nowNs: UInt64) {
    if nowNs >= requestDeadlineNs { requestDeadlineNs = shared.requests.expire(nowNs: nowNs) }
    switch phase {
    case .idle, .closing: break
    case .awaitingWelcome(let deadlineNs):
      if nowNs >= deadlineNs { end = end ?? .lost("no WELCOME came in time") }
    case .open:
      if nowNs >= lastReceivedNs + silenceNsMax {
        fault(.heartbeatTimeout, "nothing came for two and a half heartbeat intervals")
      } else if nowNs >= max(lastReceivedNs, lastPingNs) + heartbeatNs {
        lastPingNs = nowNs
        _ = Ping(time: nowNs).encode(into: &control)
      }
      if nowNs >= reopenAtNs { reopenWaiting(nowNs) }
      sendBarrierIfDue(nowNs)
    }
    closeIfDrained(nowNs)
  }

  private func reopenWaiting(_ nowNs: UInt64) {
    reopenAtNs = .max
    for row in publishers.values {
      if case .waiting = row.phase { sendOpen(row) }
    }
    for row in subscriptions.values {
      if case .waiting = row.phase { sendSubscribe(row, nowNs) }
    }
  }

  /// After `close`, says CLOSE as soon as everything published has arrived, or the time is over.
  func closeIfDrained(_ nowNs: UInt64) {
    guard let closeDeadlineNs else { return }
    if case .closing = phase { return }
    let isDrained = publishers.values.allSatisfy(\.isSettled) && shared.replies.isEmpty
    guard isDrained || nowNs >= closeDeadlineNs else {
      for row in publishers.values { row.flushThrough = row.core.counts.published }
      isFlushAwaited = true
      sendBarrierIfDue(nowNs)
      return
    }
    if isOpen {
      _ = Close(reason: .clientClosed, retryable: true, text: "").encode(into: &control)
    }
    phase = .closing
    end = end ?? .local
  }
}
