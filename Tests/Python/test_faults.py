"""What a client may do wrong: each fault ends its session with its reason, and no other."""

import os
import random
import struct
import time
import unittest

from support import PATIENCE, BrokerTest

import galleon
from galleon import Event, encode_batch, encode_frame
from galleon.wire import encode_raw

IGNORABLE = galleon.REGISTRY.ignorable


class FaultTests(BrokerTest):
    def setUp(self):
        # Somebody who is at work all the while, and must not notice.
        self.witness = self.connect()
        self.watched = self.witness.subscribe("witness")

    def tearDown(self):
        publisher = self.witness.open_topic("witness", ack_level="accepted")
        publisher.publish([Event(b"still here")])
        self.assertEqual(self.watched.next().payload, b"still here")

    def reason(self, data, hello=True, **fields):
        wire = self.raw(hello=hello, **fields)
        wire.send(data)
        return wire.close_reason()

    def test_lengths(self):
        for length, reason in ((0, "frameTooShort"), (11, "frameTooShort"),
                               (2**32 - 1, "frameTooLarge"), (2**31, "frameTooLarge"),
                               (262145, "frameTooLarge")):
            for hello in (True, False):
                with self.subTest(length=length, hello=hello):
                    self.assertEqual(self.reason(struct.pack("<I", length), hello), reason)
        self.assertEqual(self.reason(struct.pack("<I", 8193), False), "frameTooLarge")

    def test_unknown_types(self):
        known = set(galleon.REGISTRY.types)
        for number in sorted({0, 0x7E, 0x7F, 0xFF, 0x28} - known):
            with self.subTest(number):
                self.assertEqual(self.reason(encode_raw(number, b"abc")), "unknownFrame")
                wire = self.raw()
                for size in (0, 1, 1000, 200_000):
                    wire.send(encode_raw(number, bytes(size), 5, 6, IGNORABLE))
                self.assertTrue(wire.is_alive())
                # Other bits of the flags are ignored, so they do not make it ignorable.
                self.assertEqual(
                    self.reason(encode_raw(number, flags=0xFF & ~IGNORABLE)), "unknownFrame")

    def test_ignorable_says_nothing_of_known_types(self):
        ping = galleon.REGISTRY.frames["PING"].type
        welcome = galleon.REGISTRY.frames["WELCOME"].type
        self.assertEqual(self.reason(encode_raw(ping, b"short", flags=IGNORABLE)),
                         "malformedFrame")
        self.assertEqual(self.reason(encode_raw(welcome, flags=IGNORABLE)), "wrongDirection")

    def test_frames_of_the_broker(self):
        for kind in galleon.REGISTRY.frames.values():
            if kind.sender == "broker":
                with self.subTest(kind.name):
                    self.assertEqual(self.reason(encode_frame(kind.name)), "wrongDirection")

    def test_before_hello(self):
        for kind in galleon.REGISTRY.frames.values():
            if kind.sender != "broker" and kind.name not in ("HELLO", "CLOSE"):
                with self.subTest(kind.name):
                    self.assertEqual(
                        self.reason(encode_frame(kind.name), hello=False), "handshakeRequired")

    def test_hello(self):
        hello = dict(version_min=1, version_max=1)
        self.assertEqual(self.reason(encode_frame("HELLO", **hello)), "duplicateHello")
        for fields, reason in ((dict(hello, magic=7), "badMagic"),
                               (dict(version_min=3, version_max=4), "unsupportedVersion"),
                               (dict(version_min=2, version_max=1), "unsupportedVersion")):
            with self.subTest(fields):
                self.assertEqual(
                    self.reason(encode_frame("HELLO", **fields), hello=False), reason)
        # A bad magic number names the reason, whatever else is wrong.
        self.assertEqual(
            self.reason(encode_frame("HELLO", magic=7, version_min=9), hello=False), "badMagic")
        self.assertEqual(self.reason(b"GET / HTTP/1.1\r\n\r\n", hello=False), "frameTooLarge")

    def test_batches_that_lie(self):
        good = encode_batch([Event(b"gold"), Event(b"silver")])
        lies = {
            "checksumMismatch": [encode_batch([Event(b"x")], crc32c=1)],
            "malformedBatch": [
                b"", good[:-8], good[:40], b"\0" * 72,
                encode_batch([Event(b"x")], count=0), encode_batch([Event(b"x")], count=2),
                encode_batch([Event(b"x")], count=2**32 - 1),
                encode_batch([Event(b"x")] * 2, count=1),
                encode_batch([Event(b"x")], length=71), encode_batch([Event(b"x")], length=0),
                encode_batch([Event(b"x")], length=2**32 - 1),
                encode_batch([Event(b"x")], decoded_length=6),
                good + b"\1", good + bytes(8), good[:-1] + b"\1",
            ],
            "batchTooLarge": [encode_batch([Event(bytes(65533))]),
                              encode_batch([Event(b"x")], decoded_length=2**32 - 1)],
            "codecNotNegotiated": [encode_batch([Event(bytes(99))], codec=codec)
                                   for codec in (1, 2, 3, 255)],
            "publisherSequence": [encode_batch([Event(b"x")], 0),
                                  encode_batch([Event(b"x")], 2**64 - 1), good + good],
        }
        for reason, batches in lies.items():
            for number, batch in enumerate(batches):
                with self.subTest(reason, number=number):
                    wire = self.raw()
                    wire.open_topic("lies")
                    wire.send_frame("PUBLISH", 1, batches=batch)
                    self.assertEqual(wire.close_reason(), reason)

    def test_publishing_without_a_publisher(self):
        batch = encode_batch([Event(b"x")])
        self.assertEqual(self.reason(encode_frame("PUBLISH", 1, batches=batch)),
                         "unknownPublisher")
        wire = self.raw()
        wire.open_topic("closed", ref=2)
        wire.send_frame("CLOSE_TOPIC", 2, 8)
        wire.expect("TOPIC_CLOSED")
        wire.send_frame("PUBLISH", 2, batches=batch)
        self.assertEqual(wire.close_reason(), "unknownPublisher")

    def test_half_a_handshake(self):
        hello = encode_frame("HELLO", version_min=1, version_max=1)
        wires = [self.raw(hello=False) for _ in range(3)]
        started = time.monotonic()
        wires[1].send(hello[:3])
        wires[2].send(hello[:-1])
        most = galleon.REGISTRY.limits["handshakeTimeoutMs"] / 1000
        for wire in wires:
            self.assertEqual(wire.close_reason(), "handshakeTimeout")
            self.assertGreater(time.monotonic() - started, 0.9 * most)
        self.assertLess(time.monotonic() - started, most + PATIENCE)

    def test_a_frame_in_pieces(self):
        wire = self.raw(hello=False)
        stream = encode_frame("HELLO", version_min=1, version_max=1) + encode_frame(
            "PING", correlation=5, time=9) + encode_raw(0x7E, b"skip", flags=IGNORABLE)
        for byte in stream:
            wire.send(bytes([byte]))
        wire.expect("WELCOME")
        self.assertEqual(wire.expect("PONG")["time"], 9)
        self.assertTrue(wire.is_alive())

    def test_pongs_that_nobody_asked_for_and_close_without_reason(self):
        wire = self.raw()
        for _ in range(50):
            wire.send_frame("PONG", correlation=3, time=4)
        self.assertTrue(wire.is_alive())
        wire.send_frame("CLOSE", reason=54321, text="what is it?")
        # Nothing after CLOSE is read, so nothing is answered.
        wire.send_frame("PING", time=1)
        self.assertIsNone(wire.next())

    def test_a_client_that_has_shut_its_sending_side(self):
        wire = self.raw()
        wire.send_frame("SUBSCRIBE", 1, 1, pattern="half.>", events_total=2**64 - 1,
                        bytes_total=2**64 - 1)
        self.assertEqual(wire.next().name, "SUBSCRIBED")
        wire.socket.shutdown(1)
        # It cannot answer a PING nor grant credit any more: its session is over.
        self.assertIsNone(wire.next())

    def test_noise(self):
        seed = int(os.environ.get("SEED", time.time_ns() % 2**32))
        random.seed(seed)
        good = encode_frame("OPEN_TOPIC", 1, 1, topic="noise") + encode_frame(
            "SUBSCRIBE", 1, 2, pattern="noise.>", events_total=5, bytes_total=500) + encode_frame(
            "PUBLISH", 1, batches=encode_batch([Event(b"x", key=b"k")]))
        reasons = set(galleon.REGISTRY.values["CloseReason"])
        for number in range(150):
            with self.subTest(seed=seed, number=number):
                data = bytearray(good)
                for _ in range(random.randint(1, 8)):
                    data[random.randrange(len(data))] = random.randrange(256)
                wire = self.raw()
                wire.send(bytes(data))
                wire.socket.shutdown(1)
                frame, last = wire.next(), None
                while frame is not None:
                    frame, last = wire.next(), frame
                if last is not None and last.name == "CLOSE":
                    self.assertIn(galleon.REGISTRY.name("CloseReason", last["reason"]), reasons)


if __name__ == "__main__":
    unittest.main()
