import LinuxIO
import Testing

@testable import hunt_demo

@Suite struct WalkFileTests {
  private let header = "walk,elapsed_s,latitude_deg,longitude_deg,elevation_m\n"

  private func parse(_ text: String) throws(WalkFileError) -> [Walk] {
    try WalkFile.parse(Array(text.utf8))
  }

  @Test func theWalksThatComeAlongAreReadWhole() throws {
    let parts = #filePath.split(separator: "/").dropLast(3)
    let path = "/" + parts.joined(separator: "/") + "/Sources/HuntDemo/Data/walks.csv"
    let walks = try WalkFile.parse(Files.contents(path, limitBytes: WalkFile.bytesMax))
    #expect(
      walks.map(\.name) == ["korita-zbevnica", "cerknicko-jezero", "around-visnjan-with-car"])
    #expect(walks.map(\.fixes.count) == [513, 296, 104])
    let first = try #require(walks.first)
    #expect(
      first.fixes[1]
        == Fix(
          elapsedMs: 723_000, place: Place(latitudeE7: 454_526_362, longitudeE7: 140_179_643),
          elevationCm: 76_870))
    // Real recordings pause: 12 minutes before the second fix of this one.
    #expect(first.isAfterPause(1))
    #expect(first.pauseCount == 29)
    #expect(walks[2].pauseCount == 0)
  }

  @Test func columnsAreFoundByNameAndLinesMayEndInEitherWay() throws {
    let walks = try parse(
      "\u{FEFF}note,longitude_deg,walk,latitude_deg,elapsed_s\r\n"
        + "\"a, b \"\"c\"\"\",14.5,\"x\",-45,0\r\n\r\n,14.6,x,-45.0000001,1.5")
    #expect(walks.count == 1)
    #expect(
      walks[0].fixes == [
        Fix(
          elapsedMs: 0, place: Place(latitudeE7: -450_000_000, longitudeE7: 145_000_000),
          elevationCm: nil),
        Fix(
          elapsedMs: 1500, place: Place(latitudeE7: -450_000_001, longitudeE7: 146_000_000),
          elevationCm: nil),
      ])
  }

  @Test func aRecordingThatBeginsLaterIsMovedToItsStart() throws {
    let walks = try parse(header + "a,100,1,1,\na,107,1,1,5\na,107,1,1,5\n")
    #expect(walks[0].fixes.map(\.elapsedMs) == [0, 7000, 7000])
  }

  @Test func linesOfSeveralWalksMayAlternate() throws {
    let walks = try parse(header + "b,0,1,1,\na,0,2,2,\nb,9,1,1,\na,8,2,2,\n")
    #expect(walks.map(\.name) == ["b", "a"])
    #expect(walks.map { $0.fixes.last?.elapsedMs } == [9000, 8000])
  }

  @Test(arguments: [
    ("", 0, "there are no fixes"),
    ("walk,elapsed_s,latitude_deg\n", 1, "names no column \"longitude_deg\""),
    ("H", 0, "there are no fixes"),
    ("Ha,0,1,1\n", 2, "4 fields where there are 5 columns"),
    ("Ha,x,1,1,\n", 2, "elapsed_s is not a number"),
    ("Ha,-1,1,1,\n", 2, "elapsed_s is out of its range"),
    ("Ha,0,90.0000001,1,\n", 2, "latitude_deg is out of its range"),
    ("Ha,0,1,-180.1,\n", 2, "longitude_deg is out of its range"),
    ("Ha,0,1e3,1,\n", 2, "latitude_deg is not a number"),
    ("Ha,0,1,1,high\n", 2, "elevation_m is not a number"),
    ("Ha.b,0,1,1,\n", 2, "a walk's name is"),
    ("H,0,1,1,\n", 2, "a walk's name is"),
    ("Ha,5,1,1,\n\na,4,1,1,\n", 4, "the time of a goes back"),
    ("Ha,5,1,1,\na,5,1,1,\n", 0, "a has no two fixes at different times"),
    ("H\"a,0,1,1,\n", 2, "a quote is not closed"),
  ])
  func whatIsNotAsItShouldBeIsRefusedWithItsLine(text: String, line: Int, problem: String) {
    let text = text.hasPrefix("H") ? header + text.dropFirst() : text
    let error = #expect(throws: WalkFileError.self) { try parse(text) }
    #expect(error?.line == line)
    #expect(error?.problem.contains(problem) == true, "\(error?.problem ?? "")")
  }

  @Test(arguments: [
    ("14.0181940", 7, 140_181_940), ("-0.00000015", 7, -2), ("0.00000014", 7, 1), ("5", 2, 500),
    ("+5.", 2, 500), (".5", 2, 50), ("753.3", 2, 75_330), ("-753.305", 2, -75_331),
    ("9.995", 2, 1000),
  ] as [(String, Int, Int64)])
  func fixedPointIsExact(text: String, places: Int, value: Int64) {
    #expect(WalkFile.fixedPoint(text, places: places) == value)
  }

  @Test(arguments: ["", "-", ".", "1.2.3", "1,5", " 1", "99999999999999999999", "nan", "٣"])
  func whatIsNoNumberIsNone(text: String) {
    #expect(WalkFile.fixedPoint(text, places: 7) == nil)
  }
}

@Suite struct PlaceTests {
  @Test(arguments: [0, 450_000_000, -600_000_000] as [Int32])
  func movingAndMeasuringAgree(latitude: Int32) {
    let place = Place(latitudeE7: latitude, longitudeE7: 140_000_000)
    #expect(abs(place.metres(to: place.moved(northM: 30, eastM: -40)) - 50) < 0.1)
    #expect(place.metres(to: place) == 0)
  }

  @Test func cosinesAreThoseOfTheTables() {
    #expect(abs(cosine(ofLatitudeE7: 0) - 1) < 1e-7)
    #expect(abs(cosine(ofLatitudeE7: 600_000_000) - 0.5) < 1e-7)
    #expect(abs(cosine(ofLatitudeE7: -450_000_000) - 0.5.squareRoot()) < 1e-7)
    #expect(cosine(ofLatitudeE7: 900_000_000) > 0)
  }
}
