import Counters
import Testing

struct LatencyTests {
  @Test func bucketsFollowOneAnotherWithoutHoles() {
    #expect(LatencyBuckets.lowerBound(of: 0) == 0)
    for bucket in 0..<LatencyBuckets.count {
      let low = LatencyBuckets.lowerBound(of: bucket)
      let high = LatencyBuckets.upperBound(of: bucket)
      #expect(low <= high)
      #expect(LatencyBuckets.bucket(of: low) == bucket)
      #expect(LatencyBuckets.bucket(of: high) == bucket)
      if bucket > 0 { #expect(LatencyBuckets.upperBound(of: bucket - 1) + 1 == low) }
      // At most a quarter too large.
      if bucket < 127 { #expect(Double(high) <= Double(max(low, 1)) * 1.25) }
    }
    #expect(LatencyBuckets.lowerBound(of: 127) == (1 << 33) / 8 * 7)
    #expect(LatencyBuckets.bucket(of: .max) == 127)
  }

  @Test func percentilesAreTheUpperBoundOfTheirBucket() throws {
    var buckets = [UInt64](repeating: 0, count: 128)
    for value in 1...1000 { buckets[LatencyBuckets.bucket(of: UInt64(value) * 1000)] += 1 }
    let histogram = LatencyHistogram(buckets: buckets, maxNs: 1_000_000)
    #expect(histogram.count == 1000)
    for (share, exact) in [(0.5, 500_000.0), (0.99, 990_000.0), (0.001, 1000.0)] {
      let shown = Double(try #require(histogram.percentile(share)))
      #expect(shown >= exact && shown <= exact * 1.25)
    }
    #expect(histogram.percentile(1) == 1_000_000)
    #expect(histogram.percentile(0) == histogram.percentile(0.001))
  }

  @Test func noValuesHaveNoPercentile() {
    #expect(LatencyHistogram().percentile(0.5) == nil)
  }

  @Test func oneValueIsEveryPercentile() {
    var buckets = [UInt64](repeating: 0, count: 128)
    buckets[LatencyBuckets.bucket(of: 700)] = 1
    let histogram = LatencyHistogram(buckets: buckets, maxNs: 700)
    #expect(histogram.percentile(0) == 700)
    #expect(histogram.percentile(0.999) == 700)
  }

  @Test func theDifferenceOfTwoReadingsIsWhatCameBetween() {
    var earlier = [UInt64](repeating: 0, count: 128)
    earlier[LatencyBuckets.bucket(of: 5_000_000)] = 1
    var later = earlier
    later[LatencyBuckets.bucket(of: 1000)] += 3
    let between = LatencyHistogram(buckets: later, maxNs: 5_000_000)
      .since(LatencyHistogram(buckets: earlier, maxNs: 5_000_000))
    #expect(between.count == 3)
    #expect(between.maxNs == LatencyBuckets.upperBound(of: LatencyBuckets.bucket(of: 1000)))
    #expect(LatencyBuckets.bucket(of: between.percentile(1)!) == LatencyBuckets.bucket(of: 1000))
  }
}
