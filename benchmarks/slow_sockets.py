"""Connections that say nothing or little, at both doors, while a well-behaved client asks on new connections of its own.

At the HTTP door they say nothing, let a head or a token request drip, or send none of its body; at the DICOM door they say
nothing, let an association request drip, or are idle associations of one registered sender. First from one address, then fifty.
"""

import argparse
import contextlib
import fcntl
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from statistics import median, quantiles

from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, build_context
from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import A_ASSOCIATE, ImplementationClassUIDNotification, MaximumLengthNotification

from benchmarks import world
from server.settings import Settings
from server.usecases.sender import add_sender
from tests import builders

SOCKETS, SILENT = 500, 2000
ADDRESSES = 50
ASKING_SECONDS = 15
PATIENCE_SECONDS = 30
ALIAS = "LUNG"
GOOD, OTHERS = "127.0.0.1", "127.0.1.0/24"
ECHO = "1.2.840.10008.1.1"
_HEAD = b"POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
_BODY = _HEAD + b"Content-Length: 1000\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Kind:
    """What so many connections do: say `first`, then `drip` every half second."""

    name: str
    count: int
    first: bytes = b""
    drip: bytes = b""


@dataclass
class Asked:
    """What a well-behaved client was told, and after how many milliseconds."""

    answers: Counter[str] = field(default_factory=Counter)
    ms: list[float] = field(default_factory=list)

    def row(self, name: str, opened: int, held: int) -> tuple[str, ...]:
        """Name, connections open at its end and opened in all, answers, failed, p50, p99, slowest."""
        good, last = self.answers["200"], quantiles(self.ms, n=100)[98] if len(self.ms) > 1 else 0
        told = [f"{held}, {opened}", str(good), str(self.answers.total() - good)]
        return (name, *told, f"{median(self.ms):.1f}", f"{last:.1f}", f"{max(self.ms):.0f}")


def measure(args: argparse.Namespace) -> None:
    """Measure and print."""
    del args
    with world.folder() as home:
        chosen = world.settings(home, "")
        runtime = world.governed(chosen, [ALIAS])
        add_sender(runtime, builders.ACTOR, ALIAS, "OTHERS", OTHERS)
        runtime.close()
        with world.accord(chosen, "serve"):
            time.sleep(3)
            _doors(chosen)
    world.say(
        f"Default settings, SQLite. {SOCKETS} connections ({SILENT} that are silent) from 127.0.1.1, then from {ADDRESSES}",
        f"addresses, are opened, and anew once they are ended. For {ASKING_SECONDS} s one client asks from {GOOD}, by a new",
        "connection each time: for a token, then a page of studies; or an association, then C-ECHO. Failed is what was not",
        f"answered 200 (success) within {PATIENCE_SECONDS} s. The loopback interface has no latency; all share the machine.",
    )


def _doors(chosen: Settings) -> None:
    request = _association_request()
    http = [
        Kind("silence", SILENT),
        Kind("a head drips", SOCKETS, b"POST /oauth/token HTTP/1.1\r\n", b"A: b\r\n"),
        Kind("no body comes", SOCKETS, _BODY),
        Kind("a body drips", SOCKETS, _BODY, b"a"),
    ]
    dimse = [
        Kind("silence", SILENT),
        Kind("a request drips", SOCKETS, request[:100], b"\0"),
        Kind("idle associations", SOCKETS, request),
    ]
    _door("HTTP", chosen.port, http, lambda: _asks_http(chosen))
    _door("DICOM", chosen.dimse_port, dimse, lambda: _asks_dimse(chosen))


def _door(name: str, port: int, kinds: Sequence[Kind], ask: Callable[[], Asked]) -> None:
    rows = [ask().row("nothing", 0, 0)]
    for kind in kinds:
        for addresses in (1, ADDRESSES):
            attack = _Attack(port, kind, addresses)
            attack.start()
            time.sleep(2)
            asked = ask()
            rows.append(asked.row(f"{kind.name}, {kind.count} from {addresses}", attack.opened, attack.end()))
            time.sleep(2)
    head = ("open at the end, opened in all", "answered", "failed", "p50 ms", "p99 ms", "slowest ms")
    world.table((f"{name}, while", *head), rows)


