import LinuxIO
import Synchronization
import WireFormat

/// A connection to a Galleon broker that comes back by itself.
///
/// One client carries any number of publishers, subscriptions and requests, on one socket and one
/// thread of its own. Everything may be called from any task. It ends when it is closed, when the
/// broker does not want it back, or when neither it nor one of its publishers and subscriptions is
/// referred to any more.
///
/// ```
/// let client = try await GalleonClient.connect("galleon://127.0.0.1:4747")
/// let loot = try await client.publisher(for: "hunt.1.loot")
/// try await loot.publish("a golden compass")
/// ```
public final class GalleonClient: Sendable {
  let shared: Shared
  var mailbox: Mailbox { shared.mailbox }

  /// The publishers that `request` has opened, by topic. Without the client in them, or it would
  /// keep itself.
  private let requesters = Mutex<[String: PublisherCore]>([:])
  /// Beyond so many, the one of another topic is closed.
  private static let requestersMax = 256

  private init(_ shared: Shared) {
    self.shared = shared
  }

  deinit {
    mailbox.post(.close(deadlineNs: Clock.monotonicNs() + Self.lastBreathNs))
  }

  /// How long a client that nobody refers to any more tries to send what it was given.
  private static let lastBreathNs: UInt64 = 5_000_000_000

  /// Connects to a broker.
  ///
  /// - Parameters:
  ///   - address: `galleon://host:port`, where the port may be left out, or `galleon+unix://path`.
  ///   - options: how to connect and come back.
  /// - Throws: `invalidAddress`; `cannotConnect` and `closed` where the first attempt fails, which
  ///   is not repeated; `cancelled`.
  public static func connect(
    _ address: String, options: ClientOptions = ClientOptions()
  ) async throws(GalleonError) -> GalleonClient {
    let endpoint = try Endpoint(address, defaultPort: ProtocolVersion.defaultPort)
    let connected = Promise<Void>()
    let shared: Shared
    do throws(SystemError) {
      let waker = try Waker()
      shared = Shared(
        options: options, mailbox: Mailbox { waker.wake() },
        firstToken: System.secureRandomNumber())
      _ = try Thread.spawn(name: "galleon-client") { [shared] in
        do throws(SystemError) {
          try ClientThread(
            endpoint: endpoint, shared: shared, waker: waker, first: connected
          ).run()
        } catch {
          connected.fulfil(.failure(.cannotConnect("\(error)")))
        }
      }
    } catch {
      throw .cannotConnect("\(error)")
    }
    do throws(GalleonError) {
      try await connected.value()
    } catch {
      shared.mailbox.post(.close(deadlineNs: 0))
      throw error
    }
    return GalleonClient(shared)
  }

  /// Opens a publisher for a topic, and creates the topic where there is none. While the client is
  /// not connected it waits until it is.
  ///
  /// - Throws: `refused` with the broker's reason; `cancelled`; the client's error when it ended.
  public nonisolated(nonsending) func publisher(
    for topic: String, options: PublisherOptions = PublisherOptions()
  ) async throws(GalleonError) -> Publisher {
    Publisher(try await openCore(topic, options), self)
  }

  private nonisolated(nonsending) func openCore(
    _ topic: String, _ options: PublisherOptions
  ) async throws(GalleonError) -> PublisherCore {
    try Self.check(topic, isPattern: false)
    let core = PublisherCore(
      ref: shared.nextRef(), topic: topic, options: options, mailbox: mailbox)
    let promise = Promise<Void>()
    guard mailbox.post(.openPublisher(core, promise)) else { throw .clientClosed }
    do throws(GalleonError) {
      try await promise.value()
    } catch {
      mailbox.post(.closePublisher(core, Promise()))
      throw error
    }
    return core
  }

