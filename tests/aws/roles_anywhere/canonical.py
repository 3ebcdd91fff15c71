"""What AWS4-X509 signs: the canonical request and the string to sign, made from a request as it arrived."""

import hashlib
import re
from urllib.parse import unquote_to_bytes

_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def canonical_request(method, path, query, headers, signed_headers, body):
    """`headers` maps lower-case names to values, `signed_headers` lists names, `body` is bytes."""
    lines = [method, path, canonical_query(query)]
    lines += [f"{name}:{_trimmed(headers[name])}" for name in signed_headers]
    lines += ["", ";".join(signed_headers), hashlib.sha256(body).hexdigest()]
    return "\n".join(lines)


def string_to_sign(algorithm, date, scope, canonical):
    return "\n".join([algorithm, date, scope, hashlib.sha256(canonical.encode()).hexdigest()])


def canonical_query(query):
    """Each name and value decoded and encoded again, so that different encodings of the same text do not matter."""
    if not query:
        return ""
    pairs = [part.partition("=")[::2] for part in query.split("&")]
    return "&".join(f"{name}={value}" for name, value in sorted((_encoded(n), _encoded(v)) for n, v in pairs))


def _encoded(text):
    return "".join(chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in unquote_to_bytes(text))


def _trimmed(value):
    return re.sub(r" +", " ", value.strip())
