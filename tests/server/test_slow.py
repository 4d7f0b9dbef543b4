"""Slow sockets at the HTTP door: who lets a body drip, or sends none, is ended and told, and others are answered meanwhile."""

import contextlib
import dataclasses
import http.client
import os
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from werkzeug.serving import WSGIRequestHandler, make_server

from adapters.identity import Keys
from server.web import app, context
from server.web.bodies import Bodies
from server.web.connections import QUIET_SECONDS, SMALL_BYTES, Connections
from tests import builders
from tests.running import process
from tests.servers import free_port

FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
HEAD = b"POST /oauth/token HTTP/1.1\r\nHost: x\r\n" + FORM
WITH_LENGTH, CHUNKED = HEAD + b"Content-Length: 500\r\n\r\n", HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
PLACES = 12


class Quiet(WSGIRequestHandler):
    """Writes no line for each request."""

    def log_request(self, *_: object) -> None: ...


@dataclasses.dataclass
class Door:
    """A port, and whether what is late there is ended already."""

    port: int
    watched: threading.Event = dataclasses.field(default_factory=threading.Event)


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    """The application on a free port, a thread for each request; bodies have a moment, once its connections are watched."""
    runtime = builders.runtime(tmp_path)
    served = app.create(runtime, Keys.load_or_make(tmp_path / "keys.json"))
    installed = served.extensions["accord"]
    served.extensions["accord"] = dataclasses.replace(installed, bodies=Bodies(PLACES, 0.05))
    server = make_server("127.0.0.1", 0, served, threaded=True, request_handler=Quiet)
    server.daemon_threads = True
    made, connections, ended = Door(server.port), context.connections(served, server.port, 2048), threading.Event()

    def look() -> None:
        made.watched.wait()
        while not ended.wait(0.02):
            connections.look(time.monotonic())

    threads = [threading.Thread(target=server.serve_forever, args=(0.05,)), threading.Thread(target=look)]
    for thread in threads:
        thread.start()
    yield made
    server.shutdown()
    made.watched.set()
    ended.set()
    for thread in threads:
        thread.join()
    server.server_close()
    runtime.close()


@contextlib.contextmanager
def slow(port: int, count: int, addresses: int, said: bytes, drip: bytes = b"", net: int = 1) -> Iterator[list[socket.socket]]:
    """Connections from so many addresses of a network that each say this, and `drip` every 50 ms until the block ends."""
    with contextlib.ExitStack() as stack:
        made = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), 20, (f"127.0.{net}.{1 + n % addresses}", 0)))
            for n in range(count)
        ]
        for each in made:
            each.sendall(said)
        ended = threading.Event()

        def drips() -> None:
            while not ended.wait(0.05):
                for each in made:
                    with contextlib.suppress(OSError):
                        each.send(drip)

        dripping = threading.Thread(target=drips)
        dripping.start()
        try:
            yield made
        finally:
            ended.set()
            dripping.join()


