import LinuxIO
import Synchronization

/// Standard input, whose reads can be ended from another thread.
final class StandardInput: Sendable {
  /// Read at once: large enough that a read costs little beside what is done with the bytes.
  private static let chunkBytes = 256 * 1024

  private let isStopped = Atomic<Bool>(false)
  private let wakeup: EventFD
  private let epoll: Epoll
  /// Files cannot be waited for, and need not be.
  private let canWait: Bool

  init() throws(SystemError) {
    let wakeup = try EventFD()
    let epoll = try Epoll()
    try epoll.add(wakeup.rawValue, .readable, userWord: 1)
    var canWait = true
    do throws(SystemError) {
      try epoll.add(Stream.standardInput, .readable, userWord: 0)
    } catch {
      if error.errno != .notPermitted { throw error }
      canWait = false
    }
    self.canWait = canWait
    self.wakeup = wakeup
    self.epoll = epoll
  }

  /// From now on, and in the read under way, there is no more input.
  func stop() {
    isStopped.store(true, ordering: .releasing)
    // The only failure is a descriptor that is not ours.
    try? wakeup.wake()
  }

  /// Waits for bytes; nil at the end.
  func read() throws(SystemError) -> [UInt8]? {
    if canWait {
      var events = Epoll.EventBuffer(capacity: 2)
      _ = try epoll.wait(into: &events, timeoutNs: -1)
    }
    if isStopped.load(ordering: .acquiring) { return nil }
    var outcome = Result<IOResult, SystemError>.success(.endOfFile)
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: Self.chunkBytes) { buffer, count in
      do throws(SystemError) {
        let result = try unsafe Stream.read(
          Stream.standardInput, UnsafeMutableRawBufferPointer(buffer))
        if case .processed(let read) = result { count = read }
        outcome = .success(result)
      } catch {
        outcome = .failure(error)
      }
    }
    switch try outcome.get() {
    case .processed, .wouldBlock: return bytes
    case .endOfFile: return nil
    }
  }
}