  /// Subscribes to all topics that match a pattern, also to those that come to be later. In a
  /// pattern, `*` stands for one part of a name and `>` for the rest: `hunt.*.loot`, `hunt.>`.
  /// While the client is not connected it waits until it is.
  ///
  /// - Throws: `refused` with the broker's reason; `cancelled`; the client's error when it ended.
  public nonisolated(nonsending) func subscribe(
    _ pattern: String, options: SubscriptionOptions = SubscriptionOptions()
  ) async throws(GalleonError) -> Subscription {
    try Self.check(pattern, isPattern: true)
    let core = SubscriptionCore(
      ref: shared.nextRef(), pattern: pattern, options: options, mailbox: mailbox)
    let promise = Promise<Void>()
    guard mailbox.post(.subscribe(core, promise)) else { throw .clientClosed }
    do throws(GalleonError) {
      try await promise.value()
    } catch {
      mailbox.post(.unsubscribe(core, Promise()))
      throw error
    }
    return Subscription(core, self)
  }

  /// Refuses a name as the broker would, without asking it: a frame has no room for a long one.
  private static func check(_ name: String, isPattern: Bool) throws(GalleonError) {
    if isPattern ? name.isValidPattern : name.isValidTopicName { return }
    let code: ErrorCode = isPattern ? .invalidPattern : .invalidTopicName
    let text = isPattern ? "is no pattern of topics' names" : "is no name of a topic"
    throw .refused(Refusal(code, text: "\"\(name)\" \(text)"))
  }

  /// Publishes an event that asks for a reply, and waits for the first one.
  ///
  /// - Parameter timeout: how long to wait.
  /// - Returns: the reply; its topic is that of the request.
  /// - Throws: `timeout`; `connectionLost` where the session ended meanwhile, so that the reply
  ///   could not come any more; `tooManyRequests`; what `publish` throws.
  public nonisolated(nonsending) func request(
    _ topic: String, _ payload: some EventBytes, headers: Headers = [:],
    timeout: Duration = .seconds(5)
  ) async throws(GalleonError) -> Event {
    while true {
      let core = try await requester(topic)
      do throws(GalleonError) {
        return try await shared.request(core, payload, headers: headers, timeout: timeout)
      } catch {
        // Somebody's request to another topic may have closed this publisher meanwhile. Where it
        // was the client that closed, the next one says so.
        guard error == .clientClosed, !core.counts.isOpen else { throw error }
      }
    }
  }

  private nonisolated(nonsending) func requester(
    _ topic: String
  ) async throws(GalleonError) -> PublisherCore {
    if let known = requesters.withLock({ $0[topic] }), known.counts.isOpen { return known }
    let fresh = try await openCore(topic, PublisherOptions())
    let (core, surplus) = requesters.withLock { requesters -> (PublisherCore, PublisherCore?) in
      // Another request may have been faster.
      if let known = requesters[topic], known.counts.isOpen { return (known, fresh) }
      requesters[topic] = nil
      let isFull = requesters.count >= Self.requestersMax
      let surplus = isFull ? requesters.first?.value : nil
      if let surplus { requesters[surplus.topic] = nil }
      requesters[topic] = fresh
      return (fresh, surplus)
    }
    if let surplus { mailbox.post(.closePublisher(surplus, Promise())) }
    return core
  }

  /// A piece of the broker's counters; what it means is in the protocol's description of them.
  ///
  /// - Parameters:
  ///   - offset: where it starts, in bytes.
  ///   - count: the most bytes to be given.
  /// - Throws: `connectionLost` where there is no session; `refused`, `cancelled`, `clientClosed`.
  public nonisolated(nonsending) func statsPage(
    offset: UInt64, count: UInt32
  ) async throws(GalleonError) -> StatsPage {
    let promise = Promise<StatsPage>()
    guard mailbox.post(.stats(offset: offset, count: count, promise)) else { throw .clientClosed }
    return try await promise.value()
  }

  /// Closes the client: publishers take no more, what they were given is sent, loops over
  /// subscriptions end. Returns when the connection is closed.
  ///
  /// - Parameter timeout: how long it may take to send what there is. What is not with the broker
  ///   then is counted in ``Publisher/lost``.
  public nonisolated(nonsending) func close(timeout: Duration = .seconds(5)) async {
    let deadlineNs = Clock.monotonicNs() + timeout.nanosecondsClamped
    guard mailbox.post(.close(deadlineNs: deadlineNs)) else { return }
    await shared.ended.wait()
  }
}
