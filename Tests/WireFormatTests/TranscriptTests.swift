import Testing
import WireSupport

@testable import WireFormat

/// The transcripts can be read and say what the protocol allows; that a broker and a client hold
/// to them is tested where those are.
@Suite struct TranscriptTests {
  static let names = try! ProtocolFiles.transcriptNames()

  /// A broker that answers by the book: with exactly what the transcript wants to hear.
  struct Parrot: TranscriptBroker {
    var transcript: Transcript
    var bindings = Bindings()
    var queues: [Int: [[UInt8]]] = [:]
    var sent: [Int: [UInt8]] = [:]

    mutating func send(_ bytes: [UInt8], on connection: Int) throws {
      sent[connection, default: []] += bytes
    }
    mutating func receive(on connection: Int) throws -> [UInt8]? {
      queues[connection]?.isEmpty == false ? queues[connection]!.removeFirst() : nil
    }
    mutating func advance(milliseconds: Int) throws {}
    mutating func hangUp(_ connection: Int) throws {}
    mutating func drain(retryAfterMs: UInt32, spreadMs: UInt32) throws {}
  }

  @Test func thereAreSome() {
    #expect(Self.names.count >= 10)
  }

  @Test(arguments: names)
  func everyLineIsSound(name: String) throws {
    let transcript = try ProtocolFiles.transcript(name)
    #expect(!transcript.steps.isEmpty)
    // What is bound while a broker answers is made up here: any number does.
    var bindings = Bindings()
    for text in ["instance", "epoch", "inbox", "id", "total", "first", "second"] {
      bindings.values[text] = 7
    }
    for text in ["hunt", "hunt.7.loot", "hunt.8.loot", "ask", "board"] {
      bindings.topicIDs[text] = 3
    }
    for (index, step) in transcript.steps.enumerated() {
      switch step.action {
      case .client(let pattern):
        let bytes = try pattern.encoded(bindings)
        do {
          _ = try receive(bytes, lengthMax: WireLimits.frameLengthMax, isBroker: true)
        } catch {
          // What breaks a rule on its own is what the broker must then close for.
          guard case .close(let reason) = transcript.steps[index + 1].action else {
            Issue.record("line \(step.line): \(error)")
            continue
          }
          let isSame = "\(error.code.name)" == reason || error.code == .codecNotNegotiated
          #expect(isSame, "line \(step.line): \(error)")
        }
      case .broker(let pattern):
        #expect(Registry.shared.frame(named: pattern.name)?.from != "client", "line \(step.line)")
      default: break
      }
    }
  }

  @Test func aDifferenceIsSeenWithItsLine() throws {
    let text = """
      # Comment
      C> PING time=1
      S> PONG time=2
      """
    let transcript = try Transcript(name: "probe", text: text)
    var parrot = Parrot(transcript: transcript)
    parrot.queues[1] = [try LooseFrame("PONG", fields: ["time": .number(3)]).encoded()]
    #expect {
      try transcript.replay(against: &parrot)
    } throws: { error in
      "\(error)" == "probe:3: PONG.time is 3, not 2"
    }
    #expect(parrot.sent[1]?.count == 24)
  }

  @Test func namesAreBoundAndCompared() throws {
    let text = """
      C> HELLO version_min=1 version_max=1
      S> WELCOME instance=$a session=$a
      """
    let transcript = try Transcript(name: "probe", text: text)
    for (session, isSame) in [(5, true), (6, false)] {
      var parrot = Parrot(transcript: transcript)
      let welcome = LooseFrame(
        "WELCOME", fields: ["instance": .number(5), "session": .number(UInt64(session))])
      parrot.queues[1] = [try welcome.encoded()]
      var isTaken = true
      do { try transcript.replay(against: &parrot) } catch { isTaken = false }
      #expect(isTaken == isSame)
    }
  }

  @Test func aDeliveryMayComeInPieces() throws {
    let text = """
      S> TOPIC_INFO name="hunt"
      S> DELIVER topic="hunt" skip=1 batch{events="a","b"} batch{events=k:"c",k:-}
      """
    let transcript = try Transcript(name: "probe", text: text)
    func deliver(_ skip: UInt64, _ batches: [UInt8]) throws -> [UInt8] {
      try LooseFrame(
        "DELIVER", fields: ["topic": .number(3), "skip": .number(skip), "batches": .bytes(batches)]
      ).encoded()
    }
    let first = LooseBatch.encoded([.init(payload: "a"), .init(payload: "b")])
    let second = LooseBatch.encoded([.init(key: "k", payload: "c"), .init(key: "k", payload: nil)])
    let info = try LooseFrame(
      "TOPIC_INFO", fields: ["topic": .number(3), "name": .text("hunt")]
    ).encoded()
    for frames in [
      [info, try deliver(1, first + second)],
      [info, try deliver(1, first), try deliver(0, second)],
    ] {
      var parrot = Parrot(transcript: transcript)
      parrot.queues[1] = frames
      try transcript.replay(against: &parrot)
      #expect(parrot.queues[1] == [])
    }
    var parrot = Parrot(transcript: transcript)
    parrot.queues[1] = [info, try deliver(1, second + first)]
    #expect(throws: TranscriptError.self) { try transcript.replay(against: &parrot) }
  }

  @Test(arguments: [
    "C> NOBODY", "C> PING clock=1", "clock 250", "close nothing", "C> PUBLISH batch{x=1}",
    "X> PING", "C> hex 0", "return 1", "return2", "drain", "drain retry_after_ms=1", "only client",
    "C> SUBSCRIBE position{sequence=1}", "S> DELIVER batch{events=\"a\"*x}",
    "C> HELLO client_name=\"open", "S> DELIVER batch{events=a}",
  ])
  func aLineThatIsNoneIsRefused(line: String) {
    #expect(throws: TranscriptError.self) { try Transcript(name: "probe", text: line) }
  }
}
