import WireFormat

/// What is true, whatever the broker says of it: which events each publisher has sent, and the
/// place that each was given in its topic. From it follows what may come; see `Checker` for what
/// came.
///
/// Only the choice among publishers is the broker's: a witness tells it batch by batch, as they are
/// put into rings, and everything else is held to it.
final class Model {
  /// An event: which publisher, and its how-manieth, from 1.
  struct Event: Hashable {
    var publisher: UInt32
    var number: UInt32
  }

  /// What an event was made of.
  struct Contents {
    /// 0 for none.
    var key: UInt8
    var isTombstone = false
    /// Charged bytes.
    var charge: UInt32
  }

  struct Publisher {
    var topic: String
    /// What was put into PUBLISH frames.
    var events: [Contents] = []
    /// Highest number that a ring has taken.
    var accepted: UInt32 = 0
    /// Highest number that was acknowledged.
    var acknowledged: UInt32 = 0
    /// Its session goes on, so that all it sent will be accepted.
    var isAlive = true
    /// First numbers of accepted batches, and their places.
    var places: [(number: UInt32, count: UInt32, sequence: UInt64)] = []
    /// First numbers of batches that do not hold what their header says.
    var lies: Set<UInt32> = []

    var sent: UInt32 { UInt32(events.count) }
  }

  /// A batch in its place.
  struct Batch {
    var first: UInt64
    var count: UInt32
    var publisher: UInt32
    var number: UInt32
    var bytesBefore: UInt64
    var charge: UInt64
    var time: UInt64
    var ttlMs: UInt32
    var codec: UInt8
    var isLie: Bool

    var next: UInt64 { first + UInt64(count) }
    var end: UInt64 { bytesBefore + charge }
    var dueNs: UInt64 { ttlMs == 0 ? .max : time + UInt64(ttlMs) * 1_000_000 }
  }

  struct Topic {
    var name: String
    /// As clients were told; nil before anybody was.
    var told: (options: UInt8, epoch: UInt64)?
    var log: [Batch] = []
    var next: UInt64 = 1
    /// Charged bytes of all its events; nil where the last ones were given up unseen.
    var bytes: UInt64? = 0
    /// Some batches were given up before the witness saw them.
    var hasHoles = false
    /// The witness has seen all from here on.
    var seenFrom: UInt64 = 1
    /// For want of room the broker does not know all of its keys.
    var lacksKeys = false
    /// Highest sequence that a client has heard of.
    var heard: UInt64 = 0
    /// Sequences of the events with each key, in order.
    var keys: [UInt8: [UInt64]] = [:]

    var isKeyed: Bool { (told?.options ?? 0) & TopicOptions.keyed.rawValue != 0 }
    var isBlock: Bool { (told?.options ?? 0) & TopicOptions.block.rawValue != 0 }
  }

  private(set) var publishers: [Publisher] = []
  private(set) var topics: [UInt32: Topic] = [:]
  private(set) var fault: String?

  func fail(_ text: String) { if fault == nil { fault = text } }
  /// Says more of the fault there is.
  func note(_ text: String) { fault = text }

  // MARK: Publishers

  func addPublisher(topic: String) -> UInt32 {
    publishers.append(Publisher(topic: topic))
    return UInt32(publishers.count - 1)
  }

  /// The next number of a publisher.
  func nextNumber(_ publisher: UInt32) -> UInt32 { publishers[Int(publisher)].sent + 1 }

  /// A batch is on its way.
  func send(_ publisher: UInt32, _ events: [Contents], isLie: Bool) {
    if isLie { publishers[Int(publisher)].lies.insert(nextNumber(publisher)) }
    publishers[Int(publisher)].events += events
  }

  func end(_ publisher: UInt32) { publishers[Int(publisher)].isAlive = false }

  func acknowledge(_ publisher: UInt32, through: UInt32, sequence: UInt64) {
    let known = publishers[Int(publisher)]
    if through > known.accepted, through <= known.sent,
      topics.values.contains(where: { $0.name == known.topic && $0.hasHoles })
    {
      publishers[Int(publisher)].accepted = through
    } else if through > known.accepted {
      fail("ACK of \(through) where \(known.accepted) of \(known.sent) are in the ring")
    }
    if through <= known.acknowledged { fail("ACK of \(through) after \(known.acknowledged)") }
    publishers[Int(publisher)].acknowledged = through
    if let place = place(Event(publisher: publisher, number: through)), place != sequence {
      fail("ACK of \(through) at \(sequence), which is at \(place)")
    }
  }

