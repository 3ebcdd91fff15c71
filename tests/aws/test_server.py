"""How the server starts, ends and misbehaves; what it accepts is proven by vectors and by the journeys."""

import http.client
import json
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import unittest
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace

from cryptography.hazmat.primitives import serialization

from test_vectors import chain

HERE = Path(__file__).parent


class Server(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        anchor = chain("root").public_bytes(serialization.Encoding.PEM)
        (self.folder / "anchor.pem").write_bytes(anchor)

    def start(self, *options):
        command = [sys.executable, HERE / "roles_anywhere_server.py", "--folder", self.folder]
        command += ["--trust-anchor", self.folder / "anchor.pem", *options]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(stop, process)
        word, *pairs = process.stdout.readline().split()
        self.assertEqual(word, "READY")
        return SimpleNamespace(process=process, **dict(pair.split("=", 1) for pair in pairs))

    def log(self):
        return [json.loads(line) for line in (self.folder / "log.jsonl").read_text().splitlines()]

    def test_it_ends_when_its_stdin_does_and_when_it_is_told_to(self):
        server = self.start()
        server.process.stdin.close()
        self.assertEqual(server.process.wait(5), 0)
        server = self.start()
        server.process.send_signal(signal.SIGTERM)
        self.assertEqual(server.process.wait(5), 0)

    def test_every_other_behavior_is_as_it_is_described(self):
        server = self.start("--plain")
        behave(server, {"do": "redirect", "location": "http://192.0.2.1/"})
        self.assertEqual((post(server)[0], post(server)[0]), (302, 403))
        behave(server, {"do": "body", "body": "hello", "status": 418, "content_type": "text/plain"})
        self.assertEqual(post(server)[::2], (418, b"hello"))
        behave(server, {"do": "huge", "bytes": 3_000_000})
        self.assertEqual(len(post(server)[2]), 3_000_002)
        behave(server, {"do": "delay", "ms": 300, "times": 2}, {"do": "drip", "ms": 10, "bytes": 2})
        for _ in range(3):
            start = time.monotonic()
            self.assertEqual(post(server)[0], 403)
            self.assertGreater(time.monotonic() - start, 0.1)
        behave(server, {"do": "skew", "seconds": 3600}, {"do": "skew", "seconds": -3600})
        for hours in (1, -1, 0):
            date = datetime.strptime(post(server)[1]["Date"], "%a, %d %b %Y %H:%M:%S GMT")
            off = date.replace(tzinfo=timezone.utc) - datetime.now(timezone.utc)
            self.assertAlmostEqual(off.total_seconds(), 3600 * hours, delta=5)
        behave(server, {"do": "denied", "times": 0})
        for _ in range(3):
            self.assertTrue(post(server)[1]["X-Amzn-ErrorType"].startswith("AccessDeniedException:"))
        self.assertEqual(len(self.log()), 13)

    def test_a_behavior_that_is_not_known_is_refused(self):
        server = self.start("--plain")
        for wrong in ({"do": "lol"}, {"do": "delay"}, {}, "cut"):
            self.assertEqual(behave(server, wrong, status=400)[0], 400)

    def test_a_client_that_does_not_trust_the_server_is_in_the_log(self):
        server = self.start()
        with self.assertRaises(ssl.SSLCertVerificationError):
            post(server, context=ssl.create_default_context())
        with self.assertRaises(ssl.SSLCertVerificationError):
            post(self.start("--server-name", "other.example"), context=ssl.create_default_context(cafile=server.ca))
        with self.assertRaises(ssl.SSLCertVerificationError):
            post(self.start("--expired-server-certificate"), context=ssl.create_default_context(cafile=server.ca))
        deadline = time.monotonic() + 5
        while len(self.log()) < 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        self.assertEqual([line["verdict"] for line in self.log()], ["tls-failed"] * 3)

    def test_it_is_reached_by_any_of_its_names(self):
        server = self.start()
        context = ssl.create_default_context(cafile=server.ca)
        for name in ("localhost", "127.0.0.1"):
            self.assertEqual(post(server, name, context)[0], 403)


def post(server, host="127.0.0.1", context=None):
    kind = http.client.HTTPSConnection if context else http.client.HTTPConnection
    connection = kind(host, int(server.port), timeout=10, **({"context": context} if context else {}))
    try:
        connection.request("POST", "/sessions", b"{}", {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def behave(server, *behaviors, status=200):
    connection = http.client.HTTPConnection("127.0.0.1", int(server.control), timeout=10)
    try:
        connection.request("POST", "/next", json.dumps(behaviors))
        response = connection.getresponse()
        if response.status != status:
            raise AssertionError(f"{response.status}: {response.read()}")
        return response.status, response.read()
    finally:
        connection.close()


def stop(process):
    process.kill()
    process.stdin.close()
    process.stdout.close()
    process.wait()


if __name__ == "__main__":
    unittest.main()
