"""TLS 1.2 and 1.3 as BCP 195 has it (RFC 9325, PS3.15 B.9 and B.12), on sockets that one thread reads while another writes."""

import select
import ssl
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self, TypeVar

from mappings import certificate
from mappings.failures import Invalid

T = TypeVar("T")
_RECORD = 1 << 14  # bytes of a TLS record's plaintext at most (RFC 8446 section 5.1)
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"  # of TLS 1.2 (RFC 9325 section 4.2); those of 1.3 are all good


class TlsSocket(ssl.SSLSocket):
    """A connection whose reader and writer never hold each other up, though OpenSSL lets only one of them in at a time.

    Once it is to `share`, what waits does so outside of OpenSSL, for `settimeout` seconds at most, and then raises TimeoutError.
    """

    _sslobj: Any
    _lock: threading.Lock
    _came: bytearray
    _ended = False
    _shared = False
    _patience: float | None = None

    def __new__(cls, *given: Any, **named: Any) -> Self:
        """Its parent is not made by `__init__`."""
        made = super().__new__(cls, *given, **named)
        made._lock, made._came = threading.Lock(), bytearray()
        return made

    def share(self) -> None:
        """From now on one thread may read while another writes."""
        self._patience, self._shared = self.gettimeout(), True
        super().settimeout(0)

    def settimeout(self, value: float | None, /) -> None:
        """How many seconds a call may wait; None: any."""
        if self._shared:
            self._patience = value
        else:
            super().settimeout(value)

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT002 - as its parent's
        """As its parent's. Raises OSError too where the peer is not the one who was meant."""
        super().do_handshake(block)
        if isinstance(self.context, _Context) and not self.context.is_meant(self.getpeercert(binary_form=True)):
            raise ssl.SSLError("The certificate is another's.")

    def greet(self) -> bool:
        """Go on with the handshake as far as the peer has; whether it is done. Raises OSError where it failed."""
        try:
            self.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def gather(self, count: int) -> bytes:
        """What is still to be read, so many bytes of it at most, as far as it has come. Raises OSError."""
        while len(self._came) < count and not self._ended and self._fill(time.monotonic()):
            continue
        return bytes(self._came[:count])

    def has_come(self, seconds: float | None) -> bool:
        """Whether something is to be read, or the end, so many seconds from now at the latest. Raises OSError."""
        return bool(self._came) or self._ended or self._fill(_moment(seconds))

    def _fill(self, until: float | None) -> bool:
        """Take what one record holds, or the end; False where it does not come by this moment."""
        try:
            got = self._apply(lambda: self.read(_RECORD), until)
        except TimeoutError:
            return False
        self._came += got
        self._ended = not got
        return True

    @property
    def has_ended(self) -> bool:
        """Whether all that will ever come has come."""
        return self._ended

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        """The next bytes, 0 at the end."""
        if not self._shared:
            return super().recv_into(buffer, nbytes, flags)
        with memoryview(buffer) as view:
            most = nbytes or len(view)
            if most and not self.has_come(self._patience):
                raise TimeoutError("nothing came")
            count = min(most, len(self._came))
            view[:count] = self._came[:count]
            del self._came[:count]
        return count

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """The same, as bytes."""
        if not self._shared:
            return super().recv(buflen, flags)
        received = bytearray(buflen)
        return bytes(received[: self.recv_into(received, buflen, flags)])

    def send(self, data: Any, flags: int = 0) -> int:  # noqa: ARG002 - as its parent's
        """Send some of this; how many bytes. Raises OSError."""
        return self._apply(lambda: self._write(data), _moment(self._patience))

    def sendall(self, data: Any, flags: int = 0) -> None:  # noqa: ARG002 - as its parent's
        """Send all of this. Raises OSError."""
        with memoryview(data) as view, view.cast("B") as rest:
            sent = 0
            while sent < len(rest):
                sent += self.send(rest[sent:])

    def _write(self, data: Any) -> int:
        """Its parent would send in the clear what comes after `shutdown`."""
        if self._sslobj is None:
            raise ConnectionResetError("the connection is over")
        return super().send(data)

    def shutdown(self, how: int, /) -> None:
        """As its parent's, but nobody writes meanwhile."""
        with self._lock:
            super().shutdown(how)

    def _apply(self, attempt: Callable[[], T], until: float | None) -> T:
        """Do this when OpenSSL can. Raises OSError, TimeoutError past this moment."""
        while True:
            try:
                with self._lock:
                    return attempt()
            except ssl.SSLWantReadError:
                wanted = select.POLLIN
            except ssl.SSLWantWriteError:
                wanted = select.POLLOUT
            except ValueError:  # another thread shut it down
                raise ConnectionResetError("the connection is over") from None
            self._wait(wanted, until)

    def _wait(self, wanted: int, until: float | None) -> None:
        waiting = select.poll()
        waiting.register(self, wanted)
        if not waiting.poll(None if until is None else 1000 * max(0.0, until - time.monotonic())):
            raise TimeoutError("TLS peer too slow")


def _moment(seconds: float | None) -> float | None:
    return None if seconds is None else time.monotonic() + seconds


class _Context(ssl.SSLContext):
    is_meant: Callable[[bytes | None], bool] = staticmethod(lambda _certificate: True)


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files: our certificate with its chain, its key (the same file, maybe), and the authorities whose certificates count."""

    chain: Path
    key: Path
    authorities: Path | None

    def namer(self) -> Callable[[bytes | None], frozenset[str]]:
        """What says how a verified certificate (DER) is called, by the authorities of now; nothing where none was shown."""
        try:
            trusted = () if self.authorities is None else certificate.read_authorities(self.authorities.read_bytes())
        except (OSError, ValueError):
            raise _unusable() from None
        return lambda shown: frozenset() if shown is None else certificate.names(shown, trusted)

    def accepting(self) -> ssl.SSLContext:
        """For those who call: where there are authorities, who shows a certificate is held to them. Raises Invalid."""
        context = self._context(ssl.PROTOCOL_TLS_SERVER)
        context.verify_mode = ssl.CERT_OPTIONAL if self.authorities else ssl.CERT_NONE
        return context

    def asking(self, names: Collection[str]) -> ssl.SSLContext:
        """For one whom we call, who must show a certificate that is called so, whatever its address. Raises Invalid."""
        context = self._context(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        called = self.namer()
        context.is_meant = lambda shown: not called(shown).isdisjoint(names)
        return context

    def _context(self, protocol: int) -> _Context:
        context = _Context(protocol)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
        context.set_ciphers(_CIPHERS)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a device's own certificate may be its authority
        context.sslsocket_class = TlsSocket
        try:
            context.load_cert_chain(self.chain, self.key)
            if self.authorities:
                context.load_verify_locations(self.authorities)
        except (OSError, ValueError):
            raise _unusable() from None
        return context

    def ends(self) -> datetime:
        """Until when our certificate is good. Raises Invalid."""
        try:
            return certificate.read_authorities(self.chain.read_bytes())[0].not_valid_after_utc
        except (OSError, ValueError):
            raise _unusable() from None


def _unusable() -> Invalid:
    return Invalid("tls-files", "Of ACCORD_DIMSE_TLS_*, a file can't be read, is no PEM, or is another's key.")
