import Testing

@testable import GalleonClient
@testable import hunt_demo

@Suite struct WatchedTopicTests {
  private func gap(
    _ first: UInt64, _ last: UInt64, count: UInt64? = nil, _ cause: GapCause = .dropOldest
  ) -> Gap {
    Gap(
      topic: "t", first: first, last: last, count: count ?? (last - first + 1), bytes: 0,
      cause: cause)
  }

  @Test func eventsAndGapsThatFollowOneAnotherAreInOrder() {
    var topic = WatchedTopic()
    for sequence in 41...43 as ClosedRange<UInt64> { topic.take(sequence: sequence) }
    topic.take(gap(44, 50))
    topic.take(sequence: 51)
    topic.take(gap(52, 52, .ringOverrun))
    #expect(topic.events == 4)
    #expect(topic.missing == [.dropOldest: 7, .ringOverrun: 1])
    #expect(topic.gaps == [.dropOldest: 1, .ringOverrun: 1])
    #expect(topic.accounted == 12)
    #expect(topic.faultCount == 0)
  }

  @Test func whatDoesNotFollowIsAFault() {
    var skipped = WatchedTopic()
    skipped.take(sequence: 1)
    skipped.take(sequence: 3)
    #expect(skipped.faults == ["event 3 came where 2 was due"])
    var repeated = WatchedTopic()
    repeated.take(sequence: 1)
    repeated.take(sequence: 1)
    #expect(repeated.faultCount == 1)
    var late = WatchedTopic()
    late.take(sequence: 1)
    late.take(gap(3, 4))
    #expect(late.faults == ["a gap from 3 came where 2 was due"])
    var lying = WatchedTopic()
    lying.take(gap(1, 4, count: 3))
    #expect(lying.faultCount == 1)
  }

  @Test func manyFaultsAreCountedAndOnlySomeAreKept() {
    var topic = WatchedTopic()
    for sequence in 1...20 as ClosedRange<UInt64> { topic.take(sequence: sequence * 2) }
    #expect(topic.faultCount == 19)
    #expect(topic.faults.count == WatchedTopic.faultsMax)
  }
}

@Suite struct SumsTests {
  private static let positions = "hunt.a.positions"

  /// Two subscriptions that saw everything: 10 positions and 3 rewards, the second with a gap.
  private func rightSums() -> Sums {
    var all = WatchedTopic()
    for sequence in 1...10 as ClosedRange<UInt64> { all.take(sequence: sequence) }
    var rewards = WatchedTopic()
    for sequence in 1...3 as ClosedRange<UInt64> { rewards.take(sequence: sequence) }
    var some = WatchedTopic()
    some.take(sequence: 1)
    some.take(
      Gap(topic: Self.positions, first: 2, last: 9, count: 8, bytes: 0, cause: .dropOldest))
    some.take(sequence: 10)
    return Sums(
      published: [
        PublishedTopic(topic: Self.positions, published: 10, acknowledged: 10, lost: 0),
        PublishedTopic(topic: HuntTopics.rewards, published: 3, acknowledged: 3, lost: 0),
      ],
      watched: [
        WatchedSubscription(
          name: "ledger", pattern: "hunt.>",
          topics: [Self.positions: all, HuntTopics.rewards: rewards],
          account: SubscriptionAccount(
            matched: 13, delivered: 13, dropped: 0, leftOut: 0, expired: 0, closed: 0)),
        WatchedSubscription(
          name: "slow", pattern: "hunt.*.positions", topics: [Self.positions: some],
          account: SubscriptionAccount(
            matched: 10, delivered: 2, dropped: 8, leftOut: 0, expired: 0, closed: 0)),
      ],
      rewardsGiven: RewardSums(count: 3, points: 30),
      rewardsSeen: RewardSums(count: 3, points: 30))
  }

  /// The numbers of the checks that are not right.
  private func wrong(_ sums: Sums) -> [Int] {
    let checks = sums.checks()
    return checks.indices.filter { !checks[$0].isRight }
  }

