"""Requests and replies, PING, the counters, and what HELLO agrees on."""

import time
import unittest

from support import PATIENCE, BrokerTest, eventually

import galleon
from galleon import Event, encode_batch


class RequestTests(BrokerTest):
    def test_a_request_is_answered(self):
        asker, answerer = self.connect(), self.connect()
        subscription = answerer.subscribe("ask.>")
        publisher = asker.open_topic("ask.sum")
        token = 77
        asker.replies[token] = []
        publisher.publish([Event(b"2 3", reply_to=(asker.welcome["inbox"], token))])
        request = subscription.next()
        self.assertEqual(request.reply_to, (asker.welcome["inbox"], token))
        answer = Event(b"5", key=b"sum", headers=(("unit", b"none"),))
        answerer.reply(request.reply_to, answer)
        answerer.reply(request.reply_to, Event(b"five"))
        asker.wait(lambda: len(asker.replies[token]) == 2, PATIENCE)
        first, second = asker.replies[token]
        self.assertEqual((first.payload, first.key, first.headers),
                         (b"5", b"sum", (("unit", b"none"),)))
        self.assertEqual(second.payload, b"five")
        # A reply that nobody waits for any more is passed over.
        del asker.replies[token]
        answerer.reply(request.reply_to, Event(b"late"))
        answerer.ping()
        asker.ping()
        self.assertEqual(answerer.errors, {})

    def test_askers_are_told_apart(self):
        answerer = self.connect()
        subscription = answerer.subscribe("apart")
        askers = [self.connect() for _ in range(5)]
        for number, asker in enumerate(askers):
            asker.replies[9] = []
            asker.open_topic("apart").publish(
                [Event(bytes([number]), reply_to=(asker.welcome["inbox"], 9))])
        for _ in askers:
            request = subscription.next()
            answerer.reply(request.reply_to, Event(request.payload))
        for number, asker in enumerate(askers):
            asker.wait(lambda: asker.replies[9], PATIENCE)
            self.assertEqual(asker.replies[9][0].payload, bytes([number]))

    def test_nobody_to_answer(self):
        answerer, asker = self.connect(), self.connect()
        inbox = asker.welcome["inbox"]
        asker.close()
        for address in ((inbox, 1), (0, 1), (2**64 - 1, 1), (answerer.welcome["inbox"] + 1, 1)):
            with self.subTest(address):
                def refused():
                    number = answerer.reply(address, Event(b"x"))
                    answerer.ping()
                    eventually(lambda: answerer.poll(0.01) or number in answerer.errors, "ERROR")
                    return answerer.errors[number].code
                self.assertEqual(refused(), "noReceiver")

    def reason_of_reply(self, batch):
        wire = self.raw(codecs=6)
        inbox = wire.welcome["inbox"]
        wire.send_frame("REPLY", correlation=1, inbox=inbox, token=1, batch=batch)
        return wire.close_reason()

    # Section 14: REPLY with a codec other than none is malformedBatch.
    def test_a_compressed_reply(self):
        batch = encode_batch([Event(b"x" * 100)], codec=1, decoded_length=200)
        self.assertEqual(self.reason_of_reply(batch), "malformedBatch")

    def test_replies_that_are_none(self):
        event = encode_batch([Event(b"x")])
        for what, batch in (("no batch", b""), ("two batches", event * 2),
                            ("two events", encode_batch([Event(b"x")] * 2))):
            with self.subTest(what):
                self.assertEqual(self.reason_of_reply(batch), "malformedBatch")
        for what, fields, reason in (("checksum", dict(crc32c=5), "checksumMismatch"),
                                     ("number", dict(publisher_sequence=0), "publisherSequence")):
            with self.subTest(what):
                wire = self.raw()
                wire.send_frame("REPLY", correlation=1, inbox=wire.welcome["inbox"], token=1,
                                batch=encode_batch([Event(b"x")], **fields))
                self.assertEqual(wire.close_reason(), reason)

    def test_a_reply_to_oneself(self):
        session = self.connect()
        session.replies[1] = []
        session.reply((session.welcome["inbox"], 1), Event(b"me"))
        session.wait(lambda: session.replies[1], PATIENCE)
        self.assertEqual(session.replies[1][0].payload, b"me")


