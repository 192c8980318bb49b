public enum ServeCommand {
  public static let defaultAddress = "127.0.0.1:4747"

  public static let spec = CommandSpec(
    name: "serve", summary: "Runs a broker.",
    about: [
      "Runs a broker until it is told to end. It prints one line for each address when it accepts "
        + "connections: \"listening tcp 127.0.0.1:4747\" or \"listening unix PATH\".",
      "SIGTERM or SIGINT, or the end of its terminal, drains it: it accepts nothing new, delivers "
        + "what is due until the drain timeout, tells its sessions when to come back, and exits "
        + "with 0. A second signal ends it at once.",
      "Every limit is fixed at the start. At a limit, the peer that runs into it is refused or "
        + "loses credit; the broker's memory does not grow.",
    ],
    options: [
      OptionSpec(
        "listen", "HOST:PORT", repeatable: true,
        "Where to listen; port 0 takes a free one. Default: 127.0.0.1:4747, unless --unix is "
          + "given."),
      OptionSpec("unix", "PATH", "Listens on a Unix socket as well."),
      OptionSpec("shards", "N", "Threads that serve. Default: one for every two processors."),
      OptionSpec(
        "memory", "SIZE",
        "Ceiling of ring memory and of what keyed topics keep. Default: 256MiB."),
      OptionSpec(
        "retention", "SIZE",
        "Ring memory of a topic that does not ask for a size of its own. Default: 16MiB."),
      OptionSpec("max-connections", "N", "Connections of each shard. Default: 20000."),
      OptionSpec(
        "max-topics", "N", "Topics; each lasts until the broker ends. Default: 16384."),
      OptionSpec("max-subscriptions", "N", "Subscriptions of each shard. Default: 65536."),
      OptionSpec("max-publishers", "N", "Publishers of each shard. Default: 65536."),
      OptionSpec(
        "max-batch-bytes", "SIZE", "Largest batch when decoded, at most 1MiB. Default: 64KiB."),
      OptionSpec("max-frame-bytes", "SIZE", "Largest frame. Default: 256KiB."),
      OptionSpec(
        "input-memory", "SIZE",
        "Memory of each shard for frames that have not arrived whole. Default: 64MiB."),
      OptionSpec(
        "output-memory", "SIZE",
        "Memory of each shard for what full sockets do not take. Default: 64MiB."),
      OptionSpec("heartbeat", "TIME", "Heartbeat interval. Default: 15s."),
      OptionSpec(
        "counters", "PATH|none",
        "The file of counters, which stats reads; it belongs into memory (tmpfs). Default: "
          + "PID.counters in $XDG_RUNTIME_DIR/galleon or /dev/shm/galleon-UID."),
      OptionSpec(
        "metrics", "HOST:PORT",
        "Answers Prometheus there, at /metrics and /metrics/objects, and /healthz and /readyz. "
          + "Default: nowhere."),
      OptionSpec(
        "record", "PATH",
        "Keeps the last hour under load in this file of 1.4 MB, a snapshot a second, also if the "
          + "broker is killed; stats --history shows it. A recording that is there is continued. "
          + "Default: nothing is recorded."),
      OptionSpec(
        "record-above", "SHARE",
        "Records only while events a second are at least this share of what has been usual for some "
          + "minutes, such as 0.5 or 50%, or something is lost; 0 records always. Default: 0.1."),
      OptionSpec("drain-timeout", "TIME", "How long draining may take. Default: 5s."),
      OptionSpec(
        "spin", "TIME",
        "How long a shard that has run out of work looks for more before it sleeps, at most 10ms. "
          + "Default: 0."),
      OptionSpec(
        "congestion-control", "NAME",
        "Congestion control of TCP connections, such as cubic. Default: the system's."),
    ],
    examples: [
      .init("galleon serve", "Serve this machine on port 4747:"),
      .init(
        "galleon serve --listen 0.0.0.0:4747 --unix /run/galleon.sock --memory 2GiB",
        "Serve the network and a Unix socket, with 2 GiB of ring memory:"),
    ])
}
