"""The service on a socket: reads a request, judges it, answers or misbehaves, and writes the log."""

import contextlib
import json
import socket
import ssl
import struct
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from . import answer, faults
from .pause import pause
from .refusal import Refusal
from .verify import Request, Session, verify

# For a client that neither speaks nor leaves.
LONGEST_SILENCE = 60


@dataclass
class Settings:
    """What all requests have in common."""

    anchors: list
    log: Path
    tls: ssl.SSLContext = None
    lifetime: int = None
    skew: int = 0
    queue: faults.Queue = field(default_factory=faults.Queue)
    requests: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def record(self, line):
        with self.lock, self.log.open("a") as log:
            log.write(json.dumps(line) + "\n")

    def next_number(self):
        with self.lock:
            self.requests += 1
            return self.requests


class Service(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address, port, settings):
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.settings = settings
        self.connections = set()
        super().__init__((address, port), Handler)

    def handle_error(self, request, client_address):
        """A client that disconnects is not an error; what matters is in the log."""

    def server_close(self):
        """Ends the connections too, as the end of a process does."""
        super().server_close()
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def shutdown_request(self, request):
        # A connection that was cut is closed already.
        with contextlib.suppress(OSError):
            super().shutdown_request(request)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "RolesAnywhereTest", ""
    timeout = LONGEST_SILENCE
    disable_nagle_algorithm = True

    def setup(self):
        settings = self.server.settings
        self.now = _now()
        if settings.tls:
            self.request.settimeout(LONGEST_SILENCE)
            try:
                self.request = settings.tls.wrap_socket(self.request, server_side=True)
            except (OSError, ValueError) as error:
                line = {"verdict": "tls-failed", "at": _iso(_now()), "peer": self._peer(), "reason": str(error)}
                settings.record(line)
                raise
        self.server.connections.add(self.request)
        super().setup()

    def finish(self):
        self.server.connections.discard(self.request)
        super().finish()
        # With TLS this is not the socket that the server closes.
        self.request.close()

    def handle_one_request(self):
        # The client may disconnect at any time, even on purpose.
        try:
            super().handle_one_request()
        except (ConnectionError, ssl.SSLError, TimeoutError, ValueError):
            self.close_connection = True

    def do_POST(self):
        settings = self.server.settings
        number, behavior = settings.next_number(), settings.queue.take()
        request = self._read()
        do = (behavior or {}).get("do")
        skew = behavior["seconds"] if do == "skew" else settings.skew
        lifetime = behavior["seconds"] if do == "lifetime" else settings.lifetime
        self.now = _now() + timedelta(seconds=skew)
        session, refusal, reply = Session(), None, faults.instead(behavior)
        try:
            verify(request, settings.anchors, self.now, session)
        except Refusal as refused:
            refusal = refused
        if reply:
            verdict = "faulted"
        elif refusal:
            verdict, reply = "refused", answer.refused(refusal)
        else:
            verdict, reply = "accepted", answer.credentials(session, self.now, lifetime)
        if do in ("cut", "truncate"):
            verdict = "faulted"
        # Before the answer, so that a client that has received it finds its request in the log.
        settings.record(
            {
                "n": number,
                "at": _iso(self.now),
                "peer": self._peer(),
                "tls": self.request.version() if settings.tls else None,
                "method": request.method,
                "path": request.path,
                "query": request.query,
                "host": request.headers.get("host"),
                "headers": request.headers,
                "body": request.body.decode("utf-8", "replace"),
                "json": _parsed(request.body),
                "verdict": verdict,
                "valid": refusal is None,
                "status": reply.status,
                "code": reply.code,
                "reason": reply.reason,
                "detail": refusal.detail if refusal else None,
                "behavior": behavior,
                "credential": reply.credential,
                **_understood(session),
            }
        )
        self._send(reply, behavior or {})

    do_GET = do_PUT = do_DELETE = do_HEAD = do_PATCH = do_POST

    def log_message(self, *_):
        pass

    def date_time_string(self, timestamp=None):
        return format_datetime(self.now.replace(microsecond=0), usegmt=True)

    def _read(self):
        path, _, query = self.path.partition("?")
        headers = {}
        for name, value in self.headers.items():
            name = name.lower()
            headers[name] = f"{headers[name]},{value}" if name in headers else value
        return Request(self.command, path, query, headers, self.rfile.read(int(headers.get("content-length", 0))))

    def _send(self, reply, behavior):
        do = behavior.get("do")
        if do == "delay":
            pause(behavior["ms"] / 1000)
        if do == "cut" and behavior["at"] == "before-headers":
            return self._cut(behavior)
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.send_header("x-amzn-RequestId", f"00000000-0000-0000-0000-{self.server.settings.requests:012d}")
        self.end_headers()
        if do == "cut":
            self._cut(behavior)
        elif do == "truncate":
            self.wfile.write(reply.body[: behavior.get("bytes", len(reply.body) // 2)])
            self._cut(behavior)
        elif do == "drip":
            step = behavior.get("bytes", 1)
            for start in range(0, len(reply.body), step):
                self.wfile.write(reply.body[start : start + step])
                pause(behavior["ms"] / 1000)
        else:
            self.wfile.write(reply.body)

    def _cut(self, behavior):
        """Ends the connection below TLS, as a network does: without notice."""
        self.wfile.flush()
        self.close_connection = True
        with socket.socket(fileno=self.request.detach()) as raw:
            if behavior.get("reset"):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                raw.shutdown(socket.SHUT_RDWR)

    def _peer(self):
        return f"{self.client_address[0]}:{self.client_address[1]}"


class Control(ThreadingHTTPServer):
    """How a test controls the service: POST /next [behaviors], POST /instead [behaviors], POST /clear, POST /settings {lifetime, skew}, GET /state."""

    daemon_threads = True

    def __init__(self, address, settings):
        self.settings = settings
        super().__init__((address, 0), _ControlHandler)


class _ControlHandler(BaseHTTPRequestHandler):
    def do_POST(self):
        settings = self.server.settings
        text = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            document = json.loads(text) if text else None
            if self.path in ("/next", "/instead"):
                behaviors = document if isinstance(document, list) else [document]
                settings.queue.add(behaviors, instead=self.path == "/instead")
            elif self.path == "/clear":
                settings.queue.clear()
            elif self.path == "/settings":
                if unknown := set(document) - {"lifetime", "skew"}:
                    raise ValueError(f"no settings: {sorted(unknown)}")
                for name, value in document.items():
                    setattr(settings, name, value)
            else:
                raise ValueError(f"no control: {self.path}")
        except (ValueError, TypeError) as error:
            return self._answer(400, {"error": str(error)})
        return self.do_GET()

    def do_GET(self):
        settings = self.server.settings
        self._answer(200, {"requests": settings.requests, "waiting": settings.queue.waiting()})

    def log_message(self, *_):
        pass

    def _answer(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _understood(session):
    names = ("algorithm", "serial", "scope", "region", "signed_headers", "canonical_request", "string_to_sign")
    understood = {name: getattr(session, name) for name in names}
    leaf = session.leaf.subject.rfc4514_string() if session.leaf else None
    return understood | {"leaf": leaf, "chain": [one.subject.rfc4514_string() for one in session.chain]}


def _parsed(body):
    try:
        return json.loads(body)
    except ValueError:
        return None


def _now():
    return datetime.now(timezone.utc)


def _iso(at):
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
