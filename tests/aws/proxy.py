"""An HTTP proxy on loopback that knows CONNECT to loopback only, also under a name that only it resolves: `proxy.py --log FILE [--authorization 'Basic …']`.

Prints `READY url=…` and serves until its stdin ends. The log has one JSON line a request:
{"method", "target", "status", "authorization"}. Without the required Proxy-Authorization it answers 407.
"""

import argparse
import json
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LOOPBACK = ("localhost", "127.0.0.1", "[::1]", "::1")
# For clients that never send this computer's own names through a proxy.
NAME = "roles-anywhere.test"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--log", required=True)
    parser.add_argument("--authorization")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.options = True, parser.parse_args()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"READY url=http://127.0.0.1:{server.server_port}", flush=True)
    sys.stdin.buffer.read()


class Handler(BaseHTTPRequestHandler):
    def do_CONNECT(self):
        options, host, port = self.server.options, *self.path.rsplit(":", 1)
        if options.authorization and self.headers["Proxy-Authorization"] != options.authorization:
            return self.answer(407, {"Proxy-Authenticate": 'Basic realm="test"'})
        if host == NAME:
            host = "localhost"
        if host not in LOOPBACK:
            return self.answer(403)
        try:
            upstream = socket.create_connection((host.strip("[]"), int(port)), timeout=10)
        except OSError:
            return self.answer(502)
        upstream.settimeout(None)
        self.answer(200)
        back = threading.Thread(target=copy, args=(upstream, self.connection), daemon=True)
        back.start()
        copy(self.connection, upstream)
        back.join()
        upstream.close()

    def do_POST(self):
        self.answer(405)

    do_GET = do_PUT = do_POST

    def answer(self, status, headers=None):
        line = {"method": self.command, "target": self.path, "status": status}
        line["authorization"] = self.headers["Proxy-Authorization"]
        with open(self.server.options.log, "a") as log:
            log.write(json.dumps(line) + "\n")
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.close_connection = True

    def log_message(self, *_):
        pass


def copy(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


if __name__ == "__main__":
    main()
