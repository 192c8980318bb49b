import Testing

@testable import LoadKit

@Suite struct ScheduleTests {
  @Test(arguments: [1.0, 3, 10_000, 99_999, 1_000_000, 7_000_000])
  func everyEventIsDueAtItsTimeAndNotBefore(_ rate: Double) {
    let schedule = Schedule(rate: rate, publishers: 3, startNs: 1_000_000)
    for publisher in 0..<3 {
      for event in [0, 1, 2, 3, 1000, 123_456] as [UInt64] {
        let time = schedule.timeNs(publisher: publisher, event: event)
        #expect(schedule.due(publisher: publisher, nowNs: time) >= event + 1)
        if rate <= 1_000_000 {
          #expect(schedule.due(publisher: publisher, nowNs: time - 1) <= event)
        }
      }
    }
    #expect(schedule.due(publisher: 0, nowNs: 999_999) == 0)
  }

  @Test func publishersTakeTurns() {
    let schedule = Schedule(rate: 1000, publishers: 4, startNs: 0)
    let times = (0..<4).map { schedule.timeNs(publisher: $0, event: 0) }
    #expect(times == [0, 1_000_000, 2_000_000, 3_000_000])
    #expect(schedule.timeNs(publisher: 0, event: 1) == 4_000_000)
  }

  @Test func aRunStampsItsEventsFromItsFirst() {
    let run = EventRun(firstNumber: 5, count: 3, slot: 2, firstTimeNs: 100, stepPs: 1500)
    #expect(run.stamp(0) == (word: 2 << 48 | 5, timeNs: 100))
    #expect(run.stamp(2) == (word: 2 << 48 | 7, timeNs: 103))
  }
}
