"""A session: one connection, from HELLO to CLOSE, with its publishers and subscriptions."""

import collections
import select
import socket
import struct
import time
import urllib.parse

from .batch import decode_batch, encode_batch
from .counters import Counters
from .registry import REGISTRY, Fault
from .streams import ANSWER_SECONDS, ContinuityError, Publisher, Subscription
from .wire import FrameReader, encode_frame

# Of the protocol, which this client speaks. With a broker of version 1 it does what that can.
VERSION_MIN, VERSION = 1, 2
# What SET_POLICY can say of a policy and SUBSCRIBE cannot.
POLICY_FIELDS = ("sample_every", "lag_ms_max", "no_credit_ms_max")
# What is received at one call.
READ_BYTES = 65536


class Closed(Exception):
    """The session has ended. `reason` is a close reason; `retryable` says what the broker said."""

    def __init__(self, reason, retryable=True, retry_after_ms=0, spread_ms=0, text=""):
        super().__init__(f"{reason}: {text}" if text else reason)
        self.reason, self.retryable, self.text = reason, retryable, text
        self.retry_after_ms, self.spread_ms = retry_after_ms, spread_ms


class Refused(Exception):
    """The broker answered a request with ERROR. `code` is the name of an error code."""

    def __init__(self, frame):
        self.code = REGISTRY.name("ErrorCode", frame["code"])
        self.retryable, self.text = bool(frame["retryable"]), frame["text"]
        super().__init__(f"{self.code}: {self.text}")


