"""IAM Roles Anywhere on loopback, for tests: `python roles_anywhere_server.py --folder DIR --trust-anchor CA.pem`.

Prints one line, `READY port=… control=… ca=… log=… url=…`, and serves until SIGTERM or until its stdin ends, so
that a test that was killed leaves nothing behind. roles_anywhere/faults.py says how to make it misbehave.
"""

import argparse
import signal
import sys
import threading
from pathlib import Path

from roles_anywhere import certificates, tls
from roles_anywhere.service import Control, Service, Settings


def main():
    options = read_options()
    settings = Settings(
        anchors=certificates.read_anchors(options.trust_anchor.read_bytes()),
        log=options.log or options.folder / "log.jsonl",
        lifetime=options.lifetime,
        skew=options.skew,
    )
    settings.log.touch()
    if not options.plain:
        names = options.server_name or tls.NAMES
        settings.tls = tls.make(options.folder, names, options.expired_server_certificate)
    service = Service(options.address, options.port, settings)
    control = Control("127.0.0.1", settings)
    for server in (service, control):
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(ready(options, settings, service.server_port, control.server_port), flush=True)
    sys.stdin.buffer.read()


def read_options():
    parser = argparse.ArgumentParser(description="IAM Roles Anywhere's CreateSession on loopback, for tests")
    parser.add_argument("--folder", type=Path, required=True, help="where ca.pem, server.pem and the log go")
    parser.add_argument("--trust-anchor", type=Path, required=True, help="PEM of the CAs of clients' certificates")
    parser.add_argument("--log", type=Path, help="one JSON line a request (FOLDER/log.jsonl)")
    parser.add_argument("--address", default="127.0.0.1", choices=["127.0.0.1", "::1"], help="(127.0.0.1)")
    parser.add_argument("--port", type=int, default=0, help="0, the default, is any free one")
    parser.add_argument("--plain", action="store_true", help="http instead of https")
    parser.add_argument("--lifetime", type=int, help="seconds that credentials live, whatever was asked for")
    parser.add_argument("--skew", type=int, default=0, help="seconds that the service's clock is ahead")
    parser.add_argument("--server-name", action="append", help="in its certificate, instead of localhost, 127.0.0.1, ::1")
    parser.add_argument("--expired-server-certificate", action="store_true")
    return parser.parse_args()


def ready(options, settings, port, control):
    host = "[::1]" if options.address == "::1" else "127.0.0.1" if options.plain else "localhost"
    url = f"{'http' if options.plain else 'https'}://{host}:{port}"
    ca = "" if options.plain else f" ca={options.folder / 'ca.pem'}"
    return f"READY port={port} control={control}{ca} log={settings.log} url={url}"


if __name__ == "__main__":
    main()
