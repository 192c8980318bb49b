import BrokerCore
import BrokerServer
import CommandSupport
import LinuxIO

/// `galleon serve`.
enum Serve {
  static func run(_ parsed: ParsedArguments) throws(CommandFailure) -> ExitCode {
    let configuration = try checked { () throws(UsageError) in try Self.configuration(parsed) }
    if let problem = configuration.validate() { throw .usage(problem) }
    do throws(StartError) {
      try runBroker(configuration)
    } catch {
      throw .failure(error.description)
    }
    return .success
  }

  /// Bounds of the numbers that the broker's own check does not look at. They are far beyond what
  /// is sensible, and keep sums of them from overflowing.
  private enum Bound {
    static let shards: ClosedRange<UInt64> = 1...64
    static let rows: ClosedRange<UInt64> = 1...16_000_000
    static let bytes: ClosedRange<UInt64> = 1...(1 << 44)
    static let frameBytes: ClosedRange<UInt64> = 1...(1 << 30)
    static let heartbeatNs: ClosedRange<UInt64> = 1_000_000_000...300_000_000_000
    static let drainNs: ClosedRange<UInt64> = 0...3_600_000_000_000
    static let spinNs: ClosedRange<UInt64> = 0...10_000_000
  }

  private static func configuration(_ parsed: ParsedArguments) throws(UsageError) -> Configuration {
    var configuration = Configuration()
    configuration.listen = try addresses(parsed)
    configuration.unixPath = parsed.text("unix")
    if configuration.unixPath == "" { throw UsageError("--unix needs the path of a socket") }
    if parsed.text("counters") == "" { throw UsageError("--counters needs a path, or none") }
    if let shards = try parsed.count("shards", in: Bound.shards) {
      configuration.shards = Int(shards)
    }
    try setLimits(&configuration.limits, parsed, shards: configuration.shardCount)
    if let text = parsed.text("metrics") { configuration.metrics = try address(text, "metrics") }
    configuration.countersPath = parsed.text("counters")
    configuration.recordPath = parsed.text("record")
    if configuration.recordPath == "" { throw UsageError("--record needs the path of a file") }
    if let share = try parsed.share("record-above") {
      guard parsed.has("record") else { throw UsageError("--record-above goes with --record") }
      configuration.recordAbove = share
    }
    if let ns = try parsed.durationNs("drain-timeout", in: Bound.drainNs) {
      configuration.drainTimeoutMs = Int(ns / 1_000_000)
    }
    if let ns = try parsed.durationNs("spin", in: Bound.spinNs) { configuration.spinNs = ns }
    if let name = parsed.text("congestion-control") { configuration.congestionControl = name }
    configuration.onListening = { line in
      // The broker serves just as well where nobody reads this.
      try? Stream.writeAll(Stream.standardOutput, line + "\n")
    }
    return configuration
  }

  private static func addresses(_ parsed: ParsedArguments) throws(UsageError) -> [SocketAddress] {
    var texts = parsed.all("listen")
    if texts.isEmpty && !parsed.has("unix") { texts = [ServeCommand.defaultAddress] }
    var addresses: [SocketAddress] = []
    for text in texts { addresses.append(try address(text, "listen")) }
    return addresses
  }

  private static func address(
    _ text: String, _ option: String
  ) throws(UsageError) -> SocketAddress {
    do throws(AddressError) {
      return try SocketAddress(parsing: text)
    } catch {
      throw UsageError("--\(option): \(error)")
    }
  }

  private static func setLimits(
    _ limits: inout BrokerLimits, _ parsed: ParsedArguments, shards: Int
  ) throws(UsageError) {
    func number(
      _ name: String, _ range: ClosedRange<UInt64>, _ field: WritableKeyPath<BrokerLimits, Int>
    ) throws(UsageError) {
      if let value = try parsed.count(name, in: range) { limits[keyPath: field] = Int(value) }
    }
    func size(
      _ name: String, _ range: ClosedRange<UInt64>, _ field: WritableKeyPath<BrokerLimits, Int>
    ) throws(UsageError) {
      if let value = try parsed.size(name, in: range) { limits[keyPath: field] = Int(value) }
    }
    let memoryMin = UInt64(BrokerLimits.memoryBytesMin(shards: shards))
    if let bytes = try parsed.size("memory", in: memoryMin...Bound.bytes.upperBound) {
      limits.divideMemory(Int(bytes), shards: shards)
    }
    try size("retention", Bound.bytes, \.topicRetentionBytes)
    try size("input-memory", Bound.bytes, \.inputBytes)
    try size("output-memory", Bound.bytes, \.outputBytes)
    try number("max-connections", Bound.rows, \.connectionsMax)
    try number("max-topics", Bound.rows, \.topicsMax)
    limits.fitRequests()
    try number("max-subscriptions", Bound.rows, \.subscriptionsMax)
    try number("max-publishers", Bound.rows, \.publishersMax)
    try size("max-batch-bytes", Bound.frameBytes, \.batchBytesMax)
    // A frame must hold a largest batch; whoever raises the one means the other too.
    limits.frameLengthMax = max(limits.frameLengthMax, limits.batchBytesMax + 1024)
    while limits.meshBytes < 4 * (limits.batchBytesMax + 1024), limits.meshBytes < 1 << 30 {
      limits.meshBytes *= 2
    }
    try size("max-frame-bytes", Bound.frameBytes, \.frameLengthMax)
    if let ns = try parsed.durationNs("heartbeat", in: Bound.heartbeatNs) {
      limits.heartbeatMs = Int(ns / 1_000_000)
    }
  }
}
