import Counters
import LinuxIO
import WireFormat

/// Why counters could not be had, in a sentence without the broker's name.
struct CountersProblem: Error {
  let sentence: String
  /// Somebody is there, and says nothing.
  let isSilence: Bool

  init(_ sentence: String, isSilence: Bool = false) {
    self.sentence = sentence
    self.isSilence = isSilence
  }

  init(_ error: CountersReadError) {
    isSilence = false
    switch error {
    case .notCounters: sentence = "it holds no counters"
    case .otherLayout(let version, _):
      sentence =
        version == CountersLayout.version
        ? "it is of another build of galleon, whose counters this one cannot read"
        : "its counters have layout version \(version), and this command reads "
          + "\(CountersLayout.version)"
    case .cut: sentence = "its counters end too early"
    case .malformed: sentence = "its counters contradict themselves"
    }
  }
}

/// A session that only asks for counters, and waits for each answer.
final class CountersConnection {
  /// A broker answers within a millisecond. One that takes longer than this hangs, or is none.
  private static let answerTimeoutNs: Int64 = 4_000_000_000
  /// The longest heartbeat interval there is: nothing is said between two readings.
  private static let heartbeatMs = UInt32(WireLimits.heartbeatMsMax)
  private static let receiveBytes = 65536
  /// How often it is looked, while nothing comes, whether that is still waited for.
  private static let cancelNs: Int64 = 100_000_000

  private enum Answer {
    case welcome
    case page([UInt8])
    case closed(Close)
    case refused(ErrorFrame)
    case ping(UInt64)
    case other
  }

  private let socket: FileDescriptor
  private var received: [UInt8] = []
  private var correlation: UInt32 = 0
  /// Asked now and then while an answer is waited for: whether to wait no longer. Connecting and
  /// sending do not ask.
  var isCancelled: () -> Bool

  init(
    _ addresses: [SocketAddress], _ isCancelled: @escaping () -> Bool
  ) throws(CountersProblem) {
    self.isCancelled = isCancelled
    do throws(SystemError) {
      socket = try Socket.connect(toFirstOf: addresses, timeoutNs: Self.answerTimeoutNs)
    } catch {
      throw CountersProblem("no broker listens there: \(error.errno)")
    }
    try send { writer in
      Hello(
        magic: ProtocolVersion.magic, versionMin: ProtocolVersion.versionMin,
        versionMax: ProtocolVersion.version, codecs: [], heartbeatMs: Self.heartbeatMs,
        clientName: "galleon stats"
      ).encode(into: &writer)
    }
    guard case .welcome = try answer() else { throw CountersProblem("it did not say WELCOME") }
  }

  deinit {
    // An orderly end, so that it is counted as one. Whoever does not take it is gone already.
    try? send { writer in
      Close(reason: .clientClosed, retryable: true, text: "").encode(into: &writer)
    }
  }

  func snapshot(_ tables: Set<CounterKind>) throws(CountersProblem) -> CountersSnapshot {
    var problem: CountersProblem?
    do throws(CountersReadError) {
      return try CountersSnapshot(tables: tables) { offset, count in
        do throws(CountersProblem) {
          return try self.page(offset, count)
        } catch {
          problem = error
          return []
        }
      }
    } catch {
      throw problem ?? CountersProblem(error)
    }
  }

  /// A piece of the counters: as much as the broker sends at once.
  private func page(_ offset: Int, _ count: Int) throws(CountersProblem) -> [UInt8] {
    correlation &+= 1
    let asked = correlation
    let count = min(count, WireLimits.statsPageBytesMax)
    try send { writer in
      WireFormat.Stats(offset: UInt64(offset), count: UInt32(count))
        .encode(into: &writer, correlation: asked)
    }
    guard case .page(let bytes) = try answer() else {
      throw CountersProblem("it did not answer with counters")
    }
    // Of more than was asked for, the rest would be taken for what follows.
    return bytes.count > count ? Array(bytes[..<count]) : bytes
  }

