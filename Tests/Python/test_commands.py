"""This client and the `galleon` command, with each other: the same events on both sides."""

import json
import subprocess
import threading
import unittest

from support import CLIENT, PATIENCE, BrokerTest, eventually, galleon_binary

import galleon
from galleon import Event
from galleon.streams import UNBOUNDED


class CommandTests(BrokerTest):
    def start(self, *command, **options):
        """A command that goes on; ended after the test."""
        options.setdefault("stdin", subprocess.DEVNULL)
        process = subprocess.Popen(
            self.with_url(command), stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)

        def finish():
            if process.poll() is None:
                process.kill()
            process.communicate()

        self.addCleanup(finish)
        return process

    def with_url(self, command):
        program = CLIENT if command[0] == "python" else [galleon_binary()]
        return [*program, command[1], "--url", self.broker.url, *command[2:]]

    def run_command(self, *command, text=b"", code=0):
        done = subprocess.run(
            self.with_url(command), input=text, capture_output=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, code, done.stderr.decode())
        return done.stdout.decode()

    def output(self, process):
        output, errors = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, 0, errors.decode())
        return [json.loads(line) for line in output.splitlines()]

    def subscribed(self, pattern):
        """Waits until a subscription of another process is there."""
        session = self.connect()
        eventually(lambda: any(row["pattern"] == pattern
                               for row in session.counters().rows("subscription")), pattern)

    def test_pub_is_read(self):
        subscription = self.connect().subscribe("command.pub")
        self.run_command(
            "galleon", "pub", "command.pub", "--key-separator", "=", "--header", "from=shell",
            "--ack", text="ann=gold\nbob=silver = plate\nann=\n".encode())
        events = subscription.take(3)
        self.assertEqual([(e.key, e.payload) for e in events],
                         [(b"ann", b"gold"), (b"bob", b"silver = plate"), (b"ann", b"")])
        self.assertEqual({e.headers for e in events}, {(("from", b"shell"),)})

    def test_lines_change_the_policy_of_a_tail(self):
        tail = self.start("galleon", "tail", "command.policy", "--policy-lines", "--json",
                          stdin=subprocess.PIPE)
        self.subscribed("command.policy")

        def change(line):
            tail.stdin.write(line.encode() + b"\n")
            tail.stdin.flush()
            return tail.stderr.readline().decode()

        self.assertIn("the policy is sample --every 3 from here on", change("sample --every 3"))
        publisher = self.publisher("command.policy")
        for number in range(6):
            publisher.publish([Event(b"%d" % number)])
        publisher.flush()

        def printed(last):
            """The sequences up to one; what was left out is told between them."""
            sequences = [None]
            while sequences[-1] != last:
                sequences.append(json.loads(tail.stdout.readline()).get("sequence"))
            return [sequence for sequence in sequences if sequence]

        self.assertEqual(printed(6), [3, 6])
        self.assertIn("newest", change("newest"))
        self.assertIn("lossless from here on", change("lossless"))
        publisher.publish([Event(b"7")])
        self.assertEqual(printed(7), [7])

    def test_tail_says_that_it_stands_still(self):
        # Nobody takes what it prints.
        tail = self.start("galleon", "tail", "command.still")
        self.subscribed("command.still")
        publisher = self.publisher("command.still")
        for _ in range(160):
            publisher.publish([Event(b"x" * 50_000)])
        publisher.flush()
        line = tail.stderr.readline().decode()
        self.assertRegex(line, r"^galleon: command.still stands still: what has come is not taken "
                               r"at this end; [0-9,]+ events? waits?$")

    def test_pub_says_that_it_waits(self):
        waiting = self.connect().subscribe("command.wait", window_events=0, renew=False)
        pub = self.start("galleon", "pub", "command.wait", "--block", "--block-timeout", "1h",
                         "--ack", stdin=subprocess.PIPE)

        def feed():
            try:
                for _ in range(200):
                    pub.stdin.write(b"x" * 60_000 + b"\n")
                pub.stdin.close()
            except BrokenPipeError:
                pass

        feeder = threading.Thread(target=feed)
        feeder.start()
        line = pub.stderr.readline().decode()
        self.assertEqual(
            line, "galleon: command.wait takes nothing: it waits for a lossless subscription\n")
        waiting.grant(UNBOUNDED, UNBOUNDED)
        waiting.take(200)
        self.assertEqual(pub.stderr.readline().decode(), "galleon: command.wait goes on\n")
        feeder.join()
        pub.stdin = None
        self.assertEqual(pub.wait(PATIENCE), 0)

    def test_compressed_batches_are_read_without_codecs(self):
        lines = [f"the same line again and again {number % 3}" for number in range(3000)]
        for codec in ("zstd", "lz4"):
            with self.subTest(codec):
                topic = f"command.{codec}"
                session = self.connect()
                self.publish(topic, b"first")
                subscription = session.subscribe(topic, start="earliest")
                self.assertEqual(subscription.next().payload, b"first")
                self.run_command("galleon", "pub", topic, "--compress", codec, "--ack",
                                 text="\n".join(lines).encode())
                events = subscription.take(len(lines))
                self.assertEqual([e.payload.decode() for e in events], lines)
                self.assertEqual({header["codec"] for header in subscription.batches}, {0})
                # What is stored is compressed, as a client hears that has the codec.
                wire = self.raw(codecs=codec)
                wire.send_frame("SUBSCRIBE", 1, 1, pattern=topic, start="earliest",
                                events_total=UNBOUNDED, bytes_total=UNBOUNDED)
                self.assertIn(codec, self.codecs_of(wire, 1 + len(lines)))

    def codecs_of(self, wire, events):
        codecs = set()
        while events > 0:
            frame = wire.expect("DELIVER", passing=("TOPIC_INFO", "SUBSCRIBED"))
            for batch in galleon.decode_batches(
                    frame["batches"], batch_bytes_max=65536, codecs=("lz4", "zstd")):
                codecs.add(galleon.REGISTRY.name("Codec", batch.codec))
                events -= batch.count
        return codecs

    def test_an_id_is_named_before_a_batch_that_was_compressed(self):
        # On either shard, as it depends on where the topic is and where the reader.
        for number in range(8):
            topic = f"command.named.{number}"
            self.run_command("galleon", "pub", topic, "--compress", "zstd", "--ack",
                             text=b"all the same\n" * 100)
            subscription = self.connect().subscribe(topic, start="earliest")
            self.assertEqual(subscription.take(100)[99].payload, b"all the same")

    def test_tail_prints_what_this_client_publishes(self):
        publisher = self.publisher("command.tail")
        publisher.publish([
            Event(b"gold", key=b"ann", headers=(("trace", b"abc"), ("raw", b"\xff"))),
            Event(b"\xff\x00", key=b"\xfe"),
            Event("Süden\n".encode())])
        publisher.flush()
        lines = self.output(self.start(
            "galleon", "tail", "command.tail", "--from", "earliest", "--count", "3", "--json"))
        mine = self.output(self.start(
            "python", "tail", "command.tail", "--from", "earliest", "--count", "3"))
        for line in lines + mine:
            self.assertEqual(line["topic"], "command.tail")
        for lines in (lines, mine):
            self.assertEqual([line["sequence"] for line in lines], [1, 2, 3])
            self.assertEqual((lines[0]["key"], lines[0]["payload"]), ("ann", "gold"))
            self.assertEqual((lines[1]["keyBase64"], lines[1]["payloadBase64"]), ("/g==", "/wA="))
            self.assertEqual(lines[2]["payload"], "Süden\n")
            self.assertIn("abc", json.dumps(lines[0]["headers"]))

    def test_lines_from_one_command_to_the_other(self):
        text = "".join(f"{number % 7}:line {number}\n" for number in range(500)).encode()
        expected = [(str(n % 7), f"line {n}") for n in range(500)]
        for publisher, reader in (("galleon", "python"), ("python", "galleon"),
                                  ("python", "python")):
            with self.subTest(publisher=publisher, reader=reader):
                topic = f"command.{publisher}.{reader}"
                flags = ("--json",) if reader == "galleon" else ("--window", "10")
                tail = self.start(reader, "tail", topic, "--count", "500", *flags)
                self.subscribed(topic)
                self.run_command(publisher, "pub", topic, "--key-separator", ":", text=text)
                lines = self.output(tail)
                self.assertEqual([(line["key"], line["payload"]) for line in lines], expected)

    def test_request_and_answer(self):
        answer = self.start("python", "answer", "command.ask", "--count", "2", "--text", "three")
        self.subscribed("command.ask")
        for _ in range(2):
            self.assertEqual(
                self.run_command("python", "request", "command.ask", "how many?"), "three\n")
        answer.communicate(timeout=PATIENCE)
        self.assertEqual(answer.returncode, 0)
        # Nobody is there any more, so there is no answer.
        self.run_command("python", "request", "command.ask", "?", "--timeout", "0.2", code=70)

    def test_stats_of_both(self):
        self.publish("command.stats", b"x", b"y")
        theirs = json.loads(self.run_command("galleon", "stats", "--json", "--interval", "0"))
        mine = json.loads(self.run_command("python", "stats"))
        row = next(r for r in mine["topic"] if r["name"] == "command.stats")
        self.assertEqual(row["eventsIn"], 2)
        self.assertIn("command.stats", json.dumps(theirs))

    def test_refusals_are_exit_codes(self):
        self.run_command("python", "pub", "a..b", code=70)
        self.run_command("python", "tail", "a.>.b", code=70)
        self.run_command("python", "tail", code=64)


if __name__ == "__main__":
    unittest.main()
