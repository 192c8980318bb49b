#!/usr/bin/env python3
"""A Galleon client on the command line, in plain Python 3 and without any package.

  galleon_client.py pub TOPIC            publishes the lines of standard input
  galleon_client.py tail PATTERN         prints events, one JSON object a line
  galleon_client.py request TOPIC TEXT   asks, and prints the answer
  galleon_client.py answer PATTERN       answers every request
  galleon_client.py stats                prints the broker's counters as JSON
"""

import argparse
import base64
import datetime
import json
import os
import select
import sys

from galleon import (
    Closed, ContinuityError, Event, Fault, Gap, Passed, Refused, Session, StateReset)

# What the commands end with: as `galleon` does.
DONE, USAGE, ABSENT, FAILED, INTERRUPTED = 0, 64, 69, 70, 130
# A command waits as long as the session lives.
UNLIMITED = float(2**31)


def publish(session, options):
    publisher = session.open_topic(options.topic, ack_level="accepted")
    headers = tuple((name, value.encode()) for name, value in options.header)
    count, rest, ended = 0, b"", False
    while not ended:
        # The session must not fall silent where standard input does.
        ready, _, _ = select.select([sys.stdin, session.socket], [], [], 1.0)
        session.poll()
        if sys.stdin not in ready:
            continue
        data = os.read(sys.stdin.fileno(), 65536)
        ended = not data
        *lines, rest = (rest + data).split(b"\n")
        if ended and rest:
            lines.append(rest)
        events = []
        for line in lines:
            key = options.key.encode() if options.key else None
            if options.key_separator:
                key, _, line = line.partition(options.key_separator.encode())
            events.append(Event(line, key=key, headers=headers))
        publisher.publish(events, ttl_ms=options.ttl_ms, timeout=UNLIMITED)
        count += len(events)
    publisher.flush(UNLIMITED)
    publisher.close()
    print(f"published {count} events, the last as {publisher.topic_sequence}", file=sys.stderr)


def tail(session, options):
    start, value = options.start
    more = {"sample_every": options.every, "lag_ms_max": options.max_age_ms}
    more = {name: number for name, number in more.items() if number}
    subscriptions = [
        session.subscribe(pattern, start=start, start_value=value, policy=options.policy,
                          lag_events_max=options.max_lag_events, window_events=options.window,
                          **more)
        for pattern in options.pattern
    ]
    printed = 0
    while printed != options.count:
        session.wait(lambda: any(s.items for s in subscriptions), UNLIMITED)
        for subscription in subscriptions:
            while subscription.items and printed != options.count:
                item = subscription.next()
                printed += isinstance(item, Event)
                print(json.dumps(item_object(item), ensure_ascii=False), flush=True)


def item_object(item):
    if isinstance(item, Gap):
        return {"gap": True, **item._asdict()}
    if isinstance(item, Passed):
        return {"passed": True, **item._asdict()}
    if isinstance(item, StateReset):
        return {"stateReset": True, **item._asdict()}
    result = {"topic": item.topic, "sequence": item.sequence, "time": item.time}
    if item.key is not None:
        result.update(text_or_base64("key", item.key))
    if item.headers:
        result["headers"] = [
            {"name": name, **text_or_base64("value", value)} for name, value in item.headers]
    if item.tombstone:
        result["tombstone"] = True
    return {**result, **text_or_base64("payload", item.payload)}


def text_or_base64(name, data):
    try:
        return {name: data.decode()}
    except UnicodeDecodeError:
        return {name + "Base64": base64.b64encode(data).decode()}


def request(session, options):
    publisher = session.open_topic(options.topic)
    answer = session.ask(publisher, Event(options.text.encode()), options.timeout)
    print(answer.payload.decode(errors="backslashreplace"))


def answer(session, options):
    subscription = session.subscribe(options.pattern)
    answered = 0
    while answered != options.count:
        item = subscription.next(UNLIMITED)
        if isinstance(item, Event) and item.reply_to:
            text = item.payload if options.text is None else options.text.encode()
            session.reply(item.reply_to, Event(text))
            answered += 1
            # What the PONG follows has been looked at, so nothing is lost where this is the end.
            session.ping()


def stats(session, _):
    counters = session.counters()
    tables = ("broker", "shard", "connection", "publisher", "subscription", "topic")
    print(json.dumps({table: list(counters.rows(table)) for table in tables}, indent=1))


def start_position(text):
    """latest, earliest, state, a sequence, or a time such as 2026-03-01T12:00:00Z."""
    if text in ("latest", "earliest", "state"):
        return text, 0
    if text.isdigit():
        return "sequence", int(text)
    time = datetime.datetime.fromisoformat(text)
    return "time", int(time.timestamp() * 1_000_000) * 1000


def name_and_value(text):
    name, separator, value = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError("a header is NAME=VALUE")
    return name, value


def parse(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default=os.environ.get("GALLEON_URL"))
    commands = parser.add_subparsers(required=True)

    def command(name, run):
        sub = commands.add_parser(name)
        sub.set_defaults(run=run)
        # After the command as well, where most will write it.
        sub.add_argument("--url", default=argparse.SUPPRESS)
        return sub

    sub = command("pub", publish)
    sub.add_argument("topic")
    sub.add_argument("--key")
    sub.add_argument("--key-separator")
    sub.add_argument("--header", action="append", default=[], type=name_and_value)
    sub.add_argument("--ttl-ms", type=int, default=0)
    sub = command("tail", tail)
    sub.add_argument("pattern", nargs="+")
    sub.add_argument("--from", dest="start", type=start_position, default=("latest", 0))
    sub.add_argument("--count", type=int, default=-1)
    sub.add_argument("--window", type=int, default=1024, help="events under way at most")
    sub.add_argument("--policy", default="lossless",
                     choices=("lossless", "drop-oldest", "latest", "sample", "disconnect"))
    sub.add_argument("--max-lag-events", type=int, default=0)
    sub.add_argument("--max-age-ms", type=int, default=0)
    sub.add_argument("--every", type=int, default=0, help="with sample: every n-th event")
    sub = command("request", request)
    sub.add_argument("topic")
    sub.add_argument("text")
    sub.add_argument("--timeout", type=float, default=5.0)
    sub = command("answer", answer)
    sub.add_argument("pattern")
    sub.add_argument("--text", help="the answer; without it, what was asked")
    sub.add_argument("--count", type=int, default=-1)
    command("stats", stats)
    return parser.parse_args(arguments)


def main(arguments=None):
    try:
        options = parse(arguments)
    except SystemExit as error:
        return USAGE if error.code else DONE
    try:
        with Session.connect(options.url) as session:
            options.run(session, options)
        return DONE
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Nobody reads any more; Python would say so once again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except ConnectionRefusedError as error:
        print(f"galleon_client: the broker is not there: {error}", file=sys.stderr)
        return ABSENT
    except (Closed, ContinuityError, Fault, Refused, OSError, ValueError) as error:
        print(f"galleon_client: {error}", file=sys.stderr)
        return FAILED


if __name__ == "__main__":
    sys.exit(main())
