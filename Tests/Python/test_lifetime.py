"""The life of a broker: draining, many who come and go, and one who never reads."""

import socket
import time
import unittest

from support import PATIENCE, Broker, BrokerTest, RawConnection, eventually

import galleon
from galleon import Event, encode_frame
from galleon.streams import UNBOUNDED

# Connections that come and go, and by how much the broker's memory may have grown over the
# second half of them: less than a hundredth of a page for each.
CONNECTIONS = 10_000
GROWTH_BYTES = 2 << 20
# Events of 30 kB, several times what a ring of a small topic and full sockets hold.
FLOOD = 250


class DrainTests(unittest.TestCase):
    def test_draining_tells_sessions_when_to_come_back(self):
        broker = Broker()
        self.addCleanup(broker.kill)
        reader = galleon.Session.connect(broker.url)
        writer = galleon.Session.connect(broker.url)
        subscription = reader.subscribe("drain", window_events=10_000)
        publisher = writer.open_topic("drain", ack_level="accepted")
        publisher.publish([Event(b"x")] * 1000)
        publisher.flush()
        stranger = RawConnection(broker)
        self.assertEqual(len(subscription.take(1000)), 1000)
        broker.terminate()
        for session in (reader, writer):
            with self.assertRaises(galleon.Closed) as caught:
                session.wait(lambda: False, PATIENCE)
            closed = caught.exception
            self.assertEqual((closed.reason, closed.retryable), ("draining", True))
            self.assertGreater(closed.retry_after_ms + closed.spread_ms, 0)
            session.close()
        self.assertIn(stranger.close_reason(), (
            "draining", "handshakeTimeout", "end of the stream without CLOSE"))
        stranger.close()
        self.assertEqual(broker.end(), 0, broker.said())
        with self.assertRaises(ConnectionError):
            socket.create_connection((broker.host, broker.port), 1)

    # Section 13, Drain: DELIVER within credit comes before CLOSE.
    def test_draining_delivers_what_was_accepted(self):
        for _ in range(50):
            broker = Broker()
            self.addCleanup(broker.kill)
            reader = galleon.Session.connect(broker.url)
            subscription = reader.subscribe("drain", window_events=10_000)
            writer = galleon.Session.connect(broker.url)
            publisher = writer.open_topic("drain", ack_level="accepted")
            publisher.publish([Event(b"x")] * 1000)
            publisher.flush()
            broker.terminate()
            self.assertEqual(len(subscription.take(1000)), 1000)
            reader.close()
            writer.close()
            self.assertEqual(broker.end(), 0)

    def test_draining_does_not_wait_for_one_who_does_not_read(self):
        broker = Broker("--drain-timeout", "1s")
        self.addCleanup(broker.kill)
        deaf = RawConnection(broker)
        deaf.hello()
        deaf.send_frame("SUBSCRIBE", 1, 1, pattern=">", events_total=UNBOUNDED,
                        bytes_total=UNBOUNDED)
        writer = galleon.Session.connect(broker.url)
        publisher = writer.open_topic("deaf", ack_level="accepted")
        publisher.publish([Event(bytes(60_000))] * 100)
        publisher.flush()
        started = time.monotonic()
        broker.terminate()
        with self.assertRaises(galleon.Closed):
            writer.wait(lambda: False, PATIENCE)
        writer.close()
        self.assertEqual(broker.process.wait(PATIENCE), 0, broker.said())
        self.assertLess(time.monotonic() - started, 10)
        deaf.close()
        broker.end()

    def test_a_broker_without_sessions_ends_at_once(self):
        broker = Broker()
        started = time.monotonic()
        self.assertEqual(broker.end(), 0)
        self.assertLess(time.monotonic() - started, 4)


class CrowdTests(BrokerTest):
    def test_ten_thousand_who_come_and_drop(self):
        hello = encode_frame("HELLO", version_min=1, version_max=1, client_name="crowd")
        greeting = hello + encode_frame("SUBSCRIBE", 1, 2, pattern="crowd.>") + encode_frame(
            "OPEN_TOPIC", 1, 3, topic="crowd.topic")
        # Drop at once, after half a HELLO, with a session, and in the midst of a frame.
        ways = (b"", hello[:20], greeting, greeting + encode_frame("PING", time=1)[:9])
        before = None
        for number in range(CONNECTIONS):
            if number == CONNECTIONS // 2:
                self.gone()
                before = self.broker.resident_bytes()
            with socket.create_connection((self.broker.host, self.broker.port), PATIENCE) as sock:
                data = ways[number % len(ways)]
                if data:
                    sock.sendall(data)
                    if len(data) >= len(greeting):
                        sock.recv(10)
        self.gone()
        accepted = sum(row["connectionsAccepted"]
                       for row in self.connect().counters().rows("shard"))
        self.assertGreaterEqual(accepted, CONNECTIONS)
        growth = self.broker.resident_bytes() - before
        self.assertLess(growth, GROWTH_BYTES, f"{growth} bytes more after the second half")

    def gone(self):
        """Waits until the broker has seen that all have gone."""
        session = self.connect()
        eventually(lambda: sum(1 for _ in session.counters().rows("connection")) == 1,
                   "all gone but one")
        self.assertEqual(list(session.counters().rows("subscription")), [])
        session.close()


