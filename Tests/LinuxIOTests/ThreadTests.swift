import LinuxIO
import Synchronization
import Testing

@Suite struct ThreadTests {
  /// State without any lock: joining makes it visible.
  private final class Box {
    var values: [Int] = []
    var text = ""
  }

  @Test func joiningWaitsForTheBody() throws {
    let done = Signalled()
    let thread = try Thread.spawn(name: "worker") {
      Clock.sleep(forNs: 3_000_000)
      done.flag.store(true, ordering: .relaxed)
    }
    thread.join()
    #expect(done.isSet)
  }

  private final class Signalled: Sendable {
    let flag = Atomic(false)
    let number = Atomic(Int64(0))

    var isSet: Bool { flag.load(ordering: .relaxed) }
    var seen: Int64 { number.load(ordering: .relaxed) }
  }

  @Test func theBodyOwnsWhatItCaptures() throws {
    // A value that must not be shared may be given away.
    let box = Box()
    box.values = [1, 2, 3]
    let sum = Signalled()
    let thread = try Thread.spawn(name: "owner") {
      box.values.append(4)
      sum.number.store(Int64(box.values.reduce(0, +)), ordering: .relaxed)
    }
    thread.join()
    #expect(sum.seen == 10)
  }

  @Test func theClosureIsFreedAfterTheRun() throws {
    final class Token: Sendable {}
    var token: Token? = Token()
    weak let watched = token
    let thread = try Thread.spawn(name: "short") { [token] in _ = token }
    token = nil
    thread.join()
    #expect(watched == nil)
  }

  @Test(arguments: [
    ("shard 0", "shard 0"), ("exactly fifteen", "exactly fifteen"),
    ("a name that is far too long", "a name that is "), ("", ""),
  ])
  func theNameIsShown(name: String, shown: String) throws {
    let seen = Mutex("unset")
    let box = Shared(seen)
    let thread = try Thread.spawn(name: name) {
      box.value.withLock { $0 = Thread.currentName }
    }
    thread.join()
    #expect(box.value.withLock { $0 } == shown)
  }

  private final class Shared: Sendable {
    let value: Mutex<String>

    init(_ value: consuming Mutex<String>) { self.value = value }
  }

  @Test func aNameCutInsideACharacterStaysValid() throws {
    let box = Shared(Mutex("unset"))
    let thread = try Thread.spawn(name: "fourteen bytes\u{20ac}") {
      box.value.withLock { $0 = Thread.currentName }
    }
    thread.join()
    let name = box.value.withLock { $0 }
    #expect(name.utf8.count <= 15 && !name.isEmpty)
  }

  @Test func threadsHaveTheirOwnNumber() throws {
    let other = Signalled()
    let thread = try Thread.spawn(name: "other") {
      other.number.store(Int64(Thread.currentID), ordering: .relaxed)
    }
    thread.join()
    #expect(other.seen > 0)
    #expect(other.seen != Int64(Thread.currentID))
  }

  @Test func aThreadStaysOnItsProcessor() throws {
    let usable = Signalled()
    let thread = try Thread.spawn(name: "pinned", cpu: 0) {
      usable.number.store(Int64(System.usableCPUs), ordering: .relaxed)
    }
    thread.join()
    #expect(usable.seen == 1)
  }

  @Test func aProcessorThatIsNotThereIsRefused() {
    #expect(
      errno { () throws(SystemError) in
        let thread = try Thread.spawn(name: "nowhere", cpu: 1000) {}
        thread.join()
      } == .invalidArgument)
    #expect(
      errno { () throws(SystemError) in
        let thread = try Thread.spawn(name: "nowhere", cpu: 100_000) {}
        thread.join()
      } == .invalidArgument)
  }

  @Test func aSmallStackIsEnoughForSmallWork() throws {
    let done = Signalled()
    let thread = try Thread.spawn(name: "small", stackBytes: 256 * 1024) {
      done.flag.store(true, ordering: .relaxed)
    }
    thread.join()
    #expect(done.isSet)
  }

  @Test func aThreadThatIsNotJoinedRunsOn() throws {
    let wakeup = try EventFD()
    let fd = wakeup.rawValue
    do {
      let thread = try Thread.spawn(name: "alone") {
        Clock.sleep(forNs: 2_000_000)
        try? EventFD.wake(fd)
      }
      _ = consume thread
    }
    #expect(try Poll.wait(fd, for: .readable, timeoutNs: patienceNs))
  }
}
