"""`galleon why` and `stats --slow` against a broker at work: every answer that there is."""

import json
import subprocess
import time
import unittest

from support import PATIENCE, BrokerTest, eventually, galleon_binary

from galleon import Event
from galleon.streams import UNBOUNDED


class ObservedTest(BrokerTest):
    """Subscriptions as the broker's counters have them."""

    def row(self, subscription):
        session = subscription.session
        rows = session.counters().rows("subscription")
        connections = session.counters().rows("connection")
        own = {(r["tableShard"], r["row"]) for r in connections
               if r["session"] == session.welcome["session"]}
        return next(r for r in rows if (r["tableShard"], r["connection"]) in own
                    and r["ref"] == subscription.ref)

    def id_of(self, subscription):
        if not hasattr(subscription, "id_in_counters"):
            subscription.id_in_counters = self.row(subscription)["id"]
        return subscription.id_in_counters

    def fill(self, topic, count, publisher=None, first=0, **fields):
        publisher = publisher or self.publisher(topic)
        for number in range(first, first + count):
            publisher.publish([Event(b"%d" % number, **fields)])
        publisher.flush()
        return publisher

    def fill_socket(self, topic):
        """A subscription whose socket takes nothing more, and how many events were published."""
        session = self.connect()
        subscription = session.subscribe(topic, window_bytes=UNBOUNDED)
        id_ = self.id_of(subscription)
        publisher, other = self.publisher(topic), self.connect()

        def is_full():
            for _ in range(20):
                publisher.publish([Event(b"x" * 50_000)])
            publisher.flush()
            return any(row["id"] == id_ and row["blocked"] == 3
                       for row in other.counters().rows("subscription"))

        eventually(is_full, "a full socket")
        return subscription, publisher.next_number - 1


class WhyTests(ObservedTest):
    def why(self, subscription, topic, sequence):
        """What the command says: the object of --json, and its sentence without."""
        command = [galleon_binary(), "why", str(self.id_of(subscription)), topic, str(sequence),
                   "--url", self.broker.url]
        done = subprocess.run(command + ["--json"], capture_output=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, 0, done.stderr)
        answer = json.loads(done.stdout)
        self.assertTrue(answer["sentence"].startswith(f"Event {sequence} of {topic} "), answer)
        return answer

    def fate(self, subscription, topic, sequence):
        return self.why(subscription, topic, sequence)["fate"]

    def test_delivered_and_before_it_began(self):
        publisher = self.fill("plain", 3)
        subscription = self.connect().subscribe("plain")
        self.fill("plain", 2, publisher)
        subscription.take(2)
        answer = self.why(subscription, "plain", 5)
        self.assertEqual(answer["fate"], "delivered")
        self.assertLessEqual(answer["notBefore"], answer["notAfter"])
        self.assertEqual(self.why(subscription, "plain", 3)["cause"], "began")
        self.assertEqual(self.why(subscription, "other", 1)["cause"], "pattern")
        self.assertEqual(self.fate(subscription, "plain", 6), "notPublished")

    def test_no_credit(self):
        for unit, granted in (("Events", (0, UNBOUNDED)), ("Bytes", (UNBOUNDED, 0))):
            with self.subTest(unit):
                topic = f"credit.{unit}"
                subscription = self.connect().subscribe(
                    topic, window_events=granted[0], window_bytes=granted[1], renew=False)
                self.fill(topic, 2)
                answer = self.why(subscription, topic, 1)
                self.assertEqual((answer["fate"], answer["cause"]), ("pending", f"credit{unit}"))
                subscription.grant(UNBOUNDED, UNBOUNDED)
                subscription.take(2)
                self.assertEqual(self.fate(subscription, topic, 1), "delivered")

    def test_no_credit_with_several_topics(self):
        subscription = self.connect().subscribe("several.*", window_events=0, renew=False)
        for topic in ("several.a", "several.b"):
            self.fill(topic, 3)
        for topic in ("several.a", "several.b"):
            answer = self.why(subscription, topic, 3)
            self.assertEqual((answer["fate"], answer["cause"]), ("pending", "creditEvents"), answer)
        subscription.grant(3, UNBOUNDED)
        first = subscription.take(3)[0].topic
        other = "several.b" if first == "several.a" else "several.a"
        for topic in (first, other):
            fates = {self.fate(subscription, topic, n) for n in (1, 2, 3)}
            self.assertLessEqual(fates, {"delivered", "pending"})

    def test_a_full_socket(self):
        subscription, last = self.fill_socket("socket")
        answer = self.why(subscription, "socket", last)
        self.assertEqual((answer["fate"], answer["cause"]), ("pending", "socket"))

    def test_conflated_and_the_newest(self):
        publisher = self.publisher("keyed", options="keyed")
        subscription = self.connect().subscribe(
            "keyed", policy="latest", window_events=0, renew=False)
        for number in range(20):
            publisher.publish([Event(b"%d" % number, key=b"%d" % (number % 2))])
        publisher.flush()
        time.sleep(0.02)  # Older than what counts as having fallen behind.
        subscription.grant(UNBOUNDED, UNBOUNDED)
        subscription.take(3)
        answer = self.why(subscription, "keyed", 7)
        self.assertEqual((answer["fate"], answer["into"]), ("conflated", 9))
        self.assertEqual(self.fate(subscription, "keyed", 20), "delivered")

    def test_the_newest_but_too_old(self):
        publisher = self.publisher("aged", options="keyed")
        subscription = self.connect().subscribe(
            "aged", policy="latest", lag_ms_max=20, window_events=0, renew=False)
        self.fill("aged", 2, publisher, key=b"k")
        time.sleep(0.05)
        subscription.grant(UNBOUNDED, UNBOUNDED)
        passed = subscription.next()
        self.assertEqual((passed.events, passed.expired_events), (1, 1))
        self.assertEqual(self.why(subscription, "aged", 1)["into"], 2)
        self.assertEqual(self.fate(subscription, "aged", 2), "expired")

    def test_dropped_expired_and_sampled_out(self):
        session = self.connect()
        dropping = session.subscribe(
            "dropped", policy="drop-oldest", lag_events_max=2, window_events=0, renew=False)
        self.fill("dropped", 5)
        dropping.grant(UNBOUNDED, UNBOUNDED)
        dropping.take(3)
        answer = self.why(dropping, "dropped", 3)
        self.assertEqual((answer["fate"], answer["cause"]), ("dropped", "dropOldest"))
        self.assertEqual(self.fate(dropping, "dropped", 4), "delivered")

        expiring = session.subscribe("expired", window_events=0, renew=False)
        publisher = self.publisher("expired")
        publisher.publish([Event(b"short")], ttl_ms=1)
        publisher.publish([Event(b"long")])
        publisher.flush()
        time.sleep(0.02)
        expiring.grant(UNBOUNDED, UNBOUNDED)
        expiring.take(2)
        self.assertEqual(self.fate(expiring, "expired", 1), "expired")

        sampling = session.subscribe("sampled", policy="sample", sample_every=4)
        self.fill("sampled", 8)
        eventually(lambda: session.poll(0.05) or sampling.expected.get(
            next((i for i, n in session.topics.items() if n == "sampled"), 0), 0) > 8, "a sample")
        self.assertEqual(self.fate(sampling, "sampled", 4), "delivered")
        self.assertEqual(self.fate(sampling, "sampled", 5), "sampledOut")

    def test_too_long_ago(self):
        subscription = self.connect().subscribe("ago.*", window_events=UNBOUNDED)
        publisher = self.fill("ago.a", 1)
        for number in range(30):
            self.fill(f"ago.{number}", 1)
        self.fill("ago.a", 1, publisher)
        subscription.take(32)
        answer = self.why(subscription, "ago.a", 1)
        self.assertEqual(answer["fate"], "unknown")
        self.assertIn("too long ago to tell", answer["sentence"])
        self.assertEqual(self.fate(subscription, "ago.a", 2), "delivered")


