import LinuxIO
import WireFormat

/// Publishes events to one topic.
///
/// Events are put into batches as they come: while the connection is busy they gather, and when it
/// is idle each leaves at once. `publish` returns when the event is in a batch, and suspends only
/// while ``PublisherOptions/bufferBytes`` are waiting. Any number of tasks may publish at one time;
/// the events of one task keep their order.
///
/// When the connection breaks, events wait for the next one. What was under way is sent again or
/// counted in ``lost``; see ``PublisherOptions/resends``.
public final class Publisher: Sendable {
  let core: PublisherCore
  private let client: GalleonClient
  /// The options' time to live, in milliseconds.
  private let timeToLiveMs: UInt32

  init(_ core: PublisherCore, _ client: GalleonClient) {
    self.core = core
    self.client = client
    timeToLiveMs = clampedToUInt32(core.options.timeToLive?.wireMilliseconds ?? 0)
  }

  deinit {
    client.mailbox.post(.closePublisher(core, Promise()))
  }

  /// The topic it publishes to.
  public var topic: String { core.topic }

  /// Publishes an event.
  ///
  /// - Parameters:
  ///   - payload: its content, which is copied.
  ///   - key: what it is about, 1 to 1024 bytes. Topics that are keyed need one.
  ///   - headers: names with values.
  ///   - timeToLive: overrules the publisher's. Events with different times go into different
  ///     batches.
  /// - Throws: `eventTooLarge`, `invalidEvent`; `cancelled` where the task was cancelled while it
  ///   was suspended, and then the event was not published; `clientClosed`, or why the client
  ///   ended.
  @inlinable
  public nonisolated(nonsending) func publish<Payload: EventBytes & ~Copyable & ~Escapable>(
    _ payload: borrowing Payload, key: (some EventBytes)? = String?.none, headers: Headers? = nil,
    timeToLive: Duration? = nil
  ) async throws(GalleonError) {
    while try !tryPublish(payload, key: key, headers: headers, timeToLive: timeToLive) {
      try await waitForRoom()
    }
  }

  /// Publishes an event if there is room for it now, and says whether it did.
  ///
  /// - Throws: as `publish`, but for `cancelled`.
  @inlinable
  public func tryPublish<Payload: EventBytes & ~Copyable & ~Escapable>(
    _ payload: borrowing Payload, key: (some EventBytes)? = String?.none, headers: Headers? = nil,
    timeToLive: Duration? = nil
  ) throws(GalleonError) -> Bool {
    try payload.withEventBytes { (payload) throws(GalleonError) in
      guard let key else {
        return try add(payload, key: RawSpan(), hasKey: false, headers, timeToLive)
      }
      return try key.withEventBytes { (key) throws(GalleonError) in
        try add(payload, key: key, hasKey: true, headers, timeToLive)
      }
    }
  }

  @usableFromInline
  func add(
    _ payload: RawSpan, key: RawSpan, hasKey: Bool, _ headers: Headers?, _ timeToLive: Duration?
  ) throws(GalleonError) -> Bool {
    var parts = RecordParts(hasKey: hasKey)
    if let headers {
      if let problem = headers.problem { throw .invalidEvent(problem) }
      if !headers.isEmpty { parts.headers = headers.wire }
    }
    let lifeMs = timeToLive.map { clampedToUInt32($0.wireMilliseconds) } ?? timeToLiveMs
    return try core.append(payload, key: key, parts, timeToLiveMs: lifeMs)
  }

  @usableFromInline
  nonisolated(nonsending) func waitForRoom() async throws(GalleonError) {
    try await core.waitForRoom()
  }

  /// Publishes an event that deletes a key: it has no payload, and subscriptions see it with
  /// ``Event/isTombstone``.
  ///
  /// - Throws: as `publish`.
  public nonisolated(nonsending) func delete(key: some EventBytes) async throws(GalleonError) {
    let parts = RecordParts(hasKey: true, isTombstone: true)
    while true {
      let isTaken = try key.withEventBytes { (key) throws(GalleonError) in
        try core.append(RawSpan(), key: key, parts, timeToLiveMs: timeToLiveMs)
      }
      if isTaken { return }
      try await core.waitForRoom()
    }
  }

  /// Publishes an event that asks for a reply, and waits for the first one; as
  /// ``GalleonClient/request(_:_:headers:timeout:)``.
  public nonisolated(nonsending) func request(
    _ payload: some EventBytes, headers: Headers = [:], timeout: Duration = .seconds(5)
  ) async throws(GalleonError) -> Event {
    try await client.shared.request(core, payload, headers: headers, timeout: timeout)
  }

  /// Waits until the broker has everything that was published before: has acknowledged it, where
  /// acknowledgements were asked for, or else has read it.
  ///
  /// - Throws: `eventsLost` where some of it may not have reached the broker; `cancelled`; why the
  ///   client ended.
  public nonisolated(nonsending) func flush() async throws(GalleonError) {
    try await core.flush()
  }

  /// Sends what is left and closes the publisher. It takes no more events.
  ///
  /// - Throws: as `flush`.
  public nonisolated(nonsending) func close() async throws(GalleonError) {
    let promise = Promise<Void>()
    guard client.mailbox.post(.closePublisher(core, promise)) else { throw .clientClosed }
    try await promise.value()
    try core.reportLoss()
  }

  /// Why the broker does not take what this publisher sends; nil where it does, and where it speaks
  /// version 1 of the protocol, which does not say. ``PublisherOptions/onBlocked`` hears of
  /// changes.
  public var blocked: Blocked? { core.blocked }

  /// Events that `publish` has taken.
  public var published: UInt64 { core.counts.published }

  /// Events of those that the broker is known to have: acknowledged, where that was asked for, else
  /// read.
  public var acknowledged: UInt64 {
    let counts = core.counts
    return counts.settled - counts.lost
  }

  /// Events of those that may not have reached the broker, because a connection broke.
  public var lost: UInt64 { core.counts.lost }
}
