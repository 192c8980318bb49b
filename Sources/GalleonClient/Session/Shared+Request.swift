import LinuxIO
import WireFormat

extension Shared {
  /// Publishes a request and waits for its reply.
  nonisolated(nonsending) func request(
    _ core: PublisherCore, _ payload: some EventBytes, headers: Headers, timeout: Duration
  ) async throws(GalleonError) -> Event {
    if let problem = headers.problem { throw problem }
    let promise = Promise<Event>()
    let deadlineNs = Clock.monotonicNs() + timeout.nanosecondsClamped
    let address = try requests.add(topic: core.topic, deadlineNs: deadlineNs, promise)
    defer { requests.remove(address.token) }
    mailbox.post(.requestDeadline(deadlineNs))
    var parts = RecordParts(headers: headers.isEmpty ? nil : headers.wire, replyTo: address)
    while try !core.append(payload, key: String?.none, &parts, timeToLiveMs: 0) {
      try await core.waitForRoom()
    }
    return try await promise.value()
  }
}
