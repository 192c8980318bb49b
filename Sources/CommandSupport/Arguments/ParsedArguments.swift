/// What was given for a command: options by name, and the rest in order.
public struct ParsedArguments: Sendable {
  public private(set) var positionals: [String] = []
  public private(set) var wantsHelp = false
  private var values: [String: [String]] = [:]
  private let spec: CommandSpec

  /// Reads `--name value`, `--name=value` and `--flag`; `--` ends the options. `--help` anywhere
  /// before that wins over every mistake.
  public init(_ arguments: [String], of spec: CommandSpec) throws(UsageError) {
    self.spec = spec
    let beforeEnd = arguments.prefix { $0 != "--" }
    if beforeEnd.contains("--help") || beforeEnd.first == "-h" {
      wantsHelp = true
      return
    }
    var rest = arguments[...]
    while let argument = rest.popFirst() {
      if argument == "--" {
        positionals += rest
        break
      }
      if argument.hasPrefix("--") {
        try take(option: argument.dropFirst(2), &rest)
      } else if argument.hasPrefix("-") && argument.count > 1 {
        throw UsageError("flags begin with two dashes: \(argument) is not one\(hint(argument))")
      } else {
        positionals.append(argument)
      }
    }
    try checkPositionals()
  }

  private var names: [String] { spec.options.map(\.name) + ["help"] }

  /// What somebody who wrote this may have meant, else where to look.
  private func hint(_ name: String) -> String {
    Suggestion.likely(String(name.drop { $0 == "-" }), in: names).map { "; the nearest is --\($0)" }
      ?? "; --help lists them"
  }

  private mutating func take(
    option: Substring, _ rest: inout ArraySlice<String>
  ) throws(UsageError) {
    let parts = option.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    let name = parts.first.map(String.init) ?? ""
    guard let known = spec.options.first(where: { $0.name == name }) else {
      throw UsageError("there is no flag --\(name)\(hint(name))")
    }
    guard let placeholder = known.placeholder else {
      if parts.count == 2 { throw UsageError("--\(name) takes no value") }
      values[name] = [""]
      return
    }
    let value: String
    if parts.count == 2 {
      value = String(parts[1])
    } else if let next = rest.first, !next.hasPrefix("--") {
      value = next
      rest = rest.dropFirst()
    } else {
      throw UsageError("--\(name) needs a value: --\(name) \(placeholder)")
    }
    if !known.isRepeatable && values[name] != nil {
      throw UsageError("--\(name) is given twice")
    }
    values[name, default: []].append(value)
  }

  private func checkPositionals() throws(UsageError) {
    if positionals.count > spec.positionalRange.upperBound {
      let first = positionals[spec.positionalRange.upperBound]
      throw UsageError(
        spec.positional.isEmpty
          ? "\(spec.name) takes flags only: \"\(first)\" is none"
          : spec.positionalRange.upperBound == 1
            ? "\(spec.name) takes one \(spec.positional): \"\(first)\" is too much"
            : "\(spec.name) takes at most \(spec.positionalRange.upperBound) of \(spec.positional)")
    }
    if positionals.count < spec.positionalRange.lowerBound {
      throw UsageError("\(spec.name) needs \(spec.positional)")
    }
  }

  // MARK: Values

  public func has(_ name: String) -> Bool { values[name] != nil }

  public func all(_ name: String) -> [String] { values[name] ?? [] }

  public func text(_ name: String) -> String? { values[name]?.last }

  public func choice<Choice>(
    _ name: String, among choices: [(String, Choice)]
  ) throws(UsageError) -> Choice? {
    guard let text = text(name) else { return nil }
    if let choice = choices.first(where: { $0.0 == text }) { return choice.1 }
    let all = choices.map(\.0).joined(separator: ", ")
    throw UsageError("--\(name) is one of \(all), not \"\(text)\"")
  }

  /// A number such as 5000 or 5k.
  public func count(
    _ name: String, in range: ClosedRange<UInt64> = 0...UInt64.max
  ) throws(UsageError) -> UInt64? {
    guard let text = text(name) else { return nil }
    guard let value = Quantity.count(text) else {
      throw UsageError("--\(name) is a number such as 5000 or 5k, not \"\(text)\"")
    }
    return try within(name, value, range, HumanNumber.plain)
  }

  /// Bytes, such as 65536 or 64KiB.
  public func size(
    _ name: String, in range: ClosedRange<UInt64> = 0...UInt64(Int.max)
  ) throws(UsageError) -> UInt64? {
    guard let text = text(name) else { return nil }
    guard let value = Quantity.size(text) else {
      throw UsageError("--\(name) is a size such as 64KiB or 512MiB, not \"\(text)\"")
    }
    return try within(name, value, range, HumanNumber.size)
  }

  /// Nanoseconds, from a text such as 250ms or 5s.
  public func durationNs(
    _ name: String, in range: ClosedRange<UInt64> = 0...UInt64(Int64.max)
  ) throws(UsageError) -> UInt64? {
    guard let text = text(name) else { return nil }
    guard let value = Quantity.durationNs(text) else {
      throw UsageError("--\(name) is a time such as 250ms, 5s or 1m30s, not \"\(text)\"")
    }
    return try within(name, value, range, HumanNumber.duration)
  }

  /// A share of something usual, such as 0.5 or 50%.
  public func share(_ name: String) throws(UsageError) -> Double? {
    guard let text = text(name) else { return nil }
    guard let value = Quantity.share(text) else {
      throw UsageError("--\(name) is a share such as 0.5 or 50%, not \"\(text)\"")
    }
    return value
  }

  private func within(
    _ name: String, _ value: UInt64, _ range: ClosedRange<UInt64>, _ show: (UInt64) -> String
  ) throws(UsageError) -> UInt64 {
    if value < range.lowerBound {
      throw UsageError("--\(name) must be at least \(show(range.lowerBound))")
    }
    if value > range.upperBound {
      throw UsageError("--\(name) must be at most \(show(range.upperBound))")
    }
    return value
  }
}
