import LinuxIO

/// One connection of the generator. It is `@safe` because only its table touches the carry, and
/// frees it.
@safe struct ConnectionRow<Session: BitwiseCopyable>: BitwiseCopyable {
  var descriptor: Int32
  var topic: Int
  var session: Session
  /// A piece that `receive` could not use yet.
  var carry: UnsafeMutableRawPointer?
  var carryCount = 0
  var carryCapacity = 0
  /// Events delivered here.
  var delivered: UInt64 = 0

  init(descriptor: Int32, topic: Int, session: Session) {
    self.descriptor = descriptor
    self.topic = topic
    self.session = session
  }
}

/// The connections of one thread: opens them, receives on them, and keeps half-received pieces.
///
/// One thread uses it at a time. It is `@safe` because rows are reached through `row`, which checks
/// the index, carries are as large as their capacity says, and all memory ends with the table.
@safe struct ConnectionTable<Driver: WireDriver & ~Copyable>: ~Copyable {
  /// What one call of receive may bring.
  static var receiveBytes: Int { 256 * 1024 }
  /// Handshakes under way at once; below every server's backlog.
  static var openingMax: Int { 64 }
  static var readyEventsMax: Int { 256 }

  enum Outcome {
    case nothing
    case bytes
    case closed
  }

  var driver: Driver
  var outbox = Outbox()
  var readiness: Readiness
  private(set) var count = 0
  private(set) var receives: UInt64 = 0

  private let rows: UnsafeMutablePointer<ConnectionRow<Driver.Session>>
  private let capacity: Int
  private let buffer: ByteBlock
  private let headroom: Int

  init(driver: consuming Driver, capacity: Int) throws(LoadError) {
    headroom = (driver.pieceBytesMax + 63) & ~63
    buffer = ByteBlock(zeroed: headroom + Self.receiveBytes)
    self.driver = driver
    readiness = try Readiness(capacity: Self.readyEventsMax)
    self.capacity = capacity
    unsafe rows = .allocate(capacity: max(1, capacity))
  }

  deinit {
    for index in 0..<count {
      if unsafe rows[index].descriptor >= 0 { unsafe Socket.close(rows[index].descriptor) }
      unsafe rows[index].carry?.deallocate()
    }
    unsafe rows.deallocate()
  }

  @inline(always)
  func row(_ index: Int) -> UnsafeMutablePointer<ConnectionRow<Driver.Session>> {
    precondition(index >= 0 && index < count, "no such connection")
    return unsafe rows + index
  }

  /// Connects with the given roles and waits until the server has confirmed all of it. Their
  /// rows are consecutive. Readiness is registered with `interest` and the row's index as the word.
  mutating func openAll(
    _ roles: [Role], plan: LoadPlan, interest: Epoll.Interest, tally: inout Tally
  ) throws(LoadError) {
    precondition(count + roles.count <= capacity, "the table was made for fewer connections")
    let first = count
    var confirmed = 0
    var lastProgressNs = Clock.monotonicNs()
    let patienceNs = UInt64(plan.patienceSeconds * 1e9)
    while confirmed < roles.count {
      while count - first < roles.count, count - first - confirmed < Self.openingMax {
        try open(roles[count - first], plan: plan, interest: interest)
        lastProgressNs = Clock.monotonicNs()
      }
      let ready = try readiness.wait(timeoutNs: 100_000_000)
      for event in 0..<ready {
        let index = Int(truncatingIfNeeded: readiness[event].userWord)
        let wasReady = unsafe driver.isReady(row(index).pointee.session)
        guard try receive(index, tally: &tally) != .closed else {
          throw .connectionClosed("a connection that was being opened")
        }
        try flushOutbox(index)
        if !wasReady, unsafe driver.isReady(row(index).pointee.session) {
          confirmed += 1
          lastProgressNs = Clock.monotonicNs()
        }
      }
      if Clock.monotonicNs() - lastProgressNs > patienceNs {
        throw .timedOut("\(roles.count - confirmed) connections were not confirmed")
      }
    }
  }

  private mutating func open(
    _ role: Role, plan: LoadPlan, interest: Epoll.Interest
  ) throws(LoadError) {
    let descriptor = try Transport.connect(plan)
    let session = driver.open(role, out: &outbox)
    unsafe (rows + count).initialize(
      to: ConnectionRow(descriptor: descriptor, topic: role.topic, session: session))
    count += 1
    try flushOutbox(count - 1)
    try readiness.add(descriptor, interest, word: UInt64(count - 1))
  }

  /// Receives once and lets the driver take what came. What the driver wants sent is in `outbox`
  /// afterwards; the caller flushes it when the connection is between two events.
  @inline(always)
  mutating func receive(_ index: Int, tally: inout Tally) throws(LoadError) -> Outcome {
    let row = unsafe row(index)
    let carried = unsafe row.pointee.carryCount
    let arrival = unsafe buffer.base + headroom
    let got: Int
    switch unsafe try Transport.receive(row.pointee.descriptor, arrival, Self.receiveBytes) {
    case .bytes(let count): got = count
    case .nothing: return .nothing
    case .over: return .closed
    }
    receives &+= 1
    tally.nowNs = Clock.monotonicNs()
    let start = unsafe arrival - carried
    if carried > 0, let carry = unsafe row.pointee.carry {
      unsafe start.copyMemory(from: carry, byteCount: carried)
    }
    let total = carried + got
    let used = unsafe try driver.receive(
      start, total, session: &row.pointee.session, tally: &tally, out: &outbox)
    if used < total || carried > 0 {
      unsafe keep(start + used, total - used, in: row)
    }
    return .bytes
  }

  private func keep(
    _ piece: UnsafeRawPointer, _ size: Int,
    in row: UnsafeMutablePointer<ConnectionRow<Driver.Session>>
  ) {
    precondition(size <= headroom, "the driver left more than its largest piece")
    unsafe row.pointee.carryCount = size
    guard size > 0 else { return }
    if unsafe row.pointee.carryCapacity < size {
      unsafe row.pointee.carry?.deallocate()
      let room = min(headroom, (size * 2 + 255) & ~255)
      unsafe row.pointee.carry = UnsafeMutableRawPointer.allocate(byteCount: room, alignment: 16)
      unsafe row.pointee.carryCapacity = room
    }
    if let carry = unsafe row.pointee.carry {
      unsafe carry.copyMemory(from: piece, byteCount: size)
    }
  }

  /// Sends what the driver wrote: a few bytes on a connection that is hardly written to. A server
  /// that leaves no room even for these does not read at all.
  mutating func flushOutbox(_ index: Int) throws(LoadError) {
    let size = outbox.count
    guard size > 0 else { return }
    let sent = unsafe try Transport.send(row(index).pointee.descriptor, outbox.base, size)
    outbox.removeAll()
    switch sent {
    case .bytes(size): return
    case .over: throw .connectionClosed("connection \(index)")
    case .bytes, .nothing: throw .timedOut("the server does not read what it is sent")
    }
  }
}
