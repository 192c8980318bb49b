import Testing
import WireFormat

@testable import GalleonClient

@Suite struct SessionHandshakeTests {
  @Test func helloIsTheFirstFrameAndSaysWhoWeAre() throws {
    var options = ClientOptions()
    options.name = "tests"
    options.heartbeat = .seconds(3)
    let scripted = ScriptedSession(options: options)
    scripted.session.connected(nowNs: scripted.nowNs)
    let sent = try scripted.turn()
    #expect(sent.map(\.type) == [.hello])
    let hello = try sent[0].hello()
    #expect(hello.magic == ProtocolVersion.magic)
    #expect(hello.versionMax == ProtocolVersion.version)
    #expect(hello.codecs == .all)
    #expect(hello.heartbeatMs == 3000)
    #expect(hello.clientName == "tests")
  }

  @Test(arguments: [1, 2, 3, 7, 16, 17, 1000])
  func welcomeInPiecesOpensTheSession(piece: Int) throws {
    let scripted = ScriptedSession()
    scripted.session.connected(nowNs: 0)
    scripted.feed(BrokerFrames.welcome(), piece: piece)
    #expect(scripted.session.isOpen)
    #expect(scripted.session.end == nil)
    #expect(scripted.session.notices == [.connected(broker: "fake 1")])
  }

  @Test func nothingIsAskedForBeforeWelcome() throws {
    let scripted = ScriptedSession()
    let core = PublisherCore(
      ref: 1, topic: "a", options: PublisherOptions(), mailbox: scripted.shared.mailbox)
    scripted.shared.mailbox.post(.openPublisher(core, Promise()))
    scripted.session.connected(nowNs: 0)
    #expect(try scripted.turn().map(\.type) == [.hello])
    scripted.feed(BrokerFrames.welcome())
    #expect(try scripted.turn().map(\.type) == [.openTopic])
  }

  @Test func aFrameBeforeWelcomeEndsTheSession() throws {
    let scripted = ScriptedSession()
    scripted.session.connected(nowNs: 0)
    _ = try scripted.turn()
    scripted.feed(BrokerFrames.topicInfo())
    #expect(scripted.session.end?.mayReturn == true)
    let close = try #require(try scripted.turn().last)
    #expect(try close.close().reason == .handshakeRequired)
  }

  @Test func aLengthOverTheLimitEndsTheSessionBeforeTheBodyComes() throws {
    let scripted = ScriptedSession()
    scripted.session.connected(nowNs: 0)
    _ = try scripted.turn()
    scripted.feed([0xFF, 0xFF, 0, 0])
    #expect(try scripted.turn().last?.close().reason == .frameTooLarge)
  }

  @Test func closeBeforeWelcomeSaysWhyAndThatItIsFinal() throws {
    let scripted = ScriptedSession()
    scripted.session.connected(nowNs: 0)
    scripted.feed(BrokerFrames.close(.unsupportedVersion))
    let end = try #require(scripted.session.end)
    #expect(!end.mayReturn)
    guard case .closed(let reason, let text) = end.error else {
      Issue.record("\(end.error)")
      return
    }
    #expect(reason.name == "unsupportedVersion")
    #expect(reason.code == 8)
    #expect(text == "so it is")
  }

  @Test func closeCarriesItsRetryHint() throws {
    let scripted = try ScriptedSession.established()
    scripted.feed(BrokerFrames.close(.draining, afterMs: 250, spreadMs: 1000))
    let end = try #require(scripted.session.end)
    #expect(end.mayReturn)
    #expect(end.retry?.afterNs == 250_000_000)
    #expect(end.retry?.spreadNs == 1_000_000_000)
  }

  @Test func noWelcomeInTimeEndsTheAttempt() throws {
    let scripted = ScriptedSession()
    scripted.session.connected(nowNs: scripted.nowNs)
    #expect(scripted.session.nextDeadlineNs() == scripted.nowNs + 5_000_000_000)
    scripted.nowNs += 5_000_000_000
    _ = try scripted.turn()
    #expect(scripted.session.end?.mayReturn == true)
  }

  @Test func pingIsAnsweredWithItsTimeAndCorrelation() throws {
    let scripted = try ScriptedSession.established()
    scripted.feed(BrokerFrames.ping(time: 99, correlation: 12))
    let pong = try #require(try scripted.turn().first)
    #expect(pong.type == .pong)
    #expect(pong.correlation == 12)
    #expect(try pong.read { r throws(WireError) in try Pong(reader: &r) }.time == 99)
  }

  @Test func silenceIsProbedAndThenEndsTheSession() throws {
    let scripted = try ScriptedSession.established()
    scripted.nowNs += 15_000_000_000
    #expect(try scripted.turn().map(\.type) == [.ping])
    #expect(try scripted.turn().isEmpty)
    scripted.nowNs += 22_500_000_000
    #expect(try scripted.turn().last?.close().reason == .heartbeatTimeout)
    #expect(scripted.session.end?.mayReturn == true)
  }

  @Test func aByteKeepsTheSessionAlive() throws {
    let scripted = try ScriptedSession.established()
    for _ in 0..<10 {
      scripted.nowNs += 14_000_000_000
      scripted.feed(BrokerFrames.pong(correlation: 0))
      #expect(try scripted.turn().isEmpty)
    }
    #expect(scripted.session.end == nil)
  }

  @Test func unknownFramesAreSkippedOnlyIfTheyMayBe() throws {
    let scripted = try ScriptedSession.established()
    scripted.feed(
      BrokerFrames.frame {
        $0.beginFrame(typeRaw: 0x7F, flags: FrameHeader.ignorable)
        return $0.endFrame()
      })
    #expect(scripted.session.end == nil)
    scripted.feed(
      BrokerFrames.frame {
        $0.beginFrame(typeRaw: 0x7F)
        return $0.endFrame()
      })
    #expect(try scripted.turn().last?.close().reason == .unknownFrame)
  }

  @Test func aClientsFrameFromTheBrokerEndsTheSession() throws {
    let scripted = try ScriptedSession.established()
    scripted.feed(
      BrokerFrames.frame { Stats(offset: 0, count: 1).encode(into: &$0) })
    #expect(try scripted.turn().last?.close().reason == .wrongDirection)
  }

  @Test func statsPagesFindTheirAsker() throws {
    let scripted = try ScriptedSession.established()
    let (first, second) = (Promise<ClientStatsPage>(), Promise<ClientStatsPage>())
    scripted.shared.mailbox.post(.stats(offset: 0, count: 64, first))
    scripted.shared.mailbox.post(.stats(offset: 64, count: 32, second))
    let sent = try scripted.turn()
    #expect(try sent.map { try $0.stats().offset } == [0, 64])
    scripted.feed(
      BrokerFrames.statsPage(
        correlation: sent[1].correlation, total: 96, offset: 64, bytes: [1, 2]))
    #expect(first.answer == nil)
    #expect(try second.answer?.get().bytes == [1, 2])
    #expect(try second.answer?.get().total == 96)
    scripted.disconnect()
    #expect(throws: GalleonError.connectionLost("cut")) { try first.answer?.get() }
  }
}
