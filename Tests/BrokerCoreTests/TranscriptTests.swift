import Testing
import WireSupport

@testable import BrokerCore

/// The conversations of the protocol's folder, held with a core of one shard and of several.
@Suite struct TranscriptTests {
  static let names = try! ProtocolFiles.transcriptNames()

  @Test(arguments: names, [1, 2, 3])
  func isHeldAsItIsWritten(name: String, shards: Int) throws {
    var core = CoreHarness(shards: shards)
    try ProtocolFiles.transcript(name).replay(against: &core)
  }

  @Test(arguments: names)
  func isHeldByteByByte(name: String) throws {
    var core = CoreHarness(shards: 2)
    core.isDripping = true
    try ProtocolFiles.transcript(name).replay(against: &core)
  }
}

extension CoreHarness {
  func drain(retryAfterMs: UInt32, spreadMs: UInt32) {
    for shard in shards {
      shard.commandDrain(
        deadlineNs: nowNs + 5_000_000_000, retryAfterMs: retryAfterMs, spreadMs: spreadMs)
    }
    pump()
  }
}