class DeafTests(BrokerTest):
    flags = ("--memory", "32MiB")

    def test_one_who_never_reads_beside_one_who_does(self):
        deaf = self.raw(receive_buffer=4096)
        deaf.send_frame("SUBSCRIBE", 1, 1, pattern="flood", events_total=UNBOUNDED,
                        bytes_total=UNBOUNDED)
        healthy = self.connect()
        subscription = healthy.subscribe("flood", window_events=200, window_bytes=1 << 22)
        publisher = self.publisher("flood", retention_bytes=1 << 18)
        payload, slowest = bytes(30_000), 0.0
        for number in range(FLOOD):
            started = time.monotonic()
            publisher.publish([Event(payload)])
            event = subscription.next(PATIENCE)
            slowest = max(slowest, time.monotonic() - started)
            self.assertIsInstance(event, Event, "the healthy reader lost something")
            self.assertEqual(event.sequence, number + 1)
        publisher.flush()
        # The broker's memory is bounded, whatever the other one does not read.
        self.assertLess(self.broker.resident_bytes(), 128 << 20)
        self.assertLess(slowest, PATIENCE / 4)
        # When it reads at last, it hears of every event, delivered or lost.
        self.reads_at_last(deaf)

    def reads_at_last(self, wire):
        following, gaps = 1, 0
        while following <= FLOOD:
            frame = wire.next(("TOPIC_INFO", "SUBSCRIBED", "PING"))
            if frame.name == "GAP":
                self.assertEqual(frame["first"], following)
                following, gaps = frame["last"] + 1, gaps + 1
            elif frame.name == "DELIVER":
                for batch in galleon.decode_batches(frame["batches"], batch_bytes_max=65536):
                    self.assertEqual(batch.sequence, following)
                    following += batch.count
            else:
                self.fail(frame)
        self.assertGreater(gaps, 0, "it should have been too slow")

    def test_answers_that_nobody_reads_end_the_session(self):
        wire = self.raw()
        pings = encode_frame("PING", correlation=1, time=1) * 1000
        deadline = time.monotonic() + PATIENCE
        with self.assertRaises(ConnectionError):
            while time.monotonic() < deadline:
                wire.socket.sendall(pings)
        reader = self.connect()
        eventually(lambda: any(
            row["closed"][galleon.REGISTRY.value("CloseReason", "controlOverflow")] == 1
            for row in reader.counters().rows("shard")), "a session ended for controlOverflow")


class FullMemoryTests(BrokerTest):
    """More topics than there are pages: 150 with a page of 64 KiB or more, 4 MiB of rings for all."""

    flags = ("--memory", "4608KiB")
    TOPICS, ROUNDS = 150, 3

    def everything(self, prefix):
        """Publishes from sessions of both shards, each to topics that either of them owns."""
        writers = [self.connect(), self.connect()]
        publishers = [
            writer.open_topic(f"{prefix}.{number}", ack_level="accepted")
            for number in range(self.TOPICS) for writer in writers[::1 if number % 2 else -1]]
        for _ in range(self.ROUNDS):
            for publisher in publishers:
                publisher.publish([Event(bytes(50_000))], timeout=PATIENCE)
        for publisher in publishers:
            publisher.flush(PATIENCE)
        rows = [row for row in writers[0].counters().rows("topic")
                if row["name"].startswith(prefix + ".")]
        self.assertEqual(len(rows), self.TOPICS)
        for row in rows:
            self.assertEqual(row["eventsIn"], 2 * self.ROUNDS, row["name"])
        used = next(writers[0].counters().rows("broker"))["memoryUsedBytes"]
        self.assertLessEqual(used, 4 << 20)

    def test_publishers_go_on(self):
        self.everything("many")

    def test_beside_one_who_takes_nothing(self):
        wires = [self.raw(), self.raw()]
        for wire in wires:
            wire.send_frame("SUBSCRIBE", 1, 1, pattern="deaf.>")
            wire.expect("SUBSCRIBED")
        self.everything("deaf")
        for wire in wires:
            wire.send_frame("CREDIT", 1, events_total=UNBOUNDED, bytes_total=UNBOUNDED)
            following, lost = {}, 0
            while sum(following.values()) < self.TOPICS * (2 * self.ROUNDS):
                frame = wire.next(("TOPIC_INFO", "PING"))
                before = following.get(frame["topic"], 0)
                if frame.name == "GAP":
                    self.assertEqual(frame["first"], before + 1)
                    following[frame["topic"]] = frame["last"]
                    lost += frame["count"]
                else:
                    for batch in galleon.decode_batches(
                            frame["batches"], batch_bytes_max=65536):
                        self.assertEqual(batch.sequence, following.get(frame["topic"], 0) + 1)
                        following[frame["topic"]] = batch.sequence + batch.count - 1
            self.assertGreater(lost, 0)


if __name__ == "__main__":
    unittest.main()
