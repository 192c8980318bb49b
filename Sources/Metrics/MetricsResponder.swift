public import Counters

/// How the broker is, as its own counters tell.
public enum BrokerHealth: Equatable, Sendable {
  case starting
  case serving
  case draining
  /// A shard's turn has lasted so long.
  case hangs(shard: Int, forNs: UInt64)

  /// A turn that lasts longer is no turn; the same bound as in `galleon stats`.
  public static let hangNs: UInt64 = 5_000_000_000

  /// - Parameter realtimeNs: the time now, since the Unix epoch.
  public init(_ snapshot: CountersSnapshot, realtimeNs: UInt64) {
    for shard in snapshot.shards {
      let started = shard[.turnStartedNs]
      if started != 0, realtimeNs > started, realtimeNs - started > Self.hangNs {
        self = .hangs(shard: Int(shard[.index]), forNs: realtimeNs - started)
        return
      }
    }
    switch snapshot.broker.state {
    case .active: self = .serving
    case .draining, .retired: self = .draining
    default: self = .starting
    }
  }
}

/// Answers requests from the counters, without doing any input or output of its own.
public enum MetricsResponder {
  public static let usage =
    "/metrics: the broker; /metrics/objects: each topic and subscription; /healthz; /readyz"

  /// - Parameters:
  ///   - path: what is asked for.
  ///   - realtimeNs: the time now, since the Unix epoch.
  ///   - read: gives the counters' bytes, as of `CountersSnapshot`.
  public static func respond(
    to path: String, realtimeNs: UInt64, read: @escaping (_ offset: Int, _ count: Int) -> [UInt8]
  ) -> HTTPResponse {
    let isKnown = ["/metrics", "/metrics/objects", "/healthz", "/readyz"].contains(path)
    if !isKnown { return HTTPResponse(path == "/" ? 200 : 404, usage) }
    let tables: Set<CounterKind> =
      switch path {
      case "/metrics": [.delivery]
      case "/metrics/objects": [.topic, .delivery, .subscription, .connection]
      default: []
      }
    do throws(CountersReadError) {
      let snapshot = try CountersSnapshot(tables: tables, read: read)
      let health = BrokerHealth(snapshot, realtimeNs: realtimeNs)
      var exposition = Exposition()
      switch path {
      case "/metrics": exposition.addBroker(snapshot, health: health)
      case "/metrics/objects": exposition.addObjects(snapshot)
      default: return answer(health, isReadiness: path == "/readyz")
      }
      return HTTPResponse(exposition)
    } catch {
      return HTTPResponse(503, "the counters cannot be read: \(error)")
    }
  }

  private static func answer(_ health: BrokerHealth, isReadiness: Bool) -> HTTPResponse {
    switch health {
    case .hangs(let shard, let forNs):
      HTTPResponse(503, "shard \(shard) hangs for \(forNs / 1_000_000_000) s")
    case .serving: HTTPResponse(200, "ok")
    case .starting: HTTPResponse(isReadiness ? 503 : 200, "starting")
    case .draining: HTTPResponse(isReadiness ? 503 : 200, "draining")
    }
  }
}
