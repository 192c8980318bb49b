"""A broker to test, sessions with it, and connections that say whatever they like."""

import os
import pathlib
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Tools" / "python"))

import galleon  # noqa: E402 (only there from here on)
from galleon.wire import decode_frame, encode_frame  # noqa: E402

VECTORS = ROOT / "Protocol" / "vectors"
CLIENT = [sys.executable, str(ROOT / "Tools" / "python" / "galleon_client.py")]
# For what must come: far more than it takes, as the machine may be busy.
PATIENCE = 20.0
# For what must not come, where no answer can tell.
SILENCE = 0.2


def galleon_binary():
    named = os.environ.get("GALLEON_BINARY")
    built = [ROOT / ".build" / kind / "galleon" for kind in ("release", "debug")]
    for path in [named] if named else built:
        if pathlib.Path(path).is_file():
            return str(path)
    sys.exit("no galleon to test: build it, or name it in GALLEON_BINARY")


def eventually(test, what, timeout=PATIENCE):
    """Waits until `test()` is true. For what only another process can tell."""
    deadline = time.monotonic() + timeout
    while not (result := test()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not in time: {what}")
        time.sleep(0.01)
    return result


class Broker:
    """A broker of its own, on a free port; ended by its process id."""

    def __init__(self, *flags):
        self.told = False
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [galleon_binary(), "serve", "--listen", "127.0.0.1:0", "--counters", "none",
             "--shards", "2", *flags],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.errors)
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
        line = self.process.stdout.readline().decode() if ready else ""
        if not line.startswith("listening tcp "):
            self.kill()
            raise AssertionError(f"the broker said {line!r} {self.said()}")
        self.host, _, port = line.split()[2].rpartition(":")
        self.port = int(port)
        self.url = f"galleon://{self.host}:{self.port}"

    def said(self):
        """What it wrote to standard error."""
        if not self.errors.closed:
            self.errors.seek(0)
            self._said = self.errors.read().decode(errors="replace")
        return self._said

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.release()

    def release(self):
        self.said()
        self.errors.close()
        self.process.stdout.close()

    def terminate(self):
        """Tells it to drain, once: a second signal would end it at once."""
        if not self.told and self.process.poll() is None:
            self.told = True
            os.kill(self.process.pid, signal.SIGTERM)

    def end(self):
        """Its exit code, after SIGTERM."""
        self.terminate()
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("the broker did not end after SIGTERM") from None
        finally:
            self.release()

    def resident_bytes(self):
        with open(f"/proc/{self.process.pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class BrokerTest(unittest.TestCase):
    """Tests with one broker for the class. It must live through them all, and end well."""

    flags = ()

    @classmethod
    def setUpClass(cls):
        cls.broker = Broker(*cls.flags)

    @classmethod
    def tearDownClass(cls):
        died = cls.broker.process.poll() is not None
        code = cls.broker.end()
        if died or code != 0:
            raise AssertionError(f"the broker ended with {code}: {cls.broker.said()}")

    def connect(self, **hello):
        session = galleon.Session.connect(self.broker.url, timeout=PATIENCE, **hello)
        self.addCleanup(session.close)
        return session

    def raw(self, hello=True, receive_buffer=None, **fields):
        wire = RawConnection(self.broker, receive_buffer)
        self.addCleanup(wire.close)
        if hello:
            wire.hello(**fields)
        return wire

    def publisher(self, topic, session=None, **fields):
        fields.setdefault("ack_level", "accepted")
        return (session or self.connect()).open_topic(topic, **fields)

    def publish(self, topic, *payloads, session=None, **fields):
        """Publishes a batch for each payload, and waits until they are accepted."""
        publisher = self.publisher(topic, session, **fields)
        for payload in payloads:
            publisher.publish([galleon.Event(payload)])
        publisher.flush(PATIENCE)
        return publisher

    def refusal(self, code, call, *arguments, **fields):
        with self.assertRaises(galleon.Refused) as caught:
            call(*arguments, **fields)
        self.assertEqual(caught.exception.code, code)
        self.assertEqual(caught.exception.retryable, galleon.REGISTRY.retryable[code])

    def silent(self, session, subscription, seconds=SILENCE):
        """Nothing is delivered, though the broker has looked at everything that was sent."""
        session.ping()
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            session.poll(left)
        self.assertFalse(subscription.items)


class RawConnection:
    """A connection that sends bytes, right or wrong, and says what comes back."""

    def __init__(self, broker, receive_buffer=None):
        self.socket = socket.socket()
        self.socket.settimeout(PATIENCE)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect((broker.host, broker.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.ended = False

    def close(self):
        self.socket.close()

    def hello(self, **fields):
        fields = {"version_min": 1, "version_max": 1, "client_name": "raw", **fields}
        self.send(encode_frame("HELLO", correlation=1, **fields))
        self.welcome = self.expect("WELCOME")

    def send(self, data):
        try:
            self.socket.sendall(data)
        except ConnectionError:
            pass  # The broker may have ended it already; what it said is still to be read.

    def send_frame(self, name, ref=0, correlation=0, **fields):
        self.send(encode_frame(name, ref, correlation, **fields))

    def next(self, passing=()):
        """The next frame; None at the end of the stream."""
        while True:
            frame, size = decode_frame(self.buffer, 1 << 24)
            self.buffer = self.buffer[size:]
            if frame is not None and frame.name not in passing:
                return frame
            if size:
                continue
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                return None
            self.buffer += data

    def expect(self, name, passing=("TOPIC_INFO",)):
        frame = self.next(passing)
        if frame is None or frame.name != name:
            raise AssertionError(f"expected {name}, got {frame}")
        return frame

    def open_topic(self, topic, ref=1, **fields):
        fields.setdefault("ack_level", "accepted")
        self.send_frame("OPEN_TOPIC", ref, 7, topic=topic, **fields)
        return self.expect("TOPIC")

    def close_reason(self):
        """The reason of CLOSE, which must come, be retryable or not as the registry says, and
        end the stream. Frames before it are passed over."""
        frame = self.next()
        while frame is not None and frame.name != "CLOSE":
            frame = self.next()
        if frame is None:
            return "end of the stream without CLOSE"
        reason = galleon.REGISTRY.name("CloseReason", frame["reason"])
        if bool(frame["retryable"]) != galleon.REGISTRY.retryable[reason]:
            return f"{reason}, but retryable {frame['retryable']}"
        self.socket.shutdown(socket.SHUT_WR) if self._open() else None
        if (after := self.next()) is not None:
            return f"{reason}, but then {after}"
        return reason

    def _open(self):
        try:
            self.socket.getpeername()
            return True
        except OSError:
            return False

    def is_alive(self):
        """Whether the session answers a PING."""
        self.send_frame("PING", correlation=99, time=1)
        while (frame := self.next()) is not None:
            if frame.name == "PONG" and frame.correlation == 99:
                return True
        return False