class Session:
    """Made with `connect`. Not for more than one thread."""

    # What says that the session is over, whoever ended it.
    closed_errors = (Closed, ContinuityError, Fault)

    def __init__(self, sock, length_max=0):
        self.socket = sock
        self.socket.setblocking(False)
        self.out = bytearray()
        # The client's own limit binds what it receives; 0 takes the broker's, once it is known.
        self.reader = FrameReader(length_max or REGISTRY.limits["frameLengthMax"])
        self.welcome = None
        self.closed = None
        self.topics = {}  # id: name
        self.epochs = {}  # id: epoch
        self.publishers, self.subscriptions = {}, {}
        self.replies = {}  # token: events
        self.errors = {}  # correlation: Refused, of what was not waited for
        self.pongs = collections.deque()
        self._answers = {}
        self._correlation = 0
        self._refs = 0
        self._token = 0
        self._heard = self._pinged = time.monotonic()

    # --- Opening and closing

    @classmethod
    def connect(cls, url=None, name="python", timeout=ANSWER_SECONDS, **hello):
        """Connects, says HELLO and waits for WELCOME. Raises Closed where it is refused."""
        session = cls(open_socket(url, timeout), hello.get("frame_length_max", 0))
        session.say_hello(name, timeout, **hello)
        return session

    def say_hello(self, name="python", timeout=ANSWER_SECONDS, **hello):
        fields = dict(version_min=VERSION_MIN, version_max=VERSION, client_name=name)
        fields.update(hello)
        self.welcome = self.request("HELLO", timeout=timeout, **fields)
        if not fields.get("frame_length_max"):
            self.reader.length_max = self.welcome["frame_length_max"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self, reason="clientClosed"):
        """Says CLOSE, if the session is open, and ends the connection."""
        try:
            if not self.closed:
                self.send("CLOSE", reason=reason, retryable=REGISTRY.retryable[reason])
                self.socket.shutdown(socket.SHUT_WR)
                while not self.closed:
                    self.poll(1.0)
                    if not self._readable:
                        break
        except (Closed, OSError):
            pass
        self.socket.close()

    # --- Bytes

    def poll(self, timeout=0.0):
        """Sends what is waiting, and takes what has come within `timeout` seconds."""
        if self.closed:
            raise self.closed
        wish = [self.socket] if self.out else []
        readable, writable, _ = select.select([self.socket], wish, [], timeout)
        self._readable = bool(readable)
        try:
            if writable:
                del self.out[:self.socket.send(self.out)]
            if readable:
                self._receive()
        except ConnectionError as error:
            self._lost(error)
        self._keep_alive()

    def _lost(self, error):
        """The connection broke; what the broker said last may still be there to be read."""
        try:
            while True:
                self._receive()
        except OSError:
            self._end(Closed("connectionReset", text=str(error)))

    def _receive(self):
        data = self.socket.recv(READ_BYTES)
        self._heard = time.monotonic()
        if not data:
            self._end(Closed("disconnected"))
        self.reader.feed(data)
        try:
            while (frame := self.reader.next()) is not None:
                self._take(frame)
        except Fault as fault:
            self._fail(fault)

    def _fail(self, fault):
        """The broker broke a rule: it is told so, and the session ends."""
        self.out += encode_frame("CLOSE", reason=fault.reason, text=fault.text)
        try:
            self.socket.send(self.out)
        except OSError:
            pass
        self._end(fault)

    def _end(self, error):
        if not self.closed:
            self.closed = error
        raise self.closed

    def _keep_alive(self):
        if self.welcome is None:
            return
        now, interval = time.monotonic(), self.welcome["heartbeat_ms"] / 1000
        if now - self._heard > 2.5 * interval:
            self._fail(Fault("heartbeatTimeout", "nothing came from the broker"))
        if now - max(self._heard, self._pinged) > interval:
            self._pinged = now
            self.out += encode_frame("PING", time=time.monotonic_ns())

    def send(self, name, ref=0, correlation=0, timeout=ANSWER_SECONDS, **fields):
        self.send_bytes(encode_frame(name, ref, correlation, **fields), timeout)

    def send_bytes(self, data, timeout=ANSWER_SECONDS):
        """Sends all of it. What comes meanwhile is taken, or both sides might wait for ever."""
        if self.closed:
            raise self.closed
        self.out += data
        self.wait(lambda: not self.out, timeout)

    def wait(self, done, timeout=ANSWER_SECONDS):
        """Polls until `done()`; TimeoutError where that takes longer."""
        deadline = time.monotonic() + timeout
        while not done():
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("no answer in time")
            try:
                # At times without a frame it is time for a PING.
                self.poll(min(left, 0.5))
            except self.closed_errors:
                # What came before the end counts.
                if not done():
                    raise

    # --- Requests

    def next_correlation(self):
        self._correlation = self._correlation % 0xFFFFFFFF + 1
        return self._correlation

    def next_ref(self):
        self._refs = self._refs % 0xFFFFFFFF + 1
        return self._refs

    def request(self, name, ref=0, timeout=ANSWER_SECONDS, behind=b"", **fields):
        """Sends a request, and the bytes of other frames behind it, and returns the answer.

        Raises Refused where that is ERROR.
        """
        number = self.next_correlation()
        self._answers[number] = None
        try:
            self.send_bytes(encode_frame(name, ref, number, **fields) + behind)
            self.wait(lambda: self._answers[number] is not None, timeout)
            frame = self._answers[number]
        finally:
            del self._answers[number]
        if frame.name == "ERROR":
            raise Refused(frame)
        return frame

    def ping(self, timeout=ANSWER_SECONDS):
        """When it returns, everything that was sent before has been looked at."""
        return self.request("PING", timeout=timeout, time=time.monotonic_ns())

    def open_topic(self, topic, ref=None, timeout=ANSWER_SECONDS, **fields):
        ref = self.next_ref() if ref is None else ref
        publisher = Publisher(self, ref, topic)
        known = self.publishers.setdefault(ref, publisher)
        try:
            answer = self.request("OPEN_TOPIC", ref, timeout, topic=topic, **fields)
        except BaseException:
            if known is publisher:
                del self.publishers[ref]
            raise
        return publisher.opened(answer, fields.get("ack_level", "none"))

    def subscribe(self, pattern, ref=None, window_events=1024, window_bytes=1 << 20,
                  renew=True, timeout=ANSWER_SECONDS, positions=(), **fields):
        """Subscribes. The window is what may be under way or waiting to be taken.

        With `renew` credit is granted anew as events are taken. `positions` are pairs of a
        topic's id and the next sequence wanted. Fields of SET_POLICY may be among the others:
        they are in force from the first event on.
        """
        more = {name: fields.pop(name) for name in POLICY_FIELDS if name in fields}
        ref = self.next_ref() if ref is None else ref
        subscription = Subscription(self, ref, pattern, window_events, window_bytes, renew)
        subscription.expected.update((t, max(n, 1)) for t, n in positions)
        known = self.subscriptions.setdefault(ref, subscription)
        packed = b"".join(struct.pack("<IIQ", topic, 0, number) for topic, number in positions)
        # Nothing is delivered before the policy is what it shall be.
        credit = dict(events_total=window_events, bytes_total=window_bytes)
        behind = b""
        if more:
            more.update((name, fields[name]) for name in
                        ("policy", "lag_events_max", "lag_bytes_max") if name in fields)
            behind = encode_frame("SET_POLICY", ref, self.next_correlation(), **more)
            behind += encode_frame("CREDIT", ref, **credit)
            credit = {}
        try:
            subscription.answer = self.request(
                "SUBSCRIBE", ref, timeout, behind, pattern=pattern,
                positions_count=len(positions), positions=packed, **credit, **fields)
        except BaseException:
            if known is subscription:
                del self.subscriptions[ref]
            raise
        return subscription

    def counters(self):
        return Counters(self.read_counters)

    def read_counters(self, offset, count):
        data = bytearray()
        while len(data) < count:
            page = self.request("STATS", offset=offset + len(data), count=count - len(data))
            if not page["bytes"]:
                break
            data += page["bytes"]
        return bytes(data)

    # --- Request and reply, between clients

    def ask(self, publisher, event, timeout=ANSWER_SECONDS):
        """Publishes the event as a request and returns the first answer's event."""
        self._token += 1
        token = self._token
        self.replies[token] = collections.deque()
        try:
            event.reply_to = (self.welcome["inbox"], token)
            publisher.publish([event])
            self.wait(lambda: self.replies[token], timeout)
            return self.replies[token].popleft()
        finally:
            del self.replies[token]

    def reply(self, reply_to, event):
        """Answers a request. An ERROR to it will be in `errors`, under the number returned."""
        number = self.next_correlation()
        self.send("REPLY", correlation=number, inbox=reply_to[0], token=reply_to[1],
                  batch=encode_batch([event]))
        return number

    # --- Frames that come

    def _take(self, frame):
        if frame.correlation in self._answers and REGISTRY.frames[frame.name].kind == "reply":
            self._answers[frame.correlation] = frame
            return
        taker = getattr(self, "_take_" + frame.name.lower(), None)
        if taker:
            taker(frame)

    def _take_ping(self, frame):
        self.out += encode_frame("PONG", correlation=frame.correlation, time=frame["time"])

    def _take_pong(self, frame):
        self.pongs.append(frame)

    def _take_close(self, frame):
        self._end(Closed(
            REGISTRY.name("CloseReason", frame["reason"]), bool(frame["retryable"]),
            frame["retry_after_ms"], frame["spread_ms"], frame["text"]))

    def _take_error(self, frame):
        if frame.correlation:
            self.errors[frame.correlation] = Refused(frame)

    def _take_topic_info(self, frame):
        self.topics[frame["topic"]] = frame["name"]
        self.epochs[frame["topic"]] = frame["epoch"]

    def _take_ack(self, frame):
        if publisher := self.publishers.get(frame.ref):
            publisher.acknowledged = max(publisher.acknowledged, frame["through"])
            publisher.topic_sequence = frame["sequence"]

    def _take_publish_credit(self, frame):
        if publisher := self.publishers.get(frame.ref):
            publisher.events_total = max(publisher.events_total, frame["events_total"])
            publisher.bytes_total = max(publisher.bytes_total, frame["bytes_total"])

    def _take_deliver(self, frame):
        self._subscription(frame).take_deliver(frame)

    def _take_deliver_selected(self, frame):
        self._subscription(frame).take_selected(frame)

    def _take_passed(self, frame):
        self._subscription(frame).take_passed(frame)

    def _take_state_reset(self, frame):
        self._subscription(frame).take_state_reset(frame)

    def _take_gap(self, frame):
        self._subscription(frame).take_gap(frame)

    def _take_blocked(self, frame):
        side = REGISTRY.name("BlockedSide", frame["side"])
        table = self.subscriptions if side == "subscription" else self.publishers
        if stopped := table.get(frame.ref):
            stopped.take_blocked(frame)

    def _subscription(self, frame):
        subscription = self.subscriptions.get(frame.ref)
        if subscription is None:
            raise Fault("protocolViolation", f"{frame.name} for a subscription that is not open")
        if frame["topic"] not in self.topics:
            raise Fault("protocolViolation", f"{frame.name} for an id that was not named")
        return subscription

    def _take_reply(self, frame):
        waiting = self.replies.get(frame["token"])
        if waiting is not None:
            batch, _ = decode_batch(
                frame["batch"], batch_bytes_max=self.welcome["batch_bytes_max"])
            waiting.append(batch.events[0])


def open_socket(url=None, timeout=ANSWER_SECONDS):
    """A connected socket for galleon://HOST:PORT or galleon+unix://PATH."""
    parts = urllib.parse.urlsplit(url or f"galleon://127.0.0.1:{REGISTRY.port}")
    if parts.scheme == "galleon+unix":
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(timeout)
        sock.connect(parts.path)
        return sock
    if parts.scheme != "galleon":
        raise ValueError(f"not a galleon URL: {url}")
    sock = socket.create_connection(
        (parts.hostname or "127.0.0.1", parts.port or REGISTRY.port), timeout)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock
