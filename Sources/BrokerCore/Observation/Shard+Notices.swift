import Counters
import WireFormat

// BLOCKED: whoever has been stopped for a while is told why, and is told when it goes on, with the
// words that the counters have.
//
// A stop is put into a list with the time at which it is to be told; all wait equally long, so that
// the first in the list is the first that is due, and nobody else is looked at. One that ends
// before, as most do, is left in the list, and found to be over or another one when it is due: a
// subscription that stops with every event costs the list one look each time.

/// Somebody who is stopped, or was when this was made.
struct NoticeEntry: BitwiseCopyable {
  var isPublisher: Bool
  /// The subscription or publisher.
  var owner: UInt32
  /// The BlockedCause that the client was told last.
  var told = UInt8(BlockedCause.none.rawValue)
  var isListed = false
  var dueNs: UInt64 = 0
  var links = Links()
}

extension BlockedCause {
  /// What is not over by itself with the next turn.
  var isStop: Bool { self != .none && self != .turn }
}

extension Shard {
  /// A stop that is shorter is not told.
  static let noticeNs = UInt64(WireLimits.blockedNoticeMs) * 1_000_000

  /// Why nothing is sent to a subscription has changed.
  @inline(__always)
  func noteStop(_ subscription: UInt32, _ cause: BlockedCause) {
    let notice = subscriptions[subscription].notice
    if notice == noSlot {
      guard cause.isStop,
        let fresh = startNotice(
          NoticeEntry(isPublisher: false, owner: subscription),
          subscriptions[subscription].connection)
      else { return }
      subscriptions[subscription].notice = fresh
    } else {
      changeNotice(notice, cause)
    }
  }

  /// Why a publisher's batches are not taken, or that they are.
  @inline(__always)
  func notePublisher(_ publisher: UInt32, _ cause: BlockedCause) {
    if publishers[publisher].stop != UInt8(cause.rawValue) { changePublisher(publisher, cause) }
  }

  private func changePublisher(_ publisher: UInt32, _ cause: BlockedCause) {
    publishers[publisher].stop = UInt8(cause.rawValue)
    publishers[publisher].stoppedNs = nowNs
    counters.publisherBlocked(publisher, cause)
    let notice = publishers[publisher].notice
    if notice == noSlot {
      guard cause.isStop,
        let fresh = startNotice(
          NoticeEntry(isPublisher: true, owner: publisher), publishers[publisher].connection)
      else { return }
      publishers[publisher].notice = fresh
    } else {
      changeNotice(notice, cause)
    }
  }

  private func startNotice(_ entry: NoticeEntry, _ connection: UInt32) -> UInt32? {
    guard connections[connection].version >= 2, connections[connection].phase == .open,
      let notice = notices.insert(entry)
    else { return nil }
    list(notice, dueNs: nowNs + Shard.noticeNs)
    return notice
  }

  private func changeNotice(_ notice: UInt32, _ cause: BlockedCause) {
    let told = notices[notice].told
    if cause.isStop {
      if !notices[notice].isListed, told != UInt8(cause.rawValue) {
        list(notice, dueNs: nowNs + Shard.noticeNs)
      }
    } else if told != UInt8(BlockedCause.none.rawValue) {
      // It goes on: to be told with the end of this turn, when no list is being gone through.
      unlist(notice)
      list(notice, dueNs: nowNs)
      dueNotices = notice
    }
  }

  private func list(_ notice: UInt32, dueNs: UInt64) {
    notices[notice].dueNs = dueNs
    notices[notice].isListed = true
    append(notice, to: &dueNotices, of: notices, \.links)
  }

  private func unlist(_ notice: UInt32) {
    guard notices[notice].isListed else { return }
    notices[notice].isListed = false
    remove(notice, from: &dueNotices, of: notices, \.links)
  }

  /// A subscription or publisher ends.
  func endNotice(_ notice: inout UInt32) {
    guard notice != noSlot else { return }
    unlist(notice)
    notices.remove(notice)
    notice = noSlot
  }

  private func free(_ notice: UInt32) {
    let owner = notices[notice].owner
    if notices[notice].isPublisher {
      endNotice(&publishers[owner].notice)
    } else {
      endNotice(&subscriptions[owner].notice)
    }
  }

  /// Stops told in one turn at most, a fraction of a millisecond of work: all subscriptions of a
  /// topic may have come to stand with the same event.
  private static let noticesPerTurn = 1024

  /// At the end of a turn: tells what is due.
  func tellNotices() {
    var left = Shard.noticesPerTurn
    while left > 0, dueNotices != noSlot, notices[dueNotices].dueNs <= nowNs {
      left -= 1
      let notice = dueNotices
      unlist(notice)
      tell(notice)
    }
  }

  private func tell(_ notice: UInt32) {
    let entry = notices[notice]
    let cause: UInt8
    let sinceNs: UInt64
    let connection: UInt32
    if entry.isPublisher {
      cause = publishers[entry.owner].stop
      sinceNs = publishers[entry.owner].stoppedNs
      connection = publishers[entry.owner].connection
    } else {
      cause = UInt8(counters.blocked(entry.owner))
      sinceNs = subscriptions[entry.owner].blockedNs
      connection = subscriptions[entry.owner].connection
    }
    guard let by = BlockedBy(rawValue: cause), by != .none && by != .turn else {
      free(notice)
      if entry.told != BlockedBy.none.rawValue { send(.none, entry, connection) }
      return
    }
    guard nowNs - sinceNs >= Shard.noticeNs else {
      list(notice, dueNs: sinceNs + Shard.noticeNs)
      return
    }
    guard entry.told != cause else { return }
    // Who does not read is not to have its session ended over what it was told of that.
    guard connections[connection].control.count < limits.controlBytesPerSession / 4 else {
      list(notice, dueNs: nowNs + Shard.noticeNs)
      return
    }
    notices[notice].told = cause
    send(by, entry, connection)
  }

  private func send(_ by: BlockedBy, _ entry: NoticeEntry, _ connection: UInt32) {
    let ref =
      entry.isPublisher ? publishers[entry.owner].ref : subscriptions[entry.owner].ref
    let pending = entry.isPublisher ? Ledger.Amount() : counters.ledger(entry.owner).lag
    let frame = Blocked(
      side: entry.isPublisher ? .publisher : .subscription, by: by, pendingEvents: pending.events,
      pendingBytes: pending.bytes)
    sendControl(connection) { frame.encode(into: &$0, ref: ref, correlation: 0) }
  }
}
