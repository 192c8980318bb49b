import LinuxIO
import WireFormat

/// Bytes from the socket that are not yet whole frames.
///
/// Safe although it holds a pointer: the memory is owned and freed in `deinit` alone, and used by
/// the client's thread alone.
@safe
struct ReceiveBuffer: ~Copyable {
  private var memory: UnsafeMutableRawBufferPointer
  private var start = 0
  private var end = 0

  /// One receive takes at most so many bytes, so that a turn stays short.
  static var initialBytes: Int { 256 * 1024 }

  init() {
    unsafe memory = UnsafeMutableRawBufferPointer.allocate(
      byteCount: Self.initialBytes, alignment: 8)
  }

  deinit {
    unsafe memory.deallocate()
  }

  mutating func removeAll() {
    start = 0
    end = 0
  }

  /// Receives what is there. A full buffer that holds no whole frame grows to the frame's size,
  /// which the session has bounded.
  mutating func receive(_ fd: Int32) throws(SystemError) -> IOResult {
    makeRoom()
    let room = unsafe UnsafeMutableRawBufferPointer(rebasing: memory[end...])
    let result = try unsafe Socket.receive(fd, room)
    if case .processed(let count) = result { end += count }
    return result
  }

  private mutating func makeRoom() {
    let used = unsafe UnsafeRawBufferPointer(rebasing: memory[start..<end])
    let needed = max(Self.initialBytes, unsafe frameBytesNeeded(in: used, at: 0))
    if unsafe needed > memory.count {
      let fresh = UnsafeMutableRawBufferPointer.allocate(byteCount: needed, alignment: 8)
      unsafe fresh.copyMemory(from: used)
      unsafe memory.deallocate()
      unsafe memory = fresh
    } else if start > 0 {
      unsafe memory.copyMemory(from: used)
    }
    end -= start
    start = 0
  }

  /// Hands the session what has come.
  mutating func feed(_ session: ClientSession, nowNs: UInt64) {
    let bytes = unsafe UnsafeRawBufferPointer(rebasing: memory[start..<end])
    start += unsafe session.receive(bytes, nowNs: nowNs)
    if start == end { removeAll() }
  }
}
