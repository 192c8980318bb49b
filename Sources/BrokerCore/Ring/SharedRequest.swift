/// A question from one shard to another, in memory of the asker's: the other side writes the answer
/// into the same place and sets a bit, so answering never needs room anywhere.
///
/// Before it is sent only the asker touches it; then, until the bit is set, only the one who was
/// asked; then the asker again. The message that carries its number and the bit order the accesses.
struct SharedRequest: BitwiseCopyable {
  enum Kind: UInt8 {
    /// To shard 0: open or create a topic. Answer: `topic`, `created`, or `error`.
    case openTopic
    /// To a topic's owner: register a publisher. Answer: `writer`, `first`, `position.sequence`.
    case openWriter
    /// To a topic's owner: forget a publisher; everything it sent before has been accepted.
    case closeWriter
    /// To a topic's owner: where does a subscription start? Answer: `position`, pinned by `pin`.
    case attach
    /// To a keyed topic's owner: the next records of a pass. Answer: `pull.answer`, and what is in
    /// `pull.buffer`.
    case pull
  }

  /// A request for records of a topic's key index.
  struct Pull: BitwiseCopyable {
    var pass: UInt32 = noSlot
    var generation: UInt32 = 0
    /// The pass has begun; else `place` is the answer's to say.
    var isOpen = false
    var isWhole = false
    /// What is pending has a sequence above this,
    var after: UInt64 = 0
    /// and up to this.
    var through: UInt64 = 0
    var place = KeyIndex.Pass.none
    var eventsMax: UInt64 = 0
    /// Charged bytes after which no record is begun.
    var bytesMax: UInt64 = 0
    /// Bytes of all records in one frame that the client accepts: room for one of any size.
    var recordsMax = 0
    var ageMsMax: UInt32 = 0
    var random: UInt64 = 0
    /// The asker's; the owner appends.
    var buffer = Buffer()
    var answer = PullAnswer()
  }

  var kind: Kind
  var asker: UInt32
  // What the asker goes on with.
  var connection: UInt32 = noSlot
  var generation: UInt32 = 0
  var ref: UInt32 = 0
  var correlation: UInt32 = 0
  var publisher: UInt32 = noSlot
  var subscription: UInt32 = noSlot
  var subscriptionGeneration: UInt32 = 0
  var cursor: UInt32 = noSlot

  // The question.
  var mode: UInt8 = 0
  var ackLevel: UInt8 = 0
  var settings = TopicSettings()
  var topic: UInt32 = 0
  var start: UInt8 = 0
  var startValue: UInt64 = 0
  var nameCount: UInt32 = 0
  var name = InlineArray<256, UInt8>(repeating: 0)

  var pull = Pull()

  // The answer.
  var error: UInt16 = 0
  var created: UInt8 = 0
  var writer: UInt32 = noSlot
  var pin: UInt32 = noSlot
  var first: UInt64 = 0
  var position = TopicShared.Tail()
}

/// The requests of one shard. Only that shard takes and frees them; whoever was asked reaches one
/// by its number.
///
/// `@unchecked Sendable`: see `SharedRequest` for who touches an entry when; taking and freeing is
/// the asker's alone.
@safe
final class RequestTable: @unchecked Sendable {
  private let entries: UnsafeMutablePointer<SharedRequest>
  private let free: SlotList
  private var highWater: UInt32 = 0
  let capacity: Int
  /// Requests that wait for an answer.
  var used: Int { Int(highWater) - free.count }

  init(capacity: Int) {
    self.capacity = capacity
    unsafe entries = .allocate(capacity: capacity)
    free = SlotList(capacity: capacity)
  }

  deinit { unsafe entries.deallocate() }

  /// The asker: room for a request, or nil when too many wait.
  func insert(_ request: SharedRequest) -> UInt32? {
    var slot = free.removeLast()
    if slot == nil && Int(highWater) < capacity {
      slot = highWater
      highWater += 1
    }
    guard let slot else { return nil }
    unsafe (entries + Int(slot)).initialize(to: request)
    return slot
  }

  func remove(_ slot: UInt32) {
    self[slot].pull.buffer = Buffer()
    free.append(slot)
  }

  /// The asker ends: buffers that it has lent to those who were to fill them.
  func takeBuffers(_ body: (inout Buffer) -> Void) {
    for slot in 0..<highWater { body(&self[slot].pull.buffer) }
  }

  subscript(_ slot: UInt32) -> SharedRequest {
    unsafeAddress {
      precondition(Int(slot) < capacity, "no such request")
      return unsafe UnsafePointer(entries + Int(slot))
    }
    unsafeMutableAddress {
      precondition(Int(slot) < capacity, "no such request")
      return unsafe entries + Int(slot)
    }
  }
}

/// Kinds of messages in the rings between shards.
enum MessageKind {
  /// asker u32, number u32
  static let request: UInt32 = 1
  /// topic u32, writer u32, then batches as in PUBLISH
  static let publish: UInt32 = 2
  /// slot u32, generation u32 of the one who asked; shard u32, slot u32, generation u32,
  /// correlation u32 of the one who answers; then the body of REPLY
  static let reply: UInt32 = 3
  /// slot u32, generation u32, correlation u32: nobody took the reply
  static let noReceiver: UInt32 = 4
}