  @Test func rightSumsAreRight() {
    #expect(wrong(rightSums()) == [])
    #expect(rightSums().published(matching: "hunt.>") == 13)
    #expect(rightSums().published(matching: "hunt.*.positions") == 10)
  }

  @Test func aLossThatNobodyTellsIsFound() {
    var sums = rightSums()
    var seen = WatchedTopic()
    // All but the last: no sequence shows that it is missing.
    for sequence in 1...9 as ClosedRange<UInt64> { seen.take(sequence: sequence) }
    sums.watched[0].topics[Self.positions] = seen
    #expect(wrong(sums) == [1, 5])
    #expect(
      sums.checks()[1].problems == [
        "ledger, hunt.a.positions: 10 published, 9 delivered, 0 conflated, 0 in gaps"
      ])
  }

  @Test func aLossInTheMiddleIsFoundTwice() {
    var sums = rightSums()
    var seen = WatchedTopic()
    for sequence in [1, 2, 3, 5, 6, 7, 8, 9, 10] as [UInt64] { seen.take(sequence: sequence) }
    sums.watched[0].topics[Self.positions] = seen
    #expect(wrong(sums) == [1, 4, 5])
  }

  @Test func anEventThatCameTwiceIsFound() {
    var sums = rightSums()
    sums.watched[0].topics[Self.positions]?.take(sequence: 10)
    #expect(wrong(sums) == [1, 4, 5])
  }

  @Test func aTopicThatNeverArrivedIsFound() {
    var sums = rightSums()
    sums.watched[0].topics[HuntTopics.rewards] = nil
    #expect(wrong(sums) == [1, 5])
  }

  @Test func aTopicThatNobodyPublishesIsFound() {
    var sums = rightSums()
    sums.watched[0].topics["hunt.b.positions"] = WatchedTopic()
    #expect(wrong(sums) == [1])
  }

  @Test func aGapOnATopicThatBlocksIsFoundThoughItIsItemised() {
    var sums = rightSums()
    var seen = WatchedTopic()
    seen.take(sequence: 1)
    seen.take(
      Gap(topic: HuntTopics.rewards, first: 2, last: 3, count: 2, bytes: 0, cause: .blockTimeout))
    sums.watched[0].topics[HuntTopics.rewards] = seen
    sums.watched[0].account = SubscriptionAccount(
      matched: 13, delivered: 11, dropped: 2, leftOut: 0, expired: 0, closed: 0)
    #expect(wrong(sums) == [3])
  }

  @Test func whatTheBrokerDoesNotHaveIsFound() {
    var sums = rightSums()
    sums.published[1] = PublishedTopic(
      topic: HuntTopics.rewards, published: 3, acknowledged: 2, lost: 1)
    #expect(wrong(sums) == [0])
  }

  @Test func anAccountThatSaysOtherwiseIsFound() {
    var sums = rightSums()
    sums.watched[1].account = SubscriptionAccount(
      matched: 10, delivered: 2, dropped: 7, leftOut: 0, expired: 0, closed: 1)
    #expect(wrong(sums) == [5])
    sums.watched[1].account = nil
    #expect(sums.checks()[5].problems == ["slow: the broker gave no account"])
  }

  @Test func rewardsThatDoNotAddUpAreFound() {
    var sums = rightSums()
    sums.rewardsSeen.take(RewardPayload(treasure: 1, points: 0, player: 1))
    #expect(wrong(sums) == [6])
  }

  private func leftOut(
    _ count: UInt64, expired: UInt64 = 0, _ cause: LeftOutCause = .conflated
  ) -> LeftOut {
    LeftOut(
      topic: Self.positions, cause: cause, first: 1, last: 10, count: count, bytes: 0,
      expiredCount: expired, expiredBytes: 0)
  }

  @Test func whatIsConflatedIsAccountedFor() {
    var sums = rightSums()
    var seen = WatchedTopic()
    for _ in 0..<3 { seen.takeInAnyOrder() }
    seen.take(leftOut(7))
    sums.watched[1].topics[Self.positions] = seen
    sums.watched[1].account = SubscriptionAccount(
      matched: 10, delivered: 3, dropped: 0, leftOut: 7, expired: 0, closed: 0)
    #expect(wrong(sums) == [])
    // One that nobody accounts for, and one that the broker knows nothing of.
    var less = seen
    less.take(leftOut(1))
    sums.watched[1].topics[Self.positions] = less
    #expect(wrong(sums) == [1, 5])
    var other = WatchedTopic()
    other.take(leftOut(1, .sampledOut))
    other.take(leftOut(1, expired: 1))
    #expect(other.faultCount == 2)
  }

  @Test func aMapThatIsNotUpToDateIsFound() {
    let all = StepLedger(players: 7)
    let map = StepLedger(players: 7, mayJump: true)
    for number in UInt32(1)...3 { all.take(step(0, number)) }
    map.take(step(0, 3))
    #expect(map.faults == [] && map.differences(from: all) == [])
    map.take(step(0, 2))
    #expect(map.faults == ["player 0: step 2 after step 3"])
    for player in UInt32(0)...6 { all.take(step(player, player == 0 ? 4 : 1)) }
    let differences = map.differences(from: all)
    #expect(differences.first == "player 0 ends at step 2, and was at 4")
    #expect(differences.last == "and 2 more" && differences.count == 6)
    var sums = rightSums()
    sums.watched[1].stateFaults = differences
    #expect(wrong(sums) == [2])
  }

  private func step(_ player: UInt32, _ step: UInt32) -> PositionPayload {
    PositionPayload(
      player: player, step: step, place: Place(latitudeE7: 0, longitudeE7: 0), elevationCm: nil,
      fix: 0, flags: [], walk: 0)
  }

  @Test func stepsThatDoNotFollowAreFound() {
    var book = StepBook(players: 2)
    book.take(step(0, 1))
    book.take(step(1, 1))
    book.take(step(1, 2))
    #expect(book.breakCount == 0)
    book.take(step(0, 3))
    book.take(step(2, 1))
    #expect(book.faults == ["player 0: step 3 after step 1", "there is no player 2"])
    var sums = rightSums()
    sums.watched[0].stepFaults = book.faults
    #expect(wrong(sums) == [4])
  }
}

