import Foundation
import Synchronization
import Testing

@testable import BrokerCore

/// What two shards share, with two threads; to be run under the thread sanitizer as well.
@Suite struct ThreadTests {
  /// Runs `body` on a thread of its own while `other` runs here.
  private func together(_ body: @escaping @Sendable () -> Void, _ other: () -> Void) {
    let done = DispatchSemaphore(value: 0)
    let thread = Thread {
      body()
      done.signal()
    }
    thread.start()
    other()
    done.wait()
  }

  @Test(arguments: [0, UInt64.max - 263] as [UInt64])
  func messagesArriveInOrderAndWhole(start: UInt64) {
    let ring = SPSCRing(capacity: 512, start: start)
    defer { ring.deallocate() }
    let count = 20_000
    together {
      for i in 0..<count {
        let bytes = 8 + (i * 7) % 200
        var room = unsafe ring.reserve(kind: UInt32(i % 5), bytes: bytes)
        while unsafe room == nil {
          Thread.sleep(forTimeInterval: 0)
          unsafe room = unsafe ring.reserve(kind: UInt32(i % 5), bytes: bytes)
        }
        unsafe room!.storeBytes(of: UInt64(i), toByteOffset: 0, as: UInt64.self)
        unsafe room!.storeBytes(of: UInt8(i & 0xFF), toByteOffset: bytes - 1, as: UInt8.self)
        ring.commit()
      }
    } _: {
      var faults = 0
      for i in 0..<count {
        var message = unsafe ring.peek()
        while unsafe message == nil {
          Thread.sleep(forTimeInterval: 0)
          unsafe message = unsafe ring.peek()
        }
        let body = unsafe message!.body
        let bytes = 8 + (i * 7) % 200
        if unsafe message!.kind != UInt32(i % 5) || body.count != bytes { faults += 1 }
        let low = unsafe body.load(fromByteOffset: 0, as: UInt32.self)
        if bytes > 11, low != UInt32(i) { faults += 1 }
        if unsafe body[bytes - 1] != UInt8(i & 0xFF) { faults += 1 }
        ring.release()
      }
      #expect(faults == 0)
      #expect(ring.isEmpty)
    }
  }

  @Test func everyBitThatIsSetIsTaken() {
    let bits = DirtyBits(count: 10_000)
    defer { bits.deallocate() }
    let words = (0..<10).map { _ in Counter() }
    let rounds: UInt64 = 5000
    together {
      for round in 1...rounds {
        let which = Int(round % 10)
        words[which].value.store(round, ordering: .releasing)
        bits.add(which * 999)
      }
    } _: {
      var seen = [UInt64](repeating: 0, count: 10)
      while seen.max() != rounds {
        bits.takeAll { number in
          let value = words[number / 999].value.load(ordering: .acquiring)
          #expect(number % 999 == 0 && value >= seen[number / 999])
          seen[number / 999] = value
        }
      }
      bits.takeAll { seen[$0 / 999] = words[$0 / 999].value.load(ordering: .acquiring) }
      // Each word's last change was told.
      for (i, word) in words.enumerated() {
        #expect(seen[i] == word.value.load(ordering: .relaxed))
      }
    }
  }

  final class Counter: Sendable {
    let value = Atomic<UInt64>(0)
  }

  @Test func aTailIsNeverTorn() {
    let topic = TopicShared(
      id: 1, name: Array("a".utf8), epoch: 1, owner: 0, shards: 2, settings: TopicSettings())
    defer { topic.deallocate() }
    let count: UInt64 = 50_000
    together {
      for i in 1...count {
        topic.publishTail(
          TopicShared.Tail(page: UInt(i) * 8, offset: Int(i) * 2, sequence: i, bytes: i * 3))
      }
    } _: {
      var last: UInt64 = 0
      var faults = 0
      while last < count {
        let tail = topic.tail()
        guard tail.page != 0 else { continue }
        let i = tail.sequence
        if i < last || tail.page != UInt(i) * 8 || tail.offset != Int(i) * 2
          || tail.bytes != i * 3
        {
          faults += 1
        }
        last = i
      }
      #expect(faults == 0)
    }
  }

  @Test func acceptedPairsBelongTogether() {
    let words = PublisherWords(count: 1)
    defer { words.deallocate() }
    words.reset(0)
    let count: UInt64 = 50_000
    together {
      for i in 1...count { words.accept(0, through: i, sequence: i * 7) }
    } _: {
      var last: UInt64 = 0
      var faults = 0
      while last < count {
        guard let (through, sequence) = words.accepted(0) else { continue }
        if sequence != through * 7 || through < last { faults += 1 }
        last = through
      }
      #expect(faults == 0)
    }
  }
}
