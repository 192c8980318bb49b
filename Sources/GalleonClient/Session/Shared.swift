import LinuxIO
import Synchronization

/// What the client's thread and its users share beside publishers and subscriptions.
final class Shared: Sendable {
  let options: ClientOptions
  let mailbox: Mailbox
  let replies: ReplyOutbox
  let requests: RequestTable
  /// Open when the client's thread is at its end.
  let ended = Gate()
  private let lastRef = Atomic<UInt32>(0)

  init(options: ClientOptions, mailbox: Mailbox, firstToken: UInt64) {
    self.options = options
    self.mailbox = mailbox
    replies = ReplyOutbox(mailbox: mailbox)
    requests = RequestTable(limit: options.requestsMax, firstToken: firstToken)
  }

  /// A number for a publisher or subscription, never used before in this client.
  func nextRef() -> UInt32 {
    lastRef.wrappingAdd(1, ordering: .relaxed).newValue
  }
}
