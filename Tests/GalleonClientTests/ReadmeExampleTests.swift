import Testing
import WireFormat

@testable import GalleonClient

@Suite struct ReadmeExampleTests {
  @Test func theExampleOfTheReadmeRuns() async throws {
    let broker = try FakeBroker { listener in
      let peer = try listener.welcomed()
      let subscribe = try peer.subscribe(topic: "hunt.1.loot")
      _ = try peer.openTopic()
      let event = try peer.expect(.publish).batch().events.first
      guard let event, event.key == "ann" else { throw ScriptError(description: "no event") }
      try peer.send(
        BrokerFrames.deliver(
          ref: subscribe.ref,
          [BrokerFrames.batch([event.payload], sequence: 1, keys: [event.key])]))
      try peer.serve()
    }
    try await treasureHunt(broker.address)
    try await broker.finish()
  }
}
