import Simulation
import Testing

@testable import BrokerCore

@Suite struct MemoryTests {
  @Test(arguments: [1, 2, 3] as [UInt64])
  func pagesNeverOverlapAndMergeAgain(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let pool = PagePool(bytes: 4 * PagePool.pageBytesMax)
    var held: [Page] = []
    var used = 0
    for _ in 0..<4000 {
      if random.percent(55) {
        let bytes = random.pick([1, 2048, 2049, 10_000, 65_536, 300_000, PagePool.pageBytesMax])
        guard let page = pool.allocate(bytes: bytes) else { continue }
        #expect(page.bytes >= bytes)
        for other in held where page.address < other.address + UInt(other.bytes) {
          #expect(page.address + UInt(page.bytes) <= other.address, "seed \(seed)")
        }
        held.append(page)
        used += page.bytes
      } else if !held.isEmpty {
        let page = held.remove(at: random.below(held.count))
        used -= page.bytes
        pool.free(page)
      }
      #expect(pool.usedBytes == used)
      #expect(used <= pool.capacityBytes)
    }
    for page in held { pool.free(page) }
    #expect(pool.usedBytes == 0)
    // All merged: the largest pages are to be had again.
    for _ in 0..<4 { #expect(pool.allocate(bytes: PagePool.pageBytesMax) != nil) }
    #expect(pool.allocate(bytes: 1) == nil)
  }

  @Test func aPageOverTheLargestIsRefused() {
    let pool = PagePool(bytes: 1)
    #expect(pool.allocate(bytes: PagePool.pageBytesMax + 1) == nil)
    #expect(PagePool.order(forBytes: 2049) == 1)
  }

  @Test func buffersKeepTheirBytesAndTheirLimit() {
    let pool = BufferPool(limitBytes: 4096)
    var buffer = Buffer()
    #expect(pool.ensure(&buffer, room: 100))
    let text = Array("some bytes".utf8)
    unsafe text.withUnsafeBytes { unsafe buffer.append($0) }
    buffer.consume(5)
    #expect(pool.ensure(&buffer, room: 1000))
    #expect(unsafe Array(buffer.bytes) == Array("bytes".utf8))
    #expect(!pool.ensure(&buffer, room: 4096))
    #expect(unsafe Array(buffer.bytes) == Array("bytes".utf8))
    #expect(pool.usedBytes == buffer.capacity)
    pool.give(&buffer)
    #expect(pool.usedBytes == 0)
    var all = (0..<16).compactMap { _ in pool.take(256) }
    #expect(all.count == 16)
    #expect(pool.take(1) == nil)
    for i in all.indices { pool.give(&all[i]) }
  }

  @Test(arguments: [1, 2] as [UInt64])
  func theIndexIsADictionary(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var index = HashIndex(capacity: 4, secret: 0x5DEE_CE66_D51F_9B21)
    var model: [UInt64: UInt32] = [:]
    for step in 0..<20_000 {
      let a = UInt32(random.below(20))
      let b = UInt32(random.below(60)) &* 0x1000
      let key = UInt64(a) << 32 | UInt64(b)
      if let value = model[key] {
        if random.percent(60) {
          index.remove(a, b)
          model[key] = nil
        } else {
          #expect(index.find(a, b) == value)
        }
      } else {
        index.insert(a, b, UInt32(step))
        model[key] = UInt32(step)
      }
      #expect(index.count == model.count)
    }
    for (key, value) in model {
      #expect(index.find(UInt32(key >> 32), UInt32(truncatingIfNeeded: key)) == value)
    }
    #expect(index.find(77, 1) == nil)
  }

  struct Row: BitwiseCopyable {
    var value: Int
    var links = Links()
  }

  @Test func aTableUsesFreedRowsAgainAndIsBounded() {
    let table = Table<Row>(capacity: 3)
    #expect((0..<3).map { table.insert(Row(value: $0)) } == [0, 1, 2])
    #expect(table.insert(Row(value: 9)) == nil)
    table.remove(1)
    #expect(!table.isUsed(1) && table.used == 2 && table.highWater == 3)
    #expect(table.insert(Row(value: 4)) == 1)
    #expect(table[1].value == 4)
    table[1].value += 1
    #expect(table[1].value == 5)
  }

  @Test(arguments: [1, 2] as [UInt64])
  func aRingOfRowsIsAList(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let table = Table<Row>(capacity: 50)
    var start = noSlot
    var model: [UInt32] = []
    for _ in 0..<3000 {
      if random.percent(55), let slot = table.insert(Row(value: 0)) {
        append(slot, to: &start, of: table, \.links)
        model.append(slot)
      } else if !model.isEmpty {
        let slot = model.remove(at: random.below(model.count))
        remove(slot, from: &start, of: table, \.links)
        table.remove(slot)
      }
      var seen: [UInt32] = []
      forEach(from: start, of: table, \.links) { seen.append($0) }
      #expect(seen == model)
    }
    // Whoever goes through may take out the row it is given.
    forEach(from: start, of: table, \.links) { remove($0, from: &start, of: table, \.links) }
    #expect(start == noSlot)
  }

  @Test func whatOnlyWeCanGetWrongEndsTheProcess() async {
    await #expect(processExitsWith: .failure) {
      let table = Table<Row>(capacity: 2)
      table.remove(0)
    }
    await #expect(processExitsWith: .failure) {
      let pool = PagePool(bytes: 1)
      let page = pool.allocate(bytes: 1)!
      pool.free(page)
      pool.free(page)
    }
    await #expect(processExitsWith: .failure) {
      var index = HashIndex(secret: 1)
      index.remove(1, 1)
    }
    await #expect(processExitsWith: .failure) {
      let ring = SPSCRing(capacity: 64)
      _ = unsafe ring.reserve(kind: 1, bytes: 64)
    }
  }
}
