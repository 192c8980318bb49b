import Counters
import WireFormat

// Publishers: opened by name through the directory and then at the topic's owner, closed at the
// owner, so that everything that was published before is in its place.

extension Shard {
  func receiveOpenTopic(_ open: OpenTopic, header: FrameHeader, on slot: UInt32) -> FrameFate {
    if isScanningTooMuch { return .later }
    guard let mode = open.mode, let ackLevel = open.ackLevel, header.ref != 0,
      open.options.rawValue & ~(TopicSettings.keyedFlag | TopicSettings.blockFlag) == 0
    else { return refuse(slot, header, .invalidOption) }
    guard ackLevel != .persisted else { return refuse(slot, header, .notSupported) }
    guard drain == nil else { return refuse(slot, header, .shuttingDown) }
    guard open.topic.isValidTopicName else { return refuse(slot, header, .invalidTopicName) }
    guard publisherIndex.find(slot, header.ref) == nil else {
      return refuse(slot, header, .duplicateRef)
    }
    guard connections[slot].publisherCount < limits.publishersPerSessionMax,
      publishers.used < publishers.capacity
    else { return refuse(slot, header, .tooManyPublishers) }
    guard requests.used < requests.capacity else { return .later }

    let entry = PublisherEntry(
      connection: slot, ref: header.ref, topic: 0, ackLevel: ackLevel.rawValue)
    guard let publisher = publishers.insert(entry) else {
      preconditionFailure("room for a publisher was checked")
    }
    broker.publisherWords[index].reset(publisher)
    publisherIndex.insert(slot, header.ref, publisher)
    append(publisher, to: &connections[slot].publishers, of: publishers, \.inConnection)
    connections[slot].publisherCount += 1

    var request = SharedRequest(kind: .openTopic, asker: UInt32(index))
    request.connection = slot
    request.ref = header.ref
    request.correlation = header.correlation
    request.publisher = publisher
    request.mode = mode.rawValue
    request.ackLevel = ackLevel.rawValue
    request.settings = settings(of: open)
    request.setName(open.topic.utf8)
    guard let number = requests.insert(request) else {
      preconditionFailure("room for a request was checked")
    }
    send(request: number, to: 0)
    return connections[slot].phase == .open ? .done : .closed
  }

  /// What a topic is created with: the client's wishes within the broker's bounds.
  private func settings(of open: OpenTopic) -> TopicSettings {
    let share = UInt64(limits.ringBytes / broker.shards)
    let wished =
      open.retentionBytes == 0 ? UInt64(limits.topicRetentionBytes) : open.retentionBytes
    let timeoutMs =
      open.blockTimeoutMs == 0 ? UInt64(limits.blockTimeoutMs) : UInt64(open.blockTimeoutMs)
    return TopicSettings(
      flags: open.options.rawValue, blockTimeoutNs: timeoutMs * 1_000_000,
      retentionEvents: open.retentionEvents, retentionBytes: min(wished, share / 2),
      retentionNs: open.retentionMs.multipliedReportingOverflow(by: 1_000_000).overflow
        ? 0 : open.retentionMs * 1_000_000)
  }

  /// The directory has answered.
  func topicOpened(_ answer: SharedRequest) {
    let publisher = answer.publisher
    guard !publishers[publisher].isOrphan else {
      unlist(publisher)
      publishers.remove(publisher)
      return
    }
    if let code = ErrorCode(rawValue: answer.error) {
      forget(publisher)
      refuse(answer.connection, ref: answer.ref, correlation: answer.correlation, code)
      return
    }
    publishers[publisher].topic = answer.topic
    publishers[publisher].topicFlags = topics[answer.topic].shared.settings.flags
    publishers[publisher].owner = UInt8(topics[answer.topic].shared.owner)
    var request = answer
    request.kind = .openWriter
    guard let number = requests.insert(request) else {
      preconditionFailure("a request was freed just now")
    }
    send(request: number, to: topics[answer.topic].shared.owner)
  }

  /// The owner: takes note of a publisher.
  func performOpenWriter(_ request: inout SharedRequest) {
    let id = request.topic
    let entry = WriterEntry(
      topic: id, shard: request.asker, publisher: request.publisher,
      wantsAck: request.ackLevel != AckLevel.none.rawValue)
    guard let writer = writers.insert(entry) else {
      preconditionFailure("more writers than publishers")
    }
    append(writer, to: &topics[id].writers, of: writers, \.inTopic)
    topics[id].writerCount += 1
    request.writer = writer
    request.first = firstOffered(id)
    request.position.sequence = topics[id].nextSequence
    counters.writers(id, topics[id].writerCount)
    if topics[id].shared.settings.isBlock { listForGrant(id) }
  }

