"""What a peer's X.509 certificate is called where somebody is bound to one: by its fingerprint, or by its subject and issuer.

A name is the SHA-256 fingerprint in 64 hexadecimal digits; of a subject, its authority's fingerprint, a blank, and the
subject as RFC 4514 writes it. Several of one peer stand in lines.
"""

import re
from collections.abc import Iterable
from hashlib import sha256

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from mappings.failures import Invalid

MOST_NAMES = 8
"""Names that one peer may be bound to: a certificate and those that follow it."""
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


def read_authorities(pem: bytes) -> tuple[x509.Certificate, ...]:
    """The certificates of a file. Raises ValueError."""
    return tuple(x509.load_pem_x509_certificates(pem))


def names(certificate: bytes, authorities: Iterable[x509.Certificate]) -> frozenset[str]:
    """Every name of a certificate (DER) that was verified: its fingerprint, and its subject under each that issued it."""
    own = sha256(certificate).hexdigest()
    try:
        read = x509.load_der_x509_certificate(certificate)
        subject = read.subject.rfc4514_string()
    except ValueError:  # OpenSSL takes more than this reader
        return frozenset({own})
    issuers = (_fingerprint(authority) for authority in authorities if _is_issued(read, authority))
    return frozenset({own, *(f"{issuer} {subject}" for issuer in issuers)})


def _fingerprint(certificate: x509.Certificate) -> str:
    return sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def _is_issued(certificate: x509.Certificate, by: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(by)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def read_names(fingerprints: Iterable[str], subject: str | None = None, authority: str | None = None) -> tuple[str, ...]:
    """The names that an operator says: fingerprints as `openssl x509 -fingerprint -sha256` prints them, or a subject.

    Raises Invalid, for a subject without its authority too: it is whoever's that some authority once signed.
    """
    said = [_read_fingerprint(text) for text in dict.fromkeys(fingerprints)]
    if (subject is None) != (authority is None):
        raise Invalid("certificate-subject", "A subject is named with the fingerprint of the authority that signs it.", "subject")
    if subject is not None and authority is not None:
        said.append(f"{_read_fingerprint(authority)} {_read_subject(subject)}")
    if len(said) > MOST_NAMES:
        raise Invalid("certificate-many", f"A peer is bound to {MOST_NAMES} certificates at most.", "certificate")
    return tuple(said)


def _read_fingerprint(text: str) -> str:
    plain = text.rpartition("=")[2].replace(":", "").strip().lower()
    if not _FINGERPRINT.fullmatch(plain):
        raise Invalid("certificate-fingerprint", "A certificate is named by its SHA-256 fingerprint, 64 digits.", "certificate")
    return plain


def _read_subject(text: str) -> str:
    try:
        return x509.Name.from_rfc4514_string(text).rfc4514_string()
    except ValueError:
        raise Invalid(
            "certificate-subject", "A subject is written as RFC 4514 says, such as CN=pacs,O=Hospital.", "subject"
        ) from None
