/// Takes the deliveries of a subscription one by one, for one loop over it.
///
/// It holds what it fetched, so that the next event costs neither a lock nor a suspension. What is
/// left when it goes is put back for the next loop.
@usableFromInline
final class DeliveryReader {
  private let core: SubscriptionCore
  /// Kept while somebody reads it, since one that nobody refers to is closed.
  private let subscription: Subscription?
  private var fetched = Queue<Delivery>()
  private var batch: DeliveredBatch?
  /// Taken and not yet booked as consumed.
  private var takenEvents: UInt64 = 0
  private var takenBytes: UInt64 = 0

  /// A reader books what it took at least this many times for one window, so that credit comes
  /// back while it works through a long run.
  private static var bookingsPerWindow: UInt64 { 4 }

  init(_ core: SubscriptionCore, of subscription: Subscription? = nil) {
    self.core = core
    self.subscription = subscription
  }

  deinit {
    book()
    if let batch, batch.left > 0 { fetched.prepend(.batch(batch)) }
    core.putBack(&fetched)
  }

  /// The next event of the batch at hand, without a suspension.
  @usableFromInline
  func nextInBatch() -> Event? {
    guard batch != nil, batch!.left > 0 else { return nil }
    takenEvents += 1
    return batch!.next()
  }

  /// The next event, gap or other news; nil at the end. Suspends where there is none yet.
  @usableFromInline
  nonisolated(nonsending) func next() async throws(GalleonError) -> SubscriptionItems.Element? {
    while true {
      if let event = nextInBatch() { return .event(event) }
      finishBatch()
      switch fetched.popFirst() {
      case .batch(let next):
        batch = next
      case .gap(let gap): return .gap(gap)
      case .leftOut(let leftOut): return .leftOut(leftOut)
      case .stateReset(let topic): return .stateReset(topic: topic)
      case .stateComplete(let topic, let last): return .stateComplete(topic: topic, last: last)
      case nil:
        book()
        switch core.fetch(into: &fetched) {
        case .deliveries: if Task.isCancelled { throw .cancelled }
        case .nothingYet: try await core.waitForDelivery()
        case .end: return nil
        case .failed(let error): throw error
        }
      }
    }
  }

  /// Charged bytes are booked for whole batches: their memory is held until the last event is
  /// taken.
  private func finishBatch() {
    guard let done = batch else { return }
    takenBytes += UInt64(done.chargedBytes)
    batch = nil
    let options = core.options
    if takenEvents >= options.windowEvents / Self.bookingsPerWindow
      || takenBytes >= options.windowBytes / Self.bookingsPerWindow
    {
      book()
    }
  }

  private func book() {
    if takenEvents == 0 && takenBytes == 0 { return }
    core.consumed(events: takenEvents, bytes: takenBytes)
    takenEvents = 0
    takenBytes = 0
  }
}
