"""Subscribing: patterns, where to start, credit, gaps, and the account at the end."""

import time
import unittest

from support import PATIENCE, BrokerTest

import galleon
from galleon import Event, Gap, encode_batch
from galleon.streams import UNBOUNDED

# Events of a kilobyte that are more than a ring keeps whose retention is tiny.
OVERRUN = 600


class SubscribeTests(BrokerTest):
    def test_wildcards_and_topics_created_later(self):
        session = self.connect()
        patterns = {"wild.*.loot": {"wild.1.loot", "wild.2.loot"},
                    "wild.>": {"wild.1.loot", "wild.2.loot", "wild.1", "wild.1.loot.x"},
                    "*.1": {"wild.1"}, "wild": {"wild"}, ">": None}
        subscriptions = {p: session.subscribe(p) for p in patterns}
        topics = ["wild.1.loot", "wild.2.loot", "wild.1", "wild.1.loot.x", "wild"]
        for topic in topics:
            self.publish(topic, b"first", b"second")
        for pattern, expected in patterns.items():
            with self.subTest(pattern):
                expected = set(topics) if expected is None else expected
                events = subscriptions[pattern].take(2 * len(expected))
                self.assertEqual({e.topic for e in events}, expected)
                for topic in expected:
                    mine = [(e.sequence, e.payload) for e in events if e.topic == topic]
                    self.assertEqual(mine, [(1, b"first"), (2, b"second")])
                account = subscriptions[pattern].close()
                self.assertEqual(account["matched_events"], 2 * len(expected))

    def test_a_topic_matches_a_subscription_once_and_each_subscription(self):
        session = self.connect()
        first, second = session.subscribe("once.>"), session.subscribe("once.*")
        self.publish("once.a", b"x")
        self.assertEqual(first.next().payload, b"x")
        self.assertEqual(second.next().payload, b"x")
        self.silent(session, first)

    def test_starts(self):
        payloads = [str(number).encode() for number in range(1, 11)]
        publisher = self.publish("starts", *payloads)
        session = self.connect()

        def taken(count, **fields):
            subscription = session.subscribe("starts", **fields)
            events = subscription.take(count)
            subscription.close()
            return [event.sequence for event in events]

        self.assertEqual(taken(10, start="earliest"), list(range(1, 11)))
        self.assertEqual(taken(4, start="sequence", start_value=7), [7, 8, 9, 10])
        subscription = session.subscribe("starts", start="earliest")
        times = [event.time for event in subscription.take(10)]
        self.assertEqual(times, sorted(times))
        # All events of a time are delivered, where several have the same.
        first = times.index(times[5]) + 1
        self.assertEqual(taken(11 - first, start="time", start_value=times[5]),
                         list(range(first, 11)))
        self.assertEqual(taken(10, start="time", start_value=0), list(range(1, 11)))
        # With the next event: none of those before.
        latest = session.subscribe("starts", start="latest")
        late = session.subscribe("starts", start="time", start_value=time.time_ns() + 10**12)
        ahead = session.subscribe("starts", start="sequence", start_value=11)
        # A sequence that is still far away is taken for the next one, and 0 for the first.
        beyond = session.subscribe("starts", start="sequence", start_value=2**64 - 1)
        self.assertEqual(taken(10, start="sequence", start_value=0), list(range(1, 11)))
        publisher.publish([Event(b"11")])
        for subscription in (latest, late, ahead, beyond):
            self.assertEqual(subscription.next().sequence, 11)

    def test_a_start_in_the_middle_of_a_batch_skips_its_beginning(self):
        publisher = self.publisher("middle")
        publisher.publish([Event(bytes([n])) for n in range(10)])
        publisher.flush()
        # The window of 4 counts the events delivered, not those skipped.
        subscription = self.connect().subscribe(
            "middle", start="sequence", start_value=7, window_events=4, renew=False)
        events = subscription.take(4)
        self.assertEqual([e.sequence for e in events], [7, 8, 9, 10])
        self.assertEqual([e.payload for e in events], [bytes([n]) for n in range(6, 10)])
        self.assertEqual(subscription.batches[0]["sequence"], 1)
        account = subscription.close()
        self.assertEqual((account["matched_events"], account["delivered_events"]), (4, 4))

    def test_resuming_with_positions(self):
        publisher = self.publish("resume.a", b"1", b"2", b"3")
        self.publish("resume.b", b"1", b"2")
        session = self.connect()
        # Ids that are unknown or do not match are ignored; resume.b starts as start says.
        positions = ((publisher.answer["topic"], 2), (4_000_000_000, 1))
        subscription = session.subscribe("resume.>", start="earliest", positions=positions)
        events = subscription.take(4)
        self.assertEqual([e.payload for e in events if e.topic == "resume.a"], [b"2", b"3"])
        self.assertEqual([e.payload for e in events if e.topic == "resume.b"], [b"1", b"2"])

    def test_refusals(self):
        session = self.connect()
        for code, fields in (
                ("invalidPattern", dict(pattern="a.>.b")),
                ("invalidPattern", dict(pattern="a*")),
                ("invalidPattern", dict(pattern="")),
                ("invalidOption", dict(pattern="a", policy=9)),
                ("invalidOption", dict(pattern="a", start=9)),
                ("invalidOption", dict(pattern="a", ref=0))):
            with self.subTest(fields):
                self.refusal(code, session.subscribe, **fields)
        session.subscribe("a", ref=5)
        self.refusal("duplicateRef", session.subscribe, "b", ref=5)
        self.refusal("unknownRef", session.request, "UNSUBSCRIBE", 6)
        self.refusal("unknownRef", session.request, "CREDIT", 6, events_total=1, bytes_total=1)
        session.ping()

    def test_weights_out_of_range(self):
        session = self.connect()
        session.subscribe("weight", weight=16)
        self.refusal("invalidOption", session.subscribe, "weight", weight=17)

    def test_a_ref_is_free_after_unsubscribed_and_credit_that_crosses_is_answered(self):
        session = self.connect()
        session.subscribe("free", ref=3).close()
        session.send("CREDIT", 3, 4242, events_total=1, bytes_total=1)
        session.ping()
        self.assertEqual(session.errors[4242].code, "unknownRef")
        session.subscribe("free", ref=3)
        # Publishers and subscriptions are numbered apart.
        session.open_topic("free", ref=3)

    def test_nothing_follows_unsubscribed(self):
        publisher = self.publisher("after")
        wire = self.raw()
        wire.send_frame("SUBSCRIBE", 4, 1, pattern="after", events_total=UNBOUNDED,
                        bytes_total=UNBOUNDED)
        wire.expect("SUBSCRIBED")
        publisher.publish([Event(b"x")] * 100)
        wire.send_frame("UNSUBSCRIBE", 4, 2)
        publisher.publish([Event(b"x")] * 100)
        publisher.flush()
        delivered, frame = 0, wire.next()
        while frame.name != "UNSUBSCRIBED":
            if frame.name == "DELIVER":
                delivered += sum(b.count for b in galleon.decode_batches(
                    frame["batches"], batch_bytes_max=65536))
            frame = wire.next()
        self.assertEqual(frame["delivered_events"], delivered)
        self.assertEqual(frame["matched_events"], delivered + frame["closed_events"])
        wire.send_frame("PING", correlation=3, time=1)
        self.assertEqual(wire.next().name, "PONG")


