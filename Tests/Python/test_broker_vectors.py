"""The vectors of Protocol/vectors, sent to a running broker."""

import unittest

from support import BrokerTest
from test_vectors import load, records

import galleon
from galleon import Event, Fault, decode_batch, decode_frame, encode_batch, is_pattern, matches

CODECS = galleon.REGISTRY.values["CodecSet"]


class FramesAtTheBroker(BrokerTest):
    def prepare(self, vector, frame_name):
        """A connection that has come as far as the frame is about."""
        before_welcome = frame_name == "HELLO" or vector["lengthMax"] == 8192
        wire = self.raw(hello=not before_welcome)
        if frame_name == "PUBLISH":
            ref = int.from_bytes(bytes.fromhex(vector["hex"])[8:12], "little")
            wire.open_topic("vectors", ref=ref)
        return wire

    def test_bad_frames_end_their_session(self):
        sent = 0
        for vector in load("bad-frames")["vectors"]:
            if vector["to"] != "broker" or vector["result"] != "invalid":
                continue
            with self.subTest(vector["id"]):
                wire = self.prepare(vector, vector["id"].split("-")[0])
                wire.send(bytes.fromhex(vector["hex"]))
                self.assertEqual(wire.close_reason(), vector["reason"])
                sent += 1
        self.assertGreater(sent, 60)

    def test_what_has_not_come_whole_is_waited_for(self):
        for vector in load("bad-frames")["vectors"]:
            if vector["to"] != "broker" or not vector["id"].startswith("PING-cut"):
                continue
            with self.subTest(vector["id"]):
                wire, cut = self.raw(), len(vector["hex"]) // 2
                ping = galleon.encode_frame("PING", correlation=9, time=123456789)
                wire.send(ping[:cut])
                # Another session's answer shows that the broker has had the time to look.
                self.assertTrue(self.raw().is_alive())
                wire.send(ping[cut:])
                self.assertEqual(wire.expect("PONG")["time"], 123456789)

    def test_good_frames_do_not_end_their_session(self):
        for vector in load("frames")["vectors"]:
            # Of HELLO, CLOSE and PUBLISH there are tests of their own; a REPLY of the vectors
            # has a batch of two events.
            if vector["to"] != "broker" or vector["frame"] in (
                    "HELLO", "CLOSE", "PUBLISH", "REPLY"):
                continue
            with self.subTest(vector["id"]):
                wire = self.raw()
                wire.send(bytes.fromhex(vector["hex"]))
                self.assertTrue(wire.is_alive())

    def test_hello_as_in_the_vectors(self):
        outcomes = {"HELLO-typical": "WELCOME", "HELLO-smallest": "badMagic",
                    "HELLO-largest": "badMagic"}
        for vector in load("frames")["vectors"]:
            if vector["frame"] != "HELLO":
                continue
            with self.subTest(vector["id"]):
                wire = self.raw(hello=False)
                wire.send(bytes.fromhex(vector["hex"]))
                expected = outcomes[vector["id"]]
                if expected == "WELCOME":
                    welcome = wire.expect("WELCOME")
                    self.assertEqual(welcome.correlation, vector["header"]["correlation"])
                else:
                    self.assertEqual(wire.close_reason(), expected)


class BatchesAtTheBroker(BrokerTest):
    def test_each_batch_is_accepted_or_ends_its_session(self):
        counts = {"accepted": 0, "refused": 0, "corrupt": 0}
        for number, vector in enumerate(load("batches")["vectors"]):
            # A broker of another limit would be needed for these.
            if vector["limits"]["batchBytesMax"] == 65536 and vector["hex"]:
                with self.subTest(vector["id"]):
                    counts[self.replay(vector, f"vectors.{number}")] += 1
        self.assertGreater(counts["accepted"], 30, counts)
        self.assertGreater(counts["refused"], 60, counts)
        self.assertGreater(counts["corrupt"], 5, counts)

    def replay(self, vector, topic):
        limits, expected = vector["limits"], vector["expectedPublisherSequence"]
        data, keyed = bytes.fromhex(vector["hex"]), vector["limits"]["requireKey"]
        wire = self.raw(codecs=sum(CODECS[name] for name in limits["codecs"]))
        wire.open_topic(topic, options=galleon.REGISTRY.value(
            "TopicOptions", "keyed") if keyed else 0)
        # The topic's first event is another publisher's or, where a number is to be continued,
        # this one's.
        first = 1 if expected else 2
        if not expected:
            wire.open_topic(topic, ref=first)
        before = encode_batch([Event(b"before", key=b"k")], expected - 1 if expected else 1)
        wire.send_frame("PUBLISH", first, batches=before)
        wire.expect("ACK")
        wire.send_frame("PUBLISH", 1, batches=data)
        # What a broker can tell, which opens compressed batches for keyed topics only.
        opened = None
        if keyed:
            opened = vector["result"] == "valid" or vector["reason"]
        try:
            batch, _ = decode_batch(
                data, batch_bytes_max=65536, codecs=limits["codecs"], require_key=keyed,
                expected_publisher_sequence=expected)
            reason = opened if opened not in (None, True) else None
        except Fault as fault:
            reason = fault.reason
            self.assertEqual(reason, vector["reason"])
        if reason is not None:
            self.assertEqual(wire.close_reason(), reason)
            return "refused"
        ack = wire.expect("ACK")
        self.assertEqual(ack["through"], batch.publisher_sequence + batch.count - 1)
        return self.read_back(vector, topic, batch)

    def read_back(self, vector, topic, batch):
        """A reader without codecs is sent what is inside, or hears that it cannot be had."""
        subscription = self.connect().subscribe(topic, start="earliest")
        self.assertEqual(subscription.next().payload, b"before")
        first = subscription.next()
        if isinstance(first, galleon.Gap):
            self.assertIsNone(batch.events, "an uncompressed batch came as a gap")
            self.assertEqual(
                (first.cause, first.first, first.last, first.count),
                ("corrupt", 2, 1 + batch.count, batch.count))
            self.assertFalse(vector.get("records"))
            return "corrupt"
        events = [first] + subscription.take(batch.count - 1)
        header = subscription.batches[1]
        for name in ("count", "decoded_length", "ttl_ms", "publish_time", "publisher_sequence"):
            self.assertEqual(header[name], batch.header[name], name)
        self.assertEqual(header["codec"], 0)
        if "records" in vector:
            batch.events = events
            self.assertEqual(records(batch), vector["records"])
        return "accepted"


class NamesAtTheBroker(BrokerTest):
    def ask(self, kind, vector, ref):
        """`valid`, or the reason for which a name or a pattern is refused."""
        text = bytes.fromhex(vector["hex"])
        if kind == "names":
            self.wire.send_frame("OPEN_TOPIC", ref, ref, topic=text)
        else:
            self.wire.send_frame("SUBSCRIBE", ref, ref, pattern=text)
        answer = self.wire.next(("TOPIC_INFO",))
        if answer.name == "ERROR":
            self.assertEqual(answer.correlation, ref)
            return galleon.REGISTRY.name("ErrorCode", answer["code"])
        if answer.name == "CLOSE":
            self.wire = self.raw()
            return galleon.REGISTRY.name("CloseReason", answer["reason"])
        return "valid"

    def test_names_and_patterns(self):
        refusals = {"names": "invalidTopicName", "patterns": "invalidPattern"}
        for kind, refusal in refusals.items():
            self.wire = self.raw()
            for ref, vector in enumerate(load("names")[kind], 1):
                with self.subTest(vector["id"]):
                    expected = "valid" if vector["result"] == "valid" else refusal
                    # No string of the frame, so it is no question of the name.
                    text = bytes.fromhex(vector["hex"])
                    if len(text) > 255 or not text.isascii() and not is_utf8(text):
                        expected = "malformedFrame"
                    self.assertEqual(self.ask(kind, vector, ref), expected)

    def test_matches(self):
        pairs = load("names")["matches"]
        topics = {f"matching.{vector['name']}" for vector in pairs
                  if not vector["name"].startswith("$")}
        topics |= {"matching", "matching.x"}
        session = self.connect()
        for topic in sorted(topics):
            session.open_topic(topic)
        patterns = {f"matching.{vector['pattern']}" for vector in pairs}
        patterns |= {"*", "*.x", "matching.>", "matching"}
        for pattern in sorted(filter(is_pattern, patterns)):
            with self.subTest(pattern):
                expected = sum(matches(pattern, topic) for topic in topics)
                if pattern in ("*", "*.x"):
                    self.assertEqual(expected, 1)
                subscription = session.subscribe(pattern)
                self.assertEqual(subscription.answer["topics"], expected)
                subscription.close()


def is_utf8(data):
    try:
        data.decode("utf-8")
        return True
    except UnicodeDecodeError:
        return False


if __name__ == "__main__":
    unittest.main()
