import LinuxIO

/// The broker's door: listeners and signals, watched by shard 0.
final class Front {
  private let listeners: ListenerList
  private let signalFD: SignalFD
  private var next = 0
  private var isOpen = true

  init(listeners: consuming ListenerList, signals: consuming SignalFD) {
    self.listeners = listeners
    signalFD = signals
  }

  var signals: Int32 { signalFD.rawValue }
  var listenerFDs: [Int32] { listeners.descriptors }

  /// A connection that waits at a listener, if any.
  func accept(_ listener: Int) -> Handoff.Accepted? {
    guard isOpen else { return nil }
    return listeners.accept(listener)
  }

  /// Connections go to the shards in turn.
  func nextShard(_ count: Int) -> Int {
    next = (next + 1) % count
    return next
  }

  func readSignal() -> Signal? {
    do throws(SystemError) {
      return try signalFD.next()?.signal
    } catch {
      return nil
    }
  }

  func stopListening() {
    isOpen = false
    listeners.closeAll()
  }
}

/// A few listeners; `Listener` itself cannot be put into an array, since it owns its descriptor.
final class ListenerList {
  private final class Box {
    let listener: Listener
    init(_ listener: consuming Listener) { self.listener = listener }
  }

  private var boxes: [Box] = []
  /// Given up for the connection that finds no descriptor left.
  private var spare: EventFD?

  func add(_ listener: consuming Listener) { boxes.append(Box(listener)) }

  var descriptors: [Int32] { boxes.map { $0.listener.rawValue } }
  var addresses: [SocketAddress] { boxes.map { $0.listener.localAddress } }

  private static func makeSpare() -> EventFD? {
    do throws(SystemError) {
      return try EventFD()
    } catch {
      return nil
    }
  }

  func closeAll() { boxes = [] }

  /// The next connection at a listener; one that failed on its way is passed over.
  func accept(_ index: Int) -> Handoff.Accepted? {
    guard index < boxes.count else { return nil }
    if spare == nil { spare = Self.makeSpare() }
    // Of this call only: the kernel says that there is no descriptor also where nobody waits, and
    // the next connection, which may come much later, is not to be refused for that.
    var isShort = false
    while true {
      do throws(SystemError) {
        switch try boxes[index].listener.accept() {
        case .accepted(let fd, let peer):
          if isShort {
            return Handoff.Accepted(
              fd: fd, peer: "\(peer)", isTCP: !peer.isUnix, isRefused: true)
          }
          return Handoff.Accepted(fd: fd, peer: "\(peer)", isTCP: !peer.isUnix)
        case .wouldBlock: return nil
        case .aborted: continue
        case .outOfResources:
          // A spare descriptor lets the connection be taken and refused by name, instead of
          // leaving it in the queue, where it would keep the listener readable for ever.
          guard spare != nil else { return nil }
          spare = nil
          isShort = true
          continue
        }
      } catch {
        return nil
      }
    }
  }
}
