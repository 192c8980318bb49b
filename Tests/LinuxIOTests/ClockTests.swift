import LinuxIO
import Testing

@Suite struct ClockTests {
  @Test func theMonotonicClockNeverGoesBack() {
    var last = Clock.monotonicNs()
    for _ in 0..<10_000 {
      let now = Clock.monotonicNs()
      #expect(now >= last)
      last = now
    }
  }

  @Test func realTimeIsOfThisCentury() {
    let year2020Ns: UInt64 = 1_577_836_800_000_000_000
    let year2100Ns: UInt64 = 4_102_444_800_000_000_000
    #expect(Clock.realtimeNs() > year2020Ns && Clock.realtimeNs() < year2100Ns)
  }

  @Test func sleepingTakesItsTimeAndNoProcessor() {
    let startNs = Clock.monotonicNs()
    let startCPUNs = Clock.threadCPUNs()
    Clock.sleep(forNs: 20_000_000)
    #expect(Clock.monotonicNs() - startNs >= 20_000_000)
    #expect(Clock.threadCPUNs() - startCPUNs < 10_000_000)
    Clock.sleep(untilNs: startNs)
  }

  @Test func workingTakesProcessorTime() {
    let (startNs, startThreadNs) = (Clock.processCPUNs(), Clock.threadCPUNs())
    while Clock.threadCPUNs() - startThreadNs < 1_000_000 {}
    #expect(Clock.processCPUNs() - startNs >= 1_000_000)
  }
}
