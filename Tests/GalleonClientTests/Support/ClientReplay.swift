import WireFormat
import WireSupport

@testable import GalleonClient

/// Plays a transcript's broker, and its users, against sessions of this client.
///
/// A line of the client's becomes what a user would have asked for, and the frame that the session
/// then sends is compared with the line. A line of the broker's is fed to the session byte by byte,
/// and what the user sees of it is compared with the line. What a client is free to choose is left
/// out of the comparison; Protocol/README.md says what that is.
final class ClientReplay {
  let transcript: Transcript
  var bindings = Bindings()
  /// By the number of the connection.
  var clients: [Int: ReplayedClient] = [:]
  /// Where in the transcript we are.
  private(set) var index = 0

  init(_ transcript: Transcript) { self.transcript = transcript }

  /// Throws at the first difference, with its line.
  func run() async throws {
    for (index, step) in transcript.steps.enumerated() {
      self.index = index
      do {
        try await play(step)
      } catch {
        throw TranscriptError("\(transcript.name):\(step.line): \(error)")
      }
    }
    for (number, client) in clients {
      try client.look()
      if let more = client.sent.first(where: { !client.isFreeToSend($0) }) {
        throw TranscriptError("connection \(number): at the end the client sent \(more.name)")
      }
    }
  }

  private func play(_ step: Transcript.Step) async throws {
    let number = step.connection
    switch step.action {
    case .client(let pattern):
      if pattern.name == "HELLO" { try connect(number, pattern) }
      let client = try client(number)
      try await act(pattern, client, number)
      try expect(pattern, client)
    case .clientBytes:
      throw TranscriptError("no client sends this")
    case .broker(let pattern):
      try feed(pattern, try client(number), number)
    case .close(let reason):
      let isRetryable = Registry.shared.closeReasons.first { $0.name == reason }?.retryable ?? false
      try feed(
        FramePattern(["CLOSE", "reason=\(reason)", "retryable=\(isRetryable ? 1 : 0)"]),
        try client(number), number)
      try client(number).disconnect()
    case .end, .hangUp:
      try client(number).disconnect()
    case .comeBack(let earlier):
      let client = try client(earlier)
      guard !client.isConnected else { throw TranscriptError("it is still connected") }
      clients[number] = client
    case .clock(let milliseconds):
      for client in clients.values {
        client.scripted.nowNs += UInt64(milliseconds) * 1_000_000
        try client.look()
      }
    case .drain:
      break
    }
  }

  private func client(_ number: Int) throws -> ReplayedClient {
    guard let client = clients[number] else { throw TranscriptError("no HELLO came before") }
    return client
  }

  private func connect(_ number: Int, _ hello: FramePattern) throws {
    if clients[number] == nil {
      var options = ClientOptions()
      options.name = hello.text("client_name") ?? ""
      options.heartbeat = try hello.number("heartbeat_ms", &bindings).map { .milliseconds($0) }
      clients[number] = ReplayedClient(options)
    }
    clients[number]!.connect()
  }

  /// The SET_POLICY that a client sends with its SUBSCRIBE, and the CREDIT after it: the next two
  /// lines of the same connection.
  func policyThatFollows(on number: Int) -> (policy: FramePattern, credit: FramePattern)? {
    var found: [FramePattern] = []
    for step in transcript.steps[(index + 1)...] where step.connection == number {
      guard case .client(let pattern) = step.action else { return nil }
      found.append(pattern)
      if found.count == 2 { break }
    }
    guard found.map(\.name) == ["SET_POLICY", "CREDIT"] else { return nil }
    return (found[0], found[1])
  }

  /// The next line of the same connection, where it is a PUBLISH.
  func publishThatFollows(on number: Int) -> FramePattern? {
    for step in transcript.steps[(index + 1)...] where step.connection == number {
      guard case .client(let pattern) = step.action, pattern.name == "PUBLISH" else { return nil }
      return pattern
    }
    return nil
  }
}

/// A client of a transcript, over all its connections.
final class ReplayedClient {
  let scripted: ScriptedSession
  var isConnected = false
  /// Frames that it sent and no line has asked for yet.
  var sent: [SentFrame] = []

  // By the transcript's number of them.
  var publishers: [UInt32: PublisherCore] = [:]
  var subscriptions: [UInt32: SubscriptionCore] = [:]
  /// The client's number for each correlation of the transcript.
  var correlations: [UInt32: UInt32] = [:]
  /// The ref of the request that has this correlation in the transcript.
  var refs: [UInt32: UInt32] = [:]
  /// What the transcript's publisher sequences are ahead of the client's.
  var sequencesAhead: [UInt32: UInt64] = [:]
  /// The client's token for each token of the transcript.
  var tokens: [UInt64: UInt64] = [:]

  // What users wait for.
  var opened: [UInt32: Promise<Void>] = [:]
  var closed: [UInt32: Promise<Void>] = [:]
  var subscribed: [UInt32: Promise<Void>] = [:]
  var accounts: [UInt32: Promise<SubscriptionAccount>] = [:]
  var pages: [UInt32: Promise<ClientStatsPage>] = [:]
  var requests: [UInt64: Promise<Event>] = [:]
  /// By correlation.
  var policies: [UInt32: Promise<Void>] = [:]

  /// Subscriptions of an earlier connection that are still to be asked for again.
  var returning: Set<UInt32> = []
  /// SET_POLICY goes with the SUBSCRIBE before it.
  var isPolicySetAhead = false

  /// Topics that were named in this session.
  var announced: Set<UInt64> = []
  /// A PING that a line asked for, until its PONG.
  var ping: SentFrame?
  /// What a user gave for a PUBLISH before its line came.
  var isPublishedAhead = false

  init(_ options: ClientOptions) {
    scripted = ScriptedSession(options: options)
  }

  func connect() {
    isConnected = true
    announced = []
    correlations = [:]
    refs = [:]
    returning = Set(subscriptions.keys.filter { accounts[$0] == nil })
    scripted.session.connected(nowNs: scripted.nowNs)
  }

  func disconnect() throws {
    isConnected = false
    sent = []
    scripted.disconnect()
  }

  /// PING and CREDIT are sent when the client thinks fit, unless a line is about them.
  func isFreeToSend(_ frame: SentFrame) -> Bool { frame.type == .ping || frame.type == .credit }

  /// Lets the session have a turn, and keeps what it sends.
  func look() throws { sent += try scripted.turn() }

  /// The next frame that it sends; others than the one wanted may come before where it is free to
  /// send them, and a PING is answered at once.
  func next(_ wanted: String) throws -> SentFrame {
    try look()
    while !sent.isEmpty {
      let frame = sent.removeFirst()
      if frame.name == wanted { return frame }
      guard isFreeToSend(frame) else {
        throw TranscriptError("\(wanted) was to be sent, and \(frame.name) was")
      }
      if frame.type == .ping {
        scripted.feed(
          BrokerFrames.pong(correlation: frame.correlation, time: try frame.ping().time))
        try look()
      }
    }
    throw TranscriptError("\(wanted) was to be sent, and nothing was")
  }
}

extension SentFrame {
  /// The name in the registry.
  var name: String { Registry.shared.frame(numbered: header.typeRaw)?.name ?? "unknown" }
}