  /// Where an event is; nil where the witness has not seen it.
  func place(_ event: Event) -> UInt64? {
    let places = publishers[Int(event.publisher)].places
    let i = places.partition { $0.number > event.number } - 1
    guard i >= 0, event.number < places[i].number + places[i].count else { return nil }
    return places[i].sequence + UInt64(event.number - places[i].number)
  }

  func has(_ event: Event) -> Bool {
    Int(event.publisher) < publishers.count && event.number > 0
      && event.number <= publishers[Int(event.publisher)].sent
  }

  func isLie(_ header: BatchHeader) -> Bool {
    let publisher = Int(truncatingIfNeeded: header.publisherSequence >> 32)
    guard publisher < publishers.count else { return false }
    return publishers[publisher].lies.contains(
      UInt32(truncatingIfNeeded: header.publisherSequence))
  }

  /// The key of a batch's first event.
  func key(of header: BatchHeader) -> UInt8 {
    let event = Event(
      publisher: UInt32(truncatingIfNeeded: header.publisherSequence >> 32),
      number: UInt32(truncatingIfNeeded: header.publisherSequence))
    return has(event) ? contents(event).key : 0
  }

  func contents(_ event: Event) -> Contents {
    publishers[Int(event.publisher)].events[Int(event.number) - 1]
  }

  // MARK: Topics

  /// A topic is there; clients may not have been told.
  func announce(_ id: UInt32, _ name: String) {
    if topics[id] == nil { topics[id] = Topic(name: name) }
  }

  /// A client was told of a topic.
  func name(_ id: UInt32, _ name: String, options: UInt8, epoch: UInt64) {
    guard let known = topics[id] else { return fail("topic \(id), \(name), is not there") }
    if let told = known.told, told.options != options || told.epoch != epoch {
      fail("topic \(id) has options \(told) and \((options, epoch))")
    }
    if known.name != name { fail("topic \(id) is \(known.name) and \(name)") }
    topics[id]!.told = (options, epoch)
  }

  /// A ring has taken a batch.
  func accept(_ id: UInt32, _ header: BatchHeader) {
    guard let topic = topics[id] else { return fail("a batch in topic \(id), which is not there") }
    let uid = UInt32(truncatingIfNeeded: header.publisherSequence >> 32)
    let number = UInt32(truncatingIfNeeded: header.publisherSequence)
    guard Int(uid) < publishers.count else { return fail("nobody published this") }
    let publisher = publishers[Int(uid)]
    if header.sequence != topic.next {
      return fail("\(topic.name) goes on at \(header.sequence), not \(topic.next)")
    }
    if let bytes = topic.bytes, header.bytesBefore != bytes {
      fail("\(topic.name): \(header.bytesBefore) bytes before \(topic.next), not \(bytes)")
    }
    if publisher.topic != topic.name { fail("an event for \(publisher.topic) in \(topic.name)") }
    if number != publisher.accepted + 1 && !(topic.hasHoles && number > publisher.accepted) {
      fail("publisher \(uid): \(number) comes after \(publisher.accepted)")
    }
    guard UInt64(number) + UInt64(header.count) - 1 <= UInt64(publisher.sent) else {
      return fail("publisher \(uid) has not sent number \(number) yet")
    }
    let batch = Batch(
      first: header.sequence, count: header.count, publisher: uid, number: number,
      bytesBefore: header.bytesBefore, charge: UInt64(header.charge), time: header.time,
      ttlMs: header.ttlMs, codec: header.codecRaw, isLie: publisher.lies.contains(number))
    if let last = topic.log.last, last.time > batch.time { fail("\(topic.name): time goes back") }
    topics[id]!.log.append(batch)
    topics[id]!.next = batch.next
    topics[id]!.bytes = batch.end
    publishers[Int(uid)].accepted = number + header.count - 1
    publishers[Int(uid)].places.append((number, header.count, header.sequence))
    var sum: UInt64 = 0
    for i in 0..<header.count {
      let contents = publisher.events[Int(number + i) - 1]
      sum += UInt64(contents.charge)
      if contents.key != 0 {
        topics[id]!.keys[contents.key, default: []].append(header.sequence + UInt64(i))
      }
    }
    if sum != batch.charge { fail("publisher \(uid), \(number): \(batch.charge) for \(sum) bytes") }
  }

