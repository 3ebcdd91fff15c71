"""AWS on loopback by moto. Prints `READY url=…` and serves until SIGTERM or until its stdin ends."""

import logging
import signal
import sys

from moto.server import ThreadedMotoServer


def main():
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print("READY url=http://{}:{}".format(*server.get_host_and_port()), flush=True)
    sys.stdin.buffer.read()


if __name__ == "__main__":
    main()
