import CommandSupport
import GalleonClient

/// The part of `tail` that runs as a task: subscribes to every pattern and prints what comes.
struct TailWork: Sendable {
  let command: TailCommand
  let url: BrokerURL
  let printer: TailPrinter

  func run() async {
    do throws(CommandFailure) {
      let client = try await ClientSupport.connect(
        url, name: "galleon tail", reconnectNs: command.reconnectNs, isQuiet: command.isQuiet)
      do throws(GalleonError) {
        // All of them before any is printed: a pattern that is wrong ends it at once.
        var subscriptions: [Subscription] = []
        for pattern in command.patterns {
          subscriptions.append(try await client.subscribe(pattern, options: options))
        }
        await printAll(subscriptions)
      } catch {
        printer.fail(ClientSupport.failure(error, url))
      }
      await client.close(timeout: .milliseconds(200))
    } catch {
      printer.fail(error)
    }
  }

  private func printAll(_ subscriptions: [Subscription]) async {
    await withTaskGroup { group in
      for subscription in subscriptions {
        group.addTask { await print(subscription) }
      }
      // Whichever ends first ends the others: enough events, or nobody reads, or the client is
      // over.
      await group.next()
      group.cancelAll()
    }
  }

  private func print(_ subscription: Subscription) async {
    do throws(GalleonError) {
      var items = subscription.items.makeAsyncIterator()
      while let item = try await items.next() {
        switch item {
        case .gap(let gap): printer.print(ShownGap(gap))
        case .event(let event):
          switch printer.print(ShownEvent(event)) {
          case .goOn: break
          case .wait: printer.waitForWriter()
          case .stop: return
          }
        }
      }
    } catch {
      if error != .cancelled { printer.fail(ClientSupport.failure(error, url)) }
    }
  }

  private var options: SubscriptionOptions {
    var options = SubscriptionOptions()
    options.start =
      switch command.start {
      case .latest: .latest
      case .earliest: .earliest
      case .sequence(let sequence): .sequence(sequence)
      case .time(let ns): .time(nanoseconds: ns)
      }
    options.policy =
      switch command.policy {
      case .lossless: .lossless
      case .dropOldest(let events, let bytes): .dropOldest(lagEvents: events, lagBytes: bytes)
      case .disconnect(let events, let bytes): .disconnect(lagEvents: events, lagBytes: bytes)
      }
    return options
  }
}

extension ShownEvent {
  init(_ event: Event) {
    self.init(
      topic: event.topic, sequence: event.sequence, timeNs: event.timeNs, key: event.key,
      headers: event.headers.map { $0 }, payload: event.payload, isTombstone: event.isTombstone)
  }
}

extension ShownGap {
  init(_ gap: Gap) {
    self.init(
      topic: gap.topic, first: gap.first, last: gap.last, count: gap.count, bytes: gap.bytes,
      cause: "\(gap.cause)")
  }
}
