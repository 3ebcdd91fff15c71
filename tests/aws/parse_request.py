"""Reads a certificate request with Python's cryptography and prints its subject: parse_request.py CSR.pem"""

import sys
from pathlib import Path

from cryptography import x509

request = x509.load_pem_x509_csr(Path(sys.argv[1]).read_bytes())
if not request.is_signature_valid:
    sys.exit("the signature is not valid")
print(request.subject.rfc4514_string())
