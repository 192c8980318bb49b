public import BrokerCore
public import LinuxIO

/// Everything an operator can choose about a broker, with the defaults.
public struct Configuration: Sendable {
  /// TCP addresses to listen on; port 0 picks a free one.
  public var listen: [SocketAddress] = []
  /// Unix socket to listen on.
  public var unixPath: String?
  /// Threads with an event loop each; 0 takes one for every two processors, rounded up. The other
  /// half is for the kernel's work on the sockets and for the clients of the same machine: with two
  /// processors shared by all, one shard carried 1.2 to 1.4 times what two did from one publisher
  /// to 1, 100 and 1000 subscribers, at less than half the latency at 100,000 events a second; two
  /// carried more from 8 to 8 (1.1 times) and to 19,800 subscribers (1.8 times).
  public var shards = 0
  /// Ceilings and bounds. `limits.memoryBytes` is the `--memory` of the command line.
  public var limits = BrokerLimits()
  /// Where metrics are asked for by HTTP; nil for nowhere.
  public var metrics: SocketAddress?
  /// File of the flight recorder; nil for none.
  public var recordPath: String?
  /// The load that is recorded, as a share of what is usual; 0 for any, also none. Low enough that
  /// most of a collapse is there to be looked at, and idle hours do not push it out.
  public var recordAbove = 0.1
  /// File of the counters; nil for the default in a private directory on tmpfs, "none" for memory
  /// that nobody else sees.
  public var countersPath: String?
  /// How long sessions have to take what their credit allows when the broker shuts down.
  public var drainTimeoutMs = 5000
  /// What clients are told about coming back after a shutdown: not before this, plus a random time
  /// up to the spread, so that they do not all return at once.
  public var retryAfterMs = 500
  public var retrySpreadMs = 5000
  /// How long a shard that has run out of work looks for more before it sleeps, in nanoseconds.
  /// Waking a sleeping thread costs tens of microseconds; looking costs a processor.
  public var spinNs: UInt64 = 0
  /// Bytes of the kernel's buffers of each connection, set rather than left to grow.
  public var socketBufferBytes = 512 << 10
  /// Of what a TCP connection's peer has no room for yet, how much the kernel keeps. What lies
  /// there goes first, whatever comes meanwhile: the less it is, the sooner another subscription of
  /// the connection has its turn, and the newer is what a subscription to the newest events is
  /// sent.
  public var notSentBytes = 128 << 10
  /// Congestion control of TCP connections; nil leaves the system's.
  public var congestionControl: String?
  /// Called with a line for each address when connections are accepted.
  public var onListening: @Sendable (String) -> Void = { _ in }

  public init() {}

  /// The shards that 0 stands for.
  public var shardCount: Int { shards > 0 ? shards : min((System.usableCPUs + 1) / 2, 64) }

  /// Nil, or one sentence that says what the operator should change.
  public func validate() -> String? {
    if let problem = limits.validate(shards: shardCount) { return problem }
    let dayMs = 86_400_000
    let bounds: [(String, Int, ClosedRange<Int>, String)] = [
      ("shards", shards, 0...64, ""),
      ("the time of draining", drainTimeoutMs, 0...dayMs, " milliseconds"),
      ("the time to come back after", retryAfterMs, 0...dayMs, " milliseconds"),
      ("the spread of coming back", retrySpreadMs, 0...dayMs, " milliseconds"),
      ("the time of looking for work", Int(clamping: spinNs), 0...10_000_000, " nanoseconds"),
      ("the buffer of a socket", socketBufferBytes, 4096...(1 << 30), " bytes"),
      ("what a socket keeps unsent", notSentBytes, 4096...(1 << 30), " bytes"),
    ]
    for (what, value, range, unit) in bounds where !range.contains(value) {
      return "\(what) must be between \(range.lowerBound) and \(range.upperBound)\(unit)"
    }
    return nil
  }
}

/// Why a broker did not start: one sentence for the operator.
public struct StartError: Error, CustomStringConvertible {
  public let description: String
}