class CreditTests(BrokerTest):
    def test_a_window_of_a_few_events_is_kept_and_renewed(self):
        session = self.connect()
        subscription = session.subscribe("few", window_events=3)
        publisher = self.publisher("few")
        for number in range(100):
            publisher.publish([Event(str(number).encode())])
        publisher.flush()
        for number in range(100):
            self.assertLessEqual(subscription.delivered_events - number, 3)
            self.assertEqual(subscription.next().payload, str(number).encode())

    def test_without_credit_nothing_comes(self):
        session = self.connect()
        subscription = session.subscribe("none", window_events=0, renew=False)
        self.publish("none", b"a", b"b", b"c")
        self.silent(session, subscription)
        subscription.grant(1, UNBOUNDED)
        self.assertEqual(subscription.next().payload, b"a")
        self.silent(session, subscription)
        # Smaller totals change nothing, larger ones do.
        session.send("CREDIT", subscription.ref, events_total=0, bytes_total=5)
        session.send("CREDIT", subscription.ref, events_total=2, bytes_total=0)
        self.assertEqual(subscription.next().payload, b"b")
        account = subscription.close()
        self.assertEqual(account["closed_events"], 1)

    def test_the_largest_totals_do_not_wrap(self):
        session = self.connect()
        for number, (events, size) in enumerate((
                (2**64 - 2, 2**64 - 2), (2**64 - 1, 2**64 - 2), (2**64 - 2, 2**64 - 1),
                (2**63, 2**63))):
            with self.subTest(events=events, size=size):
                topic = f"large.{number}"
                subscription = session.subscribe(topic, window_events=0, renew=False)
                self.publish(topic, b"a", b"b")
                subscription.grant(events, size)
                self.assertEqual([event.payload for event in subscription.take(2)], [b"a", b"b"])
                session.send("CREDIT", subscription.ref, events_total=1, bytes_total=1)
                self.publish(topic, b"c")
                self.assertEqual(subscription.next().payload, b"c")
                self.assertEqual(subscription.close()["closed_events"], 0)

    def test_a_batch_may_overdraw_and_the_debt_is_paid_first(self):
        session = self.connect()
        subscription = session.subscribe("debt", window_events=1, renew=False)
        publisher = self.publisher("debt")
        publisher.publish([Event(b"x")] * 5)
        publisher.publish([Event(b"y")])
        publisher.flush()
        subscription.take(5)
        subscription.grant(5, 1 << 20)
        self.silent(session, subscription)
        subscription.grant(6, 1 << 20)
        self.assertEqual(subscription.next().payload, b"y")

    def test_bytes_bind_as_well(self):
        session = self.connect()
        # An event of 64 bytes is charged 64 + 4 + 32 = 100.
        subscription = session.subscribe("bytes", window_bytes=100, renew=False)
        self.publish("bytes", bytes(64), bytes(64), bytes(64))
        subscription.next()
        self.silent(session, subscription)
        subscription.grant(100_000, 101)
        subscription.next()
        self.silent(session, subscription)
        subscription.grant(100_000, 201)
        subscription.next()

    def test_a_start_within_a_batch_is_charged_its_bytes_in_whole(self):
        publisher = self.publisher("whole")
        publisher.publish([Event(bytes(64))] * 3)
        publisher.publish([Event(bytes(64))])
        publisher.flush()
        session = self.connect()
        subscription = session.subscribe("whole", start="sequence", start_value=3,
                                         window_bytes=1, renew=False)
        self.assertEqual(subscription.next().sequence, 3)
        subscription.grant(100_000, 300)
        self.silent(session, subscription)
        subscription.grant(100_000, 301)
        self.assertEqual(subscription.next().sequence, 4)


