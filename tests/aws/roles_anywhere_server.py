"""IAM Roles Anywhere on loopback, for tests: `python roles_anywhere_server.py --folder DIR --trust-anchor CA.pem`.

Prints one line, `READY port=… control=… ca=… log=… url=…`, and serves until SIGTERM or until its stdin ends, so
that a test that was killed leaves nothing behind. roles_anywhere/faults.py says how to make it misbehave.

With `--many` alone it hosts a service for each test, because Python takes longer to start than a test to run. A line of
stdin is `{"start": [options]}` or `{"stop": control}`; the answer is a service's line as above, or `STOPPED`. It issues
certificates too: `{"issue": [options of issue_certificate.py]}` is answered by `ISSUED`. What fails is answered by the error,
as a text of JSON, and concerns that test alone.
"""

import argparse
import json
import signal
import sys
import threading
import traceback
from pathlib import Path

import issue_certificate
from roles_anywhere import certificates, tls
from roles_anywhere.service import Control, Service, Settings


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if sys.argv[1:] == ["--many"]:
        return host_many()
    print(Running(read_options(sys.argv[1:])).ready, flush=True)
    sys.stdin.buffer.read()


def host_many():
    running = {}
    print("READY", flush=True)
    for line in sys.stdin:
        try:
            answer = answer_to(json.loads(line), running)
        except (Exception, SystemExit):
            answer = json.dumps(traceback.format_exc())
        print(answer, flush=True)


def answer_to(request, running):
    if "stop" in request:
        running.pop(request["stop"]).stop()
        return "STOPPED"
    if "issue" in request:
        issue_certificate.main(request["issue"])
        return "ISSUED"
    service = Running(read_options(request["start"]))
    # A port of services is taken twice: on 127.0.0.1 and on ::1.
    running[service.control] = service
    return service.ready


class Running:
    """A service and its control, which run from their creation until they are stopped."""

    def __init__(self, options):
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
        self.control = control.server_port
        self.ready = ready(options, settings, service.server_port, self.control)
        self._servers = (service, control)
        for server in self._servers:
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self):
        for server in self._servers:
            server.shutdown()
            server.server_close()


def read_options(arguments):
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
    return parser.parse_args(arguments)


def ready(options, settings, port, control):
    host = "[::1]" if options.address == "::1" else "127.0.0.1" if options.plain else "localhost"
    url = f"{'http' if options.plain else 'https'}://{host}:{port}"
    ca = "" if options.plain else f" ca={options.folder / 'ca.pem'}"
    return f"READY port={port} control={control}{ca} log={settings.log} url={url}"


if __name__ == "__main__":
    main()
