import Counters

// The rows in which subscriptions are observed, and the histograms of stages.

extension ShardCounters {
  var hasObservations: Bool { observations.capacity > 0 }

  /// - Parameter isLate: something has become of its events already, which is not known any more.
  func observationOpened(_ watch: UInt32, of subscription: UInt32, isLate: Bool) {
    let row = observations.activate(Int(watch))
    row.beginUpdate()
    row.set(.subscription, subscription)
    row.set(.id, subscriptions[Int(subscription)].get(.id))
    // As if the places had all been used once: not everything there was is known.
    if isLate { row.set(.runs, UInt64(ObservationRow.whyRuns) + 1) }
    row.endUpdate()
  }

  func observationClosed(_ watch: UInt32) { observations[Int(watch)].retire() }

  func deliveredEvents(_ subscription: UInt32) -> UInt64 {
    subscriptions[Int(subscription)].get(.deliveredEvents)
  }

  func deliveryOpened(_ delivery: UInt32, of topic: UInt32) {
    let row = deliveries.activate(Int(delivery))
    row.beginUpdate()
    row.set(.topic, topic)
    row.endUpdate()
  }

  // What follows changes outside of the row's sequence: the words need not agree with others, and a
  // reader that comes in between misses a part of one frame.

  /// Batches were this old when they were delivered.
  @inline(__always)
  func aged(_ delivery: UInt32, ns: UInt64, bucket: Int, _ batches: UInt64) {
    let row = deliveries[Int(delivery)]
    row.add(.total, at: bucket, batches)
    row.add(.totalNs, ns &* batches)
  }

  @inline(__always)
  func aged(watch: UInt32, ns: UInt64, bucket: Int, _ batches: UInt64) {
    let row = observations[Int(watch)]
    row.add(.total, at: bucket, batches)
    row.add(.totalNs, ns &* batches)
  }

  /// The broker's own part of that.
  @inline(__always)
  func ringToTurn(
    _ watch: UInt32, _ delivery: UInt32?, ns: UInt64, bucket: Int, _ batches: UInt64
  ) {
    observations[Int(watch)].add(.ringToTurn, at: bucket, batches)
    guard let delivery else { return }
    let row = deliveries[Int(delivery)]
    row.add(.ringToTurn, at: bucket, batches)
    row.add(.ringToTurnNs, ns &* batches)
  }

  func creditWait(_ watch: UInt32, _ delivery: UInt32?, ns: UInt64, _ batches: UInt64) {
    let bucket = StageBuckets.bucket(of: ns)
    let row = observations[Int(watch)]
    row.add(.creditNs, ns &* batches)
    row.add(.creditWait, at: bucket, batches)
    guard let delivery else { return }
    deliveries[Int(delivery)].add(.creditNs, ns &* batches)
    deliveries[Int(delivery)].add(.creditWait, at: bucket, batches)
  }

  func socketWait(_ watch: UInt32, _ delivery: UInt32?, ns: UInt64, _ batches: UInt64) {
    let bucket = StageBuckets.bucket(of: ns)
    let row = observations[Int(watch)]
    row.add(.socketNs, ns &* batches)
    row.add(.socketWait, at: bucket, batches)
    guard let delivery else { return }
    deliveries[Int(delivery)].add(.socketNs, ns &* batches)
    deliveries[Int(delivery)].add(.socketWait, at: bucket, batches)
  }

  func echo(_ watch: UInt32, _ delivery: UInt32?, ns: UInt64) {
    let bucket = StageBuckets.bucket(of: ns)
    observations[Int(watch)].add(.echo, at: bucket, 1)
    guard let delivery else { return }
    deliveries[Int(delivery)].add(.echo, at: bucket, 1)
    deliveries[Int(delivery)].add(.echoNs, ns)
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

  /// Begins a new run whatever the last one is.
  func pass(
    _ watch: UInt32, _ head: UInt64, _ sequences: ClosedRange<UInt64>, beganNs: UInt64,
    nowNs: UInt64
  ) -> UInt8 {
    beginRun(observations[Int(watch)], head, sequences, nowNs, beganNs: beganNs)
  }

  private func beginRun(
    _ row: ObservationRow, _ head: UInt64, _ sequences: ClosedRange<UInt64>, _ nowNs: UInt64,
    beganNs: UInt64? = nil
  ) -> UInt8 {
    let number = row.get(.runs)
    let place = Int(number % UInt64(ObservationRow.whyRuns))
    let at = place * ObservationRow.whyWords
    row.beginUpdate()
    if number >= UInt64(ObservationRow.whyRuns) { row.joinOldestPasses() }
    if number == 0 {
      row.set(.beganTopic, UInt32(truncatingIfNeeded: head))
      row.set(.beganSequence, sequences.lowerBound)
    }
    row.set(.runs, number + 1)
    row.set(.why, at: at, head)
    row.set(.why, at: at + 1, sequences.lowerBound)
    row.set(.why, at: at + 2, sequences.upperBound)
    row.set(.why, at: at + 3, beganNs ?? nowNs)
    row.set(.why, at: at + 4, nowNs)
    row.endUpdate()
    return UInt8(place)
  }

  // MARK: Topics

  /// The owner: batches were appended that had been read so long before.
  @inline(__always)
  func readToRing(_ id: UInt32, ns: UInt64, batches: Int) {
    guard Self.isOn else { return }
    topics[Int(id)].add(.readToRing, at: StageBuckets.bucket(of: ns), UInt64(batches))
    topics[Int(id)].add(.readToRingSumNs, ns &* UInt64(batches))
  }
}