def asked(port: int) -> int:
    """What a token request that proves nothing is answered, by a client whose whole request comes at once."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    with contextlib.closing(client):
        client.request("POST", "/oauth/token", b"grant_type=client_credentials", {"Content-Type": FORM[14:-2].decode()})
        return client.getresponse().status


def answered(connection: socket.socket) -> int:
    """The status that a connection is told at last."""
    with connection.makefile("rb") as read:
        return int(read.readline().split()[1])


def still_waits(made: list[socket.socket]) -> bool:
    return len(select.select(made, [], [], 0)[0]) < len(made)


@pytest.mark.parametrize("addresses", [1, 5])
@pytest.mark.parametrize("drip", [b"", b"a"])
def test_bodies_that_do_not_come_are_ended_and_others_answered(door: Door, drip: bytes, addresses: int) -> None:
    with slow(door.port, 3 * PLACES, addresses, WITH_LENGTH, drip) as made:
        assert asked(door.port) == 401
        assert still_waits(made)
        door.watched.set()
        assert {answered(each) for each in made} == {408, 503}


def test_a_late_body_is_told_in_the_doors_dialect(door: Door) -> None:
    door.watched.set()
    with slow(door.port, 1, 1, WITH_LENGTH) as (one,):
        read = http.client.HTTPResponse(one)
        read.begin()
        said = read.read()
    assert read.status == 408
    assert b'"error": "invalid_request"' in said
    assert b'"code": "body-incomplete"' in said


def test_a_body_that_breaks_off_is_not_asked(door: Door) -> None:
    with socket.create_connection(("127.0.0.1", door.port), 20) as one:
        one.sendall(WITH_LENGTH + b"grant_type=client_credentials")
        one.shutdown(socket.SHUT_WR)
        assert answered(one) == 408


def test_a_body_larger_than_its_door_takes_is_refused_unread(door: Door) -> None:
    with socket.create_connection(("127.0.0.1", door.port), 20) as one:
        one.sendall(HEAD + b"Content-Length: 40000\r\n\r\n")
        assert answered(one) == 413


# --- what is looked at, without waiting


@pytest.fixture
def pair() -> Iterator[Callable[..., tuple[socket.socket, socket.socket]]]:
    """Opens connections to one listener: (the client's side, ours)."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

        def connect(address: str = "127.0.1.1") -> tuple[socket.socket, socket.socket]:
            theirs = stack.enter_context(socket.create_connection(listener.getsockname(), 10, (address, 0)))
            ours, _ = listener.accept()
            return theirs, stack.enter_context(ours)

        yield connect


def watching(ours: socket.socket, *, places: int = 100, bodies: Bodies | None = None, trusted: str = "") -> Connections:
    return Connections(ours.getsockname()[1], places, bodies or Bodies(1, 9), lambda address: address == trusted)


def is_open(connection: socket.socket) -> bool:
    return not select.select([connection], [], [], 0)[0] or bool(connection.recv(1, socket.MSG_PEEK))


def test_a_connection_on_which_nothing_moves_is_shut_and_one_that_moves_is_not(pair) -> None:
    (quiet, ours), (busy, served) = pair(), pair()
    looked = watching(ours)
    for seconds in (0, QUIET_SECONDS, QUIET_SECONDS + 1):
        served.sendall(bytes(2000))
        busy.recv(2000, socket.MSG_WAITALL)
        assert is_open(quiet)
        looked.look(1000.0 + seconds)
    assert not is_open(quiet)
    assert is_open(busy)


def test_an_upload_of_an_address_whose_body_is_late_goes_on(pair, monkeypatch: pytest.MonkeyPatch) -> None:
    (late, ours), (upload, taken) = pair(), pair()
    bodies = Bodies(1, 0.1)
    monkeypatch.setattr(bodies, "late", lambda: frozenset({"127.0.1.1"}))
    upload.sendall(bytes(SMALL_BYTES))
    taken.recv(SMALL_BYTES, socket.MSG_WAITALL)
    time.sleep(0.2)
    looked = watching(ours, bodies=bodies)
    looked.look(1000.0)
    ours.settimeout(5)
    assert ours.recv(1) == b""
    taken.setblocking(False)
    with pytest.raises(BlockingIOError):
        taken.recv(1)
    assert upload.send(b"more") == 4
    assert late.send(b"it can still be told") > 0


def test_an_address_over_its_share_of_connections_loses_what_is_over(pair) -> None:
    made = [pair() for _ in range(6)]
    other, ours = pair("127.0.1.2")
    watching(ours, places=9).look(1000.0)
    assert [is_open(theirs) for theirs, _ in made].count(True) == 1
    assert is_open(other)


def test_a_trusted_proxy_has_no_share_of_connections(pair) -> None:
    made = [pair() for _ in range(6)]
    watching(made[0][1], places=9, trusted="127.0.1.1").look(1000.0)
    assert all(is_open(theirs) for theirs, _ in made)


def test_a_proxys_connections_are_not_ended_for_one_late_body(pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are many people's; which of them waits for a body, nobody below can say."""
    theirs, ours = pair()
    bodies = Bodies(1, 0.1)
    monkeypatch.setattr(bodies, "late", lambda: frozenset({"127.0.1.1"}))
    time.sleep(0.2)
    watching(ours, bodies=bodies, trusted="127.0.1.1").look(1000.0)
    assert is_open(theirs)


# --- and by the server that is really run


def test_granian_ends_what_is_slow_and_answers_others(tmp_path: Path) -> None:
    port = free_port()
    ours = {k: v for k, v in os.environ.items() if not k.startswith("ACCORD_")}
    more = {"ACCORD_ARRIVAL_SECONDS": "1", "ACCORD_BODIES": "12", "ACCORD_WEB_WORKERS": "1"}
    flags = ("--data", tmp_path / "data", "--port", port)
    builders.runtime(tmp_path).close()
    with process("web", *flags, environment=ours | more, log=tmp_path / "log"), contextlib.ExitStack() as stack:
        listens(port)
        heads = [(b"", b"", 1), (b"PRI * HT", b"", 1), (b"GET / HTTP/1.1\r\n", b"A: b\r\n", 1)]
        bodies = [(WITH_LENGTH, b"", 2), (WITH_LENGTH, b"a", 2), (CHUNKED, b"", 2), (CHUNKED, b"1\r\na\r\n", 2)]
        early, late = (
            [one for kind in kinds for one in stack.enter_context(slow(port, 6, 2, *kind))] for kinds in (heads, bodies)
        )
        assert asked(port) == 401
        assert {each.recv(1) for each in early} == {b""}
        assert 408 in (told := {answered(each) for each in late})
        assert told <= {408, 503}
        with socket.create_connection(("127.0.0.1", port), 20) as one:
            one.sendall(CHUNKED + b"9000\r\n" + bytes(0x9000) + b"\r\n")
            assert answered(one) == 413


def listens(port: int) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.05)