@Suite struct TreasureMapTests {
  @Test func exactlyThoseInReachAreFound() {
    var random = SeededRandom(seed: 8)
    // Around the corner of four cells, with coordinates below zero as well.
    for origin in [
      Place(latitudeE7: 450_000_000, longitudeE7: 140_000_000),
      Place(latitudeE7: 0, longitudeE7: 0),
    ] {
      var map = TreasureMap()
      var all: [TreasureMap.Treasure] = []
      for id in 0..<300 as Range<UInt32> {
        let place = origin.moved(
          northM: random.fraction(-80...80), eastM: random.fraction(-80...80))
        all.append(TreasureMap.Treasure(id: id, points: 1, place: place))
        map.insert(all.last!)
      }
      while !all.isEmpty {
        let place = origin.moved(
          northM: random.fraction(-80...80), eastM: random.fraction(-80...80))
        let near = all.filter { $0.place.metres(to: place) <= TreasureMap.reachM }
        let found = map.take(near: place)
        #expect(Set(found) == Set(near))
        let ways = found.map { $0.place.metres(to: place) }
        #expect(ways == ways.sorted())
        all.removeAll { near.contains($0) }
        #expect(map.count == all.count)
      }
      #expect(map.take(near: origin).isEmpty)
    }
  }

  /// There all cells of a row would be in reach, a million and more for one position.
  @Test func atThePolesNothingIsLookedFor() {
    for latitudeE7: Int32 in [900_000_000, -900_000_000, 850_000_001] {
      let pole = Place(latitudeE7: latitudeE7, longitudeE7: 0)
      var map = TreasureMap()
      map.insert(TreasureMap.Treasure(id: 1, points: 1, place: pole))
      #expect(map.take(near: pole).isEmpty)
    }
  }
}
