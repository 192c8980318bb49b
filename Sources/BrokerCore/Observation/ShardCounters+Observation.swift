import Counters

// The rows in which subscriptions are observed, and the histograms of stages.

extension ShardCounters {
  var hasObservations: Bool { observations.capacity > 0 }

  func observationOpened(_ watch: UInt32, of subscription: UInt32) {
    let row = observations.activate(Int(watch))
    row.beginUpdate()
    row.set(.subscription, subscription)
    row.set(.id, subscriptions[Int(subscription)].get(.id))
    row.endUpdate()
  }

  func observationClosed(_ watch: UInt32) { observations[Int(watch)].retire() }

  func deliveredEvents(_ subscription: UInt32) -> UInt64 {
    subscriptions[Int(subscription)].get(.deliveredEvents)
  }

  /// Where the time of a delivery went.
  @inline(__always)
  func stages(
    _ watch: UInt32, totalNs: UInt64, creditNs: UInt64, socketNs: UInt64, batches: UInt32
  ) {
    let row = observations[Int(watch)]
    let count = UInt64(batches)
    let total = StageBuckets.bucket(of: totalNs)
    row.beginUpdate()
    row.add(.totalNs, totalNs &* count)
    row.add(.total, at: total, count)
    // All of it was the broker's, as a rule.
    var own = total
    var ownNs = totalNs
    if creditNs | socketNs > 0 {
      ownNs = totalNs - creditNs - socketNs
      own = StageBuckets.bucket(of: ownNs)
      Self.waits(row, shard, creditNs: creditNs, socketNs: socketNs, count)
    }
    row.add(.ringToTurn, at: own, count)
    row.endUpdate()
    shard.add(.ringToTurn, at: own, count)
    shard.add(.ringToTurnSumNs, ownNs &* count)
  }

  /// Of the type, not of a value: what is called and not inlined is handed a copy of the value.
  @inline(never)
  private static func waits(
    _ row: ObservationRow, _ shard: ShardRow, creditNs: UInt64, socketNs: UInt64, _ count: UInt64
  ) {
    if creditNs > 0 {
      let bucket = StageBuckets.bucket(of: creditNs)
      row.add(.creditNs, creditNs &* count)
      row.add(.creditWait, at: bucket, count)
      shard.add(.creditWait, at: bucket, count)
      shard.add(.creditWaitSumNs, creditNs &* count)
    }
    if socketNs > 0 {
      let bucket = StageBuckets.bucket(of: socketNs)
      row.add(.socketNs, socketNs &* count)
      row.add(.socketWait, at: bucket, count)
      shard.add(.socketWait, at: bucket, count)
      shard.add(.socketWaitSumNs, socketNs &* count)
    }
  }

  func echo(_ watch: UInt32, ns: UInt64) {
    observations[Int(watch)].add(.echo, at: StageBuckets.bucket(of: ns), 1)
    shard.add(.echo, at: StageBuckets.bucket(of: ns), 1)
    shard.add(.echoSumNs, ns)
  }

  /// Adds to the run at `place`, if that goes on, or begins a new one.
  /// - Returns: where the run is.
  @inline(__always)
  func fate(
    _ watch: UInt32, _ head: UInt64, _ sequences: ClosedRange<UInt64>, nowNs: UInt64, place: UInt8
  ) -> UInt8 {
    let row = observations[Int(watch)]
    let at = Int(place) &* ObservationRow.whyWords
    if row.get(.why, at: at) == head, row.get(.why, at: at &+ 2) &+ 1 == sequences.lowerBound {
      row.beginUpdate()
      row.set(.why, at: at &+ 2, sequences.upperBound)
      row.set(.why, at: at &+ 4, nowNs)
      row.endUpdate()
      return place
    }
    return beginRun(row, head, sequences, nowNs)
  }

  private func beginRun(
    _ row: ObservationRow, _ head: UInt64, _ sequences: ClosedRange<UInt64>, _ nowNs: UInt64
  ) -> UInt8 {
    let number = row.get(.runs)
    let place = Int(number % UInt64(ObservationRow.whyRuns))
    let at = place * ObservationRow.whyWords
    row.beginUpdate()
    if number == 0 {
      row.set(.beganTopic, UInt32(truncatingIfNeeded: head))
      row.set(.beganSequence, sequences.lowerBound)
    }
    row.set(.runs, number + 1)
    row.set(.why, at: at, head)
    row.set(.why, at: at + 1, sequences.lowerBound)
    row.set(.why, at: at + 2, sequences.upperBound)
    row.set(.why, at: at + 3, nowNs)
    row.set(.why, at: at + 4, nowNs)
    row.endUpdate()
    return UInt8(place)
  }

  // MARK: Topics

  /// The owner: batches were appended that had been read so long before.
  func readToRing(_ id: UInt32, ns: UInt64, batches: Int) {
    guard Self.isOn else { return }
    topics[Int(id)].add(.readToRing, at: StageBuckets.bucket(of: ns), UInt64(batches))
    topics[Int(id)].add(.readToRingSumNs, ns &* UInt64(batches))
  }

  /// Values of a keyed topic were this old when they were delivered.
  @inline(__always)
  func freshness(_ id: UInt32, ns: UInt64, batches: UInt32) {
    topics[Int(id)].addFreshness(ns: ns, batches: UInt64(batches))
  }
}
