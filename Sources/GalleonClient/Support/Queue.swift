/// First in, first out. Taking an element costs no move of the others.
struct Queue<Element> {
  private var slots: [Element?] = []
  private var head = 0

  /// Below so many empty slots at the front they are not worth moving the rest for.
  private static var compactionMin: Int { 32 }

  var count: Int { slots.count - head }
  var isEmpty: Bool { slots.count == head }

  var first: Element? { isEmpty ? nil : slots[head] }

  mutating func append(_ element: Element) {
    slots.append(element)
  }

  enum Replacement {
    case replace(Element)
    case goOn
    case stop
  }

  /// Looks at the elements from the last one on, until one is replaced or it is to stop; says
  /// whether one was replaced.
  mutating func replaceLast(_ body: (Element) -> Replacement) -> Bool {
    for index in (head..<slots.count).reversed() {
      guard let element = slots[index] else { break }
      switch body(element) {
      case .replace(let other):
        slots[index] = other
        return true
      case .goOn: continue
      case .stop: return false
      }
    }
    return false
  }

  mutating func prepend(_ element: Element) {
    if head > 0 {
      head -= 1
      slots[head] = element
    } else {
      slots.insert(element, at: 0)
    }
  }

  mutating func popFirst() -> Element? {
    if isEmpty { return nil }
    let element = slots[head]
    slots[head] = nil
    head += 1
    if head == slots.count {
      slots.removeAll(keepingCapacity: true)
      head = 0
    } else if head >= Self.compactionMin && head * 2 >= slots.count {
      slots.removeFirst(head)
      head = 0
    }
    return element
  }

  mutating func removeAll() {
    slots.removeAll(keepingCapacity: true)
    head = 0
  }

  func forEach(_ body: (Element) -> Void) {
    for index in head..<slots.count {
      if let element = slots[index] { body(element) }
    }
  }
}

extension Queue: Sendable where Element: Sendable {}
