"""Publishing: order, acknowledgements, credit of block topics, and what is refused."""

import unittest

from support import PATIENCE, BrokerTest

import galleon
from galleon import Event, encode_batch, encode_frame


class PublishTests(BrokerTest):
    def test_round_trip_with_everything_an_event_can_have(self):
        events = [
            Event(b"gold", key=b"ann", headers=(("trace", b"\0\xff"), ("Ort", "Süd".encode()))),
            Event(b""),
            Event(key=b"ann", tombstone=True),
            Event(bytes(range(256)) * 8, reply_to=(2**64 - 1, 7)),
            Event(b"x", key=bytes(1024), headers=tuple((f"h{n}", b"") for n in range(64))),
        ]
        subscription = self.connect().subscribe("round.trip")
        publisher = self.publisher("round.trip")
        publisher.publish(events, ttl_ms=60000)
        publisher.flush()
        for number, sent in enumerate(events, 1):
            event = subscription.next()
            for field in ("payload", "key", "headers", "reply_to", "tombstone"):
                self.assertEqual(getattr(event, field), getattr(sent, field))
            self.assertEqual((event.topic, event.sequence), ("round.trip", number))
        header = subscription.batches[0]
        self.assertEqual((header["ttl_ms"], header["bytes_before"]), (60000, 0))
        self.assertEqual(header["topic"], publisher.answer["topic"])
        self.assertLess(abs(header["time"] - header["publish_time"]), 60 * 10**9)

    def test_many_events_of_all_sizes_in_order(self):
        sizes = [number * 37 % 5000 for number in range(500)] + [65536 - 4]
        subscription = self.connect().subscribe("many", window_events=100, window_bytes=20000)
        publisher = self.publisher("many")
        publisher.publish([Event(bytes([n % 256]) * size) for n, size in enumerate(sizes)])
        publisher.flush()
        for number, size in enumerate(sizes):
            event = subscription.next()
            self.assertEqual(event.sequence, number + 1)
            self.assertEqual(event.payload, bytes([number % 256]) * size)
        account = subscription.close()
        self.assertEqual(account["delivered_events"], len(sizes))
        self.assertEqual(account["matched_events"], len(sizes))

    def test_several_batches_in_a_frame(self):
        wire = self.raw()
        wire.open_topic("run")
        run = b"".join(encode_batch([Event(b"x")] * 3, 1 + 3 * n) for n in range(10))
        wire.send_frame("PUBLISH", 1, batches=run)
        ack = wire.expect("ACK")
        while ack["through"] < 30:
            ack = wire.expect("ACK")
        self.assertEqual((ack["through"], ack["sequence"]), (30, 30))

    def test_acknowledgements_are_cumulative_and_per_publisher(self):
        session = self.connect()
        first = self.publish("acks", b"a", b"b", session=session)
        second = self.publisher("acks", session)
        second.next_number = 100
        second.publish([Event(b"c")])
        second.flush()
        self.assertEqual((first.acknowledged, first.topic_sequence), (2, 2))
        self.assertEqual((second.acknowledged, second.topic_sequence), (100, 3))
        self.assertEqual(second.answer["next_sequence"], 3)
        self.assertEqual(second.answer["created"], 0)
        self.assertEqual(second.answer["epoch"], first.answer["epoch"])

    def test_without_acknowledgements_none_come(self):
        wire = self.raw()
        wire.open_topic("silent", ack_level="none")
        wire.send_frame("PUBLISH", 1, batches=encode_batch([Event(b"x")]))
        wire.send_frame("CLOSE_TOPIC", 1, 8)
        self.assertEqual(wire.expect("TOPIC_CLOSED", passing=()).correlation, 8)
        # What was published before stays published, and the number is free.
        self.assertEqual(wire.open_topic("silent")["next_sequence"], 2)

    def test_closing_acknowledges_what_came_before(self):
        wire = self.raw()
        wire.open_topic("closing")
        wire.send_frame("PUBLISH", 1, batches=encode_batch([Event(b"x")] * 50))
        wire.send_frame("CLOSE_TOPIC", 1, 8)
        self.assertEqual(wire.expect("ACK")["through"], 50)
        wire.expect("TOPIC_CLOSED")

    def test_refusals(self):
        session = self.connect()
        refused = [
            ("invalidTopicName", dict(topic="a..b")),
            ("invalidTopicName", dict(topic="a.*")),
            ("invalidTopicName", dict(topic="")),
            ("invalidTopicName", dict(topic="$broker.x")),
            ("topicNotFound", dict(topic="nowhere", mode="mustExist")),
            ("invalidOption", dict(topic="a", mode=3)),
            ("invalidOption", dict(topic="a", ack_level=9)),
            ("invalidOption", dict(topic="a", ref=0)),
            ("notSupported", dict(topic="a", ack_level="persisted")),
        ]
        for code, fields in refused:
            with self.subTest(fields):
                self.refusal(code, session.open_topic, **fields)
        session.open_topic("there", ref=77, mode="mustCreate")
        self.refusal("topicExists", session.open_topic, "there", mode="mustCreate")
        self.refusal("duplicateRef", session.open_topic, "there", ref=77)
        self.refusal("unknownRef", session.request, "CLOSE_TOPIC", 78)
        session.open_topic("there", mode="mustExist")
        session.ping()

    def test_options_that_nobody_has_defined(self):
        self.refusal("invalidOption", self.connect().open_topic, "undefined", options=4)

    def test_a_keyed_topic_wants_keys(self):
        wire = self.raw()
        answer = wire.open_topic("board", options="keyed")
        self.assertEqual(answer["options"], galleon.REGISTRY.value("TopicOptions", "keyed"))
        good = encode_batch([Event(b"7", key=b"ann"), Event(key=b"bob", tombstone=True)])
        wire.send_frame("PUBLISH", 1, batches=good)
        self.assertEqual(wire.expect("ACK")["through"], 2)
        wire.send_frame("PUBLISH", 1, batches=encode_batch([Event(b"nobody's")], 3))
        self.assertEqual(wire.close_reason(), "keyRequired")

    def good_and_bad(self, topic):
        wire = self.raw()
        wire.open_topic(topic)
        good = encode_frame("PUBLISH", 1, batches=encode_batch([Event(b"good")]))
        wire.send(good + encode_frame("PUBLISH", 1, batches=encode_batch([Event(b"bad")], 7)))
        return wire

    def test_what_was_accepted_before_a_fault_stays(self):
        self.assertEqual(self.good_and_bad("kept").close_reason(), "publisherSequence")
        subscription = self.connect().subscribe("kept", start="earliest")
        self.assertEqual(subscription.next().payload, b"good")

    # Section 13: a CLOSE from the broker comes after the ACKs for everything that it accepted.
    def test_what_was_accepted_before_a_fault_is_acknowledged(self):
        wire = self.good_and_bad("kept.acknowledged")
        self.assertEqual(wire.expect("ACK")["through"], 1)
        self.assertEqual(wire.close_reason(), "publisherSequence")


