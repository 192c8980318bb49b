"""Policies that change while they run, and what they leave out, in version 2 of the protocol."""

import time
import unittest

from support import BrokerTest, eventually

from galleon import Event, Gap
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


if __name__ == "__main__":
    unittest.main()
