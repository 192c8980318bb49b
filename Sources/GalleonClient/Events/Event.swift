import WireFormat

/// One event of a subscription.
///
/// It shares the memory of the batch that it came in: copying an event copies no bytes, and keeping
/// one keeps its batch. Copy out what is kept for long: `[UInt8](event.payload)`, `event.text`.
public struct Event: Sendable {
  let storage: DeliveryStorage
  /// Where the header of its batch starts.
  let batchOffset: UInt32
  /// Where its record starts.
  let recordOffset: UInt32
  /// Its number in the batch.
  let index: UInt32

  private var view: EventView { storage.record(Int(recordOffset)) }

  /// The topic it was published to.
  public var topic: String { storage.topic.name }

  /// Its number in the topic. A topic's first event has 1, and there is no gap.
  public var sequence: UInt64 { storage.sequence(Int(batchOffset)) &+ UInt64(index) }

  /// When the broker accepted its batch, in nanoseconds since 1970 in universal time.
  public var timeNs: UInt64 { storage.timeNs(Int(batchOffset)) }

  /// When the first event of its batch was published, on the publisher's clock, in nanoseconds
  /// since 1970 in universal time.
  public var publishTimeNs: UInt64 { storage.publishTimeNs(Int(batchOffset)) }

  /// How long after `timeNs` the broker still delivers it, in milliseconds; nil for ever.
  public var timeToLive: Duration? {
    let ms = storage.timeToLiveMs(Int(batchOffset))
    return ms == 0 ? nil : .milliseconds(Int64(ms))
  }

  /// Its payload. A slice of the batch: its indices do not start with 0.
  public var payload: ArraySlice<UInt8> { storage.bytes[view.payload] }

  /// Its payload as UTF-8; what is not is replaced by U+FFFD.
  public var text: String { String(decoding: payload, as: UTF8.self) }

  /// Its key; nil where it has none.
  public var key: ArraySlice<UInt8>? {
    let view = view
    return view.hasKey ? storage.bytes[view.key] : nil
  }

  /// Its key as UTF-8; nil where it has none.
  public var keyText: String? { key.map { String(decoding: $0, as: UTF8.self) } }

  /// Its headers.
  public var headers: Headers { Headers(view, in: storage) }

  /// Whether it deletes its key.
  public var isTombstone: Bool { view.isTombstone }

  /// Whether somebody waits for a reply to it.
  public var wantsReply: Bool { view.replyTo != nil }

  /// Calls `body` once with the payload, without a copy.
  public func withPayload<Result, Failure>(
    _ body: (RawSpan) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try payload.withEventBytes(body)
  }

  /// Answers a request. Suspends while too many replies wait to be sent.
  ///
  /// Replies are not stored: if the asker has gone, or has given up, or this connection breaks
  /// before the reply is sent, nobody is told.
  ///
  /// - Throws: `noReplyAddress` where none was asked for; `connectionLost` where the broker that
  ///   brought the event has been restarted since; `eventTooLarge`, `invalidEvent`, `cancelled`,
  ///   `clientClosed`, or why the client ended.
  public nonisolated(nonsending) func reply(
    _ payload: some EventBytes, headers: Headers = [:]
  ) async throws(GalleonError) {
    guard let address = view.replyTo else { throw .noReplyAddress }
    guard let replies = storage.topic.replies else { throw .clientClosed }
    try await replies.send(
      to: address, instance: storage.topic.instance, payload, headers: headers)
  }
}

extension Event: CustomStringConvertible {
  /// Topic, sequence and size.
  public var description: String { "\(topic) \(sequence) (\(payload.count) bytes)" }
}
