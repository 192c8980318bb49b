import GalleonClient
import LinuxIO
import Synchronization

/// Publishes where the players of one walk are, each fix when it is due, on one connection: as the
/// service does that players are connected to.
final class Gateway: Sendable {
  let publisher: Publisher
  private let client: GalleonClient
  /// How late the fixes are that are published now: more than a few ticks where the machine, or the
  /// broker, does not keep up.
  private let lateNs = Atomic<UInt64>(0)
  private let failure = Mutex<GalleonError?>(nil)

  /// How often it looks whose turn it is. What is due between two looks leaves together.
  private static let tickNs: UInt64 = 2_000_000

  init(walk: Walk, url: String) async throws(GalleonError) {
    var options = ClientOptions()
    options.name = "hunt-gateway-\(walk.name)"
    options.reconnect = .never
    client = try await GalleonClient.connect(url, options: options)
    publisher = try await client.publisher(
      for: HuntTopics.positions(walk.name), options: PublisherOptions(isKeyed: true))
  }

  var latenessNs: UInt64 { lateNs.load(ordering: .relaxed) }
  var failed: GalleonError? { failure.withLock { $0 } }

  /// Publishes until it is told to stop, and returns when the broker has everything.
  func run(_ schedule: consuming PlayerSchedule, until stop: StopSign) async {
    do throws(GalleonError) {
      while !stop.isSet, let dueNs = schedule.nextDueNs {
        let nowNs = Clock.monotonicNs()
        lateNs.store(nowNs > dueNs ? nowNs - dueNs : 0, ordering: .relaxed)
        while let position = schedule.next(dueByNs: nowNs), !stop.isSet {
          try await publisher.publish(
            position.encoded(sentNs: Clock.realtimeNs()), key: String(position.player))
        }
        try? await Task.sleep(nanoseconds: Self.tickNs)
      }
      try await publisher.flush()
    } catch {
      failure.withLock { $0 = error }
    }
  }

  func close() async { await client.close() }
}

/// Set once, by anybody, and seen by all.
final class StopSign: Sendable {
  private let flag = Atomic(false)

  var isSet: Bool { flag.load(ordering: .relaxed) }
  func set() { flag.store(true, ordering: .relaxed) }
}
