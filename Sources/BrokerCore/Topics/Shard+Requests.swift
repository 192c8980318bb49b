import WireFormat

// Messages between shards, and requests that one shard makes of another.

extension Shard {
  /// Most messages of one ring in one turn, so that a flood from one shard does not hold up the
  /// sockets of this one.
  private static let messagesPerTurn = 512

  /// Sends a request; to itself it is answered at once. A request that finds its ring full waits
  /// in a list of the asker's and goes first in the next turn.
  func send(request number: UInt32, to other: Int) {
    if other == index {
      perform(&requests[number])
      answered(number)
      return
    }
    if !waitingRequests.isEmpty || !putRequest(number, to: other) {
      waitingRequests.append(number)
      waitingTargets[Int(number)] = UInt8(other)
    }
  }

  private func putRequest(_ number: UInt32, to other: Int) -> Bool {
    let ring = broker.ring(from: index, to: other)
    guard let room = unsafe ring.reserve(kind: MessageKind.request, bytes: 8) else { return false }
    unsafe room.storeBytes(of: UInt32(index), toByteOffset: 0, as: UInt32.self)
    unsafe room.storeBytes(of: number, toByteOffset: 4, as: UInt32.self)
    ring.commit()
    counters.forwarded()
    wake(other)
    return true
  }

  /// Sends what had to wait.
  func sendWaiting() {
    var sent = 0
    while sent < waitingRequests.count {
      let number = waitingRequests[sent]
      guard putRequest(number, to: Int(waitingTargets[Int(number)])) else { break }
      sent += 1
    }
    waitingRequests.removeFirst(sent)
    while requests.used < requests.capacity, let publisher = waitingCloses.popLast() {
      closeWriter(publisher)
    }
    askWaiting()
  }

  /// Takes messages from all other shards.
  func handleMessages() -> Int {
    var work = 0
    stuckRings = 0
    for other in 0..<broker.shards where other != index {
      let ring = broker.ring(from: other, to: index)
      var left = Shard.messagesPerTurn
      messages: while left > 0, let message = unsafe ring.peek() {
        // Whoever sent this may have seen a topic that this shard has not.
        _ = noticeTopics()
        let body = unsafe message.body
        switch unsafe message.kind {
        case MessageKind.request:
          let asker = unsafe Int(body.load(fromByteOffset: 0, as: UInt32.self))
          let number = unsafe body.load(fromByteOffset: 4, as: UInt32.self)
          if broker.requests[asker][number].kind == .pull, looksInTurn >= Shard.looksPerTurn {
            break messages
          }
          perform(&broker.requests[asker][number])
          broker.requestBits[asker].add(Int(number))
          wake(asker)
        case MessageKind.publish:
          guard unsafe acceptForwarded(body) else {
            stuckRings |= 1 << UInt64(other)
            break messages
          }
        case MessageKind.reply:
          unsafe takeReply(body, from: other)
        case MessageKind.noReceiver:
          unsafe replyRefused(body)
        default:
          preconditionFailure("a message of an unknown kind")
        }
        ring.release()
        work += 1
        left -= 1
      }
    }
    return work
  }

  /// Answers a request in its own memory.
  private func perform(_ request: inout SharedRequest) {
    switch request.kind {
    case .openTopic: performOpenTopic(&request)
    case .openWriter: performOpenWriter(&request)
    case .closeWriter: performCloseWriter(&request)
    case .attach: performAttach(&request)
    case .pull: performPull(&request)
    }
  }

  func requestAnswered(_ number: UInt32) {
    _ = noticeTopics()
    answered(number)
  }

  /// Goes on with what a request was made for.
  private func answered(_ number: UInt32) {
    let request = requests[number]
    requests.remove(number)
    switch request.kind {
    case .openTopic: topicOpened(request)
    case .openWriter: writerOpened(request)
    case .closeWriter: writerClosed(request)
    case .attach: attached(request)
    case .pull: pulled(request)
    }
  }

  // MARK: The directory

  /// Shard 0: opens a topic by name, or creates it with the asking shard as its owner.
  private func performOpenTopic(_ request: inout SharedRequest) {
    precondition(index == 0, "the directory is shard 0")
    let name = request.nameBytes
    if let id = directory[name] {
      request.topic = id
      if request.mode == OpenMode.mustCreate.rawValue {
        request.error = ErrorCode.topicExists.rawValue
      }
      return
    }
    guard request.mode != OpenMode.mustExist.rawValue else {
      request.error = ErrorCode.topicNotFound.rawValue
      return
    }
    guard broker.topicCount < limits.topicsMax else {
      request.error = ErrorCode.tooManyTopics.rawValue
      return
    }
    let id = UInt32(broker.topicCount + 1)
    // One number for each topic of each run, so that no two sequence spaces share one.
    let epoch = broker.instance &+ UInt64(id)
    let shared = TopicShared(
      id: id, name: name, epoch: epoch, owner: Int(request.asker), shards: broker.shards,
      settings: request.settings)
    counters.topicCreated(id, shared)
    broker.announce(shared)
    directory[name] = id
    request.topic = id
    request.created = 1
    for other in 1..<max(1, broker.shards) where broker.shards > 1 { wake(other) }
    _ = noticeTopics()
  }
}

extension SharedRequest {
  var nameBytes: [UInt8] { (0..<Int(nameCount)).map { name[$0] } }

  mutating func setName(_ bytes: some Collection<UInt8>) {
    precondition(bytes.count <= 256, "a name that was not checked")
    nameCount = UInt32(bytes.count)
    var i = 0
    for byte in bytes {
      name[i] = byte
      i += 1
    }
  }
}
