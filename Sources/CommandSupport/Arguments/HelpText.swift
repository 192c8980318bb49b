/// The text of `--help`.
public enum HelpText {
  /// A terminal of 80 columns.
  static let width = 80

  /// Help of one command.
  public static func command(_ spec: CommandSpec, program: String) -> String {
    var lines: [String] = []
    let positional = spec.positional.isEmpty ? "" : " \(spec.positional)"
    let flags = spec.options.isEmpty ? "" : " [FLAGS]"
    lines.append("usage: \(program) \(spec.name)\(positional)\(flags)")
    for paragraph in spec.about {
      lines.append("")
      lines += wrap(paragraph, width: width)
    }
    if !spec.options.isEmpty {
      lines += ["", "Flags:"]
      let names = spec.options.map { option in
        "--\(option.name)" + (option.placeholder.map { " \($0)" } ?? "")
      }
      let helps = spec.options.map { $0.help + ($0.isRepeatable ? " May be repeated." : "") }
      lines += columns(names + ["--help"], helps + ["This text."])
    }
    if !spec.examples.isEmpty {
      lines += ["", spec.examples.count == 1 ? "Example:" : "Examples:"]
      for example in spec.examples {
        lines += wrap(example.about, width: width - 2).map { "  # \($0)" }
        lines.append("  \(example.command)")
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// The list of commands.
  public static func overview(
    program: String, about: [String], commands: [CommandSpec], footer: [String]
  ) -> String {
    var lines = ["usage: \(program) COMMAND [FLAGS]"]
    for paragraph in about {
      lines.append("")
      lines += wrap(paragraph, width: width)
    }
    lines += ["", "Commands:"]
    lines += columns(commands.map(\.name), commands.map(\.summary))
    lines += ["", "Examples:"]
    for command in commands {
      guard let example = command.examples.first else { continue }
      lines += wrap(example.about, width: width - 2).map { "  # \($0)" }
      lines.append("  \(example.command)")
    }
    for paragraph in footer {
      lines.append("")
      lines += wrap(paragraph, width: width)
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// Names on the left, wrapped sentences on the right.
  private static func columns(_ names: [String], _ texts: [String]) -> [String] {
    let left = (names.map(\.count).max() ?? 0) + 4
    var lines: [String] = []
    for (name, text) in zip(names, texts) {
      let wrapped = wrap(text, width: width - left)
      let padding = String(repeating: " ", count: left - 2 - name.count)
      lines.append("  " + name + padding + (wrapped.first ?? ""))
      lines += wrapped.dropFirst().map { String(repeating: " ", count: left) + $0 }
    }
    return lines
  }

  static func wrap(_ text: String, width: Int) -> [String] {
    var lines: [String] = []
    var line = ""
    for word in text.split(separator: " ") {
      if !line.isEmpty && line.count + 1 + word.count > width {
        lines.append(line)
        line = ""
      }
      line += line.isEmpty ? String(word) : " \(word)"
    }
    return line.isEmpty ? lines : lines + [line]
  }
}
