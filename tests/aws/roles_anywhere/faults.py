"""Behaviors that a test has queued for the next requests: the network's, a proxy's and AWS's bad days.

A behavior is a JSON object: "do" names it, "times" says for how many requests (default 1; 0 is until the queue is
cleared or replaced), other members are its own:

  {"do": "normal"}                                  as without a behavior
  {"do": "status", "status": 503, "code"?, "message"?, "headers"?}  an error in AWS's form; 429 is a ThrottlingException
  {"do": "denied", "code"?, "message"?}             403, AccessDeniedException unless told otherwise
  {"do": "redirect", "location"}                    302
  {"do": "body", "body", "status"?, "content_type"?}   any body
  {"do": "not-json"}  {"do": "empty-credential-set"}   201 with a body that is of no use
  {"do": "html", "status"?}                         a proxy's page, 200 unless told otherwise
  {"do": "huge", "bytes"}                           201 with a JSON string of that length
  {"do": "delay", "ms"}                             the normal answer, late
  {"do": "drip", "ms", "bytes"?}                    the normal answer, this many bytes (1) at a time with a pause between
  {"do": "cut", "at": "before-headers" | "after-headers", "reset"?}   the connection ends there; reset: with an RST
  {"do": "truncate", "bytes"?}                      the normal answer's headers, half of its body, the end
  {"do": "skew", "seconds"}                         the service's clock is off: in checks, Date, expiration
  {"do": "lifetime", "seconds"}                     credentials that live this long, may be negative
"""

import threading

from . import answer

_KNOWN = {
    "normal": set(),
    "status": {"status"},
    "denied": set(),
    "redirect": {"location"},
    "body": {"body"},
    "not-json": set(),
    "empty-credential-set": set(),
    "html": set(),
    "huge": {"bytes"},
    "delay": {"ms"},
    "drip": {"ms"},
    "cut": {"at"},
    "truncate": set(),
    "skew": {"seconds"},
    "lifetime": {"seconds"},
}
_CODES = {429: "ThrottlingException", 500: "InternalServerException", 503: "ServiceUnavailableException"}


class Queue:
    def __init__(self):
        self._lock = threading.Lock()
        self._waiting = []

    def add(self, behaviors, instead=False):
        """Raises ValueError for an unknown one: a test must not wait for something that never happens.

        instead: of what waits, so that no request comes in between.
        """
        for behavior in behaviors:
            if not isinstance(behavior, dict) or behavior.get("do") not in _KNOWN:
                raise ValueError(f"no behavior: {behavior!r}")
            if missing := _KNOWN[behavior["do"]] - set(behavior):
                raise ValueError(f"{behavior!r} lacks {sorted(missing)}")
        with self._lock:
            if instead:
                self._waiting.clear()
            self._waiting += [[behavior, behavior.get("times", 1)] for behavior in behaviors]

    def take(self):
        with self._lock:
            if not self._waiting:
                return None
            first = self._waiting[0]
            if first[1] == 1:
                self._waiting.pop(0)
            elif first[1] > 1:
                first[1] -= 1
            return first[0]

    def clear(self):
        with self._lock:
            self._waiting.clear()

    def waiting(self):
        with self._lock:
            return [behavior for behavior, _ in self._waiting]


def instead(behavior):
    """The answer to give in place of the service's own, or None."""
    match (behavior or {}).get("do"):
        case "status":
            status = behavior["status"]
            code = behavior.get("code", _CODES.get(status, "InternalServerException"))
            message = behavior.get("message", "Please try again later.")
            return answer.error(status, code, message, behavior.get("headers"))
        case "denied":
            code = behavior.get("code", "AccessDeniedException")
            return answer.error(403, code, behavior.get("message", "Unable to assume role."))
        case "redirect":
            return answer.Answer(302, b"", {"Location": behavior["location"]})
        case "body":
            kind = behavior.get("content_type", "application/json")
            return answer.Answer(behavior.get("status", 201), behavior["body"].encode(), {"Content-Type": kind})
        case "not-json":
            return answer.Answer(201, b'{"credentialSet":[{"credentials":', {"Content-Type": "application/json"})
        case "empty-credential-set":
            return answer.json_answer(201, {"credentialSet": [], "subjectArn": None})
        case "html":
            page = b"<!DOCTYPE html><html><title>Blocked</title><body>Sign in to the guest network.</body></html>"
            return answer.Answer(behavior.get("status", 200), page, {"Content-Type": "text/html"})
        case "huge":
            return answer.json_answer(201, "x" * behavior["bytes"])
    return None
