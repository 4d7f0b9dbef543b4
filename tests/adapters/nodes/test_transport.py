"""An Orthanc that hangs, drips, sends without end or answers other than it was asked: each call ends, and small."""

import contextlib
import hashlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from itertools import repeat
from pathlib import Path

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from adapters.nodes.orthanc import OrthancNode
from adapters.nodes.port import Node, NodeFile
from adapters.nodes.transport import Allowance, Transport, allowed
from mappings.failures import Failure, Unavailable

PLACE = "-".join(["0" * 8] * 5)
LATE = 4.0
"""Seconds after which a fake node answers well after all: without its deadline, a call would succeed."""
PATIENCE, LONG = 0.15, 10.0
OK = b"HTTP/1.1 200 OK\r\n"
CONTENT = bytes(128) + b"DICM" + bytes(10_000)
FILE = NodeFile("1.2.3.1.1", "1.2.3", "1.2.3.1", "P1", hashlib.sha256(CONTENT).digest(), len(CONTENT))
KEPT = b'{"Status": "Success", "ID": "%s"}' % PLACE.encode()

Behaviour = Callable[[socket.socket], None]


def whole(body: bytes, head: bytes = OK) -> bytes:
    """An answer with its length."""
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def says(*pieces: bytes, pause: float = 0.0) -> Behaviour:
    """Hear a request, then send these pieces, with a pause before each."""

    def behave(connection: socket.socket) -> None:
        hear(connection)
        for piece in pieces:
            time.sleep(pause)
            connection.sendall(piece)

    return behave


def drips(answer: bytes, every: float = 0.05) -> Behaviour:
    """Hear a request, then send a byte now and then."""
    return says(*(answer[at : at + 1] for at in range(len(answer))), pause=every)


