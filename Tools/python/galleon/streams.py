"""What a session carries: publishers, and subscriptions with their credit and their order."""

import collections

from .batch import Event, charge, decode_batches, encode_batch, encode_record
from .registry import REGISTRY, Fault

UNBOUNDED = 2**64 - 1
# How long a request waits for its answer, and a stranger for its WELCOME.
ANSWER_SECONDS = 10.0
# Batches are made no larger than this, so that a reader sees the first event of many soon.
BATCH_TARGET_BYTES = 16384


class ContinuityError(Exception):
    """What was sent did not go on where the last ended: the broker is at fault."""


class Gap(collections.namedtuple("Gap", "topic cause first last count bytes")):
    """Events that matched and will not be delivered."""


class Passed(collections.namedtuple(
        "Passed", "topic kind first last events bytes expired_events expired_bytes")):
    """Up to `last`, what did not come was left out. `first` 0: the whole state has come."""


class StateReset(collections.namedtuple("StateReset", "topic")):
    """What is known of the topic's keys is to be forgotten: its whole state follows."""


class Blocked(collections.namedtuple("Blocked", "by pending_events pending_bytes")):
    """Why nothing is sent, or taken."""


class Stoppable:
    """What BLOCKED tells of: `blocked` says why it is stopped, and is None while it is not."""

    blocked = None

    def take_blocked(self, frame):
        by = REGISTRY.name("BlockedBy", frame["by"])
        self.blocked = None if by == "none" else Blocked(
            by, frame["pending_events"], frame["pending_bytes"])


class Publisher(Stoppable):
    """The right to publish to one topic."""

    def __init__(self, session, ref, topic):
        self.session, self.ref, self.topic = session, ref, topic
        self.next_number = 1
        self.acknowledged = self.topic_sequence = 0
        self.sent_events = self.sent_bytes = 0
        self.events_total = self.bytes_total = 0

    def opened(self, answer, ack_level):
        self.answer = answer
        self.acknowledges = REGISTRY.value("AckLevel", ack_level) != 0
        self.blocks = bool(answer["options"] & REGISTRY.value("TopicOptions", "block"))
        return self

    def has_credit(self):
        return not self.blocks or (
            self.sent_events < self.events_total and self.sent_bytes < self.bytes_total)

    def publish(self, events, ttl_ms=0, timeout=ANSWER_SECONDS):
        """Publishes events in order, in as many batches as it takes."""
        most = min(BATCH_TARGET_BYTES, self.session.welcome["batch_bytes_max"])
        records, size = [], 0
        for event in events:
            record = encode_record(event)
            if len(record) > self.session.welcome["batch_bytes_max"]:
                raise ValueError("an event larger than the broker takes")
            if records and size + len(record) > most:
                self._publish(records, ttl_ms, timeout)
                records, size = [], 0
            records.append(record)
            size += len(record)
        if records:
            self._publish(records, ttl_ms, timeout)

    def _publish(self, records, ttl_ms, timeout):
        # Nothing is left unread for long, or answers would pile up at the broker.
        self.session.poll()
        self.session.wait(self.has_credit, timeout)
        joined, count = b"".join(records), len(records)
        batch = encode_batch(records, self.next_number, ttl_ms, records=joined)
        self.next_number += count
        self.sent_events += count
        self.sent_bytes += charge(len(joined), count)
        self.session.send("PUBLISH", self.ref, timeout=timeout, batches=batch)

    def flush(self, timeout=ANSWER_SECONDS):
        """Waits until every event is acknowledged, which it must have been opened for."""
        assert self.acknowledges, "opened without acknowledgements"
        self.session.wait(lambda: self.acknowledged >= self.next_number - 1, timeout)

    def close(self, timeout=ANSWER_SECONDS):
        """Closes the publisher; when it returns, everything was accepted."""
        self.session.request("CLOSE_TOPIC", self.ref, timeout)
        self.session.publishers.pop(self.ref, None)


