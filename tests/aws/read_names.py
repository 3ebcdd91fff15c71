"""What Python's cryptography reads in a certificate or a request (PEM), as JSON: read_names.py FILE.pem"""

import json
import sys
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ObjectIdentifier

USER_PRINCIPAL_NAME = ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")


def main():
    pem = Path(sys.argv[1]).read_bytes()
    if b"REQUEST" in pem:
        found = x509.load_pem_x509_csr(pem)
        if not found.is_signature_valid:
            sys.exit("the signature is not valid")
    else:
        found = x509.load_pem_x509_certificate(pem)
    names = extension(found, x509.SubjectAlternativeName)
    subject_key = extension(found, x509.SubjectKeyIdentifier)
    authority_key = extension(found, x509.AuthorityKeyIdentifier)
    print(
        json.dumps(
            {
                "subject": found.subject.rfc4514_string(),
                "names": [text(name) for name in names.value] if names else [],
                "names_are_critical": names.critical if names else None,
                "subject_key": subject_key.value.digest.hex() if subject_key else None,
                "authority_key": authority_key.value.key_identifier.hex() if authority_key else None,
            }
        )
    )


def extension(found, kind):
    try:
        return found.extensions.get_extension_for_class(kind)
    except x509.ExtensionNotFound:
        return None


def text(name):
    if isinstance(name, x509.OtherName) and name.type_id == USER_PRINCIPAL_NAME:
        # A UTF8String shorter than 128 bytes.
        assert name.value[0] == 0x0C and name.value[1] == len(name.value) - 2
        return f"upn:{name.value[2:].decode()}"
    return f"{type(name).__name__}:{name.value}"


if __name__ == "__main__":
    main()
