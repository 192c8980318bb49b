import Testing

@testable import LoadKit

@Suite struct LatencyHistogramTests {
  @Test func everyValueLiesInItsBucket() {
    var value: UInt64 = 0
    while value < LatencyHistogram.limitNs {
      let bucket = LatencyHistogram.bucket(of: value)
      #expect(bucket < LatencyHistogram.bucketCount)
      #expect(LatencyHistogram.upperBoundNs(of: bucket) >= value)
      if bucket > 0 { #expect(LatencyHistogram.upperBoundNs(of: bucket - 1) < value) }
      value = value * 9 / 8 + 1
    }
    #expect(LatencyHistogram.bucket(of: .max) == LatencyHistogram.bucketCount - 1)
  }

  @Test func quantilesAreRightToWithinABucket() throws {
    var histogram = LatencyHistogram()
    let empty = histogram.summary
    #expect(empty == nil)
    for value in UInt64(1)...100_000 { histogram.record(value) }
    let recorded = histogram.summary
    let summary = try #require(recorded)
    #expect(summary.count == 100_000)
    #expect(summary.maxNs == 100_000)
    #expect((50_000...50_400).contains(summary.p50Ns))
    #expect((99_000...99_800).contains(summary.p99Ns))
    #expect((99_900...100_000).contains(summary.p999Ns))
    histogram.reset()
    let count = histogram.count
    #expect(count == 0)
  }
}
