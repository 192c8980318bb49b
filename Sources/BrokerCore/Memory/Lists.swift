// Doubly linked rings of rows, linked by slot number through a `Links` in the row. A ring is named
// by the slot it starts with, `noSlot` when it is empty. The key path is a literal at every call,
// so that after inlining an access is one offset.

/// Adds a row at the end of the ring (before its start).
@inline(__always)
func append<Row: BitwiseCopyable>(
  _ slot: UInt32, to start: inout UInt32, of table: borrowing Table<Row>,
  _ links: WritableKeyPath<Row, Links>
) {
  if start == noSlot {
    table[slot][keyPath: links] = Links(next: slot, previous: slot)
    start = slot
  } else {
    let last = table[start][keyPath: links].previous
    table[slot][keyPath: links] = Links(next: start, previous: last)
    table[last][keyPath: links].next = slot
    table[start][keyPath: links].previous = slot
  }
}

/// Takes a row out of the ring it is in.
@inline(__always)
func remove<Row: BitwiseCopyable>(
  _ slot: UInt32, from start: inout UInt32, of table: borrowing Table<Row>,
  _ links: WritableKeyPath<Row, Links>
) {
  let place = table[slot][keyPath: links]
  if place.next == slot {
    start = noSlot
  } else {
    table[place.previous][keyPath: links].next = place.next
    table[place.next][keyPath: links].previous = place.previous
    if start == slot { start = place.next }
  }
}

/// Goes through a ring. `body` may take the row it is given out of the ring, and no other.
@inline(__always)
func forEach<Row: BitwiseCopyable>(
  from start: UInt32, of table: borrowing Table<Row>, _ links: WritableKeyPath<Row, Links>,
  _ body: (UInt32) -> Void
) {
  guard start != noSlot else { return }
  let last = table[start][keyPath: links].previous
  var slot = start
  while true {
    let next = table[slot][keyPath: links].next
    let isLast = slot == last
    body(slot)
    if isLast { return }
    slot = next
  }
}
