import LinuxIO
import Testing

@Suite struct WakeupTests {
  @Test func wakesAddUpAndDrainOnce() throws {
    let wakeup = try EventFD()
    #expect(try wakeup.drain() == 0)
    try wakeup.wake()
    try EventFD.wake(wakeup.rawValue)
    try wakeup.wake()
    #expect(try Poll.wait(wakeup.rawValue, for: .readable, timeoutNs: 0))
    #expect(try wakeup.drain() == 3)
    #expect(try wakeup.drain() == 0)
    #expect(try !Poll.wait(wakeup.rawValue, for: .readable, timeoutNs: 0))
  }

  @Test func anotherThreadEndsAWait() throws {
    let wakeup = try EventFD()
    let epoll = try Epoll()
    try epoll.add(wakeup.rawValue, .readable, userWord: 42)
    let fd = wakeup.rawValue
    for round in 0..<50 {
      let waker = try Thread.spawn(name: "waker") {
        // Sometimes before the wait begins, sometimes after.
        if round % 2 == 0 { Clock.sleep(forNs: 500_000) }
        try? EventFD.wake(fd)
      }
      var events = Epoll.EventBuffer(capacity: 1)
      #expect(try epoll.wait(into: &events, timeoutNs: patienceNs) == 1)
      #expect(events[0].userWord == 42)
      #expect(try wakeup.drain() == 1)
      waker.join()
    }
  }

  /// With an edge the counter need not be drained: each wake is a change of its own.
  @Test func everyWakeIsAnEdge() throws {
    let wakeup = try EventFD()
    let epoll = try Epoll()
    try epoll.add(wakeup.rawValue, [.readable, .edgeTriggered], userWord: 1)
    var events = Epoll.EventBuffer(capacity: 1)
    for _ in 0..<3 {
      try wakeup.wake()
      #expect(try epoll.wait(into: &events, timeoutNs: 0) == 1)
      #expect(try epoll.wait(into: &events, timeoutNs: 0) == 0)
    }
  }

  @Test func aTimerFiresNotBeforeItsTime() throws {
    let timer = try TimerFD()
    let deadlineNs = Clock.monotonicNs() + 3_000_000
    try timer.arm(atNs: deadlineNs)
    #expect(try Poll.wait(timer.rawValue, for: .readable, timeoutNs: patienceNs))
    #expect(Clock.monotonicNs() >= deadlineNs)
    #expect(try timer.drain() == 1)
    #expect(try timer.drain() == 0)
  }

  @Test func aTimeThatHasPassedFiresAtOnce() throws {
    let timer = try TimerFD()
    try timer.arm(atNs: 0)
    #expect(try Poll.wait(timer.rawValue, for: .readable, timeoutNs: patienceNs))
  }

  @Test func anIntervalCountsWhatWasMissed() throws {
    let timer = try TimerFD()
    let startNs = Clock.monotonicNs()
    try timer.arm(atNs: startNs, everyNs: 1_000_000)
    Clock.sleep(untilNs: startNs + 5_000_000)
    #expect(try timer.drain() >= 5)
    try timer.disarm()
    #expect(try timer.drain() == 0)
    #expect(try !Poll.wait(timer.rawValue, for: .readable, timeoutNs: 2_000_000))
  }
}
