import Metrics
import Testing

@Suite struct ExpositionTests {
  @Test func familiesAndSamples() {
    var exposition = Exposition()
    exposition.family("a_total", .counter, "How many.")
    exposition.sample(7)
    exposition.sample(8, [("name", #"a "b"\c"# + "\n"), ("shard", "0")])
    #expect(
      String(decoding: exposition.bytes, as: UTF8.self) == """
        # HELP a_total How many.
        # TYPE a_total counter
        a_total 7
        a_total{name="a \\"b\\"\\\\c\\n",shard="0"} 8

        """)
  }

  @Test(arguments: [
    (0, "0"), (1, "0.000000001"), (1500, "0.0000015"), (1_000_000_000, "1"),
    (12_340_000_000, "12.34"), (UInt64.max, "18446744073.709551615"),
  ])
  func secondsAreExact(ns: UInt64, text: String) {
    #expect(Exposition.seconds(ns) == text)
  }
}
