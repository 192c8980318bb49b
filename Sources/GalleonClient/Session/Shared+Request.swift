import LinuxIO
import WireFormat

extension Shared {
  /// Publishes a request and waits for its reply.
  nonisolated(nonsending) func request(
    _ core: PublisherCore, _ payload: some EventBytes, headers: Headers, timeout: Duration
  ) async throws(GalleonError) -> Event {
    if let problem = headers.problem { throw .invalidEvent(problem) }
    let promise = Promise<Event>()
    let deadlineNs = Clock.monotonicNs() + timeout.nanosecondsClamped
    let address = try requests.add(core, deadlineNs: deadlineNs, promise)
    defer { requests.remove(address.token) }
    mailbox.post(.requestDeadline(deadlineNs))
    let parts = RecordParts(headers: headers.isEmpty ? nil : headers.wire, replyTo: address)
    while true {
      let isTaken = try payload.withEventBytes { (payload) throws(GalleonError) in
        try core.append(payload, key: RawSpan(), parts, timeToLiveMs: 0)
      }
      if isTaken { return try await promise.value() }
      try await core.waitForRoom { promise.answer != nil }
      // Its time may be over before there is room, and then it is not published.
      if let answer = promise.answer { return try answer.get() }
    }
  }
}
