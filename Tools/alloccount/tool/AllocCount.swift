import CallProbe
import LinuxIO

/// Counts allocations and reference counting on the broker's data path, and prints a line of JSON
/// for each scenario. `Tools/alloccount/run` compares them with the thresholds.
///
///   alloccount [--trace] [SCENARIO...]     --trace prints who calls
@main struct AllocCount {
  static func main() {
    var arguments = Array(CommandLine.arguments.dropFirst())
    let isTracing = arguments.first == "--trace"
    if isTracing { arguments.removeFirst() }
    if let problem = Canary.problem() {
      fail("the counting is wrong, so no result would mean anything: \(problem)")
    }
    for scenario in Scenario.all where arguments.isEmpty || arguments.contains(scenario.name) {
      report(run(scenario, isTracing: isTracing))
    }
    for scenario in ServerScenario.all where arguments.isEmpty || arguments.contains(scenario.name)
    {
      report(runServer(scenario, isTracing: isTracing))
    }
    if isTracing { probe_print_traces() }
    System.exitNow(0)
  }

  private static func report(_ outcome: Outcome) {
    if let problem = outcome.problem { fail("\(outcome.name): \(problem)") }
    write(outcome.json + "\n")
  }

  static func fail(_ sentence: String) -> Never {
    write("alloccount: \(sentence)\n", to: Stream.standardError)
    System.exitNow(1)
  }

  private static func write(_ text: String, to fd: Int32 = Stream.standardOutput) {
    do throws(SystemError) {
      try Stream.writeAll(fd, text)
    } catch {
      System.exitNow(74)
    }
  }
}
