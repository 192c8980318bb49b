/// One long option of a command.
public struct OptionSpec: Sendable {
  /// Without the dashes.
  public let name: String
  /// What its value is called in the help; nil where it takes none.
  public let placeholder: String?
  /// Whether it may be given more than once.
  public let isRepeatable: Bool
  /// One sentence, with the default where there is one.
  public let help: String

  public init(_ name: String, _ placeholder: String?, repeatable: Bool = false, _ help: String) {
    self.name = name
    self.placeholder = placeholder
    isRepeatable = repeatable
    self.help = help
  }
}

/// What a command takes, and what its help says.
public struct CommandSpec: Sendable {
  public struct Example: Sendable {
    public let command: String
    public let about: String

    public init(_ command: String, _ about: String) {
      self.command = command
      self.about = about
    }
  }

  public let name: String
  /// One line for the list of commands.
  public let summary: String
  /// What stands for itself, such as "TOPIC"; empty where there is nothing.
  public let positional: String
  public let positionalRange: ClosedRange<Int>
  /// Paragraphs.
  public let about: [String]
  public let options: [OptionSpec]
  public let examples: [Example]

  public init(
    name: String, summary: String, positional: String = "",
    positionalRange: ClosedRange<Int> = 0...0, about: [String], options: [OptionSpec],
    examples: [Example]
  ) {
    self.name = name
    self.summary = summary
    self.positional = positional
    self.positionalRange = positionalRange
    self.about = about
    self.options = options
    self.examples = examples
  }
}

/// The command line is wrong: one sentence that says what to write instead.
public struct UsageError: Error, Equatable, Sendable {
  public let sentence: String

  public init(_ sentence: String) { self.sentence = sentence }
}
