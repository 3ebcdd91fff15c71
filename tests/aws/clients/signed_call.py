"""boto3 gets credentials in one way, makes signed calls with them, and says which access key it used.

The way comes from the environment, as for any program: AWS_PROFILE with a configuration file (`credential_process`,
or a shared credentials file), AWS_EC2_METADATA_SERVICE_ENDPOINT, AWS_CONTAINER_CREDENTIALS_FULL_URI. --method says
which one must be found, in boto3's names, so that no other one can have helped out. Prints a JSON object:

  {"method", "calls": [{"access_key", "secret_key", "token", "expires", "sent_access_key", "account", "arn",
                        "buckets"}]}

or {"error": {"type", "message"}} with exit code 1.
"""

import argparse
import json
import re
import select
import sys
import time

# time.sleep fails under libfaketime 0.9.10, since it waits for a moment of the monotonic clock; botocore
# takes it when it is imported.
time.sleep = lambda seconds: select.select([], [], [], seconds)

import boto3
from botocore.config import Config

# boto3's names for the ways.
METHODS = {
    "process": "custom-process",
    "file": "shared-credentials-file",
    "imds": "iam-role",
    "container": "container-role",
}


def main():
    options = read_options()
    try:
        result = {"method": options.method, "calls": list(calls(options))}
    except Exception as error:  # What went wrong is the test's to judge.
        print(json.dumps({"error": {"type": type(error).__name__, "message": str(error)}}))
        sys.exit(1)
    print(json.dumps(result))


def read_options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--method", choices=METHODS, required=True)
    parser.add_argument("--aws", required=True, help="moto's URL")
    parser.add_argument("--times", type=int, default=1, help="how often, with the same credentials object")
    parser.add_argument("--pause", type=float, default=0, help="seconds between")
    return parser.parse_args()


def calls(options):
    session = boto3.Session(region_name="us-east-1")
    credentials = session.get_credentials()
    if credentials is None:
        raise RuntimeError("boto3 finds no credentials")
    if credentials.method != METHODS[options.method]:
        raise RuntimeError(f"boto3 found credentials by {credentials.method}, not by {METHODS[options.method]}")
    config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
    sts = session.client("sts", endpoint_url=options.aws, config=config)
    s3 = session.client("s3", endpoint_url=options.aws, config=config)
    sent = []
    for client in (sts, s3):
        client.meta.events.register("before-send.*", lambda request, **_: sent.append(sent_access_key(request)))
    for time_ in range(options.times):
        if time_:
            time.sleep(options.pause)
        sent.clear()
        frozen = credentials.get_frozen_credentials()
        expires = getattr(credentials, "_expiry_time", None)
        identity = sts.get_caller_identity()
        buckets = s3.list_buckets()["Buckets"]
        yield {
            "access_key": frozen.access_key,
            "secret_key": frozen.secret_key,
            "token": frozen.token,
            "expires": expires.isoformat() if expires else None,
            "sent_access_key": sorted(set(sent)),
            "account": identity["Account"],
            "arn": identity["Arn"],
            "buckets": len(buckets),
        }


def sent_access_key(request):
    header = request.headers["Authorization"]
    return re.search(r"Credential=([^/]+)/", header.decode() if isinstance(header, bytes) else header)[1]


if __name__ == "__main__":
    main()
