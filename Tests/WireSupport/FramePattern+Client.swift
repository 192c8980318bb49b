// What a transcript says, for somebody who plays its broker against a client: the broker's frames
// made whole, and what the client's frames state.
extension FramePattern {
  /// The frame as a broker may send it. What the transcript leaves open is taken from `defaults`,
  /// else it is 0 or empty; a name that is not bound is bound to it.
  public func frame(
    _ bindings: inout Bindings, defaults: [String: UInt64] = [:]
  ) throws -> LooseFrame {
    var frame = LooseFrame(name)
    let layout = Registry.shared.frame(named: name)!
    for field in layout.fields where field.size != nil {
      frame.fields[field.name] = .number(
        try number(field.name, &bindings, orElse: defaults[field.name]) ?? 0)
    }
    for field in layout.fields where field.size == nil {
      if let text = text(field.name) { frame.fields[field.name] = .text(text) }
    }
    frame.ref = UInt32(try number("ref", &bindings) ?? 0)
    frame.correlation = UInt32(try number("correlation", &bindings) ?? 0)
    if !batches.isEmpty {
      let rest = layout.fields.last { $0.type == "rest" }!
      let topic = try number("topic", &bindings, orElse: defaults["topic"]) ?? 0
      frame.fields[rest.name] = .bytes(
        try batches.flatMap { try stamped($0, topic: topic, bindings) })
    }
    return frame
  }

  /// The number that the transcript states in a field; `otherwise` where it leaves it open.
  public func number(
    _ field: String, _ bindings: inout Bindings, orElse otherwise: UInt64? = nil
  ) throws -> UInt64? {
    guard let value = fields.first(where: { $0.name == field })?.value else { return otherwise }
    switch value {
    case .any: return otherwise
    case .variable(let name) where bindings.values[name] == nil:
      // Any number does; one that is nowhere else shows where it is mistaken for another.
      let number = otherwise ?? UInt64(7000 + bindings.values.count)
      bindings.values[name] = number
      return number
    default:
      let kind = Registry.shared.frame(named: name)!.fields.first { $0.name == field }?.as
      return try number(value, kind: kind, bindings)
    }
  }

  /// The text that the transcript states in a field.
  public func text(_ field: String) -> String? {
    guard case .text(let text)? = fields.first(where: { $0.name == field })?.value else {
      return nil
    }
    return text
  }

  /// Names of the fields that are stated.
  public var stated: [String] { fields.map(\.name) }

  /// A number of the header of the first batch, where it is stated.
  public func batchNumber(_ field: String, _ bindings: Bindings) throws -> UInt64? {
    guard let value = batches.first?.fields.first(where: { $0.name == field })?.value else {
      return nil
    }
    return try number(value, kind: nil, bindings)
  }

  /// The events of all batches.
  public func events(_ bindings: Bindings) throws -> [LooseBatch.Event] {
    try batches.flatMap { try events(of: $0, bindings) }
  }

  /// The events of all batches with their sequences.
  public func sequencedEvents(
    _ bindings: Bindings
  ) throws -> [(sequence: UInt64, event: LooseBatch.Event)] {
    try batches.flatMap { batch in
      guard let (_, value) = batch.fields.first(where: { $0.name == "sequence" }) else {
        throw TranscriptError("a batch that is delivered has a sequence")
      }
      let first = try number(value, kind: nil, bindings)
      return try events(of: batch, bindings).enumerated().map { (first + UInt64($0), $1) }
    }
  }

  /// The positions of a SUBSCRIBE as they are on the wire.
  public func positionBytes(_ bindings: Bindings) throws -> [UInt8] {
    try positions.flatMap { try encoded($0, bindings) }
  }

  /// A batch with what a broker stamps on it.
  private func stamped(
    _ batch: BatchPattern, topic: UInt64, _ bindings: Bindings
  ) throws -> [UInt8] {
    func stated(_ name: String) throws -> UInt64 {
      guard let (_, value) = batch.fields.first(where: { $0.name == name }) else { return 0 }
      return try number(value, kind: nil, bindings)
    }
    var bytes = try encoded(batch, bindings)
    let stamps: [(offset: Int, number: UInt64, size: Int)] = [
      (8, try stated("sequence"), 8), (16, 1_700_000_000_000_000_000, 8),
      (24, try stated("bytes_before"), 8), (32, topic, 4),
    ]
    for stamp in stamps {
      bytes.replaceSubrange(
        stamp.offset..<(stamp.offset + stamp.size),
        with: LooseFrame.littleEndian(stamp.number, stamp.size))
    }
    return bytes
  }
}
