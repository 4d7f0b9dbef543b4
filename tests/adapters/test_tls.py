"""A TLS socket that one thread reads while another writes, and that never says anything in the clear."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.tls import TlsFiles, TlsSocket
from mappings.failures import Invalid
from tests.certificates import certificate

MANY = 20_000_000


@pytest.fixture
def files(tmp_path: Path) -> TlsFiles:
    authority = certificate(tmp_path, "authority", authority=True)
    own = certificate(tmp_path, "own", issuer=authority)
    return TlsFiles(own.pem, own.key, authority.pem)


@pytest.fixture
def ends(files: TlsFiles) -> Iterator[tuple[TlsSocket, ssl.SSLSocket]]:
    """Ours, which is shared, and its peer."""
    accepting = files.accepting()
    context = ssl.create_default_context(cafile=str(files.authorities))
    context.check_hostname = False
    ours, theirs = socket.socketpair()
    greeted: list[Any] = []
    greeting = threading.Thread(target=lambda: greeted.append(accepting.wrap_socket(ours, server_side=True)))
    greeting.start()
    peer = context.wrap_socket(theirs)
    greeting.join()
    greeted[0].settimeout(10)
    greeted[0].share()
    with greeted[0], peer:
        yield greeted[0], peer


def test_what_comes_is_read_while_a_writer_waits(ends: tuple[TlsSocket, ssl.SSLSocket]) -> None:
    ours, peer = ends
    writing = threading.Thread(target=ours.sendall, args=(bytes(MANY),))
    writing.start()
    time.sleep(0.1)
    peer.sendall(b"cancel")
    began = time.monotonic()
    assert ours.has_come(5)
    assert ours.recv(100) == b"cancel"
    assert time.monotonic() - began < 2
    read = 0
    while read < MANY:
        read += len(peer.recv(1 << 20))
    writing.join(10)
    assert (read, writing.is_alive()) == (MANY, False)


def test_who_does_not_read_or_write_is_left_in_time(ends: tuple[TlsSocket, ssl.SSLSocket]) -> None:
    ours, _ = ends
    ours.settimeout(0.2)
    with pytest.raises(TimeoutError):
        ours.sendall(bytes(MANY))
    with pytest.raises(TimeoutError):
        ours.recv(1)


def test_what_is_no_data_does_not_look_as_if_some_had_come(files: TlsFiles) -> None:
    """As the tickets that a server of TLS 1.3 sends unasked."""
    accepting = files.accepting()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        asking = files.asking(files.namer()(ssl.PEM_cert_to_DER_cert(files.chain.read_text())))
        greeted: list[Any] = []
        greeting = threading.Thread(target=lambda: greeted.append(accepting.wrap_socket(listener.accept()[0], server_side=True)))
        greeting.start()
        connection: Any = asking.wrap_socket(socket.socket())
        with connection:
            connection.settimeout(5)
            connection.connect(listener.getsockname())
            connection.share()
            greeting.join()
            assert not connection.has_come(0.2)
            greeted[0].close()
            assert connection.has_come(5)
            assert connection.recv(10) == b""


def test_nothing_is_sent_in_the_clear_once_it_is_shut_down(ends: tuple[TlsSocket, ssl.SSLSocket]) -> None:
    """Where one thread ends it while another writes, its parent would go on without TLS for a moment."""
    ours, peer = ends
    ours._sslobj = None
    for send in (ours.send, ours.sendall):
        with pytest.raises(OSError, match="over"):
            send(b"Patient^Name")
    ours.close()
    with contextlib.suppress(ssl.SSLError):
        assert peer.recv(100) == b""


def test_a_file_that_cannot_be_used_is_said_without_what_is_in_it(files: TlsFiles, tmp_path: Path) -> None:
    (tmp_path / "none.pem").write_text("secret")
    for broken in (TlsFiles(files.chain, tmp_path / "none.pem", None), TlsFiles(files.chain, files.key, tmp_path / "none.pem")):
        with pytest.raises(Invalid, match="ACCORD_DIMSE_TLS") as refused:
            broken.asking([])
        assert "secret" not in str(refused.value)
