"""Whether a certificate and its chain are what Roles Anywhere requires, up to a trust anchor."""

import base64
import binascii

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtensionOID

from .refusal import denied

LONGEST_CHAIN = 5
_UNTRUSTED = "Untrusted certificate. Insufficient certificate"
_STRONG = {"sha256", "sha384", "sha512"}


def read_leaf(header):
    return _read(header, "X-Amz-X509")


def read_chain(header):
    if header is None:
        return []
    chain = [_read(one, "X-Amz-X509-Chain") for one in header.split(",")]
    if len(chain) > LONGEST_CHAIN:
        raise denied(_UNTRUSTED, f"X-Amz-X509-Chain holds {len(chain)} certificates, {LONGEST_CHAIN} at most")
    return chain


def read_anchors(pem):
    return x509.load_pem_x509_certificates(pem)


def check_leaf(leaf, now):
    """The requirements for an end-entity certificate, apart from who issued it."""
    if leaf.version != x509.Version.v3:
        raise denied(_UNTRUSTED, "the certificate is not X.509v3")
    if not list(leaf.subject):
        raise denied(_UNTRUSTED, "the certificate's subject is empty")
    constraints = _extension(leaf, ExtensionOID.BASIC_CONSTRAINTS)
    if constraints is not None and constraints.ca:
        raise denied(_UNTRUSTED, "the certificate is a CA's (basicConstraints CA:TRUE)")
    usage = _extension(leaf, ExtensionOID.KEY_USAGE)
    if usage is None or not usage.digital_signature:
        raise denied(_UNTRUSTED, "the certificate's keyUsage lacks digitalSignature")
    if not isinstance(leaf.public_key(), (rsa.RSAPublicKey, ec.EllipticCurvePublicKey)):
        raise denied(_UNTRUSTED, "the certificate's key is neither RSA nor EC")
    _check_strength(leaf)
    _check_validity(leaf, now)


def check_path(leaf, chain, anchors, now):
    """`chain` goes from the leaf's issuer upwards and ends at, or right below, a trust anchor."""
    if any(one == leaf for one in chain):
        raise denied(_UNTRUSTED, "X-Amz-X509-Chain holds the leaf itself")
    below = leaf
    for issuer in chain:
        _check_authority(issuer, now)
        if not _issued(below, issuer):
            raise denied(_UNTRUSTED, f"X-Amz-X509-Chain: {_name(issuer)} did not issue {_name(below)}")
        below = issuer
    if below is not leaf and below in anchors:
        return
    for anchor in anchors:
        if _issued(below, anchor):
            _check_validity(anchor, now)
            return
    raise denied(_UNTRUSTED, f"no trust anchor issued {_name(below)}, but {below.issuer.rfc4514_string()!r}")


def _read(text, header):
    try:
        return x509.load_der_x509_certificate(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError) as error:
        raise denied(_UNTRUSTED, f"{header} is not a certificate as base64 of DER: {error}") from error


def _check_authority(authority, now):
    constraints = _extension(authority, ExtensionOID.BASIC_CONSTRAINTS)
    if constraints is None or not constraints.ca:
        raise denied(_UNTRUSTED, f"X-Amz-X509-Chain: {_name(authority)} is not a CA")
    usage = _extension(authority, ExtensionOID.KEY_USAGE)
    if usage is not None and not usage.key_cert_sign:
        raise denied(_UNTRUSTED, f"X-Amz-X509-Chain: {_name(authority)} may not sign certificates")
    _check_strength(authority)
    _check_validity(authority, now)


def _check_strength(certificate):
    digest = certificate.signature_hash_algorithm
    if digest is None or digest.name not in _STRONG:
        name = digest.name if digest else "no digest"
        raise denied(_UNTRUSTED, f"{_name(certificate)} is signed with {name}, SHA-256 or stronger is required")


def _check_validity(certificate, now):
    if now < certificate.not_valid_before_utc:
        raise denied(_UNTRUSTED, f"{_name(certificate)} is not valid before {certificate.not_valid_before_utc}")
    if now > certificate.not_valid_after_utc:
        detail = f"{_name(certificate)} expired {certificate.not_valid_after_utc}"
        raise denied("Untrusted certificate. Expired certificate", detail)


def _issued(certificate, issuer):
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _extension(certificate, oid):
    try:
        return certificate.extensions.get_extension_for_oid(oid).value
    except x509.ExtensionNotFound:
        return None


def _name(certificate):
    return repr(certificate.subject.rfc4514_string())
