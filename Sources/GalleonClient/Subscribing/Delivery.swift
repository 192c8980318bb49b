import WireFormat

/// A topic as a session knows it; shared by all events of it.
final class DeliveredTopic: Sendable {
  let id: UInt32
  let name: String
  /// The broker's; reply addresses mean nothing under another one.
  let instance: UInt64
  /// Where replies to its events go. Not held: an event that is kept must not keep the connection.
  weak let replies: ReplyOutbox?

  init(id: UInt32, name: String, instance: UInt64, replies: ReplyOutbox?) {
    self.id = id
    self.name = name
    self.instance = instance
    self.replies = replies
  }
}

/// The memory of one or more delivered batches, as they came or with their records decoded. Never
/// changed, and shared by all events in it.
///
/// Everything in it was validated when it arrived, so reading it again cannot fail.
final class DeliveryStorage: Sendable {
  let topic: DeliveredTopic
  let bytes: [UInt8]

  init(topic: DeliveredTopic, bytes: [UInt8]) {
    self.topic = topic
    self.bytes = bytes
  }

  /// Topic sequence of the first event of the batch whose header is at `batch`.
  func sequence(_ batch: Int) -> UInt64 {
    unsafe withHeader(batch) { unsafe Batch.sequence($0) }
  }

  func timeNs(_ batch: Int) -> UInt64 {
    unsafe withHeader(batch) { unsafe Batch.time($0) }
  }

  func publishTimeNs(_ batch: Int) -> UInt64 {
    unsafe withHeader(batch) { unsafe Batch.publishTime($0) }
  }

  /// 0 for none.
  func timeToLiveMs(_ batch: Int) -> UInt64 {
    unsafe withHeader(batch) { unsafe UInt64(Batch.ttlMs($0)) }
  }

  private func withHeader(_ batch: Int, _ body: (UnsafeRawPointer) -> UInt64) -> UInt64 {
    unsafe bytes.withUnsafeBytes { all in
      precondition(batch >= 0 && batch <= all.count - BatchField.size)
      return unsafe body(all.baseAddress! + batch)
    }
  }

  /// The parts of the record at `offset`, as offsets into `bytes`.
  func record(_ offset: Int) -> EventView {
    unsafe bytes.withUnsafeBytes { all in
      var cursor = unsafe RecordCursor(all, from: offset, count: 1)
      guard let event = try? cursor.next() else {
        preconditionFailure("a record was validated and is not well-formed")
      }
      return event
    }
  }
}

/// One batch that was delivered, and how much of it has been taken.
struct DeliveredBatch: Sendable {
  let storage: DeliveryStorage
  /// Where its header starts in the storage.
  let offset: Int
  /// Where the next record starts in the storage.
  var recordOffset: Int
  /// The next record's number in the batch.
  var index: Int
  /// Events that are still to be taken.
  var left: Int
  /// What the batch costs in credit when all of it has been taken.
  let chargedBytes: Int

  /// The next event. Only where `left` is not 0.
  mutating func next() -> Event {
    let view = storage.record(recordOffset)
    let event = Event(
      storage: storage, batchOffset: UInt32(truncatingIfNeeded: offset),
      recordOffset: UInt32(truncatingIfNeeded: recordOffset),
      index: UInt32(truncatingIfNeeded: index))
    recordOffset = view.end
    index += 1
    left -= 1
    return event
  }
}

/// What waits for the program in a subscription.
enum Delivery: Sendable {
  case batch(DeliveredBatch)
  case gap(Gap)
  case leftOut(LeftOut)
  case stateReset(topic: String)
  case stateComplete(topic: String, last: UInt64)
}
