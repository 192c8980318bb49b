/// Writes Prometheus' text format, version 0.0.4: families of samples, each with its help and type.
/// https://prometheus.io/docs/instrumenting/exposition_formats/
public struct Exposition {
  public enum Kind: String, Sendable {
    case counter
    case gauge
    case histogram
  }

  /// A label's name and value.
  public typealias Label = (name: StaticString, value: String)

  public private(set) var bytes: [UInt8] = []
  private var name = ""

  public init() {}

  /// What the text is, for the header of an answer.
  public static let contentType = "text/plain; version=0.0.4; charset=utf-8"

  /// Begins a family. Names of counters end in `_total`.
  public mutating func family(_ name: String, _ kind: Kind, _ help: String) {
    self.name = name
    text("# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n")
  }

  /// A sample of the family; `suffix` is for histograms.
  public mutating func sample(_ value: String, _ labels: [Label] = [], suffix: String = "") {
    text(name)
    text(suffix)
    if !labels.isEmpty {
      for (index, label) in labels.enumerated() {
        bytes.append(UInt8(ascii: index == 0 ? "{" : ","))
        text("\(label.name)=\"")
        escaped(label.value)
        bytes.append(UInt8(ascii: "\""))
      }
      bytes.append(UInt8(ascii: "}"))
    }
    bytes.append(UInt8(ascii: " "))
    text(value)
    bytes.append(UInt8(ascii: "\n"))
  }

  public mutating func sample(_ value: UInt64, _ labels: [Label] = [], suffix: String = "") {
    sample(String(value), labels, suffix: suffix)
  }

  private mutating func text(_ text: String) { bytes.append(contentsOf: text.utf8) }

  /// In a label's value, a backslash, a quote and a line's end are written with a backslash.
  private mutating func escaped(_ text: String) {
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\\"), UInt8(ascii: "\""):
        bytes.append(UInt8(ascii: "\\"))
        bytes.append(byte)
      case UInt8(ascii: "\n"):
        bytes.append(UInt8(ascii: "\\"))
        bytes.append(UInt8(ascii: "n"))
      default: bytes.append(byte)
      }
    }
  }

  /// Nanoseconds as seconds, in decimal and exact: `1500` is `0.0000015`.
  public static func seconds(_ ns: UInt64) -> String {
    let whole = String(ns / 1_000_000_000)
    let rest = ns % 1_000_000_000
    if rest == 0 { return whole }
    let digits = String(rest + 1_000_000_000).dropFirst()
    return whole + "." + digits[...digits.lastIndex { $0 != "0" }!]
  }
}
