/// How the command ends. The numbers above 63 are those of sysexits.h.
public enum ExitCode: Int32, Sendable {
  case success = 0
  /// The command line is wrong.
  case usage = 64
  /// The broker is not there, or went away.
  case unavailable = 69
  /// The broker refused, or something failed on the way.
  case failure = 70
  /// A file, a pipe or a terminal failed.
  case inputOutput = 74
  /// Ended by SIGINT with partial results; 128 and the number of the signal, as shells do.
  case interrupted = 130
}
