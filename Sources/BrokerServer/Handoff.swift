import BrokerCore
import LinuxIO
import Synchronization

/// What the shards' loops tell one another beside the core's own rings: connections that were
/// accepted for another shard, and that it is time to drain. Control plane: a lock is fine.
final class Handoff: Sendable {
  /// A connection on its way to its shard.
  struct Accepted: Sendable {
    var fd: Int32
    var peer: String
    var isTCP: Bool
    /// There was no descriptor for it: it is told so and closed.
    var isRefused = false
  }

  private let accepted: Mutex<[Accepted]>
  /// How many there are, so that the usual wake-up, which brings none, takes no lock.
  private let acceptedCount = Atomic<Int>(0)
  private let drainDeadline = Atomic<UInt64>(0)
  let wakeup: Int32
  private let descriptor: EventFD

  init() throws(SystemError) {
    accepted = Mutex([])
    descriptor = try EventFD()
    wakeup = descriptor.rawValue
  }

  func wake() { Self.wake(wakeup) }

  /// Wakes the shard with this `wakeup`.
  static func wake(_ wakeup: Int32) {
    do throws(SystemError) {
      try EventFD.wake(wakeup)
    } catch {
      preconditionFailure("a wake-up that cannot be written")
    }
  }

  func drainWakeups() {
    do throws(SystemError) {
      _ = try descriptor.drain()
    } catch {
      preconditionFailure("a wake-up that cannot be read")
    }
  }

  func put(_ connection: Accepted) {
    accepted.withLock {
      $0.append(connection)
      acceptedCount.store($0.count, ordering: .releasing)
    }
    wake()
  }

  /// False only where none was put before the wake-up that is being looked at.
  var hasAccepted: Bool { acceptedCount.load(ordering: .acquiring) > 0 }

  func takeAll() -> [Accepted] {
    accepted.withLock {
      let all = $0
      $0.removeAll(keepingCapacity: true)
      acceptedCount.store(0, ordering: .releasing)
      return all
    }
  }

  /// Tells the shard to drain until `deadlineNs` (monotonic).
  func drain(until deadlineNs: UInt64) {
    drainDeadline.store(deadlineNs, ordering: .releasing)
    wake()
  }

  /// 0 while there is no drain.
  var drainDeadlineNs: UInt64 { drainDeadline.load(ordering: .acquiring) }
}

/// How many shards have nothing left to do in a drain. All go on turning until all are done, so
/// that what is between them arrives.
final class DrainCount: Sendable {
  private let count = Atomic<Int>(0)
  private let shards: Int

  init(shards: Int) { self.shards = shards }

  func add() { count.add(1, ordering: .acquiringAndReleasing) }
  var isComplete: Bool { count.load(ordering: .acquiring) >= shards }
}