class GapTests(BrokerTest):
    def accounted(self, subscription, count):
        """Takes everything up to sequence `count`, in order; events, and gaps."""
        events, gaps, following = [], [], 1
        while following <= count:
            item = subscription.next(PATIENCE)
            if isinstance(item, Gap):
                self.assertEqual(item.first, following)
                self.assertEqual(item.count, item.last - item.first + 1)
                gaps.append(item)
                following = item.last + 1
            else:
                self.assertEqual(item.sequence, following)
                events.append(item)
                following += 1
        account = subscription.close()
        self.assertEqual(account["matched_events"], count)
        self.assertEqual(account["delivered_events"], len(events))
        self.assertEqual(account["dropped_events"] + account["expired_events"],
                         sum(gap.count for gap in gaps))
        return events, gaps

    def test_a_tiny_retention_overruns_a_reader_that_waits(self):
        publisher = self.publisher("tiny", retention_events=10)
        subscription = self.connect().subscribe("tiny", window_events=1, renew=False)
        # The ring keeps whole pieces of memory, so it takes this many to run over it.
        for number in range(OVERRUN):
            publisher.publish([Event(number.to_bytes(4, "little") + bytes(1000))])
        publisher.flush()
        subscription.grant(UNBOUNDED, UNBOUNDED)
        events, gaps = self.accounted(subscription, OVERRUN)
        self.assertEqual({gap.cause for gap in gaps}, {"ringOverrun"})
        for event in events:
            self.assertEqual(int.from_bytes(event.payload[:4], "little"), event.sequence - 1)
        self.assertGreaterEqual(len(events), 10)
        # A record is charged its word, its payload and what an event is charged.
        for gap in gaps:
            self.assertEqual(gap.bytes, gap.count * (4 + 1004 + 32))

    def test_drop_oldest_keeps_the_newest(self):
        publisher = self.publisher("oldest")
        subscription = self.connect().subscribe(
            "oldest", policy="drop-oldest", lag_events_max=5, window_events=1, renew=False)
        for number in range(50):
            publisher.publish([Event(str(number).encode())])
        publisher.flush()
        subscription.grant(UNBOUNDED, UNBOUNDED)
        events, gaps = self.accounted(subscription, 50)
        self.assertEqual({gap.cause for gap in gaps}, {"dropOldest"})
        self.assertEqual([e.sequence for e in events[-5:]], [46, 47, 48, 49, 50])
        self.assertLessEqual(len(events), 7)

    def slow(self, topic):
        session = self.connect()
        session.subscribe(topic, policy="disconnect", lag_events_max=5, window_events=1,
                          renew=False)
        return session

    def assert_closed_as_slow(self, session, timeout):
        with self.assertRaises(galleon.Closed) as caught:
            session.wait(lambda: False, timeout)
        self.assertEqual((caught.exception.reason, caught.exception.retryable),
                         ("slowSubscriber", True))

    def test_disconnect_ends_the_session_of_a_slow_subscription(self):
        publisher, session = self.publisher("strict"), self.slow("strict")
        for _ in range(10):
            publisher.publish([Event(b"x")])
            publisher.flush()
        self.assert_closed_as_slow(session, PATIENCE)

    # Beyond its lag bounds the session ends, also where all that is too much comes in one turn of
    # the broker.
    def test_disconnect_ends_the_session_where_all_comes_at_once(self):
        publisher, session = self.publisher("strict.once"), self.slow("strict.once")
        run = b"".join(encode_batch([Event(b"x")], 1 + number) for number in range(50))
        publisher.session.send("PUBLISH", publisher.ref, batches=run)
        self.assert_closed_as_slow(session, 1.0)

    def test_events_whose_time_to_live_is_over(self):
        publisher = self.publisher("expiring")
        session = self.connect()
        subscription = session.subscribe("expiring", window_events=0, renew=False)
        publisher.publish([Event(b"short"), Event(b"lived")], ttl_ms=1)
        publisher.publish([Event(b"lasting")])
        publisher.flush()
        time.sleep(0.05)  # The time to live is the broker's clock's; nothing tells when it is over.
        subscription.grant(UNBOUNDED, UNBOUNDED)
        events, gaps = self.accounted(subscription, 3)
        self.assertEqual([e.payload for e in events], [b"lasting"])
        self.assertEqual([(g.cause, g.first, g.last) for g in gaps], [("expired", 1, 2)])

    def test_a_start_that_the_ring_no_longer_holds(self):
        self.publish("gone", *[bytes(1000)] * OVERRUN, retention_events=10)
        subscription = self.connect().subscribe("gone", start="sequence", start_value=5)
        gap = subscription.next()
        self.assertEqual((gap.cause, gap.first, gap.bytes), ("notRetained", 5, 0))
        self.assertEqual(gap.count, gap.last - 4)
        event = subscription.next()
        self.assertEqual(event.sequence, gap.last + 1)
        first = self.publisher("gone").answer["first_sequence"]
        self.assertEqual(event.sequence, first)


if __name__ == "__main__":
    unittest.main()
