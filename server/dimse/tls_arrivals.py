"""Connections to the TLS port that have not asked for an association yet: none has a thread while it greets, or is silent."""

import contextlib
import socket
from dataclasses import dataclass
from typing import Any

from adapters.tls import TlsFiles, TlsSocket
from server.dimse.arrivals import HEAD_SIZE, Arrival, request_size, unread
from server.dimse.gathered import Gathering

REQUESTS_MB = 64
"""Megabytes of association requests that are held together while they come."""


class TlsPort:
    """What greets those who connect to the TLS port, by our certificate as it was when this began."""

    def __init__(self, files: TlsFiles) -> None:
        self._context, self._names = files.accepting(), files.namer()
        self._gathering = Gathering(REQUESTS_MB << 20)

    def greet(self, connection: socket.socket) -> Any:
        """The connection, which has not been read yet. Raises OSError where the peer is gone."""
        wrapped: Any = self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        wrapped.share()
        return wrapped

    def arrival(self, connection: Any, address: tuple[str, int], holder: str, until: float) -> "TlsArrival":
        """As `Arrival` is made."""
        return TlsArrival(connection, address, holder, until, self._gathering)

    def shown(self, connection: socket.socket) -> frozenset[str]:
        """What the certificate that was shown is called; nothing on the plain port."""
        return self._names(connection.getpeercert(binary_form=True)) if isinstance(connection, TlsSocket) else frozenset()


@dataclass(frozen=True, slots=True)
class TlsArrival(Arrival):
    """As its parent; what is decrypted can't be left to the kernel, so all that is held of requests together is bounded."""

    connection: TlsSocket
    gathering: Gathering

    def begin(self) -> socket.socket:
        """As its parent's, with the request that has come still to be read."""
        self.gathering.hold(self, 0)
        return Arrival.begin(self)

    def has_come(self) -> bool | None:
        """As its parent's, once the handshake is done. False for who does not greet as TLS has it."""
        try:
            if not self.connection.greet():
                return None
            head = self.connection.gather(HEAD_SIZE)
            if len(head) < HEAD_SIZE:
                return False if self.connection.has_ended else None
            whole = request_size(head)
            there = len(self.connection.gather(whole))
            if there < whole:
                return None if self.gathering.hold(self, there) and not self.connection.has_ended else False
        except OSError:
            return False
        return whole > 0

    def close(self) -> None:
        """As its parent's; what a plain client sent is read, or it would be reset before it reads why."""
        self.gathering.hold(self, 0)
        with contextlib.suppress(OSError):
            socket.socket.recv(self.connection, unread(self.connection))
        Arrival.close(self)
