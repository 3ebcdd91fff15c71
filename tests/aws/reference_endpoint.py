"""Credentials over IMDSv2 and the container endpoint, always fresh: proves the clients, and does not test countersign.

`python reference_endpoint.py --authorization TOKEN`; prints `READY url=…`, serves until its stdin ends. Every
--bad-every-th answer is spoilt as --bad says.
"""

import argparse
import itertools
import json
import sys
import threading
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ROLES = "/latest/meta-data/iam/security-credentials"
BAD = {
    "status": lambda document: (500, json.dumps(document)),
    "empty": lambda document: (200, json.dumps(document | {"AccessKeyId": ""})),
    "expired": lambda document: (200, json.dumps(document | {"Expiration": "2001-01-01T00:00:00Z"})),
    "truncated": lambda document: (200, json.dumps(document)[:-20]),
    "cut": lambda document: (200, json.dumps(document)),
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--authorization", default="")
    parser.add_argument("--lifetime", type=int, default=3600, help="seconds")
    parser.add_argument("--bad", choices=BAD)
    parser.add_argument("--bad-every", type=int, default=100)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.options, server.count = parser.parse_args(), itertools.count(1)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"READY url=http://127.0.0.1:{server.server_port}", flush=True)
    sys.stdin.buffer.read()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_PUT(self):
        lifetime = self.headers["x-aws-ec2-metadata-token-ttl-seconds"]
        self.answer(200, "reference-token", {"x-aws-ec2-metadata-token-ttl-seconds": lifetime})

    def do_GET(self):
        path, imds = self.path.rstrip("/"), self.headers["x-aws-ec2-metadata-token"] == "reference-token"
        authorized = self.headers["Authorization"] == self.server.options.authorization
        if path == ROLES and imds:
            self.answer(200, "reference")
        elif path == f"{ROLES}/reference" and imds or path == "/credentials" and authorized:
            self.credentials()
        else:
            self.answer(401, "")

    def credentials(self):
        number, now = next(self.server.count), datetime.now(timezone.utc)
        document = {
            "Code": "Success",
            "LastUpdated": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "Type": "AWS-HMAC",
            "AccessKeyId": f"ASIAREFERENCE{number:07d}",
            "SecretAccessKey": "secret",
            "Token": "token",
            "Expiration": (now + timedelta(seconds=self.server.options.lifetime)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        options = self.server.options
        if not options.bad or number % options.bad_every:
            return self.answer(200, json.dumps(document))
        status, body = BAD[options.bad](document)
        self.answer(status, body, cut=options.bad == "cut")

    def answer(self, status, body, headers=None, cut=False):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) + 20 * cut))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())
        self.close_connection = cut

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    main()
