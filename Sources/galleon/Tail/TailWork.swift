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
      let lines = command.readsPolicies ? try PolicyLines(command) : nil
      do throws(GalleonError) {
        // All of them before any is printed: a pattern that is wrong ends it at once.
        var subscriptions: [Subscription] = []
        for pattern in command.patterns {
          var options = options
          if !command.isQuiet {
            let notes = StopNotes(pattern, isPublisher: false)
            options.onBlocked = { notes.take($0) }
          }
          subscriptions.append(try await client.subscribe(pattern, options: options))
        }
        let changes = lines?.follow(subscriptions)
        await printAll(subscriptions)
        changes?.cancel()
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
        case .leftOut(let leftOut): printer.print(ShownNote(leftOut))
        case .stateReset(let topic): printer.print(.stateReset(topic: topic))
        case .stateComplete(let topic, let last):
          printer.print(.stateComplete(topic: topic, last: last))
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
      case .state: .state
      }
    options.policy = command.deliveryPolicy
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

extension ShownNote {
  init(_ leftOut: LeftOut) {
    self = .leftOut(
      ShownGap(
        topic: leftOut.topic, first: leftOut.first, last: leftOut.last, count: leftOut.count,
        bytes: leftOut.bytes, cause: "\(leftOut.cause)"), expiredCount: leftOut.expiredCount,
      expiredBytes: leftOut.expiredBytes)
  }
}