class SessionTests(BrokerTest):
    def test_ping_is_answered_in_order_with_its_time(self):
        wire = self.raw()
        for number in range(100):
            wire.send_frame("PING", correlation=number + 1, time=2**64 - 1 - number)
        for number in range(100):
            pong = wire.expect("PONG")
            self.assertEqual((pong.correlation, pong["time"]), (number + 1, 2**64 - 1 - number))

    def test_welcome(self):
        first, second = self.connect(), self.connect(codecs="lz4+zstd")
        self.assertEqual(first.welcome["version"], 2)
        self.assertEqual(first.welcome["codecs"], 0)
        self.assertEqual(second.welcome["codecs"], 6)
        self.assertEqual(first.welcome["instance"], second.welcome["instance"])
        for field in ("session", "inbox"):
            self.assertNotEqual(first.welcome[field], second.welcome[field])
        self.assertLess(abs(first.welcome["time"] - time.time_ns()), 60 * 10**9)
        for field, limit in (("batch_bytes_max", "batchBytesMax"),
                             ("frame_length_max", "frameLengthMax"),
                             ("heartbeat_ms", "heartbeatMs"),
                             ("subscriptions_max", "subscriptionsPerSessionMax"),
                             ("publishers_max", "publishersPerSessionMax")):
            self.assertEqual(first.welcome[field], galleon.REGISTRY.limits[limit])

    def test_hello_with_bits_and_numbers_of_a_later_version(self):
        wire = self.raw(codecs=2**32 - 1, features=2**32 - 1, version_max=65535)
        self.assertEqual(
            (wire.welcome["version"], wire.welcome["features"]), (galleon.REGISTRY.version, 0))
        self.assertEqual(wire.welcome["codecs"], 6)

    def test_heartbeats_are_kept_within_their_limits(self):
        limits = galleon.REGISTRY.limits
        for wish, agreed in ((1, limits["heartbeatMsMin"]), (2**32 - 1, limits["heartbeatMsMax"]),
                             (2000, 2000)):
            self.assertEqual(self.raw(heartbeat_ms=wish).welcome["heartbeat_ms"], agreed)

    def test_a_silent_client_is_asked_and_then_left(self):
        wire = self.raw(heartbeat_ms=1000)
        started = time.monotonic()
        wire.expect("PING")
        self.assertGreater(time.monotonic() - started, 0.9)
        self.assertEqual(wire.close_reason(), "heartbeatTimeout")
        self.assertGreater(time.monotonic() - started, 2.4)

    def test_a_client_that_answers_pings_stays(self):
        session = self.connect(heartbeat_ms=1000)
        with self.assertRaises(TimeoutError):
            session.wait(lambda: False, 3.2)
        session.ping()

    def test_frames_no_larger_than_the_client_takes(self):
        most = 65536 + 128
        session = self.connect(frame_length_max=most)
        subscription = session.subscribe("frames", window_events=10**6, window_bytes=10**8)
        publisher = self.publisher("frames")
        publisher.publish([Event(bytes(65532))] * 3 + [Event(b"x" * 100)] * 500)
        publisher.flush()
        # The reader refuses a longer frame, so that it would end here.
        self.assertEqual(len(subscription.take(503)), 503)
        wire = self.raw(hello=False)
        wire.send_frame("HELLO", version_min=1, version_max=1, frame_length_max=most - 1)
        self.assertEqual(wire.close_reason(), "malformedFrame")

    def test_counters(self):
        session = self.connect()
        self.publish("counted", b"a", b"b", b"c")
        subscription = session.subscribe("counted", start="earliest")
        subscription.take(3)

        def row(table, field, value):
            return next((r for r in session.counters().rows(table) if r[field] == value), None)

        topic = eventually(lambda: row("topic", "name", "counted"), "the topic's row")
        self.assertEqual((topic["eventsIn"], topic["nextSequence"]), (3, 4))
        self.assertEqual(topic["bytesIn"], 3 * (32 + 4 + 1))
        eventually(lambda: (row("subscription", "pattern", "counted") or {}).get(
            "deliveredEvents") == 3, "three events delivered")
        eventually(lambda: row("connection", "session", session.welcome["session"]), "connection")
        broker = next(session.counters().rows("broker"))
        self.assertEqual(broker["version"], session.welcome["broker_name"])
        self.assertEqual(session.counters().instance, session.welcome["instance"])
        self.assertEqual(session.counters().pid, self.broker.process.pid)
        # Pages are no larger than stated, and empty beyond the end.
        page = session.request("STATS", offset=0, count=2**32 - 1)
        self.assertEqual(len(page["bytes"]), galleon.REGISTRY.limits["statsPageBytesMax"])
        self.assertEqual(page["total"], session.counters().total)
        for offset in (page["total"], 2**64 - 1):
            self.assertEqual(session.request("STATS", offset=offset, count=10)["bytes"], b"")

    # counters.md: topics there are, topics created since the start, how much of the ceiling is in
    # use.
    def test_the_broker_row_knows_topics_and_memory(self):
        session = self.connect()
        self.publish("known", bytes(60000), session=session)
        eventually(lambda: all(
            next(session.counters().rows("broker"))[field]
            for field in ("topics", "topicsCreated", "memoryUsedBytes")), "the numbers", 1.0)

    # counters.md: pages of ring memory in use.
    def test_shard_rows_count_their_pages(self):
        session = self.connect()
        self.publish("paged", bytes(60000), session=session)
        eventually(lambda: any(row["pagesInUse"] for row in session.counters().rows("shard")),
                   "a page", 1.0)


if __name__ == "__main__":
    unittest.main()
