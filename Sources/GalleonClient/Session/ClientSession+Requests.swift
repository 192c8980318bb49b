import WireFormat

extension ClientSession {
  /// While so many bytes of control frames wait, replies wait at home.
  private static var replyBytesMax: Int { 256 * 1024 }

  /// Moves replies to the output, as far as there is room.
  func takeReplies() {
    guard isOpen else { return }
    while control.count < Self.replyBytesMax, let frame = shared.replies.take() {
      control.append(frame)
    }
  }

  /// The answer to a request of ours.
  @unsafe
  func receive(_ reply: Reply, _ batch: UnsafeRawBufferPointer) throws(WireError) {
    // One that came too late, or twice, has no taker.
    guard let (topic, promise) = shared.requests.take(reply.token) else { return }
    let limits = BatchLimits(batchBytesMax: recordBytesMax)
    let valid = try unsafe validateBatch(batch, limits: limits)
    guard valid.count == 1, valid.paddedLength == batch.count else {
      throw WireError(.malformedBatch, need: 1, have: valid.count)
    }
    let storage = DeliveryStorage(
      topic: DeliveredTopic(
        id: 0, name: topic, instance: welcome?.instance ?? 0, replies: shared.replies),
      bytes: unsafe [UInt8](batch))
    let event = Event(
      storage: storage, batchOffset: 0, recordOffset: UInt32(BatchField.size), index: 0)
    promise.fulfil(.success(event))
  }

  func askForPage(_ offset: UInt64, _ count: UInt32, _ promise: Promise<StatsPage>) {
    guard isOpen else {
      promise.fulfil(.failure(.connectionLost("not connected")))
      return
    }
    let correlation = nextCorrelation()
    pages[correlation] = promise
    _ = Stats(offset: offset, count: count).encode(into: &control, correlation: correlation)
  }

  func receive(_ page: WireFormat.StatsPage, _ correlation: UInt32, _ bytes: [UInt8]) {
    pages.removeValue(forKey: correlation)?.fulfil(
      .success(StatsPage(total: page.total, offset: page.offset, bytes: bytes)))
  }

  /// A request was refused. Which one shows in its `ref`, or in its correlation.
  func receive(_ error: ErrorFrame, _ header: FrameHeader, _ nowNs: UInt64) {
    let refusal = Refusal(error)
    if let row = publishers[header.ref] {
      refused(row, refusal, nowNs)
    } else if let row = subscriptions[header.ref] {
      if !policyRefused(row, refusal, header.correlation) { refused(row, refusal, nowNs) }
    } else if let promise = pages.removeValue(forKey: header.correlation) {
      promise.fulfil(.failure(.refused(refusal)))
    }
    // What is left is a reply whose asker has gone.
  }
}
