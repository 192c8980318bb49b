"""Policies that change while they run, and what they leave out, in version 2 of the protocol."""

import time
import unittest

from support import BrokerTest, eventually

from galleon import Event, Gap, Passed, StateReset
from galleon.streams import UNBOUNDED


class PolicyTests(BrokerTest):
    def test_a_policy_changes_while_it_runs(self):
        session = self.connect()
        publisher = self.publisher("change", session)
        subscription = session.subscribe("change", window_events=0, renew=False)
        for number in range(5):
            publisher.publish([Event(bytes([number]))])
        publisher.flush()
        self.assertEqual(subscription.set_policy("drop-oldest", lag_events_max=2), "drop-oldest")
        subscription.grant(10, UNBOUNDED)
        gap, *events = subscription.take(3)
        self.assertEqual((type(gap), gap.cause, gap.first, gap.last), (Gap, "dropOldest", 1, 3))
        self.assertEqual([event.sequence for event in events], [4, 5])
        self.assertEqual(subscription.set_policy("lossless"), "lossless")

    def test_refusals_of_a_policy(self):
        session = self.connect()
        session.subscribe("a", ref=5)
        self.refusal("unknownRef", session.request, "SET_POLICY", 6, policy="lossless")
        self.refusal("invalidOption", session.request, "SET_POLICY", 5, policy=99)
        session.ping()

    def test_version_1_has_none_of_it(self):
        session = self.connect(version_max=1)
        self.assertEqual(session.welcome["version"], 1)
        for fields in (dict(policy="latest"), dict(policy="sample"), dict(start="state")):
            with self.subTest(fields):
                self.refusal("notSupported", session.subscribe, "a", **fields)
        session.subscribe("a", ref=5)
        self.refusal("notSupported", session.request, "SET_POLICY", 5, policy="lossless")

    def test_a_bound_in_time_is_in_force_from_the_first_event_on(self):
        session = self.connect()
        publisher = self.publisher("old", session)
        subscription = session.subscribe(
            "old", policy="drop-oldest", lag_ms_max=1, window_events=0, renew=False)
        publisher.publish([Event(b"old")])
        publisher.flush()
        # It is the event's age that counts, by any clock.
        published = time.monotonic()
        eventually(lambda: time.monotonic() > published + 0.003, "three milliseconds")
        subscription.grant(10, UNBOUNDED)
        gap = subscription.next()
        self.assertEqual((gap.cause, gap.first, gap.last), ("dropOldest", 1, 1))

    # --- What policies leave out. The client itself holds the broker to what a pass must bring.

    def keyed(self, topic, session=None):
        return self.publisher(topic, session, options="keyed")

    def follow(self, subscription, until):
        """Takes what comes up to a sequence: the last value of each key, and the counts."""
        values, delivered, left_out = {}, 0, 0
        while subscription.expected.get(self.topic(subscription), 0) <= until or subscription.items:
            item = subscription.next()
            if isinstance(item, Event):
                delivered += 1
                values[item.key] = None if item.tombstone else item.payload
            elif isinstance(item, Passed):
                left_out += item.events + item.expired_events
            elif isinstance(item, StateReset):
                values = {}
        return {k: v for k, v in values.items() if v is not None}, delivered, left_out

    @staticmethod
    def topic(subscription):
        ids = [i for i, name in subscription.session.topics.items()
               if name == subscription.pattern]
        return ids[0] if ids else 0

    def test_a_sample(self):
        session = self.connect()
        subscription = session.subscribe("sample", policy="sample", sample_every=7)
        publisher = self.publisher("sample")
        for first in range(0, 100, 10):
            publisher.publish([Event(b"x", key=b"k") for _ in range(first, first + 10)])
        publisher.flush()
        sequences, left_out = [], 0
        while len(sequences) + left_out < 100:
            item = subscription.next()
            if isinstance(item, Passed):
                self.assertEqual(item.kind, "sampledOut")
                left_out += item.events
            else:
                sequences.append(item.sequence)
        self.assertEqual(sequences, list(range(7, 101, 7)))
        account = subscription.close()
        self.assertEqual((account["matched_events"], account["delivered_events"]), (100, 14))

    def test_a_laggard_sees_the_last_value_of_every_key(self):
        publisher = self.keyed("latest")
        session = self.connect()
        subscription = session.subscribe("latest", policy="latest", window_events=3)
        expected = {}
        for number in range(500):
            key, payload = b"%d" % (number % 11), b"%d" % number
            gone = number % 5 == 0
            publisher.publish([Event(b"" if gone else payload, key=key, tombstone=gone)])
            expected[key] = None if gone else payload
        publisher.flush()
        values, delivered, left_out = self.follow(subscription, 500)
        self.assertEqual(values, {k: v for k, v in expected.items() if v is not None})
        self.assertEqual(delivered + left_out, 500)
        self.assertGreater(left_out, 0)

    def test_the_state_comes_first(self):
        publisher = self.keyed("state")
        publisher.publish([Event(b"%d" % n, key=b"%d" % (n % 4)) for n in range(20)])
        publisher.publish([Event(b"", key=b"1", tombstone=True)])
        publisher.flush()
        session = self.connect()
        subscription = session.subscribe("state", start="state", window_events=2)
        self.assertIsInstance(subscription.next(), StateReset)
        values, item = {}, subscription.next()
        while isinstance(item, Event):
            values[item.key] = None if item.tombstone else item.payload
            item = subscription.next()
        self.assertEqual((item.first, item.last, item.events), (0, 21, 0))
        self.assertEqual({k: v for k, v in values.items() if v is not None},
                         {b"0": b"16", b"2": b"18", b"3": b"19"})
        publisher.publish([Event(b"new", key=b"1")])
        self.assertEqual(subscription.next().sequence, 22)

    def test_what_is_too_old_is_left_out_and_counted(self):
        publisher = self.keyed("age")
        session = self.connect()
        subscription = session.subscribe("age", window_events=0, renew=False)
        publisher.publish([Event(b"1", key=b"a"), Event(b"", key=b"b", tombstone=True)])
        publisher.flush()
        published = time.monotonic()
        eventually(lambda: time.monotonic() > published + 0.02, "twenty milliseconds")
        subscription.set_policy("latest", lag_ms_max=1)
        subscription.grant(10, UNBOUNDED)
        removal, passed = subscription.take(2)
        self.assertTrue(removal.tombstone)
        self.assertEqual((passed.first, passed.last, passed.events, passed.expired_events),
                         (1, 2, 0, 1))


if __name__ == "__main__":
    unittest.main()