def endless(head: bytes, piece: bytes) -> Behaviour:
    """Hear a request, then send without end; that is to say more than any reader may take."""
    return says(head, *repeat(piece, (64 << 20) // len(piece)))


def hear(connection: socket.socket) -> bytes:
    """A request, to the end of its head."""
    text = b""
    while b"\r\n\r\n" not in text:
        text += connection.recv(65536)
    return text


def deaf(connection: socket.socket) -> None:
    """Take nothing for a while, then everything, and say that it was kept."""
    time.sleep(LATE)
    while len(connection.recv(1 << 20)) == 1 << 20:
        pass
    connection.sendall(whole(KEPT))


@contextlib.contextmanager
def fake(behave: Behaviour) -> Iterator[str]:
    """A node that behaves so on every connection; its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_accept, args=(listener, behave), daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def _accept(listener: socket.socket, behave: Behaviour) -> None:
    with contextlib.suppress(OSError):  # closed: the test is over
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=_behave, args=(connection, behave), daemon=True).start()


def _behave(connection: socket.socket, behave: Behaviour) -> None:
    with connection, contextlib.suppress(OSError):
        behave(connection)


def node(url: str, patience: float = LONG) -> OrthancNode:
    return OrthancNode("site", url, "u", "p", patience=patience)


def read(of: Node, size: int, start: int = 0, length: int | None = None) -> bytes:
    with of.open(PLACE, size, start, length) as stream:
        return stream.read()


CALLS: dict[str, Callable[[Node], object]] = {
    "store": lambda node: node.store(FILE, memoryview(CONTENT)),
    "open": lambda node: read(node, 100),
    "range": lambda node: read(node, 100, 10, 20),
    "size": lambda node: node.size(PLACE),
    "delete": lambda node: node.delete(PLACE),
    "places": lambda node: list(node.places()),
    "probe": lambda node: node.probe(),
}


def code(behave: Behaviour, call: Callable[[Node], object], patience: float = LONG) -> str:
    """How a call to such a node fails; the node is named unless what answers is none."""
    with fake(behave) as url, pytest.raises(Failure) as caught:
        call(node(url, patience))
    assert "site" in caught.value.sentence or caught.value.code == "node-not-orthanc"
    return caught.value.code


# --- waiting for the node


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_node_that_takes_a_request_and_says_nothing_does_not_answer(call):
    assert code(says(whole(b"[]"), pause=LATE), call, PATIENCE) == "node-unavailable"


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_node_that_drips_its_head_does_not_answer(call):
    assert code(drips(OK + b"Server: slowly\r\n" * 6 + b"Content-Length: 2\r\n\r\n[]"), call, PATIENCE) == "node-unavailable"


def test_a_node_that_drips_json_is_late_however_often_it_drips():
    answer = whole(b'{"Version": "1.12.0", "Name": "one byte at a time"}')
    with fake(drips(answer)) as url:
        assert node(url, PATIENCE).check().sentence == "Node site does not answer."


def test_a_node_that_drips_an_object_is_late_too():
    assert code(drips(whole(bytes(40))), lambda node: read(node, 40), PATIENCE) == "node-unavailable"


def test_a_node_that_stops_in_the_middle_of_an_object_does_not_answer():
    answer = whole(bytes(100_000))

    def stops(connection: socket.socket) -> None:
        says(answer[:60_000])(connection)
        time.sleep(LATE)
        connection.sendall(answer[60_000:])

    assert code(stops, lambda node: read(node, 100_000), PATIENCE) == "node-unavailable"


def test_a_node_that_ends_in_the_middle_of_an_object_broke_off():
    assert code(says(whole(bytes(100_000))[:60_000]), lambda node: read(node, 100_000)) == "node-broke-off"


def test_a_node_that_takes_no_bytes_does_not_answer():
    content = bytes(128) + b"DICM" + bytes(8 << 20)
    assert code(deaf, lambda node: node.store(FILE, memoryview(content)), PATIENCE) == "node-unavailable"


def test_a_node_that_takes_bytes_slowly_but_steadily_is_waited_for():
    content = bytes(128) + b"DICM" + bytes(16 << 20)

    def takes(connection: socket.socket) -> None:
        missing = len(content) - len(hear(connection).partition(b"\r\n\r\n")[2])
        while missing:
            time.sleep(0.03)
            missing -= len(connection.recv(min(missing, 1 << 19)))
        connection.sendall(whole(KEPT))
        says(whole(hashlib.md5(content, usedforsecurity=False).hexdigest().encode()))(connection)

    with fake(takes) as url:
        assert node(url, 0.3).store(FILE, memoryview(content)) == PLACE


def test_a_node_that_accepts_no_connection_does_not_answer():
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        with socket.create_connection(address), contextlib.ExitStack() as waiting:
            for _ in range(2):  # those the kernel still takes
                knock = waiting.enter_context(socket.socket())
                knock.setblocking(False)
                knock.connect_ex(address)
            late = threading.Timer(LATE, _accept, (listener, says(whole(bytes(100)))))
            late.daemon = True
            late.start()
            with pytest.raises(Unavailable) as caught:
                read(node(f"http://127.0.0.1:{address[1]}", PATIENCE), 100)
            late.cancel()
    assert caught.value.code == "node-unavailable"


def test_what_a_slow_reader_takes_between_two_reads_is_not_the_nodes():
    allowance = Allowance("site", seconds=PATIENCE, silence=PATIENCE, most=100)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"at once")
        for _ in range(7):
            with allowance.waiting(ours):
                assert ours.recv(1)
            time.sleep(PATIENCE / 5)


def test_a_node_that_is_slow_but_steady_has_more_time_for_more_bytes():
    body = bytes(12 * 90_000)
    slowly = says(OK + b"Content-Length: %d\r\n\r\n" % len(body), *(body[:90_000] for _ in range(12)), pause=0.1)
    with fake(slowly) as url:
        assert read(node(url, 1.0), len(body)) == body


# --- no more than was asked for


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (OK + b"\r\n[", b'"x",' * 4096),
        (OK + b"Content-Length: 99999999999\r\n\r\n[", b"0," * 4096),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n0\r\n" * 4096),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"Trailer: x\r\n" * 4096),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 4096),
    ],
    ids=["unsized", "sized", "chunks", "trailers", "continues"],
)
@pytest.mark.parametrize("call", ["store", "delete", "places", "probe"])
def test_an_endless_answer_is_read_to_a_cap(call, head, piece):
    assert code(endless(head, piece), CALLS[call]) == "node-endless"


def test_an_endless_refusal_is_not_read():
    assert code(endless(b"HTTP/1.1 500 No\r\n\r\n", bytes(1 << 16)), CALLS["open"]) == "node-failed"


@pytest.mark.parametrize("length", [None, 100, 50])
def test_an_endless_object_is_read_to_the_size_in_custody(length):
    taken: list[int] = []

    def behave(connection: socket.socket) -> None:
        says(OK + b"\r\n")(connection)
        while len(taken) < 1000:
            connection.sendall(bytes(1 << 16))
            taken.append(1)

    with fake(behave) as url, contextlib.suppress(Unavailable), node(url).open(PLACE, 100, 0, length) as stream:
        assert stream.read() == bytes(length or 100)
        assert length == 50, "a range of it may be whole"
    assert len(taken) < 1000


def test_an_endless_object_in_small_chunks_ends_too():
    behave = endless(OK + b"Transfer-Encoding: chunked\r\n\r\n64\r\n" + bytes(100) + b"\r\n0\r\n", b"Trailer: x\r\n" * 4096)
    assert code(behave, lambda node: read(node, 100)) == "node-endless"


# --- lies


@pytest.mark.parametrize(
    "answer",
    [
        whole(bytes(99)),
        whole(bytes(101)),
        OK + b"\r\n" + bytes(99),
        OK + b"\r\n" + bytes(101),
        OK + b"Transfer-Encoding: chunked\r\n\r\n65\r\n" + bytes(101) + b"\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n63\r\n" + bytes(99) + b"\r\n0\r\n\r\n",
        whole(bytes(100), b"HTTP/1.1 206 Partial\r\n"),
        whole(b"", b"HTTP/1.1 204 Nothing\r\n"),
    ],
    ids=["short", "long", "short, unsized", "long, unsized", "long, chunked", "short, chunked", "a range unasked", "nothing"],
)
def test_an_object_of_another_size_is_no_object(answer):
    assert code(says(answer), lambda node: read(node, 100)) == "node-other-size"


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/json"])
def test_a_page_in_place_of_an_object_is_not_the_objects_fault(kind):
    answer = whole(b"<html>It works!", OK + f"Content-Type: {kind}\r\n".encode())
    for call in (CALLS["open"], CALLS["size"]):
        assert code(says(answer), call) == "node-not-orthanc"


@pytest.mark.parametrize("said", ["bytes 11-30/100", "bytes 10-29/101", "bytes 10-29", "garbage", None])
def test_another_range_is_refused(said):
    head = b"HTTP/1.1 206 Partial\r\n" + (f"Content-Range: {said}\r\n".encode() if said else b"")
    assert code(says(whole(bytes(20), head)), lambda node: read(node, 100, 10, 20)) == "node-other-size"


def test_chunked_garbage_breaks_off():
    answer = OK + b"Transfer-Encoding: chunked\r\n\r\nfive\r\nhello\r\n"
    assert code(says(answer), lambda node: read(node, 100)) == "node-broke-off"


@pytest.mark.parametrize(
    "body",
    [b"<html>It works!", b"[" * 100_000, b"9" * 10_000, b'"text"', b"\xff\xfe\x00", b"[7]", b'["not an id"]', b'{"ID": ["x"]}'],
    ids=["html", "deep", "digits", "text", "bytes", "a number", "another id", "a list"],
)
@pytest.mark.parametrize("call", ["store", "places", "probe"])
def test_json_of_another_shape_is_no_orthanc(call, body):
    assert code(says(whole(body)), CALLS[call]) in {"node-not-orthanc", "node-refused"}


@pytest.mark.parametrize("version", [b"7", b"null", b"[]", b'""', b'"' + b"x" * 100 + b'"', rb'"\u001b[2J"'])
def test_a_version_that_is_none_is_not_repeated(version):
    with fake(says(whole(b'{"Version": %s}' % version))) as url:
        assert (node(url).check().ok, node(url).check().version) == (False, "")


def test_settings_of_another_type_are_read_as_the_worst():
    said = whole(b'{"Version": "1.12.0", "OverwriteInstances": [], "IngestTranscoding": {}}')
    with fake(says(said)) as url:
        assert [line.partition(":")[0] for line in node(url).probe()] == ["anonymous", "overwrite"]


def test_what_is_packed_is_not_unpacked():
    assert code(says(whole(b"x" * 100, OK + b"Content-Encoding: gzip\r\n")), CALLS["places"]) == "node-not-orthanc"


def test_a_node_that_tells_the_same_page_for_ever_is_none():
    assert code(says(whole(b'["%s"]' % PLACE.encode())), CALLS["places"]) == "node-not-orthanc"


@pytest.mark.parametrize("status", [301, 302, 304, 307, 409, 418, 500, 503])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_what_is_no_answer_is_a_failure_of_the_nodes(call, status):
    answer = whole(b"<html>", b"HTTP/1.1 %d Moved\r\nLocation: http://127.0.0.1:9/\r\n" % status)
    assert code(says(answer), call) == ("node-busy" if status == 409 else "node-failed")


def test_a_place_that_is_none_is_not_asked_for():
    with fake(says(whole(b'{"Status": "Success", "ID": "../../system"}'))) as url, pytest.raises(Failure) as caught:
        node(url).store(FILE, memoryview(CONTENT))
    assert caught.value.code == "node-lacks"


# --- over TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of 127.0.0.1 with its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "node")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "node.pem"
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.mark.parametrize("late", [False, True])
def test_calls_over_tls_have_the_same_allowance(certificate, late):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    answer = whole(b"one byte at a time")

    def behave(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            (drips(answer) if late else says(answer))(secure)

    with fake(behave) as url, requests.Session() as session:
        session.mount("https://", Transport())
        seconds = PATIENCE if late else LONG
        with allowed(Allowance("site", seconds=seconds, silence=seconds, most=10_000)):
            expected = pytest.raises(Unavailable) if late else contextlib.nullcontext()
            with expected:
                assert session.get(url.replace("http", "https"), verify=str(certificate), timeout=5).content == answer[-18:]
