import CommandSupport
import GalleonClient
import LinuxIO
import WireFormat

/// The part of `pub` that runs as a task: from standard input to the broker, in bounded memory.
struct PubWork: Sendable {
  let command: PubCommand
  let url: BrokerURL
  /// Nil where a key is to be deleted.
  let input: StandardInput?
  let progress: PubProgress

  func run() async {
    do throws(CommandFailure) {
      let client = try await ClientSupport.connect(
        url, name: "galleon pub", reconnectNs: command.reconnectNs, isQuiet: command.isQuiet)
      do throws(GalleonError) {
        let publisher = try await client.publisher(for: command.topic, options: options)
        progress.begin(publisher)
        // The first failure is the cause: what flushing says comes of it.
        if let input {
          if let failure = await publishAll(of: input, publisher) { progress.fail(failure) }
        } else if let key = command.key {
          try await publisher.delete(key: key)
          progress.add(events: 1, bytes: 0)
        }
        // What was taken before a line that cannot be published is published all the same.
        try await publisher.flush()
      } catch {
        progress.fail(failure(error))
      }
      await client.close()
    } catch {
      progress.fail(error)
    }
  }

  private func failure(_ error: GalleonError) -> CommandFailure {
    if case .refused(let refusal) = error, refusal.code == ErrorCode.topicNotFound.rawValue {
      return .failure("there is no topic \(TerminalText.text(command.topic)) at \(url.text)")
    }
    return ClientSupport.failure(error, url)
  }

  private var options: PublisherOptions {
    var options = PublisherOptions()
    // Where there is no topic there is no key to delete, and a name mistyped would leave a topic.
    if command.deletes { options.mode = .mustExist }
    options.acknowledgement = command.waitsForAcknowledgement ? .accepted : .none
    options.isKeyed = command.isKeyed
    options.blocks = command.blocks
    options.blockTimeout = command.blockTimeoutNs.map { .nanoseconds(Int64(clamping: $0)) }
    if !command.isQuiet {
      let notes = StopNotes(command.topic, isPublisher: true)
      options.onBlocked = { notes.take($0) }
    }
    options.compression =
      switch command.compression {
      case .none: .none
      case .lz4: .lz4
      case .zstd: .zstd
      }
    options.timeToLive = command.timeToLiveNs.map { .nanoseconds(Int64(clamping: $0)) }
    // Batches as large as they may be by default: a file is not waiting for its first event.
    if command.compression != .none { options.batchBytes = WireLimits.batchBytesMax }
    return options
  }

  /// Publishes all lines; returns why it stopped before the end.
  private func publishAll(
    of input: StandardInput, _ publisher: Publisher
  ) async -> CommandFailure? {
    var headers: Headers?
    if !command.headers.isEmpty {
      var given = Headers()
      for header in command.headers { given.append(name: header.name, value: header.value) }
      headers = given
    }
    // A line that is longer than any batch may be cannot be an event.
    var splitter = LineSplitter(
      lineBytesMax: WireLimits.batchBytesCeiling + WireLimits.keyBytesMax)
    var writer = LineWriter(command: command, url: url, publisher: publisher, headers: headers)
    do throws(CommandFailure) {
      while let chunk = try nextChunk(of: input) {
        splitter.append(chunk[...])
        try await publishLines(&splitter, &writer)
        progress.add(events: writer.takeEvents(), bytes: writer.takeBytes())
      }
      if let last = splitter.finish() { try await writer.publish(splitter.bytes[last]) }
      progress.add(events: writer.takeEvents(), bytes: writer.takeBytes())
      return nil
    } catch {
      progress.add(events: writer.takeEvents(), bytes: writer.takeBytes())
      return error
    }
  }

  private func nextChunk(of input: StandardInput) throws(CommandFailure) -> [UInt8]? {
    do throws(SystemError) {
      return try input.read()
    } catch {
      throw .inputOutput("standard input", error)
    }
  }

  private func publishLines(
    _ splitter: inout LineSplitter, _ writer: inout LineWriter
  ) async throws(CommandFailure) {
    while true {
      switch splitter.next() {
      case .line(let range): try await writer.publish(splitter.bytes[range])
      case .needsMore: return
      case .tooLong:
        throw writer.failure(
          "is longer than any event may be", line: writer.nextLine)
      }
    }
  }
}

/// Makes events of lines.
private struct LineWriter {
  private let url: BrokerURL
  private let publisher: Publisher
  private let headers: Headers?
  private let key: [UInt8]?
  private let separator: [UInt8]?
  private var line: UInt64 = 0
  private var events: UInt64 = 0
  private var bytes: UInt64 = 0

  init(command: PubCommand, url: BrokerURL, publisher: Publisher, headers: Headers?) {
    self.url = url
    self.publisher = publisher
    self.headers = headers
    key = command.key.map { Array($0.utf8) }
    separator = command.keySeparator.map { Array($0.utf8) }
  }

  mutating func takeEvents() -> UInt64 {
    defer { events = 0 }
    return events
  }

  mutating func takeBytes() -> UInt64 {
    defer { bytes = 0 }
    return bytes
  }

  mutating func publish(_ text: ArraySlice<UInt8>) async throws(CommandFailure) {
    line += 1
    var payload = text
    var key = key.map { $0[...] }
    if let separator {
      guard let place = Self.find(separator, in: text) else {
        throw failure("does not have the key separator")
      }
      key = text[..<place]
      payload = text[(place + separator.count)...]
    }
    do throws(GalleonError) {
      // The usual case first: there is room, and nothing to wait for.
      if try !publisher.tryPublish(payload, key: key, headers: headers) {
        try await publisher.publish(payload, key: key, headers: headers)
      }
    } catch {
      switch error {
      case .invalidEvent, .eventTooLarge: throw failure("cannot be an event: \(error)")
      default: throw ClientSupport.failure(error, url)
      }
    }
    events += 1
    bytes += UInt64(payload.count)
  }

  func failure(_ what: String, line: UInt64? = nil) -> CommandFailure {
    .failure("line \(line ?? self.line) \(what)")
  }

  /// The number of the line that comes after the ones given so far.
  var nextLine: UInt64 { line + 1 }

  private static func find(_ separator: [UInt8], in text: ArraySlice<UInt8>) -> Int? {
    guard separator.count <= text.count, let first = separator.first else { return nil }
    var start = text.startIndex
    while start + separator.count <= text.endIndex {
      guard let found = text[start...].firstIndex(of: first),
        found + separator.count <= text.endIndex
      else { return nil }
      if text[found..<(found + separator.count)].elementsEqual(separator) { return found }
      start = found + 1
    }
    return nil
  }
}
