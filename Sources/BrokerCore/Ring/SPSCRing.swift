import Synchronization

/// A lock-free ring of messages from one shard to another: one producer thread, one consumer.
///
/// Messages are byte runs with a header of 8 bytes (size u32, kind u32), padded to 8 bytes, and
/// never wrap: where the rest of the ring is too short a filler takes it up. Both positions count
/// bytes and only rise (they may wrap at 2^64, see `Wrapping`). Each side keeps a private copy of
/// the other's position and looks at the shared one only when the copy says full or empty, so that
/// in steady state a message costs one release store a side and no shared line is read. (The
/// cached-position idea is Disruptor's SingleProducerSequencer.)
///
///     producer: write bytes, store tail (release)   pairs with   consumer: load tail (acquire)
///     consumer: done with bytes, store head (release)   pairs with   producer: load head (acquire)
///
/// A value, so that taking one out of an array counts no reference; `Broker` owns the memory and
/// frees it when all shards are gone.
///
/// `@unchecked Sendable`: the producer's and the consumer's halves are disjoint but for the two
/// atomics, which lie 128 bytes apart from everything else (two lines: the prefetcher's unit).
@safe
struct SPSCRing: @unchecked Sendable {
  /// Valid until it is released.
  @unsafe
  struct Message {
    let kind: UInt32
    let body: UnsafeRawBufferPointer
  }

  static let headerBytes = 8
  /// The kind that takes up the end of the ring.
  private static let filler: UInt32 = 0xFFFF_FFFF

  let capacity: Int
  private let memory: UnsafeMutableRawPointer
  /// Offsets in `control`, one pair of cache lines each.
  private let control: UnsafeMutableRawPointer
  private let head: UnsafeMutablePointer<Atomic<UInt64>>
  private let tail: UnsafeMutablePointer<Atomic<UInt64>>
  private let producer: UnsafeMutablePointer<(tail: UInt64, headSeen: UInt64)>
  private let consumer: UnsafeMutablePointer<(head: UInt64, tailSeen: UInt64)>

  /// - Parameters:
  ///   - capacity: in bytes, a power of two; a message may take up to half of it.
  ///   - start: first position; tests start it next to the wrap.
  init(capacity: Int, start: UInt64 = 0) {
    precondition(capacity >= 64 && capacity & (capacity - 1) == 0, "not a power of two")
    precondition(start % 8 == 0, "a ring starts at a multiple of 8")
    self.capacity = capacity
    unsafe memory = .allocate(byteCount: capacity, alignment: 128)
    unsafe control = .allocate(byteCount: 512, alignment: 128)
    unsafe head = control.bindMemory(to: Atomic<UInt64>.self, capacity: 1)
    unsafe tail = (control + 128).bindMemory(to: Atomic<UInt64>.self, capacity: 1)
    unsafe producer = (control + 256).bindMemory(
      to: (tail: UInt64, headSeen: UInt64).self, capacity: 1)
    unsafe consumer = (control + 384).bindMemory(
      to: (head: UInt64, tailSeen: UInt64).self, capacity: 1)
    unsafe head.initialize(to: Atomic(start))
    unsafe tail.initialize(to: Atomic(start))
    unsafe producer.initialize(to: (start, start))
    unsafe consumer.initialize(to: (start, start))
  }

  func deallocate() {
    unsafe memory.deallocate()
    unsafe control.deallocate()
  }

  /// The largest body that always fits into an empty ring.
  var bodyBytesMax: Int { capacity / 2 - Self.headerBytes }

  /// Producer: room for a message, to be filled and then published with `commit`; nil when full.
  func reserve(kind: UInt32, bytes: Int) -> UnsafeMutableRawBufferPointer? {
    precondition(bytes >= 0 && bytes <= bodyBytesMax, "a message that can never fit")
    let size = (Self.headerBytes + bytes + 7) & ~7
    let tail = unsafe producer.pointee.tail
    let offset = Int(truncatingIfNeeded: tail) & (capacity - 1)
    let toEnd = capacity - offset
    let needed = toEnd < size ? toEnd + size : size
    if freeBytes(tail) < needed {
      unsafe producer.pointee.headSeen = head.pointee.load(ordering: .acquiring)
      if freeBytes(tail) < needed { return nil }
    }
    var place = offset
    if toEnd < size {
      unsafe memory.storeBytes(of: UInt32(toEnd), toByteOffset: offset, as: UInt32.self)
      unsafe memory.storeBytes(of: Self.filler, toByteOffset: offset + 4, as: UInt32.self)
      unsafe producer.pointee.tail = Wrapping.advanced(tail, by: toEnd)
      place = 0
    }
    unsafe memory.storeBytes(
      of: UInt32(Self.headerBytes + bytes), toByteOffset: place, as: UInt32.self)
    unsafe memory.storeBytes(of: kind, toByteOffset: place + 4, as: UInt32.self)
    return unsafe UnsafeMutableRawBufferPointer(
      start: memory + place + Self.headerBytes, count: bytes)
  }

  /// Producer: publishes the message that was reserved last.
  func commit() {
    let tail = unsafe producer.pointee.tail
    let place = Int(truncatingIfNeeded: tail) & (capacity - 1)
    let size = unsafe Int(memory.load(fromByteOffset: place, as: UInt32.self))
    let next = Wrapping.advanced(tail, by: (size + 7) & ~7)
    unsafe producer.pointee.tail = next
    unsafe self.tail.pointee.store(next, ordering: .releasing)
  }

  private func freeBytes(_ tail: UInt64) -> Int {
    let used = unsafe Wrapping.distance(from: producer.pointee.headSeen, to: tail)
    return capacity - Int(used)
  }

  /// Consumer: the oldest message, which stays there until `release`; nil when there is none.
  func peek() -> Message? {
    while true {
      let head = unsafe consumer.pointee.head
      if unsafe consumer.pointee.tailSeen == head {
        unsafe consumer.pointee.tailSeen = tail.pointee.load(ordering: .acquiring)
        if unsafe consumer.pointee.tailSeen == head { return nil }
      }
      let place = Int(truncatingIfNeeded: head) & (capacity - 1)
      let size = unsafe Int(memory.load(fromByteOffset: place, as: UInt32.self))
      let kind = unsafe memory.load(fromByteOffset: place + 4, as: UInt32.self)
      if kind == Self.filler {
        unsafe consumer.pointee.head = Wrapping.advanced(head, by: size)
        continue
      }
      return unsafe Message(
        kind: kind,
        body: UnsafeRawBufferPointer(
          start: memory + place + Self.headerBytes, count: size - Self.headerBytes))
    }
  }

  /// Consumer: gives the room of the message that `peek` returned back.
  func release() {
    let head = unsafe consumer.pointee.head
    let place = Int(truncatingIfNeeded: head) & (capacity - 1)
    let size = unsafe Int(memory.load(fromByteOffset: place, as: UInt32.self))
    let next = Wrapping.advanced(head, by: (size + 7) & ~7)
    unsafe consumer.pointee.head = next
    unsafe self.head.pointee.store(next, ordering: .releasing)
  }

  /// Consumer, before it sleeps: whether a message waits.
  var isEmpty: Bool {
    unsafe tail.pointee.load(ordering: .acquiring) == consumer.pointee.head
  }
}
