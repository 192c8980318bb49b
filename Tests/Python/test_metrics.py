"""Metrics over HTTP: what they say, that Prometheus understands them, and what is bad input."""

import http.client
import json
import select
import shutil
import socket
import subprocess
import tempfile
import unittest
import urllib.request

from support import PATIENCE, Broker, BrokerTest, RawConnection, eventually

import galleon
from galleon.streams import UNBOUNDED

# Connections that the broker keeps open for metrics, and many more.
CONNECTIONS_MAX = 16
CROWD = 40


def metrics_port(broker):
    line = broker.process.stdout.readline().decode()
    prefix = "metrics http://127.0.0.1:"
    assert line.startswith(prefix), line
    return int(line[len(prefix):].split("/")[0])


class MetricsTest(BrokerTest):
    flags = ("--metrics", "127.0.0.1:0")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.port = metrics_port(cls.broker)

    def get(self, path):
        with urllib.request.urlopen(
                f"http://127.0.0.1:{self.port}{path}", timeout=PATIENCE) as answer:
            return answer.read().decode()

    def samples(self, path="/metrics"):
        lines = [line for line in self.get(path).splitlines() if not line.startswith("#")]
        return dict(line.rsplit(" ", 1) for line in lines)

    def raw(self, request):
        """All that comes back until the broker closes."""
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as connection:
            connection.sendall(request)
            try:
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # The broker has answered and closed already.
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
            return answer

    def total(self, name):
        return sum(int(value) for key, value in self.samples().items()
                   if key.split("{")[0] == name)

    def test_what_is_published_is_counted(self):
        before = self.total("galleon_received_events_total")
        subscription = self.connect().subscribe("metrics.*")
        self.publish("metrics.hunt", *[b"x"] * 7)
        self.assertEqual(len(subscription.take(7)), 7)
        self.assertEqual(self.total("galleon_received_events_total") - before, 7)
        objects = self.samples("/metrics/objects")
        self.assertEqual(objects['galleon_topic_events_total{topic="metrics.hunt"}'], "7")
        matched = [value for key, value in objects.items()
                   if key.startswith("galleon_subscription_matched_events_total{")
                   and 'pattern="metrics.*"' in key]
        self.assertEqual(matched, ["7"])

    def test_a_connection_serves_many_requests(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        for path, status in [("/healthz", 200), ("/readyz", 200), ("/metrics", 200), ("/no", 404)]:
            connection.request("GET", path)
            answer = connection.getresponse()
            self.assertEqual(answer.status, status)
            answer.read()
        connection.request("HEAD", "/metrics")
        answer = connection.getresponse()
        self.assertEqual((answer.status, answer.read()), (200, b""))
        connection.close()

    def test_requests_in_pieces_and_in_a_row(self):
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as connection:
            for byte in b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n":
                connection.sendall(bytes([byte]))
            self.assertIn(b"200 OK", connection.recv(1000))
        answer = self.raw(b"GET /healthz HTTP/1.1\r\n\r\n" * 50
                          + b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
        self.assertEqual(answer.count(b"HTTP/1.1 200 OK"), 51)

    def test_bad_requests_are_refused_and_the_rest_served(self):
        for request, status in [(b"POST /metrics HTTP/1.1\r\n\r\n", b"405"),
                                (b"\x00\xff\r\n\r\n", b"400"),
                                (b"GET / HTTP/1.1\r\n" + b"a" * 20_000, b"431")]:
            try:
                answer = self.raw(request)
            except ConnectionResetError:
                # What was not read makes the kernel reset the connection.
                continue
            self.assertTrue(answer.startswith(b"HTTP/1.1 " + status), answer[:80])
        self.assertIn("galleon_build_info", self.get("/metrics"))

    def test_a_crowd_does_not_keep_out_who_asks(self):
        crowd = [socket.create_connection(("127.0.0.1", self.port), PATIENCE)
                 for _ in range(CROWD)]

        def ended():
            """Those who were silent the longest hear the end; the others hear nothing."""
            readable, _, _ = select.select(crowd, [], [], 0)
            return len(readable)
        eventually(lambda: ended() >= CROWD - CONNECTIONS_MAX, "most of the crowd is sent away")
        for _ in range(2 * CONNECTIONS_MAX):
            self.assertIn("galleon_build_info", self.get("/metrics"))
        self.assertLess(ended(), CROWD, "who asks and goes takes one place")
        for connection in crowd:
            connection.close()
        self.assertIn("galleon_build_info", self.get("/metrics"))

    @unittest.skipUnless(shutil.which("promtool"), "there is no promtool")
    def test_promtool_has_nothing_to_say(self):
        for path in ["/metrics", "/metrics/objects"]:
            checked = subprocess.run(["promtool", "check", "metrics"], input=self.get(path),
                                     capture_output=True, text=True, timeout=60)
            self.assertEqual((checked.returncode, checked.stdout + checked.stderr), (0, ""))

    @unittest.skipUnless(shutil.which("prometheus"), "there is no prometheus")
    def test_prometheus_scrapes(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with tempfile.TemporaryDirectory() as directory:
            with open(f"{directory}/prometheus.yml", "w") as file:
                json.dump({"global": {"scrape_interval": "1s"}, "scrape_configs": [
                    {"job_name": "galleon", "static_configs": [
                        {"targets": [f"127.0.0.1:{self.port}"]}]}]}, file)
            process = subprocess.Popen(
                ["prometheus", f"--config.file={directory}/prometheus.yml",
                 f"--storage.tsdb.path={directory}/data", f"--web.listen-address=127.0.0.1:{port}"],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                def scraped():
                    url = f"http://127.0.0.1:{port}/api/v1/query?query=galleon_ready"
                    try:
                        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
                            result = json.load(answer)["data"]["result"]
                    except OSError:
                        return None
                    return [sample["value"][1] for sample in result]
                values = eventually(scraped, "Prometheus has scraped", timeout=60)
                self.assertEqual(values, ["1"])
            finally:
                process.terminate()
                process.wait(PATIENCE)


class DrainingTest(unittest.TestCase):
    def test_readiness_ends_before_the_broker(self):
        broker = Broker("--metrics", "127.0.0.1:0", "--drain-timeout", "20s")
        self.addCleanup(broker.kill)
        port = metrics_port(broker)
        # One who has credit and does not read keeps the broker draining.
        deaf = RawConnection(broker)
        self.addCleanup(deaf.close)
        deaf.hello()
        deaf.send_frame("SUBSCRIBE", 1, 1, pattern=">", events_total=UNBOUNDED,
                        bytes_total=UNBOUNDED)
        writer = galleon.Session.connect(broker.url)
        self.addCleanup(writer.close)
        publisher = writer.open_topic("deaf", ack_level="accepted")
        publisher.publish([galleon.Event(bytes(60_000))] * 100)
        publisher.flush()
        self.assertEqual(self.status(port, "/readyz"), 200)
        broker.terminate()
        eventually(lambda: self.status(port, "/readyz") == 503, "not ready any more")
        self.assertEqual(self.status(port, "/healthz"), 200)

    def status(self, port, path):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        connection.request("GET", path)
        status = connection.getresponse().status
        connection.close()
        return status


if __name__ == "__main__":
    unittest.main()
