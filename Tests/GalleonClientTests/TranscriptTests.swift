import Testing
import WireSupport

@testable import GalleonClient

/// The conversations of the protocol's folder, held by this client.
@Suite struct TranscriptTests {
  static let all = try! ProtocolFiles.transcriptNames()
  static let forClients = all.filter { !(try! ProtocolFiles.transcript($0).isForBrokersOnly) }

  @Test(arguments: forClients)
  func theClientHoldsToIt(name: String) async throws {
    try await ClientReplay(try ProtocolFiles.transcript(name)).run()
  }

  @Test func mostAreForClients() {
    #expect(Self.forClients.count >= 14)
  }

  /// A line that is not what this client does is seen.
  @Test(arguments: [
    ("C> SUBSCRIBE ref=1 events_total=5 bytes_total=5 pattern=\"hunt\"\nC> PONG time=1", 4),
    ("C> OPEN_TOPIC ref=1 topic=\"a\"\nS> TOPIC ref=1\nS> ACK ref=1 through=1", 5),
    (
      "C> SUBSCRIBE ref=1 events_total=9 bytes_total=9 pattern=\"a\"\nS> SUBSCRIBED ref=1\n"
        + "S> GAP ref=1 first=3 last=2 cause=expired count=0", 5
    ),
    ("S> PONG time=1", 3),
    ("C> UNSUBSCRIBE ref=7", 3),
  ])
  func aDifferenceIsSeenWithItsLine(lines: String, line: Int) async throws {
    let opening = "C> HELLO version_min=1 version_max=1\nS> WELCOME version=1\n"
    let transcript = try Transcript(name: "probe", text: opening + lines)
    do {
      try await ClientReplay(transcript).run()
      Issue.record("no difference was seen")
    } catch {
      #expect("\(error)".hasPrefix("probe:\(line): "), "\(error)")
    }
  }

  /// What a client does not wait for it passes over: every line of every broker, in a session that
  /// knows nothing of what it is about.
  @Test(arguments: all)
  func noLineOfABrokerBringsTheClientDown(name: String) async throws {
    let transcript = try ProtocolFiles.transcript(name)
    var bindings = Bindings()
    bindings.values["inbox"] = 900
    for text in ["hunt", "hunt.7.loot", "hunt.8.loot", "ask", "board", "rewards"] {
      bindings.topicIDs[text] = 3
    }
    for step in transcript.steps {
      guard case .broker(let pattern) = step.action, pattern.name != "WELCOME" else { continue }
      let scripted = try ScriptedSession.established()
      scripted.feed(try pattern.frame(&bindings).encoded(), piece: 1)
      let isOver = scripted.session.end != nil
      #expect(isOver == (pattern.name == "CLOSE"), "line \(step.line)")
    }
  }
}