class Subscription(Stoppable):
    """One pattern. Its events, and what is told beside them, are taken one by one, in order."""

    def __init__(self, session, ref, pattern, window_events, window_bytes, renew):
        self.session, self.ref, self.pattern, self.renew = session, ref, pattern, renew
        self.window = (window_events, window_bytes)
        self.granted = self.window
        self.items = collections.deque()  # pairs: what came, and charged bytes
        self.expected = {}  # topic id: next sequence
        self.passes = {}  # topic id: sequences that came selected since the last PASSED
        self.states = set()  # ids of topics whose whole state is on its way
        self.consumed_events = self.consumed_bytes = 0
        self.delivered_events = 0
        self.batches = []  # headers, as they came; the tests look at them

    def take_deliver(self, frame):
        topic, skip = frame["topic"], frame["skip"]
        batches = decode_batches(
            frame["batches"], batch_bytes_max=self.session.welcome["batch_bytes_max"])
        if skip >= batches[0].count:
            raise Fault("malformedFrame", "skip leaves nothing of the first batch")
        for batch in batches:
            self._continue(topic, batch.sequence + skip, batch.sequence + batch.count)
            self._hand_over(topic, batch, skip)
            skip = 0

    def _hand_over(self, topic, batch, skip=0):
        for number, event in enumerate(batch.events):
            if number < skip:
                continue
            event.topic = self.session.topics[topic]
            event.sequence = batch.sequence + number
            event.time, event.publish_time = batch.time, batch.publish_time
            # The bytes of a batch are given back with its last event.
            last = number == batch.count - 1
            paid = charge(batch.decoded_length, batch.count) if last else 0
            self.items.append((event, paid))
            self.delivered_events += 1
        self.batches.append(batch.header)

    def take_selected(self, frame):
        """Does not move the subscription: PASSED does."""
        topic = frame["topic"]
        batches = decode_batches(
            frame["batches"], batch_bytes_max=self.session.welcome["batch_bytes_max"])
        seen = self.passes.setdefault(topic, set())
        for batch in batches:
            sequence, expected = batch.sequence, self.expected.get(topic, 0)
            if batch.count != 1 or sequence in seen or (
                    sequence < expected and topic not in self.states):
                self._broken(topic, f"{sequence} came selected, {batch.count} events, "
                                    f"where {expected} was expected")
            seen.add(sequence)
            self._hand_over(topic, batch)

    def take_passed(self, frame):
        topic, first, last = frame["topic"], frame["first"], frame["last"]
        seen = self.passes.pop(topic, set())
        if first == 0:
            self.states.discard(topic)
            self.expected[topic] = max(self.expected.get(topic, 0), last + 1)
        else:
            self._continue(topic, first, last + 1)
        if max(seen, default=0) > last or first > last:
            self._broken(topic, f"a pass that ended at {last} brought {max(seen, default=0)}")
        # The whole state may bring what was not pending, so that only a lower bound is known.
        told = len(seen) + frame["events"] + frame["expired_events"]
        if first != 0 and told != last - first + 1:
            self._broken(topic, f"{told} events are told of {first} to {last}")
        self.items.append((Passed(
            self.session.topics[topic], REGISTRY.name("LeftOut", frame["kind"]), first, last,
            frame["events"], frame["bytes"], frame["expired_events"], frame["expired_bytes"]), 0))

    def take_state_reset(self, frame):
        self.states.add(frame["topic"])
        self.passes.pop(frame["topic"], None)
        self.items.append((StateReset(self.session.topics[frame["topic"]]), 0))

    def take_gap(self, frame):
        topic, cause = frame["topic"], REGISTRY.name("GapCause", frame["cause"])
        if cause == "newEpoch":
            self.expected.pop(topic, None)
        else:
            self._continue(topic, frame["first"], frame["last"] + 1)
        self.items.append((Gap(self.session.topics[topic], cause, frame["first"], frame["last"],
                               frame["count"], frame["bytes"]), 0))

    def _continue(self, topic, first, following):
        expected = self.expected.get(topic, first)
        if first != expected or (self.passes.get(topic) and topic not in self.states):
            self._broken(topic, f"{first} came where {expected} was expected, or a pass's end")
        self.expected[topic] = following

    def _broken(self, topic, text):
        self.session._end(ContinuityError(f"{self.session.topics[topic]}: {text}"))

    def next(self, timeout=ANSWER_SECONDS):
        """What comes next: an Event, Gap, Passed or StateReset; TimeoutError where nothing does."""
        if not self.items:
            self.session.wait(lambda: self.items, timeout)
        item, paid = self.items.popleft()
        if isinstance(item, Event):
            self.consumed_events += 1
            self.consumed_bytes += paid
            if self.renew and not self.session.closed:
                try:
                    self._renew()
                except self.session.closed_errors:
                    pass  # What was taken is still good; who waits for more will hear of it.
        return item

    def take(self, count, timeout=ANSWER_SECONDS):
        return [self.next(timeout) for _ in range(count)]

    def _renew(self):
        consumed = (self.consumed_events, self.consumed_bytes)
        totals = tuple(min(c + w, UNBOUNDED) for c, w in zip(consumed, self.window))
        # At half a window, so that there is neither a CREDIT for each event nor a standstill. The
        # last event that is here always renews: a debt of one batch may be more than a window.
        if not self.items or any(
                2 * (total - granted) >= window
                for total, granted, window in zip(totals, self.granted, self.window)):
            self.grant(*totals)

    def grant(self, events_total, bytes_total):
        """Sends CREDIT with totals since the subscription was opened, where they say more."""
        totals = tuple(map(max, self.granted, (events_total, bytes_total)))
        if totals != self.granted:
            self.granted = totals
            self.session.send("CREDIT", self.ref, events_total=totals[0], bytes_total=totals[1])

    def set_policy(self, policy, timeout=ANSWER_SECONDS, **fields):
        """Changes the policy from where the subscription stands; the others are SET_POLICY's."""
        answer = self.session.request("SET_POLICY", self.ref, timeout, policy=policy, **fields)
        return REGISTRY.name("Policy", answer["policy"])

    def close(self, timeout=ANSWER_SECONDS):
        """Unsubscribes, and returns the closing account. What came before can still be taken."""
        answer = self.session.request("UNSUBSCRIBE", self.ref, timeout)
        self.session.subscriptions.pop(self.ref, None)
        self.renew = False
        return answer.fields
