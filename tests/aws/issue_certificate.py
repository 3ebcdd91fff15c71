"""A client's or a CA's certificate with dates of any kind, which `openssl x509` cannot set: public key in, certificate out (PEM).

The extensions are those of tests/journeys/aws_authority.rs, where everything else is issued by openssl.
"""

import argparse
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


def main(arguments):
    parser = argparse.ArgumentParser()
    for name in ("--public-key", "--ca", "--ca-key", "--out"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--common-name", required=True)
    parser.add_argument("--of-a-ca", action="store_true")
    parser.add_argument("--from-days", type=float, required=True)
    parser.add_argument("--until-days", type=float, required=True)
    options = parser.parse_args(arguments)
    certificate = issue(options)
    options.out.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def issue(options):
    now = datetime.now(timezone.utc)
    ca = x509.load_pem_x509_certificate(options.ca.read_bytes())
    ca_key = serialization.load_pem_private_key(options.ca_key.read_bytes(), None)
    public_key = serialization.load_pem_public_key(options.public_key.read_bytes())
    of_ca = options.of_a_ca
    usage = x509.KeyUsage(True, False, False, False, False, of_ca, of_ca, False, False)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, options.common_name)]))
        .issuer_name(ca.subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=options.from_days))
        .not_valid_after(now + timedelta(days=options.until_days))
        .add_extension(x509.BasicConstraints(ca=of_ca, path_length=None), critical=of_ca)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(usage, critical=True)
    )
    if not of_ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    return builder.sign(ca_key, hashes.SHA256())


if __name__ == "__main__":
    main(sys.argv[1:])
