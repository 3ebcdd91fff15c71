"""Judges a CreateSession request by what arrived, and shares nothing with the program under test."""

import json
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qsl

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from . import certificates
from .canonical import canonical_request, string_to_sign
from .refusal import Refusal, denied, invalid

CLOCK_TOLERANCE = timedelta(minutes=5)
ALWAYS_SIGNED = ("content-type", "host", "x-amz-date", "x-amz-x509")
ARNS = {
    "profileArn": r"arn:aws[a-z-]*:rolesanywhere:([a-z0-9-]+):\d{12}:profile/[0-9a-f-]{36}",
    "roleArn": r"arn:aws[a-z-]*:iam:():\d{12}:role/[\w+=,.@/-]+",
    "trustAnchorArn": r"arn:aws[a-z-]*:rolesanywhere:([a-z0-9-]+):\d{12}:trust-anchor/[0-9a-f-]{36}",
}
_OTHER_MEMBERS = {"durationSeconds", "roleSessionName", "instanceProperties"}
_AUTHORIZATION = re.compile(
    r"(?P<algorithm>AWS4-X509-(?:RSA|ECDSA)-SHA256) "
    r"Credential=(?P<serial>-?\d+)/(?P<scope>(?P<day>\d{8})/(?P<region>[a-z0-9-]+)/rolesanywhere/aws4_request), "
    r"SignedHeaders=(?P<signed_headers>[a-z0-9-]+(?:;[a-z0-9-]+)*), "
    r"Signature=(?P<signature>(?:[0-9a-f]{2})+)"
)


@dataclass
class Request:
    """A request as it arrived: `headers` by lower-case name, `query` not decoded, `body` as bytes."""

    method: str
    path: str
    query: str
    headers: dict
    body: bytes


@dataclass
class Session:
    """What a request asked for, filled in as far as it was understood."""

    parameters: dict = field(default_factory=dict)
    leaf: object = None
    chain: list = field(default_factory=list)
    algorithm: str = None
    serial: str = None
    scope: str = None
    region: str = None
    signed_headers: list = field(default_factory=list)
    canonical_request: str = None
    string_to_sign: str = None


def verify(request, anchors, now, session=None):
    """Fills and returns a Session, or raises a Refusal; a session that was passed in then shows how far the checks got."""
    session = session if session is not None else Session()
    if request.path != "/sessions":
        raise Refusal(404, "UnknownOperationException", "", f"the path is {request.path!r}, not /sessions")
    if request.method != "POST":
        raise Refusal(405, "UnknownOperationException", "", f"the method is {request.method}, not POST")
    _check_headers(request.headers)
    _read_authorization(request.headers["authorization"], session)
    _check_date(request.headers["x-amz-date"], session, now)
    session.leaf = certificates.read_leaf(request.headers["x-amz-x509"])
    session.chain = certificates.read_chain(request.headers.get("x-amz-x509-chain"))
    if session.serial != str(session.leaf.serial_number):
        detail = f"Credential names serial {session.serial}, the certificate has {session.leaf.serial_number}"
        raise denied("Invalid signature", detail)
    _check_signed_headers(request.headers, session.signed_headers)
    _check_signature(request, session)
    certificates.check_leaf(session.leaf, now)
    certificates.check_path(session.leaf, session.chain, anchors, now)
    _read_parameters(request, session)
    return session


def _check_headers(headers):
    for name in (*ALWAYS_SIGNED, "authorization"):
        if name not in headers:
            raise denied("Missing Authentication Token", f"there is no header {name}")
    if headers["content-type"] != "application/json":
        raise invalid("Unsupported content type", f"Content-Type is {headers['content-type']!r}, not application/json")


def _read_authorization(header, session):
    match = _AUTHORIZATION.fullmatch(header)
    if not match:
        raise denied("Invalid Authorization header", f"Authorization is not in the form of AWS4-X509: {header!r}")
    session.algorithm = match["algorithm"]
    session.serial = match["serial"]
    session.scope = match["scope"]
    session.region = match["region"]
    session.signed_headers = match["signed_headers"].split(";")


