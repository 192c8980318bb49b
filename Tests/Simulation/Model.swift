import WireFormat

/// What must be true of all that clients see, kept apart from the broker: which event has which
/// place in which topic. It learns the order from whoever sees it first, and holds all others, the
/// publishers' own order and the acknowledgements to it.
final class Model {
  /// An event: which publisher, and its how-manieth, from 1.
  struct Event: Hashable {
    var publisher: UInt32
    var number: UInt32
  }

  struct Publisher {
    var topic: String
    /// Events that were put into PUBLISH frames.
    var sent: UInt32 = 0
    /// Highest number that was acknowledged.
    var acknowledged: UInt32 = 0
    /// Its session goes on, so that all it sent will be accepted.
    var isAlive = true
    /// Topic sequences by number.
    var sequences: [UInt32: UInt64] = [:]
    /// First numbers of batches that do not hold what their header says.
    var lies: Set<UInt32> = []
  }

  struct Topic {
    var name: String
    var options: UInt8
    var epoch: UInt64
    var events: [UInt64: Event] = [:]
    /// Charged bytes before the batches that begin at these sequences.
    var bytesBefore: [UInt64: UInt64] = [:]
    /// Highest sequence that anybody has heard of.
    var highest: UInt64 = 0
  }

  private(set) var publishers: [UInt32: Publisher] = [:]
  private(set) var topics: [UInt32: Topic] = [:]
  private var publisherCount: UInt32 = 0
  private(set) var fault: String?

  func fail(_ text: String) { if fault == nil { fault = text } }

  // MARK: Publishers

  func addPublisher(topic: String) -> UInt32 {
    publisherCount += 1
    publishers[publisherCount] = Publisher(topic: topic)
    return publisherCount
  }

  /// The next events of a publisher: the first one's number.
  func send(_ publisher: UInt32, count: Int, isLie: Bool) -> UInt32 {
    let first = publishers[publisher]!.sent + 1
    publishers[publisher]!.sent += UInt32(count)
    if isLie { publishers[publisher]!.lies.insert(first) }
    return first
  }

  func end(_ publisher: UInt32) { publishers[publisher]!.isAlive = false }

  func acknowledge(_ publisher: UInt32, through: UInt32, sequence: UInt64) {
    let known = publishers[publisher]!
    if through > known.sent { fail("ACK of \(through) where \(known.sent) were sent") }
    if through <= known.acknowledged { fail("ACK of \(through) after \(known.acknowledged)") }
    publishers[publisher]!.acknowledged = through
    place(Event(publisher: publisher, number: through), at: sequence)
  }

  private func place(_ event: Event, at sequence: UInt64) {
    let known = publishers[event.publisher]!
    if let other = known.sequences[event.number] {
      if other != sequence { fail("\(event) is at \(other) and at \(sequence)") }
      return
    }
    if let before = known.sequences[event.number - 1], before >= sequence {
      fail("\(event) at \(sequence) is before its predecessor at \(before)")
    }
    if let after = known.sequences[event.number + 1], after <= sequence {
      fail("\(event) at \(sequence) is after its successor at \(after)")
    }
    publishers[event.publisher]!.sequences[event.number] = sequence
  }

  // MARK: Topics

  func name(_ id: UInt32, _ name: String, options: UInt8, epoch: UInt64) {
    guard let known = topics[id] else {
      if topics.values.contains(where: { $0.name == name }) { fail("\(name) has two ids") }
      topics[id] = Topic(name: name, options: options, epoch: epoch)
      return
    }
    if known.name != name || known.options != options || known.epoch != epoch {
      fail("topic \(id) is \(known.name) and \(name)")
    }
  }

