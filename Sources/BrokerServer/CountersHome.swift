import BrokerCore
import Counters
import LinuxIO

/// Where the broker's counters live: a file on tmpfs that `stats` on the same machine can map, also
/// when the broker hangs or has died; or, without one, memory of the broker's own.
final class CountersHome {
  let region: CountersRegion
  private let file: MappedFile?
  private let path: String?
  private let memory: AnonymousMemory?

  init(_ configuration: Configuration, shards: Int, instance: UInt64) throws(SystemError) {
    let limits = configuration.limits
    let layout = CountersConfiguration(
      shards: shards, connectionsPerShard: limits.connectionsMax,
      publishersPerShard: limits.publishersMax, subscriptionsPerShard: limits.subscriptionsMax,
      topics: limits.topicsMax + 1)
    let byteCount = CountersLayout.requiredBytes(layout)
    let base: UnsafeMutableRawPointer
    if configuration.countersPath == "none" {
      let memory = try AnonymousMemory(byteCount: byteCount)
      unsafe base = memory.base
      self.memory = consume memory
      file = nil
      path = nil
    } else {
      let place: String
      if let chosen = configuration.countersPath {
        place = chosen
      } else {
        try Files.makePrivateDirectory(Files.runtimeDirectory)
        place = "\(Files.runtimeDirectory)/\(System.processID).counters"
      }
      let file = try MappedFile.create(path: place, byteCount: byteCount)
      unsafe base = file.mutableBytes.baseAddress!
      self.file = consume file
      path = place
      memory = nil
    }
    region = unsafe CountersRegion(
      memory: CountersMemory(base: base, byteCount: byteCount), configuration: layout,
      processID: UInt32(System.processID), instance: instance, startedNs: Clock.realtimeNs())
  }

  func started(_ configuration: Configuration, addresses: [SocketAddress]) {
    let row = region.broker
    row.beginUpdate()
    row.set(.memoryCeilingBytes, UInt64(configuration.limits.ringBytes))
    row.set(.connectionsMax, UInt64(configuration.limits.connectionsMax))
    row.set(.topicsMax, UInt64(configuration.limits.topicsMax))
    row.setText(.version, brokerName)
    row.setText(.addresses, addresses.map { "\($0)" }.joined(separator: " "))
    row.setState(.active)
    row.endUpdate()
  }

  /// An orderly end leaves no file behind.
  func remove() {
    guard let path else { return }
    do throws(SystemError) {
      try Files.remove(path)
    } catch {
      // Somebody else has removed it.
    }
  }
}