def _check_date(date, session, now):
    try:
        at = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
    except ValueError:
        raise denied("Invalid date", f"X-Amz-Date is {date!r}") from None
    if session.scope[:8] != date[:8]:
        raise denied("Invalid credential scope", f"the scope is of {session.scope[:8]}, X-Amz-Date is {date}")
    first, last = now - CLOCK_TOLERANCE, now + CLOCK_TOLERANCE
    if at < first:
        raise denied(f"Signature expired: {date} is now earlier than {_stamp(first)} ({_stamp(now)} - 5 min.)")
    if at > last:
        raise denied(f"Signature not yet current: {date} is still later than {_stamp(last)} ({_stamp(now)} + 5 min.)")


def _check_signed_headers(headers, signed):
    if signed != sorted(set(signed)):
        raise denied("Invalid signature", f"SignedHeaders are not sorted, or repeated: {signed}")
    for name in signed:
        if name not in headers:
            raise denied("Invalid signature", f"SignedHeaders names {name}, which was not sent")
    must = {*ALWAYS_SIGNED, *(name for name in headers if name.startswith("x-amz-"))}
    if missing := sorted(must - set(signed)):
        raise denied("Invalid signature", f"SignedHeaders lacks {', '.join(missing)}")


def _check_signature(request, session):
    session.canonical_request = canonical_request(
        request.method, request.path, request.query, request.headers, session.signed_headers, request.body
    )
    session.string_to_sign = string_to_sign(
        session.algorithm, request.headers["x-amz-date"], session.scope, session.canonical_request
    )
    signature = bytes.fromhex(request.headers["authorization"].rpartition("=")[2])
    if not _is_signed(session.leaf.public_key(), session.algorithm, signature, session.string_to_sign.encode()):
        raise denied("Invalid signature", "the signature is not the certificate's key over the string to sign")


def _is_signed(key, algorithm, signature, message):
    try:
        if isinstance(key, rsa.RSAPublicKey) and algorithm == "AWS4-X509-RSA-SHA256":
            key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
        elif isinstance(key, ec.EllipticCurvePublicKey) and algorithm == "AWS4-X509-ECDSA-SHA256":
            key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
        else:
            return False
    except InvalidSignature:
        return False
    return True


def _read_parameters(request, session):
    """The service takes the ARNs in the body or in the query."""
    try:
        body = json.loads(request.body)
    except ValueError as error:
        raise invalid("Invalid request body", f"the body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise invalid("Invalid request body", "the body is not a JSON object")
    if unknown := sorted(set(body) - set(ARNS) - _OTHER_MEMBERS):
        raise invalid("Invalid request body", f"the body has members that CreateSession does not know: {unknown}")
    parameters = {"durationSeconds": 3600, **_query_arns(request.query), **body}
    for name, pattern in ARNS.items():
        value = parameters.get(name)
        match = re.fullmatch(pattern, value) if isinstance(value, str) else None
        if not match:
            raise invalid(f"Invalid {name}", f"{name} is {value!r}")
        if match[1] and match[1] != session.region:
            detail = f"the scope's region is {session.region}, {name} is of {match[1]}"
            raise denied("Credential should be scoped to a valid region.", detail)
    duration = parameters["durationSeconds"]
    if type(duration) is not int or not 900 <= duration <= 43200:
        raise invalid("Invalid durationSeconds: between 900 and 43200", f"durationSeconds is {duration!r}")
    name = parameters.get("roleSessionName")
    if name is not None and not (isinstance(name, str) and re.fullmatch(r"[\w+=,.@-]{2,64}", name, re.ASCII)):
        raise invalid("Invalid roleSessionName", f"roleSessionName is {name!r}")
    session.parameters = parameters


def _query_arns(query):
    return {name: value for name, value in parse_qsl(query) if name in ARNS}


def _stamp(at):
    return at.strftime("%Y%m%dT%H%M%SZ")