class SlowTests(ObservedTest):
    """Whose fault it is that a subscription is slow, in the sentence of `stats --slow`."""

    def slow(self, subscription):
        id_ = self.id_of(subscription)
        done = subprocess.run(
            [galleon_binary(), "stats", "--slow", "--interval", "0", "--url", self.broker.url],
            capture_output=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = done.stdout.decode().splitlines()
        return next((line for line in lines if line.startswith(f"Subscription {id_} ")), lines)

    def test_a_reader_without_credit(self):
        subscription = self.connect().subscribe("slow.credit", window_events=0, renew=False)
        publisher = self.fill("slow.credit", 1)
        time.sleep(0.1)
        self.assertIn("has not granted credit for more events", self.slow(subscription))
        subscription.grant(UNBOUNDED, UNBOUNDED)
        subscription.take(1)
        self.assertRegex(self.slow(subscription), r"p99 \S+ \S+: \S+ ms waiting for its credit")

    def test_a_reader_that_does_not_read(self):
        subscription, last = self.fill_socket("slow.socket")
        time.sleep(0.2)
        self.assertIn("its socket is full", self.slow(subscription))
        # It reads again: most of the time went into its socket.
        while subscription.next().sequence != last:
            pass
        self.assertRegex(self.slow(subscription), r"p99 \S+ \S+: \S+ \S+ waiting for its socket")

    def test_little_waits_in_a_full_socket(self):
        """What lies there goes before everything that comes later, whatever its weight."""
        wire = self.raw(receive_buffer=16384)
        wire.send_frame("SUBSCRIBE", 1, 5, policy="lossless", start="latest",
                        events_total=UNBOUNDED, bytes_total=UNBOUNDED, pattern="slow.little")
        wire.expect("SUBSCRIBED")
        publisher, other = self.publisher("slow.little"), self.connect()

        def taken():
            for _ in range(20):
                publisher.publish([Event(b"x" * 50_000)])
            publisher.flush()
            rows = [row for row in other.counters().rows("connection")
                    if row["session"] == wire.welcome["session"]]
            blocked = [row["blocked"] for row in other.counters().rows("subscription")
                       if row["pattern"] == "slow.little"]
            return rows[0]["bytesOut"] if blocked == [3] else 0

        sent = eventually(taken, "a full socket")
        # Less than half of the socket's own buffer, which is a megabyte.
        self.assertLess(sent, 400_000)


if __name__ == "__main__":
    unittest.main()