  /// The end of a topic, where the last batches were given up unseen.
  func skip(_ id: UInt32, to next: UInt64) {
    guard let topic = topics[id], topic.next < next else { return }
    topics[id]!.next = next
    topics[id]!.bytes = nil
    topics[id]!.hasHoles = true
    topics[id]!.seenFrom = next
  }

  func noteLackOfKeys(_ id: UInt32) { topics[id]?.lacksKeys = true }

  func hear(_ id: UInt32, of sequence: UInt64) {
    guard let heard = topics[id]?.heard else { return }
    if sequence >= topics[id]!.next { fail("\(sequence) of topic \(id) is heard of too early") }
    topics[id]!.heard = max(heard, sequence)
  }

  /// The batch that an event is in; nil where the witness has not seen it.
  func batch(_ id: UInt32, at sequence: UInt64) -> Batch? {
    guard let log = topics[id]?.log else { return nil }
    let i = log.partition { $0.first > sequence } - 1
    return i >= 0 && sequence < log[i].next ? log[i] : nil
  }

  /// The batches that have events in a range, in order.
  func batches(_ id: UInt32, _ first: UInt64, _ last: UInt64) -> ArraySlice<Batch> {
    guard let log = topics[id]?.log, first <= last else { return [] }
    let begin = log.partition { $0.next > first }
    let end = log.partition { $0.first > last }
    return log[begin..<max(begin, end)]
  }

  func event(_ id: UInt32, at sequence: UInt64) -> Event? {
    guard let batch = batch(id, at: sequence) else { return nil }
    return Event(
      publisher: batch.publisher, number: batch.number + UInt32(sequence - batch.first))
  }

  /// What is wrong with a batch at a place that the witness has not seen: there must be such a
  /// place, and what it holds must have been published there.
  func faultUnseen(_ id: UInt32, _ header: BatchHeader) -> String? {
    guard let topic = topics[id], header.sequence < topic.seenFrom else {
      return "nothing is at \(header.sequence)"
    }
    let uid = header.publisherSequence >> 32
    let number = header.publisherSequence & UInt64(UInt32.max)
    guard uid < UInt64(publishers.count), publishers[Int(uid)].topic == topic.name, number > 0,
      header.count > 0, number - 1 + UInt64(header.count) <= UInt64(publishers[Int(uid)].sent)
    else { return "nobody has published \(header) in \(topic.name)" }
    return nil
  }

  /// Charged bytes of a range of events; nil where the witness has not seen all of them.
  func charge(_ id: UInt32, _ first: UInt64, _ last: UInt64) -> UInt64? {
    var sum: UInt64 = 0
    var next = first
    for batch in batches(id, first, last) {
      guard batch.first <= next else { return nil }
      if batch.first >= first && batch.next <= last + 1 {
        sum += batch.charge
      } else {
        for sequence in max(first, batch.first)...min(last, batch.next - 1) {
          let number = batch.number + UInt32(sequence - batch.first)
          sum += UInt64(contents(Event(publisher: batch.publisher, number: number)).charge)
        }
      }
      next = batch.next
    }
    return next > last ? sum : nil
  }

  /// Newest event of a key at or before a place.
  func newest(_ id: UInt32, key: UInt8, upTo last: UInt64 = .max) -> UInt64? {
    guard let sequences = topics[id]?.keys[key] else { return nil }
    let i = sequences.partition { $0 > last } - 1
    return i >= 0 ? sequences[i] : nil
  }
}

extension Array {
  /// The first position from which on `belongs` holds, which it does from there to the end.
  func partition(_ belongs: (Element) -> Bool) -> Int {
    var low = 0
    var high = count
    while low < high {
      let middle = (low + high) / 2
      if belongs(self[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
