import BrokerCore

/// The sockets of one shard's connections, by the connections' slots, and the list of those that
/// have something to read.
///
/// One thread owns it. `@safe`: slots are checked against the capacity; the generation tells a
/// connection from an earlier one in the same slot.
@safe
struct SocketTable: ~Copyable {
  private struct Entry {
    var generation: UInt32
    var fd: Int32
    var isListed: Bool
    var isEnding: Bool
  }

  private let entries: UnsafeMutablePointer<Entry>
  private let ready: UnsafeMutablePointer<UInt64>
  private let state: UnsafeMutablePointer<State>
  private let capacity: Int

  private struct State {
    var highWater = 0
    var readyHead = 0
    var readyCount = 0
  }

  init(capacity: Int) {
    self.capacity = capacity
    unsafe entries = .allocate(capacity: capacity)
    unsafe ready = .allocate(capacity: capacity)
    unsafe state = .allocate(capacity: 1)
    unsafe state.initialize(to: State())
  }

  deinit {
    unsafe entries.deallocate()
    unsafe ready.deallocate()
    unsafe state.deallocate()
  }

  func insert(_ id: ConnectionID, fd: Int32) {
    let slot = Int(id.slot)
    precondition(slot < capacity, "more connections than the limit")
    // Slots are used in order, so nothing below the new high water is left unset.
    if unsafe slot >= state.pointee.highWater { unsafe state.pointee.highWater = slot + 1 }
    unsafe (entries + slot).initialize(
      to: Entry(generation: id.generation, fd: fd, isListed: false, isEnding: false))
  }

  private func isThere(_ id: ConnectionID) -> Bool {
    unsafe Int(id.slot) < state.pointee.highWater
      && entries[Int(id.slot)].generation == id.generation && entries[Int(id.slot)].fd >= 0
  }

  func fd(_ id: ConnectionID) -> Int32? {
    isThere(id) ? unsafe entries[Int(id.slot)].fd : nil
  }

  func remove(_ id: ConnectionID) -> Int32? {
    guard let fd = fd(id) else { return nil }
    unsafe entries[Int(id.slot)].fd = -1
    return fd
  }

  func allOpen() -> [Int32] {
    unsafe (0..<state.pointee.highWater).map { unsafe entries[$0].fd }.filter { $0 >= 0 }
  }

  /// The kernel has announced the end of the peer's stream, or an error: read on until it shows.
  func noteEnding(_ id: ConnectionID) {
    if isThere(id) { unsafe entries[Int(id.slot)].isEnding = true }
  }

  func isEnding(_ id: ConnectionID) -> Bool {
    unsafe isThere(id) && entries[Int(id.slot)].isEnding
  }

  // MARK: Ready to be read

  var readyCount: Int { unsafe state.pointee.readyCount }
  var hasReady: Bool { readyCount > 0 }

  func listReady(_ id: ConnectionID) {
    guard isThere(id), unsafe !entries[Int(id.slot)].isListed else { return }
    unsafe entries[Int(id.slot)].isListed = true
    let at = unsafe (state.pointee.readyHead + state.pointee.readyCount) % capacity
    unsafe ready[at] = id.word
    unsafe state.pointee.readyCount += 1
    precondition(readyCount <= capacity, "a socket is listed twice")
  }

  func takeReady() -> ConnectionID? {
    while readyCount > 0 {
      let id = unsafe ConnectionID(word: ready[state.pointee.readyHead])
      unsafe state.pointee.readyHead = (state.pointee.readyHead + 1) % capacity
      unsafe state.pointee.readyCount -= 1
      // From the beginning again, or in time all of the memory would be touched.
      if readyCount == 0 { unsafe state.pointee.readyHead = 0 }
      guard isThere(id) else { continue }
      unsafe entries[Int(id.slot)].isListed = false
      return id
    }
    return nil
  }
}
