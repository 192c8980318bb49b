import WireFormat

/// The headers of an event: names with values, in the order they were added. A name may occur more
/// than once.
///
///     ["content-type": "application/json", "trace": id]
public struct Headers: Sendable {
  private var pairs: [(name: String, value: [UInt8])] = []

  /// As they stand in a record, so that headers used for many events are encoded once. Behind
  /// `pairs` where they were received; then `wire` catches up.
  private var encoded = EventHeaders()

  /// Why these headers cannot be published. A literal cannot throw, so `publish` does.
  private(set) var problem: String?

  public init() {}

  /// Of an event that was validated when it arrived.
  init(_ view: EventView, in storage: DeliveryStorage) {
    unsafe storage.bytes.withUnsafeBytes { bytes in
      var cursor = unsafe HeaderCursor(view, in: bytes)
      while let header = try? cursor.next() {
        let name = String(decoding: storage.bytes[header.name], as: UTF8.self)
        pairs.append((name, [UInt8](storage.bytes[header.value])))
      }
    }
  }

  /// What a record is written with.
  var wire: EventHeaders {
    if encoded.count == pairs.count { return encoded }
    var fresh = EventHeaders()
    for (name, value) in pairs { _ = fresh.append(name: name, value: value) }
    return fresh
  }

  /// Adds a header behind the others.
  ///
  /// At most 64 headers; a name has 1 to 128 bytes and no control characters, a value at most
  /// 65,535 bytes. Publishing headers that break one of these fails.
  public mutating func append(name: String, value: some EventBytes) {
    let bytes = value.withEventBytes { unsafe $0.withUnsafeBytes { unsafe [UInt8]($0) } }
    encoded = wire
    if encoded.append(name: name, value: bytes) {
      pairs.append((name, bytes))
    } else {
      problem = """
        an event has at most \(WireLimits.headersMax) headers; a name has 1 to \
        \(WireLimits.headerNameBytesMax) bytes and no control characters, a value at most \
        \(UInt16.max) bytes
        """
    }
  }

  /// The value of the first header of this name, as text.
  public subscript(name: String) -> String? {
    bytes(name).map { String(decoding: $0, as: UTF8.self) }
  }

  /// The value of the first header of this name.
  public func bytes(_ name: String) -> [UInt8]? {
    pairs.first { $0.name == name }?.value
  }
}

extension Headers: RandomAccessCollection {
  public var startIndex: Int { 0 }
  public var endIndex: Int { pairs.count }

  public subscript(index: Int) -> (name: String, value: [UInt8]) { pairs[index] }
}

extension Headers: ExpressibleByDictionaryLiteral {
  public init(dictionaryLiteral elements: (String, String)...) {
    for (name, value) in elements { append(name: name, value: value) }
  }
}

extension Headers: Equatable {
  public static func == (left: Headers, right: Headers) -> Bool {
    left.problem == right.problem && left.elementsEqual(right, by: ==)
  }
}