class BlockTests(BrokerTest):
    def test_a_publisher_waits_for_its_readers(self):
        session = self.connect()
        publisher = self.publisher(
            "block.wait", session, options="block", retention_bytes=1 << 19)
        self.assertTrue(publisher.blocks)
        reader = self.connect()
        subscription = reader.subscribe("block.wait", window_events=2, renew=False)
        sent = 0
        payload = bytes(8192)
        # Without bounds of its own the publisher's credit ends where the reader's did.
        with self.assertRaises(TimeoutError):
            while sent < 100_000:
                publisher.publish([Event(payload)], timeout=0.5)
                sent += 1
        self.assertGreaterEqual(sent, 2)
        self.assertFalse(publisher.has_credit())
        # As soon as it reads on, so does the publisher.
        subscription.grant(2**63, 2**63)
        publisher.publish([Event(b"last")], timeout=PATIENCE)
        publisher.flush(PATIENCE)
        for number in range(1, sent + 2):
            item = subscription.next(PATIENCE)
            self.assertIsInstance(item, Event)
            self.assertEqual(item.sequence, number)

    def test_credit_that_was_overdrawn_on_purpose(self):
        wire = self.raw()
        wire.open_topic("block.rude", options="block", retention_bytes=1 << 19)
        credit = wire.expect("PUBLISH_CREDIT")
        reader = self.connect()
        reader.subscribe("block.rude", window_events=1, renew=False)
        batch, number = 60000, 1
        most = credit["bytes_total"] // batch + 100
        for _ in range(int(most)):
            wire.send_frame("PUBLISH", 1, batches=encode_batch([Event(bytes(batch))], number))
            number += 1
            if number > 10_000:
                break
        self.assertEqual(wire.close_reason(), "publishCreditExceeded")

    def test_nothing_may_be_sent_before_the_first_credit(self):
        # Whether that has come is not known to a publisher that does not look.
        wire = self.raw()
        wire.open_topic("block.first", options="block")
        frame = wire.next(("TOPIC_INFO",))
        self.assertEqual(frame.name, "PUBLISH_CREDIT")
        self.assertGreater(frame["events_total"], 0)
        self.assertGreater(frame["bytes_total"], 0)
        wire.send_frame("PUBLISH", 1, batches=encode_batch([Event(b"x")]))
        self.assertEqual(wire.expect("ACK", passing=("PUBLISH_CREDIT",))["through"], 1)

    def test_a_reader_that_stands_still_is_moved_on(self):
        publisher = self.publisher(
            "block.timeout", options="block", block_timeout_ms=300, retention_bytes=1 << 18)
        subscription = self.connect().subscribe("block.timeout", window_events=1, renew=False)
        count, payload = 200, bytes(8192)
        publisher.publish([Event(payload) for _ in range(count)], timeout=PATIENCE)
        publisher.flush(PATIENCE)
        subscription.grant(2**63, 2**63)
        following, causes = 1, set()
        while following <= count:
            item = subscription.next(PATIENCE)
            if isinstance(item, galleon.Gap):
                self.assertEqual(item.first, following)
                causes.add(item.cause)
                following = item.last + 1
            else:
                self.assertEqual(item.sequence, following)
                following += 1
        self.assertEqual(causes, {"blockTimeout"})
        account = subscription.close()
        self.assertEqual(account["matched_events"], count)
        self.assertEqual(account["delivered_events"] + account["dropped_events"], count)


if __name__ == "__main__":
    unittest.main()