  /// A subscriber has seen a batch, whole or a part of it.
  func observe(_ id: UInt32, _ header: BatchHeader) {
    guard let topic = topics[id] else { return fail("topic \(id) has no name") }
    if header.topic != id { fail("a batch of topic \(header.topic) on topic \(id)") }
    let publisher = UInt32(truncatingIfNeeded: header.publisherSequence >> 32)
    let number = UInt32(truncatingIfNeeded: header.publisherSequence)
    guard let known = publishers[publisher] else { return fail("nobody published this") }
    if known.topic != topic.name { fail("an event for \(known.topic) on \(topic.name)") }
    if UInt64(number) + UInt64(header.count) - 1 > UInt64(known.sent) {
      fail("publisher \(publisher) has not sent number \(number) yet")
    }
    if let before = topic.bytesBefore[header.sequence], before != header.bytesBefore {
      fail("bytes before \(header.sequence) are \(before) and \(header.bytesBefore)")
    }
    topics[id]!.bytesBefore[header.sequence] = header.bytesBefore
    hear(id, of: header.sequence + UInt64(header.count) - 1)
    for i in 0..<header.count {
      let sequence = header.sequence + UInt64(i)
      let event = Event(publisher: publisher, number: number + i)
      if let other = topic.events[sequence] {
        if other != event { fail("at \(sequence) of \(topic.name) are \(other) and \(event)") }
      } else {
        topics[id]!.events[sequence] = event
        place(event, at: sequence)
      }
    }
  }

  func hear(_ id: UInt32, of sequence: UInt64) {
    guard let highest = topics[id]?.highest else { return }
    topics[id]!.highest = max(highest, sequence)
  }

  func isLie(_ header: BatchHeader) -> Bool {
    let publisher = UInt32(truncatingIfNeeded: header.publisherSequence >> 32)
    let number = UInt32(truncatingIfNeeded: header.publisherSequence)
    return publishers[publisher]?.lies.contains(number) ?? false
  }

  /// At a quiet moment: a topic has as many events as its publishers were promised.
  func checkCount(_ name: String, events: UInt64) {
    var least: UInt64 = 0
    var most: UInt64 = 0
    for publisher in publishers.values where publisher.topic == name {
      least += UInt64(publisher.isAlive ? publisher.sent : publisher.acknowledged)
      most += UInt64(publisher.sent)
    }
    if events < least || events > most {
      fail("\(name) has \(events) events, which should be \(least) to \(most)")
    }
  }
}

/// The bytes of an event: who published it, its number, and bytes that follow from both.
enum Payload {
  static let bytesMin = 8

  static func make(_ event: Model.Event, bytes: Int) -> [UInt8] {
    var out: [UInt8] = []
    out.reserveCapacity(bytes)
    for i in 0..<4 { out.append(UInt8(truncatingIfNeeded: event.publisher >> UInt32(8 * i))) }
    for i in 0..<4 { out.append(UInt8(truncatingIfNeeded: event.number >> UInt32(8 * i))) }
    let seed = UInt8(truncatingIfNeeded: event.publisher &* 31 &+ event.number)
    for i in 8..<max(8, bytes) { out.append(seed &+ UInt8(truncatingIfNeeded: i / 8)) }
    return out
  }

  static func isRight(_ bytes: UnsafeRawBufferPointer, _ event: Model.Event) -> Bool {
    guard bytes.count >= bytesMin else { return false }
    return unsafe bytes.elementsEqual(make(event, bytes: bytes.count))
  }
}

/// Whether a pattern matches a name: the slow and plain way.
func plainlyMatches(_ pattern: String, _ name: String) -> Bool {
  let wanted = pattern.split(separator: ".", omittingEmptySubsequences: false)
  let tokens = name.split(separator: ".", omittingEmptySubsequences: false)
  if wanted.last == ">" {
    return tokens.count >= wanted.count
      && zip(wanted.dropLast(), tokens).allSatisfy { $0 == "*" || $0 == $1 }
  }
  return wanted.count == tokens.count && zip(wanted, tokens).allSatisfy { $0 == "*" || $0 == $1 }
}