  /// The owner has answered: the publisher is open.
  func writerOpened(_ answer: SharedRequest) {
    let publisher = answer.publisher
    publishers[publisher].writer = answer.writer
    publishers[publisher].isOpen = true
    if publishers[publisher].isOrphan {
      closeWriter(publisher)
      return
    }
    let shared = topics[answer.topic].shared
    counters.publisherOpened(publisher, publishers[publisher])
    // Until it has credit.
    if shared.settings.isBlock { notePublisher(publisher, .subscriber) }
    let topic = Topic(
      topic: answer.topic, options: TopicOptions(rawValue: shared.settings.flags),
      created: answer.created != 0, epoch: shared.epoch, firstSequence: answer.first,
      nextSequence: answer.position.sequence)
    sendControl(answer.connection) {
      topic.encode(into: &$0, ref: answer.ref, correlation: answer.correlation)
    }
  }

  // MARK: Closing

  func receiveCloseTopic(_ header: FrameHeader, on slot: UInt32) -> FrameFate {
    guard let publisher = publisherIndex.find(slot, header.ref),
      publishers[publisher].isOpen, !publishers[publisher].isClosing
    else { return refuse(slot, header, .unknownRef) }
    guard requests.used < requests.capacity else { return .later }
    publishers[publisher].isClosing = true
    publishers[publisher].closeCorrelation = header.correlation
    closeWriter(publisher)
    return .done
  }

  /// The connection is gone. The publisher's slot is used again only when the owner is done.
  func orphan(_ publisher: UInt32) {
    let entry = publishers[publisher]
    publisherIndex.remove(entry.connection, entry.ref)
    remove(
      publisher, from: &connections[entry.connection].publishers, of: publishers, \.inConnection)
    connections[entry.connection].publisherCount -= 1
    publishers[publisher].isOrphan = true
    endNotice(&publishers[publisher].notice)
    counters.publisherClosed(publisher)
    // Before it is open its request is on the way, and closing already it will be confirmed.
    if entry.isOpen && !entry.isClosing { closeWriter(publisher) }
  }

  /// Tells the owner that nothing more comes from a publisher.
  func closeWriter(_ publisher: UInt32) {
    publishers[publisher].isClosing = true
    var request = SharedRequest(kind: .closeWriter, asker: UInt32(index))
    request.publisher = publisher
    request.writer = publishers[publisher].writer
    request.topic = publishers[publisher].topic
    guard let number = requests.insert(request) else {
      waitingCloses.append(publisher)
      return
    }
    send(request: number, to: topics[request.topic].shared.owner)
  }

  /// The owner: forgets a publisher. Its batches came through the same ring before this.
  func performCloseWriter(_ request: inout SharedRequest) {
    let id = request.topic
    remove(request.writer, from: &topics[id].writers, of: writers, \.inTopic)
    topics[id].writerCount -= 1
    writers.remove(request.writer)
    counters.writers(id, topics[id].writerCount)
    if topics[id].shared.settings.isBlock { listForGrant(id) }
  }

  /// The owner has confirmed.
  func writerClosed(_ answer: SharedRequest) {
    let publisher = answer.publisher
    if publishers[publisher].isOrphan {
      unlist(publisher)
      publishers.remove(publisher)
      return
    }
    let entry = publishers[publisher]
    // What was accepted before is acknowledged before.
    listForAnswer(publisher)
    sendAcks()
    guard !publishers[publisher].isOrphan else {
      // The session ended over an answer; this was the confirmation it would wait for.
      unlist(publisher)
      publishers.remove(publisher)
      return
    }
    counters.publisherClosed(publisher)
    forget(publisher)
    sendControl(entry.connection) {
      TopicClosed().encode(into: &$0, ref: entry.ref, correlation: entry.closeCorrelation)
    }
  }

  /// Frees a publisher of a connection that lives.
  private func forget(_ publisher: UInt32) {
    endNotice(&publishers[publisher].notice)
    let entry = publishers[publisher]
    publisherIndex.remove(entry.connection, entry.ref)
    remove(
      publisher, from: &connections[entry.connection].publishers, of: publishers, \.inConnection)
    connections[entry.connection].publisherCount -= 1
    if connections[entry.connection].lastPublisher == publisher {
      connections[entry.connection].lastPublisherRef = 0
    }
    unlist(publisher)
    publishers.remove(publisher)
  }

  /// A slot that is freed must not be found in the list of this turn by its next user.
  private func unlist(_ publisher: UInt32) {
    guard publishers[publisher].isListed else { return }
    ackPublishers.removeValue(publisher)
    publishers[publisher].isListed = false
  }
}
