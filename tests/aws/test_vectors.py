"""The server's own judgement, checked against vectors that it did not make."""

import base64
import dataclasses
import json
import unittest
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509

from roles_anywhere import canonical
from roles_anywhere.refusal import Refusal
from roles_anywhere.verify import Request, verify

DOCUMENT = json.loads((Path(__file__).parent.parent / "samples/roles-anywhere.json").read_text())
VECTORS = DOCUMENT["vectors"]
AT = datetime(2026, 3, 1, 1, 2, 3, tzinfo=timezone.utc)


class Vectors(unittest.TestCase):
    def test_canonical_request_and_string_to_sign_are_the_vectors(self):
        for vector in VECTORS:
            with self.subTest(vector["label"]):
                request = request_of(vector)
                signed = vector["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
                made = canonical.canonical_request(
                    request.method, request.path, request.query, request.headers, signed, request.body
                )
                self.assertEqual(made, vector["canonical_request"])
                algorithm = vector["authorization"].split(" ")[0]
                scope = vector["authorization"].split("/", 1)[1].split(",")[0]
                made = canonical.string_to_sign(algorithm, request.headers["x-amz-date"], scope, made)
                self.assertEqual(made, vector["string_to_sign"])

    def test_every_vector_is_accepted_on_its_day(self):
        for vector in VECTORS:
            with self.subTest(vector["label"]):
                session = verify(request_of(vector), ANCHORS, AT)
                self.assertEqual(session.serial, DOCUMENT["certs"][vector["key"]]["serial_decimal"])
                self.assertEqual(session.region, vector["region"])
                self.assertEqual(session.string_to_sign, vector["string_to_sign"])

    def test_a_changed_byte_is_refused_wherever_it_is(self):
        for vector in VECTORS:
            request = request_of(vector)
            for name in ("content-type", "host", "x-amz-date", "authorization", "x-amz-x509"):
                value = request.headers[name]
                for place in (0, len(value) // 2, len(value) - 1):
                    other = "1" if value[place] != "1" else "2"
                    changed = value[:place] + other + value[place + 1 :]
                    with self.subTest(vector["label"], header=name, place=place):
                        self.refused(changed_request(request, **{name: changed}))
            with self.subTest(vector["label"], part="body"):
                self.refused(dataclasses.replace(request, body=request.body.replace(b"3600", b"3601")))
            with self.subTest(vector["label"], part="query"):
                self.refused(dataclasses.replace(request, query=request.query + "&a=b"))

    def test_the_clock_may_be_off_by_five_minutes_and_no_more(self):
        request = request_of(VECTORS[0])
        for seconds in (-300, 0, 300):
            verify(request, ANCHORS, AT + timedelta(seconds=seconds))
        self.refused(request, AT + timedelta(seconds=301), "Signature expired")
        self.refused(request, AT - timedelta(seconds=301), "Signature not yet current")

    def test_a_chain_must_lead_to_the_trust_anchor_in_order(self):
        request = request_of(next(vector for vector in VECTORS if "x-amz-x509-chain" not in vector["headers"]))
        verify(request, [chain("int2")], AT)
        for anchors in ([chain("int1")], [chain("root")]):
            self.refused(request, AT, "Insufficient certificate", anchors)
        request = request_of(next(vector for vector in VECTORS if "x-amz-x509-chain" in vector["headers"]))
        verify(request, [chain("int1")], AT)
        self.refused(request, AT, "Insufficient certificate", [chain("root")])

    def test_a_region_that_is_not_the_arns_is_refused(self):
        vector = next(vector for vector in VECTORS if "rsa" in vector["key"])
        request = request_of(vector)
        fips = request.headers["authorization"].replace(f"/{vector['region']}/", f"/{vector['region']}-fips/")
        self.refused(changed_request(request, authorization=fips))

    def refused(self, request, at=AT, message="", anchors=None):
        with self.assertRaises(Refusal) as caught:
            verify(request, anchors or ANCHORS, at)
        self.assertIn(message, caught.exception.message)


def request_of(vector):
    url = urlsplit(vector["url"])
    headers = {**vector["headers"], "authorization": vector["authorization"]}
    return Request("POST", url.path, url.query, headers, vector["body"].encode())


def changed_request(request, **headers):
    return dataclasses.replace(request, headers=request.headers | {n.replace("_", "-"): v for n, v in headers.items()})


def chain(name):
    return x509.load_der_x509_certificate(base64.b64decode(DOCUMENT["chain"][name]))


ANCHORS = [chain("int1"), chain("int2")]

if __name__ == "__main__":
    unittest.main()
