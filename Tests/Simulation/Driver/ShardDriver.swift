import BrokerCore
import WireFormat

/// Drives one shard as its event loop does, one small part of a turn at a time.
final class ShardDriver {
  enum Phase: Equatable {
    case begin, events, read, retry, fanOut, transmit, transmitting, close, sleep
  }

  let shard: Shard
  let index: Int
  var phase = Phase.begin
  var isAsleep = false
  var deadlineNs = UInt64.max
  /// Connections that wait to be accepted.
  var incoming: [Link] = []
  private var ready: [Link] = []
  private var writable: [Link] = []
  private var links: [UInt64: Link] = [:]
  private var readsLeft = 0
  private var current: Link?
  private var isDraining = false
  private(set) var turns = 0

  init(_ shard: Shard, index: Int) {
    self.shard = shard
    self.index = index
  }

  var hasEvents: Bool { !ready.isEmpty || !writable.isEmpty || !incoming.isEmpty }
  var isIdle: Bool { isAsleep && !hasEvents }

  func wake() {
    guard isAsleep else { return }
    isAsleep = false
    shard.wakeUp()
  }

  /// Bytes or the end have arrived.
  func noteReadable(_ link: Link) {
    guard link.id != nil, !link.isClosedByBroker else { return }
    listReady(link)
    wake()
  }

  func noteWritable(_ link: Link) {
    guard link.id != nil, !link.isClosedByBroker, !link.hasWritableEvent else { return }
    link.hasWritableEvent = true
    writable.append(link)
    wake()
  }

  private func listReady(_ link: Link) {
    guard !link.isReady else { return }
    link.isReady = true
    ready.append(link)
  }

  /// A part of a turn, or the rest of it.
  func step(_ world: Simulation, isWhole: Bool) {
    repeat {
      stepOnce(world)
      world.witness(self)
    } while isWhole && phase != .begin && world.fault == nil
  }

  private func stepOnce(_ world: Simulation) {
    switch phase {
    case .begin:
      shard.beginTurn(nowNs: world.clock.nowNs, realtimeNs: world.clock.realtimeNs)
      _ = shard.handleInbound()
      phase = .events
    case .events:
      for link in incoming { accept(link, world) }
      incoming = []
      for link in writable {
        link.hasWritableEvent = false
        if let id = link.id, !link.isClosedByBroker { shard.handleWritable(id) }
      }
      writable = []
      if world.isDraining && !isDraining {
        isDraining = true
        shard.commandDrain(
          deadlineNs: world.drainDeadlineNs, retryAfterMs: 100, spreadMs: 100)
      }
      readsLeft = ready.count
      phase = .read
    case .read:
      if readsLeft > 0 {
        readsLeft -= 1
        read(world)
      } else {
        phase = .retry
      }
    case .retry:
      _ = shard.retryPaused()
      while let id = shard.pollResumed() {
        if let link = links[id.word] { listReady(link) }
      }
      phase = .fanOut
    case .fanOut:
      shard.fanOut()
      phase = .transmit
    case .transmit:
      guard let id = shard.pollTransmit() else {
        phase = .close
        return
      }
      guard let link = links[id.word] else {
        return world.fail("shard \(index) writes to a connection that is closed")
      }
      current = link
      if world.random.percent(30) { phase = .transmitting } else { write(link, world) }
    case .transmitting:
      phase = .transmit
      if let current { write(current, world) }
    case .close:
      while let id = shard.pollShutdown() {
        guard let link = links[id.word] else {
          return world.fail("shard \(index) shuts a connection that is closed")
        }
        link.isShutByBroker = true
      }
      while let id = shard.pollClosed() {
        guard let link = links.removeValue(forKey: id.word) else {
          return world.fail("shard \(index) closes a connection twice")
        }
        link.isClosedByBroker = true
      }
      var wakes = shard.endTurn()
      while wakes != 0 {
        world.drivers[wakes.trailingZeroBitCount].wake()
        wakes &= wakes - 1
      }
      turns += 1
      world.checkTurn(self)
      phase = .sleep
    case .sleep:
      phase = .begin
      // Told to drain in the middle of a turn, a shard finds that out before it sleeps: the server
      // writes to a descriptor that then ends the sleep at once.
      if ready.isEmpty, writable.isEmpty, incoming.isEmpty, !shard.hasTransmit,
        isDraining == world.isDraining, shard.prepareToSleep()
      {
        isAsleep = true
        deadlineNs = shard.nextDeadlineNs
      }
    }
  }

