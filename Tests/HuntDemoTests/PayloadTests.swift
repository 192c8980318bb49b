import Testing

@testable import hunt_demo

@Suite struct PayloadTests {
  /// Written by hand from the table in the source.
  @Test func aPositionIsTheseBytes() {
    let position = PositionPayload(
      player: 0x0403_0201, step: 0x0807_0605,
      place: Place(latitudeE7: -2, longitudeE7: 0x0102_0304), elevationCm: 0x0A0B,
      fix: 0x1122, flags: [.afterPause, .newRound], walk: 9)
    let bytes: [UInt8] = [
      1, 2, 3, 4, 5, 6, 7, 8, 0xFE, 0xFF, 0xFF, 0xFF, 4, 3, 2, 1, 0x0B, 0x0A, 0, 0,
      0x22, 0x11, 3, 9, 0xEF, 0xCD, 0xAB, 0x90, 0x78, 0x56, 0x34, 0x12,
    ]
    #expect(position.encoded(sentNs: 0x1234_5678_90AB_CDEF) == bytes)
    var expected = position
    expected.sentNs = 0x1234_5678_90AB_CDEF
    #expect(PositionPayload(decoding: bytes[...]) == expected)
  }

  @Test func randomPositionsComeBackAsTheyWere() {
    var random = SeededRandom(seed: 2)
    for _ in 0..<500 {
      var position = PositionPayload(
        player: .random(in: 0 ... .max, using: &random),
        step: .random(in: 0 ... .max, using: &random),
        place: Place(
          latitudeE7: .random(in: Place.latitudesE7, using: &random),
          longitudeE7: .random(in: Place.longitudesE7, using: &random)),
        elevationCm: Bool.random(using: &random) ? nil : .random(in: -100...100, using: &random),
        fix: .random(in: 0 ... .max, using: &random),
        flags: PositionPayload.Flags(rawValue: .random(in: 0 ... .max, using: &random)),
        walk: .random(in: 0 ... .max, using: &random))
      position.sentNs = random.next()
      // Read from the middle of something, as an event's payload is.
      let bytes = [0xAA] + position.encoded(sentNs: position.sentNs) + [0xBB]
      #expect(PositionPayload(decoding: bytes[1..<33]) == position)
      #expect(sentTimeNs(of: bytes[1..<33]) == position.sentNs)
    }
  }

  @Test func treasuresAndRewardsComeBackAsTheyWere() {
    var treasure = TreasurePayload(
      treasure: 5, points: 77, place: Place(latitudeE7: -1, longitudeE7: 2))
    let treasureBytes = treasure.encoded(sentNs: 99)
    treasure.sentNs = 99
    #expect(treasureBytes.count == TreasurePayload.byteCount)
    #expect(TreasurePayload(decoding: treasureBytes[...]) == treasure)
    #expect(sentTimeNs(of: treasureBytes[...]) == 99)
    var reward = RewardPayload(treasure: 5, points: 77, player: 8)
    var rewardBytes = reward.encoded(sentNs: 100)
    reward.sentNs = 100
    #expect(RewardPayload(decoding: rewardBytes[...]) == reward)
    #expect(sentTimeNs(of: rewardBytes[...]) == 100)
    rewardBytes[13] = 1
    #expect(RewardPayload(decoding: rewardBytes[...]) == nil)
  }

  /// Latitude and longitude stand at 8 and 12 in both.
  @Test(arguments: [(8, Int32.max), (8, .min), (8, 900_000_001), (12, .max), (12, -1_800_000_001)])
  func aPlaceThatIsNotOnEarthIsNoPayload(offset: Int, value: Int32) {
    for size in [PositionPayload.byteCount, TreasurePayload.byteCount] {
      var bytes = [UInt8](repeating: 0, count: size)
      for byte in 0..<4 { bytes[offset + byte] = UInt8(truncatingIfNeeded: value >> (8 * byte)) }
      #expect(PositionPayload(decoding: bytes[...]) == nil)
      #expect(TreasurePayload(decoding: bytes[...]) == nil)
    }
  }

  @Test(arguments: [0, 1, 8, 23, 25, 31, 33])
  func anotherSizeIsNoneOfThem(count: Int) {
    let bytes = [UInt8](repeating: 0, count: count)[...]
    #expect(PositionPayload(decoding: bytes) == nil)
    #expect(TreasurePayload(decoding: bytes) == nil)
    #expect(RewardPayload(decoding: bytes) == nil)
    #expect(sentTimeNs(of: bytes) == nil)
  }
}

@Suite struct HuntTopicsTests {
  @Test func patternsMatchAsTheBrokersDo() {
    let topics = ["hunt.a.positions", "hunt.a.treasures", "hunt.rewards"]
    func matching(_ pattern: String) -> [Bool] {
      topics.map { HuntTopics.matches($0, pattern) }
    }
    #expect(matching("hunt.>") == [true, true, true])
    #expect(matching("hunt.*.positions") == [true, false, false])
    #expect(matching("hunt.*") == [false, false, true])
    #expect(matching("hunt.rewards.>") == [false, false, false])
    #expect(matching("hunt.a.positions.x") == [false, false, false])
    #expect(topics.map(HuntTopics.blocks) == [false, true, true])
  }
}
