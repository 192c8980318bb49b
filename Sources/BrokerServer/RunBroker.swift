import BrokerCore
import Counters
import LinuxIO

/// Name and version, as clients and operators see it.
#if GALLEON_COUNTERS_OFF
  public let brokerName = "galleon 0.1.0 without counters"
#else
  public let brokerName = "galleon 0.1.0"
#endif

/// Runs a broker on the calling thread (shard 0) and one more thread for each other shard, until a
/// signal has made it drain. Call it from the main thread, before any other thread is started:
/// signals are blocked for the threads that come later.
///
/// - Throws: `StartError` where an address is taken, a limit makes no sense, or memory or
///   descriptors are not to be had.
public func runBroker(_ configuration: Configuration) throws(StartError) {
  let shards = configuration.shardCount
  if let problem = configuration.validate() { throw StartError(description: problem) }
  do throws(SystemError) {
    // Tried and given back: the pools themselves are made where nothing can be said any more.
    _ = try AnonymousMemory(byteCount: configuration.limits.memoryBytes)
  } catch {
    throw StartError(
      description: "there are no \(configuration.limits.memoryBytes) bytes of memory to be had")
  }
  let listeners = ListenerList()
  for address in configuration.listen { try listen(on: address, listeners) }
  if let path = configuration.unixPath { try listen(on: .unix(path: path), listeners) }
  let metrics = ListenerList()
  if let address = configuration.metrics { try listen(on: address, metrics) }
  let recorder = try configuration.recordPath.map { (path) throws(StartError) in
    try RecordFile(path)
  }
  let broker = Broker(
    limits: configuration.limits, shards: shards, instance: System.secureRandomNumber() >> 16,
    name: brokerName, secret: System.secureRandomNumber())
  let counters = try CountersHome.make(
    configuration, shards: shards, instance: broker.instance)
  defer { counters.remove() }
  do throws(SystemError) {
    _ = try System.raiseDescriptorLimit()
    // A terminal that goes away ends the broker in order too, unless nohup has said otherwise.
    let signals = try SignalFD(
      [.terminate, .interrupt] + (Signal.hangup.isIgnored ? [] : [.hangup]))
    try start(
      broker, configuration, counters, listeners: listeners, metrics: metrics, recorder: recorder,
      signals: signals)
  } catch {
    throw StartError(description: "cannot start: \(error)")
  }
}

private func listen(on address: SocketAddress, _ listeners: ListenerList) throws(StartError) {
  do throws(SystemError) {
    listeners.add(try Listener.listen(on: address))
  } catch {
    var hint = ""
    if error.errno == .addressInUse {
      hint = "; another process listens there, choose another address or port 0"
      if case .unix(let path) = address, let found = try? Files.information(path),
        found.kind != .socket
      {
        hint = "; there is a file that is no socket, and it is left alone"
      }
    }
    throw StartError(description: "cannot listen on \(address): \(error.errno)\(hint)")
  }
}

private func start(
  _ broker: Broker, _ configuration: Configuration, _ counters: CountersHome,
  listeners: ListenerList, metrics: sending ListenerList, recorder: sending RecordFile?,
  signals: consuming SignalFD
) throws(SystemError) {
  let shards = configuration.shardCount
  var handoffs: [Handoff] = []
  for _ in 0..<shards { handoffs.append(try Handoff()) }
  let drainCount = DrainCount(shards: shards)

  let shared = handoffs
  let region = counters.region
  var threads: [ThreadBox] = []
  for index in 1..<max(1, shards) {
    let thread = try Thread.spawn(name: "shard \(index)") {
      do throws(SystemError) {
        let reserve = CountersReserve(counters, shard: index)
        let shard = Shard(broker, index: index, counters: region)
        let loop = try ShardLoop(
          shard: shard, index: index, configuration: configuration, handoffs: shared,
          drainCount: drainCount, front: nil, reserve: reserve)
        loop.run()
      } catch {
        exitNow(71, "a shard could not start: \(error)")
      }
    }
    threads.append(ThreadBox(thread))
  }
  let addresses = listeners.addresses
  let front = Front(listeners: listeners, signals: signals)
  let reserve = CountersReserve(counters, shard: 0)
  let shard = Shard(broker, index: 0, counters: region)
  let loop = try ShardLoop(
    shard: shard, index: 0, configuration: configuration, handoffs: handoffs,
    drainCount: drainCount, front: front, reserve: reserve)
  counters.started(configuration, addresses: addresses)
  for address in addresses {
    configuration.onListening(
      address.isUnix ? "listening unix \(address)" : "listening tcp \(address)")
  }
  for address in metrics.addresses {
    configuration.onListening("metrics http://\(address)/metrics")
  }
  let metricsServer = metrics.addresses.isEmpty ? nil : try MetricsServer(metrics, counters)
  var recording: Recorder?
  if let recorder { recording = try Recorder(recorder, counters, above: configuration.recordAbove) }
  loop.run()
  metricsServer?.stop()
  recording?.stop()
  for box in threads { box.join() }
}

/// A thread in an array.
private final class ThreadBox {
  private var thread: Thread?
  init(_ thread: consuming Thread) { self.thread = consume thread }
  func join() {
    if let thread = thread.take() { thread.join() }
  }
}

/// Ends the process at once.
func exitNow(_ code: Int32, _ sentence: String? = nil) -> Never {
  if let sentence {
    do throws(SystemError) {
      try Stream.writeAll(Stream.standardError, "galleon: \(sentence)\n")
    } catch {
      // Nobody reads it.
    }
  }
  System.exitNow(code)
}