  private func accept(_ link: Link, _ world: Simulation) {
    guard let id = shard.openConnection(peer: "simulated") else {
      link.toClient.append(shard.refusal(world.isDraining ? .draining : .tooManyConnections))
      link.isClosedByBroker = true
      return
    }
    link.id = id
    links[id.word] = link
    if !link.arrived.isEmpty || link.hasArrivedEnd { listReady(link) }
  }

  private func read(_ world: Simulation) {
    let link = ready.removeFirst()
    link.isReady = false
    guard let id = link.id, !link.isClosedByBroker else { return }
    guard let room = unsafe shard.receiveRoom(id) else { return }
    if link.hasArrivedEnd && link.clientEnd == .reset {
      shard.handleEndOfInput(id, reset: true)
      return
    }
    if link.arrived.isEmpty {
      if link.hasArrivedEnd { shard.handleEndOfInput(id, reset: false) }
      return
    }
    let most = min(link.arrived.count, room.count)
    let count = world.random.percent(40) ? world.random.within(1...most) : most
    let bytes = link.arrived.take(count)
    for (i, byte) in bytes.enumerated() { unsafe room[i] = byte }
    shard.received(count, on: id)
    if !link.arrived.isEmpty || link.hasArrivedEnd { listReady(link) }
  }

  private func write(_ link: Link, _ world: Simulation) {
    phase = .transmit
    current = nil
    guard let id = link.id else { return }
    if link.hasArrivedEnd && link.clientEnd == .reset && world.random.percent(50) {
      shard.transmitted(0, realtimeNs: world.clock.realtimeNs)
      shard.handleEndOfInput(id, reset: true)
      return
    }
    let offered = shard.transmitBytes
    var count = min(offered, max(0, link.capacity - link.toClient.count))
    if count > 0, world.random.percent(world.swarm.shortWritePercent) {
      count = world.random.within(0...count)
    }
    if count > 0 { send(count, on: link, world) }
    if count < offered { link.isFull = true }
    shard.transmitted(count, realtimeNs: world.clock.realtimeNs)
    if link.isFull && link.toClient.count < link.capacity && world.random.percent(50) {
      link.isFull = false
      noteWritable(link)
    }
  }

  /// The socket takes so many bytes of the plan.
  private func send(_ count: Int, on link: Link, _ world: Simulation) {
    var offered: [UInt8] = []
    offered.reserveCapacity(shard.transmitBytes)
    for unsafe vector in unsafe shard.transmitVectors {
      unsafe offered.append(
        contentsOf: UnsafeRawBufferPointer(start: vector.base, count: vector.count))
    }
    unsafe offered.withUnsafeBytes { bytes in
      unsafe link.tap.take(bytes, count: count) {
        world.checkAge($0.batch, self)
        world.checkLag($0, link, self)
      }
    }
    for told in link.tap.stops where world.checksStops {
      if let fault = link.sent(told.stop, told.side, told.ref) {
        world.fail("shard \(index): \(fault)")
      }
    }
    link.tap.stops = []
    link.toClient.append(offered[..<count])
  }

  func link(_ id: ConnectionID) -> Link? { links[id.word] }

  /// What a connection was sent, and whether something waits there that has not begun to be.
  func tap(_ id: ConnectionID) -> (tap: Tap, isBehind: Bool)? {
    links[id.word].map { ($0.tap, shard.hasStash(id)) }
  }
}
