import LinuxIO
import Synchronization

/// What the publishing and the subscribing thread tell each other. Words only rise, or are flags;
/// nothing else is shared while a run goes on.
///
/// It is `@unchecked Sendable` because every shared word is atomic, apart from what the publishing
/// thread writes before it stores `isDone` and others read after they have seen it.
@safe final class Progress: @unchecked Sendable {
  /// Events of each topic that may be published in all, one word to a pair of cache lines.
  private let allowances: UnsafeMutablePointer<Atomic<UInt64>>
  private static let stride = 128 / MemoryLayout<Atomic<UInt64>>.stride
  private let topics: Int

  private let stopFlag = Atomic<Bool>(false)
  private let abortFlag = Atomic<Bool>(false)
  private let doneFlag = Atomic<Bool>(false)
  private let sleepingFlag = Atomic<Bool>(false)
  private let eventFD: EventFD

  /// How many events each publisher sent in all, and why it failed, if it did. Written before
  /// `isDone`, read after it.
  private(set) var finalCounts: [UInt64] = []
  private(set) var failure: LoadError?

  init(topics: Int) throws(LoadError) {
    self.topics = topics
    do throws(SystemError) {
      eventFD = try EventFD()
    } catch {
      throw .system(error)
    }
    let count = topics * Self.stride
    unsafe allowances = .allocate(capacity: count)
    for index in 0..<count { unsafe (allowances + index).initialize(to: Atomic(0)) }
  }

  deinit { unsafe allowances.deallocate() }

  // MARK: the subscribing thread

  /// Lets the topic's publishers send until they have sent `total` events.
  func allow(_ total: UInt64, topic: Int) {
    precondition(topic >= 0 && topic < topics, "no such topic in this run")
    unsafe allowances[topic * Self.stride].store(total, ordering: .releasing)
    wakeIfSleeping()
  }

  /// No new events; what is in the buffers still goes out.
  func stop() {
    stopFlag.store(true, ordering: .releasing)
    wakeIfSleeping()
  }

  /// Nothing more at all.
  func abort() {
    abortFlag.store(true, ordering: .releasing)
    stop()
  }

  var isDone: Bool { doneFlag.load(ordering: .acquiring) }

  /// Pairs with `aboutToSleep`: either this fence comes first, and the sleeper sees the new words
  /// when it looks again, or the flag is seen here.
  private func wakeIfSleeping() {
    atomicMemoryFence(ordering: .sequentiallyConsistent)
    guard sleepingFlag.load(ordering: .relaxed) else { return }
    guard sleepingFlag.exchange(false, ordering: .relaxed) else { return }
    do throws(SystemError) {
      try eventFD.wake()
    } catch {
      preconditionFailure("an eventfd of our own can be written")
    }
  }

  // MARK: the publishing thread

  @inline(always)
  func allowed(topic: Int) -> UInt64 {
    precondition(topic >= 0 && topic < topics, "no such topic in this run")
    return unsafe allowances[topic * Self.stride].load(ordering: .acquiring)
  }

  var isStopped: Bool { stopFlag.load(ordering: .acquiring) }
  var isAborted: Bool { abortFlag.load(ordering: .acquiring) }

  /// Announces a sleep; the caller looks at all words once more before it sleeps.
  func aboutToSleep() {
    sleepingFlag.store(true, ordering: .relaxed)
    atomicMemoryFence(ordering: .sequentiallyConsistent)
  }

  /// Readable when somebody woke the sleeper.
  var waker: Int32 { eventFD.rawValue }

  func drainWaker() {
    do throws(SystemError) {
      _ = try eventFD.drain()
    } catch {
      preconditionFailure("an eventfd of our own can be read")
    }
  }

  func woke() { sleepingFlag.store(false, ordering: .relaxed) }

  func finish(counts: [UInt64], failure: LoadError?) {
    finalCounts = counts
    self.failure = failure
    doneFlag.store(true, ordering: .releasing)
  }
}
