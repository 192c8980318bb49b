import LinuxIO
import LoadKit

/// Compares Galleon with its peers, all driven by the same load generator.
@main struct Peers {
  static func main() throws {
    let arguments = CommandLine.arguments.dropFirst()
    guard arguments.first == "relay" else {
      try Stream.writeAll(Stream.standardError, "usage: peers relay\n")
      return
    }
    var relay = try Relay()
    try Stream.writeAll(Stream.standardOutput, "listening tcp 127.0.0.1:\(relay.port)\n")
    try relay.run { false }
  }
}
