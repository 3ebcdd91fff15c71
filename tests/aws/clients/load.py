"""Many requests over many connections at once against a credentials server, each answer checked.

  load.py --imds http://127.0.0.1:9911                        a token a connection, then the role's credentials
  load.py --container URL --authorization-file FILE           the container way

Every answer must be 200, whole, and hold credentials that are not expired. Prints a JSON object:

  {"requests", "good", "connections", "seconds", "per_second", "p50_ms", "p99_ms", "max_ms", "statuses": {"200": n},
   "access_keys": [distinct, sorted], "failures": [the first ten]}

With --access-keys N there are more requests, until N access keys have been seen, for a minute at most: however fast the
answers and however slow the renewals, the load spans some of these.

The exit code is 1 unless all are good. A connection that the server ends between two answers is reopened, and
counted in "reconnects".
"""

import argparse
import collections
import http.client
import json
import sys
import threading
import time
from datetime import datetime, timezone
from urllib.parse import urlsplit

ROLES = "/latest/meta-data/iam/security-credentials/"
NEEDED = ("AccessKeyId", "SecretAccessKey", "Token", "Expiration")
_TIMEOUT = 30
_LONGEST = 60


def main():
    options = read_options()
    shares = [options.requests // options.connections] * options.connections
    for index in range(options.requests % options.connections):
        shares[index] += 1
    start = time.monotonic()
    access_keys = set()
    workers = [Worker(options, share, access_keys, start + _LONGEST) for share in shares if share]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    report = summary(options, workers, time.monotonic() - start)
    print(json.dumps(report))
    sys.exit(0 if report["good"] == report["requests"] else 1)


def read_options():
    parser = argparse.ArgumentParser()
    way = parser.add_mutually_exclusive_group(required=True)
    way.add_argument("--imds")
    way.add_argument("--container")
    parser.add_argument("--authorization-file")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--access-keys", type=int, default=0)
    options = parser.parse_args()
    host = urlsplit(options.imds or options.container).hostname
    if host not in ("127.0.0.1", "::1", "localhost"):
        parser.error("only an address on this machine is loaded")
    return options


class Worker(threading.Thread):
    def __init__(self, options, share, access_keys, deadline):
        super().__init__(daemon=True)
        self.url = urlsplit(options.imds or options.container)
        self.options, self.share, self.deadline = options, share, deadline
        self.connection = http.client.HTTPConnection(self.url.hostname, self.url.port, timeout=_TIMEOUT)
        self.good, self.reconnects, self.times, self.failures = 0, 0, [], []
        # The keys are those of all workers.
        self.statuses, self.access_keys = collections.Counter(), access_keys

    def run(self):
        try:
            path, headers = self.imds() if self.options.imds else self.container()
        except Exception as error:  # A thread that dies would only look like a lack of answers.
            self.failures.append(f"before the first request: {type(error).__name__}: {error}")
            return
        while len(self.times) < self.share or self.waits_for_keys():
            start = time.monotonic()
            try:
                self.check(*self.fetch("GET", path, headers))
                self.good += 1
            except Exception as error:
                self.failures.append(f"{type(error).__name__}: {error}")
                self.connection.close()
            self.times.append(time.monotonic() - start)
        self.connection.close()

    def waits_for_keys(self):
        return len(self.access_keys) < self.options.access_keys and time.monotonic() < self.deadline

    def imds(self):
        lifetime = {"x-aws-ec2-metadata-token-ttl-seconds": "21600"}
        status, token = self.fetch("PUT", "/latest/api/token", lifetime)
        if status != 200:
            raise RuntimeError(f"no token: {status} {token[:200]!r}")
        headers = {"x-aws-ec2-metadata-token": token.decode()}
        status, role = self.fetch("GET", ROLES, headers)
        if status != 200:
            raise RuntimeError(f"no role: {status} {role[:200]!r}")
        return ROLES + role.decode().strip(), headers

    def container(self):
        headers = {}
        if self.options.authorization_file:
            headers["Authorization"] = open(self.options.authorization_file).read().strip()
        return self.url.path or "/", headers

    def fetch(self, method, path, headers):
        """http.client itself finds a body shorter than its Content-Length."""
        opened = self.connection.sock is not None
        self.connection.request(method, path, headers=headers)
        try:
            response = self.connection.getresponse()
        except http.client.RemoteDisconnected:
            if not opened:
                raise
            self.reconnects += 1
            self.connection.close()
            self.connection.request(method, path, headers=headers)
            response = self.connection.getresponse()
        return response.status, response.read()

    def check(self, status, body):
        self.statuses[str(status)] += 1
        if status != 200:
            raise RuntimeError(f"status {status}: {body[:200]!r}")
        document = json.loads(body)
        for name in NEEDED:
            if not isinstance(document.get(name), str) or not document[name]:
                raise RuntimeError(f"{name} is missing or empty")
        if self.options.imds and document.get("Code") != "Success":
            raise RuntimeError(f"Code is {document.get('Code')!r}")
        expires = datetime.fromisoformat(document["Expiration"].replace("Z", "+00:00"))
        if expires <= datetime.now(timezone.utc):
            raise RuntimeError(f"expired {document['Expiration']}")
        self.access_keys.add(document["AccessKeyId"])


def summary(options, workers, seconds):
    times = sorted(time_ for worker in workers for time_ in worker.times) or [0]
    requests = max(options.requests, sum(len(worker.times) for worker in workers))
    failures = [failure for worker in workers for failure in worker.failures]
    return {
        "requests": requests,
        "good": sum(worker.good for worker in workers),
        "connections": len(workers),
        "reconnects": sum(worker.reconnects for worker in workers),
        "seconds": round(seconds, 3),
        "per_second": round(requests / seconds),
        "p50_ms": round(times[len(times) // 2] * 1000, 2),
        "p99_ms": round(times[len(times) * 99 // 100] * 1000, 2),
        "max_ms": round(times[-1] * 1000, 2),
        "statuses": dict(sum((worker.statuses for worker in workers), collections.Counter())),
        "access_keys": sorted(workers[0].access_keys),
        "failures": failures[:10],
    }


if __name__ == "__main__":
    main()
