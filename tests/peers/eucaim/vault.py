"""What Beam's broker asks of a Vault, and no more: an authority under a root, and one certificate for each proxy."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

REALM = "/v1/samply_pki"
NOW = datetime.now(UTC)


@dataclass(frozen=True)
class Signed:
    """A certificate of this common name, and its key."""

    name: str
    own: x509.Certificate
    key: rsa.RSAPrivateKey

    @property
    def pem(self) -> bytes:
        """The certificate."""
        return self.own.public_bytes(Encoding.PEM)

    @property
    def serial(self) -> str:
        """As Vault writes it: hexadecimal, by octets."""
        return self.own.serial_number.to_bytes(20, "big").lstrip(b"\0").hex(":")

    def write(self, path: Path) -> Path:
        """The key, as PKCS #1."""
        path.write_bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
        return path


def signed(name: str, issuer: Signed | None = None, *, authority: bool = False) -> Signed:
    """One of this common name, signed by its issuer or by itself."""
    key = rsa.generate_private_key(65537, 2048)
    subject = x509.Name.from_rfc4514_string(f"CN={name}")
    made = (
        x509.CertificateBuilder(issuer.own.subject if issuer else subject, subject, key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .sign(issuer.key if issuer else key, hashes.SHA256())
    )
    return Signed(name, made, key)


def revoked(issuer: Signed) -> bytes:
    """The list of what is revoked: nothing."""
    blank = x509.CertificateRevocationListBuilder(issuer.own.subject, NOW - timedelta(days=1), NOW + timedelta(days=1))
    return blank.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.DER)


@contextmanager
def vault(intermediate: Signed, proxies: list[Signed]) -> Iterator[str]:
    """Its address, until the block ends."""
    keys = {"keys": [each.serial for each in proxies]}
    listed = {"request_id": "1", "lease_id": "", "renewable": False, "lease_duration": 0, "data": keys}
    files = {
        "/v1/sys/health": b"{}",
        f"{REALM}/certs": json.dumps(listed).encode(),
        f"{REALM}/ca/pem": intermediate.pem,
        f"{REALM}/crl": revoked(intermediate),
        **{f"{REALM}/cert/{each.serial}/raw/pem": each.pem for each in proxies},
    }
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"files": files}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    files: dict[str, bytes]

    def do_GET(self) -> None:
        said = self.files.get(self.path)
        self.send_response(404 if said is None else 200)
        self.send_header("Content-Length", str(len(said or b"")))
        self.end_headers()
        self.wfile.write(said or b"")

    def do_LIST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""
