import LinuxIO

/// Sockets as the loops use them: what a call brought, as a value, and errors of this module.
enum Transport {
  enum Progress: Equatable {
    case bytes(Int)
    case nothing
    /// The other side is gone.
    case over
  }

  /// Connects to 127.0.0.1. Small pieces go out at once, and closing resets the connection:
  /// thousands that were closed in an orderly way would leave no port for the next run.
  static func connect(_ plan: LoadPlan) throws(LoadError) -> Int32 {
    do throws(SystemError) {
      let socket = try Socket.connect(
        to: .loopback(port: plan.port), timeoutNs: Int64(plan.patienceSeconds * 1e9))
      try Socket.set(.noDelay, 1, on: socket.rawValue)
      try Socket.resetOnClose(socket.rawValue)
      if let name = plan.congestionControl {
        try Socket.setCongestionControl(name, on: socket.rawValue)
      }
      return socket.release()
    } catch {
      throw .system(error)
    }
  }

  @inline(always)
  static func receive(
    _ descriptor: Int32, _ bytes: UnsafeMutableRawPointer, _ count: Int
  ) throws(LoadError) -> Progress {
    do throws(SystemError) {
      let buffer = unsafe UnsafeMutableRawBufferPointer(start: bytes, count: count)
      switch unsafe try Socket.receive(descriptor, buffer) {
      case .processed(let got): return .bytes(got)
      case .wouldBlock: return .nothing
      case .endOfFile: return .over
      }
    } catch {
      if error.isPeerGone { return .over }
      throw .system(error)
    }
  }

  @inline(always)
  static func send(
    _ descriptor: Int32, _ bytes: UnsafeRawPointer, _ count: Int
  ) throws(LoadError) -> Progress {
    do throws(SystemError) {
      switch unsafe try Socket.send(
        descriptor, UnsafeRawBufferPointer(start: bytes, count: count))
      {
      case .processed(let sent): return .bytes(sent)
      case .wouldBlock, .endOfFile: return .nothing
      }
    } catch {
      if error.isPeerGone { return .over }
      throw .system(error)
    }
  }
}

/// A readiness queue with room for what it tells, for one thread.
struct Readiness: ~Copyable {
  private let epoll: Epoll
  private var events: Epoll.EventBuffer

  init(capacity: Int) throws(LoadError) {
    do throws(SystemError) {
      epoll = try Epoll()
      events = Epoll.EventBuffer(capacity: capacity)
    } catch {
      throw .system(error)
    }
  }

  func add(
    _ descriptor: Int32, _ interest: Epoll.Interest, word: UInt64
  ) throws(LoadError) {
    do throws(SystemError) {
      try epoll.add(descriptor, interest, userWord: word)
    } catch {
      throw .system(error)
    }
  }

  func remove(_ descriptor: Int32) throws(LoadError) {
    do throws(SystemError) {
      try epoll.remove(descriptor)
    } catch {
      throw .system(error)
    }
  }

  /// Waits up to `timeoutNs` and returns how many events there are.
  mutating func wait(timeoutNs: UInt64) throws(LoadError) -> Int {
    do throws(SystemError) {
      return try epoll.wait(into: &events, timeoutNs: Int64(timeoutNs))
    } catch {
      throw .system(error)
    }
  }

  subscript(index: Int) -> Epoll.Event { events[index] }
}
