"""X.509 certificates made for a test: an authority, and what it signs, as the PEM files that programs of DICOM take."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


@dataclass(frozen=True)
class Certificate:
    """A certificate with its key, in two files."""

    own: x509.Certificate
    secret: ec.EllipticCurvePrivateKey
    pem: Path
    key: Path

    @property
    def der(self) -> bytes:
        """As it goes over the wire."""
        return self.own.public_bytes(Encoding.DER)

    @property
    def fingerprint(self) -> str:
        """SHA-256, as `openssl x509 -fingerprint` prints it."""
        return sha256(self.der).hexdigest().upper()


def certificate(folder: Path, name: str, *, issuer: Certificate | None = None, authority: bool = False) -> Certificate:
    """One of this common name, signed by its issuer, or by itself."""
    folder.mkdir(exist_ok=True)
    secret = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name.from_rfc4514_string(f"CN={name},O=Test")
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(issuer.own.subject if issuer else subject, subject, secret.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .sign(issuer.secret if issuer else secret, hashes.SHA256())
    )
    pem, key = folder / f"{name}.pem", folder / f"{name}.key"
    pem.write_bytes(made.public_bytes(Encoding.PEM))
    key.write_bytes(secret.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
    return Certificate(made, secret, pem, key)
