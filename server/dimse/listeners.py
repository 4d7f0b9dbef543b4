"""The sockets that the door listens on: one, and one for TLS where there is a certificate."""

import socket
from contextlib import ExitStack
from dataclasses import dataclass

BACKLOG = 1024


@dataclass(frozen=True, slots=True)
class Listeners:
    """Listening sockets that never wait: who connects and leaves at once must not keep the next one waiting."""

    plain: socket.socket
    tls: socket.socket | None = None

    @property
    def all(self) -> tuple[socket.socket, ...]:
        """Each of them, the plain one first."""
        return (self.plain,) if self.tls is None else (self.plain, self.tls)

    def close(self) -> None:
        """Listen no more."""
        for listener in self.all:
            listener.close()


def open_listeners(bind: str, port: int, tls_port: int | None) -> Listeners:
    """Listen on these ports (0: a free one). Raises OSError where one is taken."""
    with ExitStack() as opening:
        plain, *tls = (opening.enter_context(_open(bind, each)) for each in (port, tls_port) if each is not None)
        opening.pop_all()
    return Listeners(plain, *tls)


def _open(bind: str, port: int) -> socket.socket:
    listener = socket.create_server((bind, port), family=socket.AF_INET6 if ":" in bind else socket.AF_INET, backlog=BACKLOG)
    listener.setblocking(False)
    return listener
