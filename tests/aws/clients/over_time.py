"""Sessions of boto3 that begin one after the other and run side by side, and until when each signs with which access key.

  over_time.py --lifetime SECONDS --sessions N --seconds SECONDS

A session begins every second, and all are asked for credentials several times a second, as calls do. The way comes from the
environment, as for any program. boto3's own times are for credentials that live for 900 seconds and more: here they are
shorter, as --lifetime is than 900 seconds. Where boto3 throws dice for how long it keeps what will end soon, the worst is
thrown. Prints a JSON list with an object for each session: {access key: when it was last asked for, in seconds since 1970}.
"""

import argparse
import json
import random
import select
import time

import boto3
import botocore.credentials

_PAUSE = 0.2


def main():
    options = read_options()
    shorten(options.lifetime / 900)
    sessions, used = [], []
    start = time.monotonic()
    while (elapsed := time.monotonic() - start) < options.seconds:
        if len(sessions) < min(options.sessions, elapsed + 1):
            sessions.append(boto3.Session(region_name="us-east-1").get_credentials())
            used.append({})
        for credentials, keys in zip(sessions, used):
            asked = time.time()
            keys[credentials.get_frozen_credentials().access_key] = asked
        # time.sleep fails under libfaketime 0.9.10.
        select.select([], [], [], _PAUSE)
    print(json.dumps(used))


def read_options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lifetime", type=int, required=True)
    parser.add_argument("--sessions", type=int, required=True)
    parser.add_argument("--seconds", type=int, required=True)
    return parser.parse_args()


def shorten(scale):
    """All limits of botocore 1.44.5 that concern the age of credentials."""
    refreshable = botocore.credentials.RefreshableCredentials
    assert refreshable._advisory_refresh_timeout == botocore.credentials._DEFAULT_ADVISORY_REFRESH_TIMEOUT == 900
    assert refreshable._mandatory_refresh_timeout == 600
    botocore.credentials._DEFAULT_ADVISORY_REFRESH_TIMEOUT = 900 * scale
    refreshable._advisory_refresh_timeout = 900 * scale
    refreshable._mandatory_refresh_timeout = 600 * scale
    dice = random.randint
    random.randint = lambda low, high: high * scale if (low, high) == (120, 600) else dice(low, high)


if __name__ == "__main__":
    main()