class _Attack(threading.Thread):
    """That many connections from so many addresses: each says `first`, then `drip` each half second; opened anew when ended."""

    def __init__(self, port: int, kind: Kind, addresses: int) -> None:
        super().__init__()
        self.port, self.kind, self.addresses, self.opened = port, kind, addresses, 0
        self.held = [self._open(number) for number in range(kind.count)]
        self.unsaid, self.ended = set(range(kind.count)), threading.Event()

    def run(self) -> None:
        """Until it is ended."""
        for turn in count():
            if self.ended.wait(0.1):
                break
            for number in range(self.kind.count):
                self._go_on(number, drips=not turn % 5)

    def end(self) -> int:
        """Stop; how many were open."""
        self.ended.set()
        self.join()
        still = sum(map(_is_open, self.held))
        for one in self.held:
            one.close()
        return still

    def _open(self, number: int) -> socket.socket:
        one = _high(socket.socket())
        one.bind((f"127.0.1.{1 + number % self.addresses}", 0))
        one.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            one.connect(("127.0.0.1", self.port))
        self.opened += 1
        return one

    def _go_on(self, number: int, *, drips: bool) -> None:
        with contextlib.suppress(OSError):
            if number in self.unsaid:
                self.held[number].send(self.kind.first)
                self.unsaid.remove(number)
            elif drips and self.kind.drip:
                self.held[number].send(self.kind.drip)
        if number not in self.unsaid and not _is_open(self.held[number]):
            self.held[number].close()
            self.held[number] = self._open(number)
            self.unsaid.add(number)


def _high(one: socket.socket) -> socket.socket:
    """The same under a descriptor out of the way of the client's, which pynetdicom looks at by select()."""
    with one:
        return socket.socket(fileno=fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, 2048))


def _is_open(one: socket.socket) -> bool:
    """Whether the other side has neither closed nor answered with an end."""
    try:
        while one.recv(4096):
            pass
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


def _asks_http(chosen: Settings) -> Asked:
    def once() -> str:
        world.get(f"{chosen.base_url}/dicom-web/studies?limit=1", world.bearer(chosen))
        return "200"

    return _asking(once)


def _asks_dimse(chosen: Settings) -> Asked:
    entity = AE("STORESCU")
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = entity.connection_timeout = PATIENCE_SECONDS
    context = [build_context(ECHO, [ExplicitVRLittleEndian])]

    def once() -> str:
        association = entity.associate("127.0.0.1", chosen.dimse_port, contexts=context, ae_title=ALIAS)
        try:
            return "200" if association.is_established and association.send_c_echo().get("Status") == 0 else "refused"
        finally:
            if association.is_established:
                association.release()

    return _asking(once)


def _asking(once: Callable[[], str]) -> Asked:
    asked, until = Asked(), time.monotonic() + ASKING_SECONDS
    while time.monotonic() < until:
        began = time.perf_counter()
        try:
            answer = once()
        except Exception as error:  # noqa: BLE001 - whatever it was, it was no answer
            answer = type(error).__name__
        asked.answers[answer] += 1
        asked.ms.append(1000 * (time.perf_counter() - began))
        time.sleep(0.02)
    return asked


def _association_request() -> bytes:
    """A-ASSOCIATE-RQ of a sender that is registered for the attackers' addresses."""
    asked = A_ASSOCIATE()
    asked.application_context_name, asked.calling_ae_title, asked.called_ae_title = "1.2.840.10008.3.1.1.1", "OTHERS", ALIAS
    context = build_context(ECHO, [ExplicitVRLittleEndian])
    context.context_id = 1
    asked.presentation_context_definition_list = [context]
    length, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    length.maximum_length_received, implementation.implementation_class_uid = 16382, "1.2.3"
    asked.user_information = [length, implementation]
    return A_ASSOCIATE_RQ(asked).encode()
