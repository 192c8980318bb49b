import BrokerCore
import WireFormat

/// Bytes that wait, first in, first out.
struct ByteQueue {
  private var bytes: [UInt8] = []
  private var head = 0

  var count: Int { bytes.count - head }
  var isEmpty: Bool { count == 0 }

  mutating func append(_ more: some Sequence<UInt8>) { bytes.append(contentsOf: more) }

  mutating func take(_ n: Int) -> ArraySlice<UInt8> {
    precondition(n <= count, "more than a queue holds")
    let taken = bytes[head..<head + n]
    head += n
    if head == bytes.count || head > max(1 << 16, count) {
      bytes.removeSubrange(0..<head)
      head = 0
    }
    return taken
  }

  mutating func removeAll() {
    bytes = []
    head = 0
  }
}

/// A connection between a client and a shard, as two sockets with a network between them that
/// delays, parts and holds back both directions and may break.
final class Link {
  enum End { case none, closed, reset }

  let shard: Int
  weak var client: Client?
  /// What the shard calls it, once it has been accepted.
  var id: ConnectionID?

  /// From the client, on its way, and what has arrived at the broker's socket.
  var toBroker = ByteQueue()
  var arrived = ByteQueue()
  var clientEnd = End.none
  var hasArrivedEnd = false
  /// Among those that the shard will read.
  var isReady = false

  /// In the broker's socket, of which it takes `capacity` bytes.
  var toClient = ByteQueue()
  var capacity: Int
  /// The client takes nothing; or a few bytes at a time.
  var isStalled = false
  var creeps = false
  /// Counts what the socket takes.
  var tap = Tap()
  /// What BLOCKED is still to tell of a number, as the counters had it.
  var stops: [BlockedSide: [UInt32: [ToldStop]]] = [:]
  /// The broker was told that the socket is full, and is to be told when it is not.
  var isFull = false
  var hasWritableEvent = false
  /// The broker writes nothing more, and reads on.
  var isShutByBroker = false
  /// The broker closed its socket.
  var isClosedByBroker = false
  /// The client has read to the end.
  var isOver = false

  var description: String {
    "\(id.map { "\($0.slot)" } ?? "new") of \(shard): \(toBroker.count), \(arrived.count) in, "
      + "\(toClient.count) out, full \(isFull), end \(clientEnd) \(hasArrivedEnd), "
      + "over \(isOver), shut \(isShutByBroker), closed \(isClosedByBroker)"
  }

  init(shard: Int, capacity: Int) {
    self.shard = shard
    self.capacity = capacity
  }
}
