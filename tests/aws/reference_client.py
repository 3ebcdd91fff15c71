"""A client of Roles Anywhere with a key in a file: proves the test server, and shares no code with it.

Prints what `credential_process` expects. With --tamper it sends what the server must refuse; the server's answer then
goes to stderr, and the exit code is 1.
"""

import argparse
import base64
import hashlib
import http.client
import json
import ssl
import sys
from datetime import datetime, timedelta, timezone
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

TAMPERS = (
    "signature", "stale-date", "future-date", "date-after-signing", "content-type", "extra-header", "host", "body",
    "query", "serial", "region", "duration", "chain-unsigned", "unsorted", "upper-case", "no-role",
)


def main():
    options = read_options()
    status, headers, body = create_session(options)
    if status != 201:
        code = headers.get("X-Amzn-ErrorType", "").partition(":")[0]
        print(f"{status} {code}: {json.loads(body).get('message') if body else ''}", file=sys.stderr)
        sys.exit(1)
    credentials = json.loads(body)["credentialSet"][0]["credentials"]
    document = {"Version": 1} | {name[0].upper() + name[1:]: value for name, value in credentials.items()}
    print(json.dumps(document))


def read_options():
    parser = argparse.ArgumentParser()
    for name in ("endpoint", "certificate", "private-key", "role-arn", "profile-arn", "trust-anchor-arn"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--ca-bundle")
    parser.add_argument("--proxy")
    parser.add_argument("--intermediates")
    parser.add_argument("--session-duration", type=int, default=3600)
    parser.add_argument("--tamper", choices=TAMPERS)
    return parser.parse_args()


def create_session(options):
    url, tamper = urlsplit(options.endpoint), options.tamper
    certificate = x509.load_pem_x509_certificate(open(options.certificate, "rb").read())
    body = {
        "durationSeconds": 60 if tamper == "duration" else options.session_duration,
        "profileArn": options.profile_arn,
        "roleArn": options.role_arn,
        "trustAnchorArn": options.trust_anchor_arn,
    }
    if tamper == "no-role":
        del body["roleArn"]
    body = json.dumps(body).encode()
    shift = {"stale-date": -600, "future-date": 600}.get(tamper, 0)
    date = (datetime.now(timezone.utc) + timedelta(seconds=shift)).strftime("%Y%m%dT%H%M%SZ")
    headers = {
        "content-type": "application/json",
        "host": url.netloc,
        "x-amz-date": date,
        "x-amz-x509": _base64(certificate),
    }
    if options.intermediates and tamper != "chain-unsigned":
        headers["x-amz-x509-chain"] = _chain(options)
    headers["authorization"] = signed(options, certificate, headers, body)
    headers, body, path = tampered(options, headers, body)
    if url.scheme == "https":
        context = ssl.create_default_context(cafile=options.ca_bundle)
        first = urlsplit(options.proxy) if options.proxy else url
        connection = http.client.HTTPSConnection(first.hostname, first.port, context=context, timeout=30)
        if options.proxy:
            authorization = {"Proxy-Authorization": f"Basic {first.username}"} if first.username else {}
            connection.set_tunnel(url.hostname, url.port, authorization)
    else:
        connection = http.client.HTTPConnection(url.hostname, url.port, timeout=30)
    connection.request("POST", path, body, headers)
    try:
        response = connection.getresponse()
    except ConnectionResetError as error:
        # After an RST, Python 3.11 reports the end of the connection over TLS, RemoteDisconnected, and 3.13
        # the reset.
        sys.exit(f"no answer: {error!r}")
    return response.status, response.headers, response.read()


def signed(options, certificate, headers, body):
    key = serialization.load_pem_private_key(open(options.private_key, "rb").read(), None)
    algorithm = f"AWS4-X509-{'RSA' if isinstance(key, rsa.RSAPrivateKey) else 'ECDSA'}-SHA256"
    region = options.trust_anchor_arn.split(":")[3] + ("-fips" if options.tamper == "region" else "")
    names = list(headers)
    if options.tamper == "unsorted":
        names.reverse()
    canonical = "POST\n/sessions\n\n"
    canonical += "".join(f"{name}:{headers[name]}\n" for name in names)
    canonical += f"\n{';'.join(names)}\n{hashlib.sha256(body).hexdigest()}"
    scope = f"{headers['x-amz-date'][:8]}/{region}/rolesanywhere/aws4_request"
    message = f"{algorithm}\n{headers['x-amz-date']}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(message.encode(), padding.PKCS1v15(), hashes.SHA256())
    else:
        signature = key.sign(message.encode(), ec.ECDSA(hashes.SHA256()))
    signature = signature.hex()
    if options.tamper == "signature":
        signature = signature[:-1] + ("0" if signature[-1] != "0" else "1")
    if options.tamper == "upper-case":
        signature = signature.upper()
    serial = certificate.serial_number + (options.tamper == "serial")
    return f"{algorithm} Credential={serial}/{scope}, SignedHeaders={';'.join(names)}, Signature={signature}"


def tampered(options, headers, body):
    """What goes out, changed after it was signed."""
    path = "/sessions"
    match options.tamper:
        case "date-after-signing":
            second = "59" if headers["x-amz-date"][13:15] != "59" else "58"
            headers["x-amz-date"] = headers["x-amz-date"][:13] + second + "Z"
        case "content-type":
            headers["content-type"] = "text/plain"
        case "extra-header":
            headers["x-amz-security-token"] = "token"
        case "host":
            headers["host"] = "rolesanywhere.us-east-1.amazonaws.com"
        case "body":
            body = body.replace(b"3600", b"3601")
        case "query":
            path += "?a=b"
        case "chain-unsigned":
            headers["x-amz-x509-chain"] = _chain(options)
    return headers, body, path


def _chain(options):
    chain = x509.load_pem_x509_certificates(open(options.intermediates, "rb").read())
    return ",".join(_base64(one) for one in chain)


def _base64(certificate):
    return base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()


if __name__ == "__main__":
    main()
