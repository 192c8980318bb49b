import BrokerCore
import Counters
import WireFormat

/// The other end of a connection, without a socket.
struct Peer {
  var id: ConnectionID
  /// Its subscription's slot, or -1 for the publisher.
  var subscription = -1
  var isCut = false
  var isSlow = false
  /// Nothing that is published is for it.
  var isIdle = false
  /// Its socket takes nothing, ever.
  var isBlocked = false
  /// Turns until a socket that was cut can be written again; 0 where it can.
  var blockedTurns = 0
}

/// Everything around the shards: peers, time, and the frames to come.
///
/// `@safe`: peers are addressed by the slots of connections, which are checked.
@safe
struct World: ~Copyable {
  static let peersMax = 128

  let scenario: Scenario
  let feed: Feed
  /// Bytes of the feed that may be read so far, and that were.
  var feedLimit = 0
  var fed = 0
  /// Charged bytes granted to the publisher of a block topic.
  var granted: UInt64 = 0
  var ackedThrough: UInt64 = 0
  var nowNs: UInt64 = 1_000_000
  var turns = 0
  var cuts = 0
  var closed = 0

  private let peers: UnsafeMutablePointer<Peer>
  private var peerCounts = (0, 0)
  let subscriptions0: SubscriptionTable
  let subscriptions1: SubscriptionTable
  /// Where CREDIT frames are written.
  let scratch: UnsafeMutableRawPointer

  init(_ scenario: Scenario, feed: consuming Feed, region: CountersRegion) {
    self.scenario = scenario
    self.feed = feed
    unsafe peers = .allocate(capacity: 2 * Self.peersMax)
    unsafe scratch = .allocate(byteCount: 256, alignment: 16)
    subscriptions0 = region.subscriptions(shard: 0)
    subscriptions1 = region.subscriptions(shard: scenario.shards - 1)
  }

  deinit {
    unsafe peers.deallocate()
    unsafe scratch.deallocate()
  }

  func peerCount(_ side: Int) -> Int { side == 0 ? peerCounts.0 : peerCounts.1 }

  /// Connections come in the order of their slots.
  mutating func add(_ peer: Peer, side: Int) {
    precondition(Int(peer.id.slot) == peerCount(side) && peerCount(side) < Self.peersMax)
    unsafe (peers + side * Self.peersMax + peerCount(side)).initialize(to: peer)
    if side == 0 { peerCounts.0 += 1 } else { peerCounts.1 += 1 }
  }

  subscript(_ side: Int, _ slot: Int) -> Peer {
    get {
      precondition(slot >= 0 && slot < peerCount(side), "no such peer")
      return unsafe peers[side * Self.peersMax + slot]
    }
    set {
      precondition(slot >= 0 && slot < peerCount(side), "no such peer")
      unsafe peers[side * Self.peersMax + slot] = newValue
    }
  }

  func subscription(_ side: Int, _ slot: Int) -> SubscriptionRow {
    side == 0 ? subscriptions0[slot] : subscriptions1[slot]
  }

  /// Bytes of the feed that the publisher may send now.
  func readable() -> Int {
    guard scenario.isBlock else { return feedLimit - fed }
    // A batch may go while there is credit at all.
    let batches = Int((granted + feed.batchCharge - 1) / feed.batchCharge)
    return min(feedLimit, batches * feed.frameBytes) - fed
  }

  /// All that was published has been delivered or given up.
  func isSettled() -> Bool {
    guard fed == feedLimit else { return false }
    let counted = feedLimit > feed.warmBytes ? scenario.countedEvents : 0
    let events = UInt64(scenario.warmEvents + counted)
    for side in 0..<scenario.shards {
      for slot in 0..<peerCount(side) {
        let peer = self[side, slot]
        if peer.subscription < 0 || peer.isIdle { continue }
        let row = subscription(side, peer.subscription)
        if row.get(.matchedEvents) != events || row.get(.lagEvents) != 0 { return false }
      }
    }
    return true
  }
}
