import Testing

@testable import hunt_demo

/// A walk with a pause: fixes at 0, 10, 20, 120 and 125 seconds, one round in 135.
private func walk(_ name: String = "a") -> Walk {
  let seconds: [UInt64] = [0, 10, 20, 120, 125]
  return Walk(
    name: name,
    fixes: seconds.enumerated().map { index, second in
      Fix(
        elapsedMs: second * 1000,
        place: Place(latitudeE7: 450_000_000 + Int32(index), longitudeE7: 140_000_000),
        elevationCm: index == 2 ? nil : Int32(index))
    })
}

@Suite struct ReplayClockTests {
  @Test func timesAreDividedBySpeed() {
    let clock = ReplayClock(startNs: 5_000, speed: 60)
    #expect(clock.dueNs(afterMs: 0) == 5_000)
    #expect(clock.dueNs(afterMs: 60_000) == 5_000 + 1_000_000_000)
    #expect(clock.dueNs(afterMs: 1) == 5_000 + 16_666)
    #expect(clock.elapsedMs(atNs: 5_000 + 1_000_000_000) == 60_000)
    #expect(clock.elapsedMs(atNs: 4_999) == 0)
  }

  @Test func bothWaysAgreeAndTimeOnlyRises() {
    var random = SeededRandom(seed: 1)
    for _ in 0..<1000 {
      let clock = ReplayClock(
        startNs: random.number(below: 1 << 50), speed: 1 + random.number(below: 1000))
      let elapsedMs = random.number(below: 1 << 40)
      let dueNs = clock.dueNs(afterMs: elapsedMs)
      #expect(clock.dueNs(afterMs: elapsedMs + 1) >= dueNs)
      // Nanoseconds are whole, so a moment may be rounded down to the one before.
      let back = clock.elapsedMs(atNs: dueNs)
      #expect(back == elapsedMs || back + 1 == elapsedMs)
    }
  }

  @Test func beyondAllTimeIsNever() {
    #expect(ReplayClock(startNs: 1, speed: 1).dueNs(afterMs: .max) == .max)
    #expect(ReplayClock(startNs: .max, speed: 1_000_000).dueNs(afterMs: .max) == .max)
  }
}

@Suite struct PlayerTests {
  private func player(startMs: UInt64) -> Player {
    Player(id: 7, walk: walk(), startMs: startMs, northM: 0, eastM: 0)
  }

  @Test func aPlayerTakesAllFixesInTheirOrderAndRhythmAgainAndAgain() {
    let walk = walk()
    #expect(walk.roundMs == 135_000)
    var player = player(startMs: 15_000)
    var times: [UInt64] = []
    var steps: [PositionPayload] = []
    for _ in 0..<8 {
      times.append(player.nextMs(on: walk))
      steps.append(player.step(on: walk, walkIndex: 3))
    }
    // From 15 s on: 20, 120, 125, and the next round begins at 135.
    #expect(times == [5, 105, 110, 120, 130, 140, 240, 245].map { $0 * 1000 })
    #expect(steps.map(\.step) == Array(1...8))
    #expect(steps.map(\.fix) == [2, 3, 4, 0, 1, 2, 3, 4])
    #expect(
      steps.map(\.flags)
        == [[], [.afterPause], [], [.newRound], [], [], [.afterPause], []])
    #expect(steps.map(\.elevationCm) == [nil, 3, 4, 0, 1, nil, 3, 4])
    #expect(steps.allSatisfy { $0.player == 7 && $0.walk == 3 })
  }

  @Test func aPlayerWhoStartsBetweenTwoRoundsBeginsWithTheNext() {
    var player = player(startMs: 130_000)
    #expect(player.nextMs(on: walk()) == 5000)
    #expect(player.step(on: walk(), walkIndex: 0).fix == 0)
  }

  @Test func aPlayerKeepsItsOffset() {
    let walk = walk()
    var random = SeededRandom(seed: 3)
    for id in 0..<50 as Range<UInt32> {
      var player = Player(id: id, walk: walk, random: &random)
      let first = player.step(on: walk, walkIndex: 0)
      let second = player.step(on: walk, walkIndex: 0)
      for step in [first, second] {
        let path = walk.fixes[Int(step.fix)].place
        #expect(step.place.latitudeE7 - path.latitudeE7 == player.northE7)
        #expect(step.place.metres(to: path) <= Player.offsetMaxM * 1.42)
      }
    }
  }
}

@Suite struct PlayerScheduleTests {
  @Test func everybodysFixesComeInTheOrderOfTheirTimes() throws {
    let walk = walk()
    let clock = ReplayClock(startNs: 1_000, speed: 10)
    var random = SeededRandom(seed: 5)
    let players = (0..<200 as Range<UInt32>).map { Player(id: $0, walk: walk, random: &random) }
    var schedule = PlayerSchedule(walk: walk, walkIndex: 0, players: players, clock: clock)
    var steps = [UInt32](repeating: 0, count: players.count)
    var lastDueNs: UInt64 = 0
    // Two rounds: everybody passes every fix twice.
    let endNs = clock.dueNs(afterMs: 2 * walk.roundMs) - 1
    var count = 0
    while let dueNs = schedule.nextDueNs, dueNs <= endNs {
      let early = schedule.next(dueByNs: dueNs - 1)
      #expect(early == nil)
      let next = schedule.next(dueByNs: dueNs)
      let position = try #require(next)
      #expect(dueNs >= lastDueNs)
      lastDueNs = dueNs
      count += 1
      steps[Int(position.player)] += 1
      #expect(position.step == steps[Int(position.player)])
    }
    #expect(steps.allSatisfy { $0 == 10 })
    #expect(count == 2000)
    #expect(abs(schedule.fixesPerSecond - 1000.0 / 135) < 1e-9)
  }

  @Test func theSameSeedIsTheSameHunt() {
    var left = SeededRandom(seed: 9)
    var right = SeededRandom(seed: 9)
    for _ in 0..<100 {
      let (one, other) = (left.next(), right.next())
      #expect(one == other)
    }
    var different = SeededRandom(seed: 10)
    let (one, other) = (left.next(), different.next())
    #expect(one != other)
  }
}