  private func send(_ encode: (inout FrameWriter) -> Bool) throws(CountersProblem) {
    var writer = FrameWriter()
    let fits = encode(&writer)
    precondition(fits, "a small frame fits")
    do throws(SystemError) {
      try unsafe Socket.sendAll(socket.rawValue, writer.bytes, timeoutNs: Self.answerTimeoutNs)
    } catch {
      throw CountersProblem("\(error.errno)")
    }
  }

  /// The next frame that is an answer to us.
  private func answer() throws(CountersProblem) -> Answer {
    let deadlineNs = Clock.monotonicNs() + UInt64(Self.answerTimeoutNs)
    while true {
      guard let answer = try nextAnswer() else {
        try fill(deadlineNs)
        continue
      }
      switch answer {
      case .welcome, .page: return answer
      case .closed(let close):
        let reason = close.reason.map { "\($0.name)" } ?? "reason \(close.reasonRaw)"
        throw CountersProblem(
          "it ended the session: \(reason)" + (close.text.isEmpty ? "" : ": \(close.text)"))
      case .refused(let error):
        throw CountersProblem("it refused: \(error.text)")
      case .ping(let time):
        try send { writer in Pong(time: time).encode(into: &writer) }
      case .other: break
      }
    }
  }

  /// The first frame of what was received; nil where it is not whole.
  private func nextAnswer() throws(CountersProblem) -> Answer? {
    var end = 0
    let outcome = unsafe received.withUnsafeBytes { bytes -> Result<Answer?, WireError> in
      do throws(WireError) {
        let frame = try unsafe nextFrame(
          in: bytes, at: 0, lengthMax: UInt32(WireLimits.frameLengthMax))
        guard let frame else { return .success(nil) }
        end = frame.end
        return .success(try unsafe Self.decode(frame, bytes))
      } catch {
        return .failure(error)
      }
    }
    switch outcome {
    case .success(let answer):
      received.removeFirst(end)
      return answer
    case .failure(let error):
      throw CountersProblem("it does not speak the protocol: \(error)")
    }
  }

  @unsafe private static func decode(
    _ frame: FrameView, _ bytes: UnsafeRawBufferPointer
  ) throws(WireError) -> Answer {
    var reader = unsafe FrameReader(frame, in: bytes)
    switch frame.header.type {
    case .welcome:
      _ = try Welcome(reader: &reader)
      return .welcome
    case .statsPage:
      let page = try StatsPage(reader: &reader)
      return unsafe .page(Array(bytes[page.bytes]))
    case .close: return .closed(try Close(reader: &reader))
    case .error: return .refused(try ErrorFrame(reader: &reader))
    case .ping: return .ping(try Ping(reader: &reader).time)
    default: return .other
    }
  }

  private func fill(_ deadlineNs: UInt64) throws(CountersProblem) {
    var chunk = [UInt8](repeating: 0, count: Self.receiveBytes)
    let outcome = unsafe chunk.withUnsafeMutableBytes { buffer -> Result<IOResult, SystemError> in
      do throws(SystemError) {
        while true {
          let now = Clock.monotonicNs()
          let left = deadlineNs > now ? Int64(deadlineNs - now) : 0
          let waitNs = min(left, Self.cancelNs)
          if try Poll.wait(socket.rawValue, for: .readable, timeoutNs: waitNs) { break }
          if left == 0 || isCancelled() { throw SystemError(.timedOut, "recv") }
        }
        return .success(try unsafe Socket.receive(socket.rawValue, buffer))
      } catch {
        return .failure(error)
      }
    }
    let result: IOResult
    switch outcome {
    case .success(let value): result = value
    case .failure(let error):
      if error.errno == .timedOut { throw CountersProblem("it does not answer", isSilence: true) }
      throw CountersProblem("\(error.errno)")
    }
    switch result {
    case .processed(let count): received += chunk[..<count]
    case .wouldBlock: break
    case .endOfFile: throw CountersProblem("it ended the connection")
    }
  }
}
