"""The service's answers: new credentials each time, or an error in AWS's form."""

import itertools
import json
from dataclasses import dataclass, field
from datetime import timedelta

_counter = itertools.count(1)


@dataclass
class Answer:
    status: int
    body: bytes
    headers: dict = field(default_factory=dict)
    # For the log only.
    code: str = None
    reason: str = None
    credential: dict = None


def json_answer(status, document, **log):
    return Answer(status, json.dumps(document).encode(), {"Content-Type": "application/json"}, **log)


def credentials(session, now, lifetime=None):
    """A new session for a request that was accepted; `lifetime` in seconds in place of the requested one."""
    number = next(_counter)
    seconds = lifetime if lifetime is not None else session.parameters["durationSeconds"]
    credential = {
        "accessKeyId": f"ASIATEST{number:012d}",
        "secretAccessKey": f"secret/{number:033d}",
        "sessionToken": f"token+{number:09d}/" + "T" * 600 + "=",
        "expiration": (now + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    role = session.parameters["roleArn"]
    account, name = role.split(":")[4], role.rpartition("/")[2]
    session_name = session.parameters.get("roleSessionName") or f"{session.leaf.serial_number:x}"
    arn = f"arn:aws:sts::{account}:assumed-role/{name}/{session_name}"
    document = {
        "credentialSet": [
            {
                "assumedRoleUser": {"arn": arn, "assumedRoleId": f"AROATEST:{session_name}"},
                "credentials": credential,
                "packedPolicySize": 10,
                "roleArn": role,
                "sourceIdentity": session.leaf.subject.rfc4514_string(),
            }
        ],
        "subjectArn": f"arn:aws:rolesanywhere:{session.region}:{account}:subject/00000000-0000-0000-0000-000000000000",
    }
    return json_answer(201, document, credential=credential)


def error(status, code, message, headers=None):
    """AWS names the error in a header, followed by an address, and tells people in the body."""
    answer = json_answer(status, {"message": message}, code=code, reason=message)
    answer.headers["X-Amzn-ErrorType"] = f"{code}:http://internal.amazon.com/coral/com.amazon.coral.service/"
    answer.headers.update(headers or {})
    return answer


def refused(refusal):
    return error(refusal.status, refusal.code, refusal.message)
