"""A DICOMweb archive that hangs, sends without end, breaks off or answers other than it was asked: each call ends, and small."""

import json
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from adapters.nodes import dicomweb, line
from adapters.nodes.credentials import read_credentials
from adapters.nodes.dicomweb import DicomwebNode
from adapters.nodes.port import Node, NodeFile
from mappings.dicom.part10 import MAX_META, file_meta
from mappings.failures import Failure, Invalid, TooLarge
from tests.adapters.nodes.test_transport import LATE, LONG, OK, PATIENCE, Behaviour, drips, endless, fake, hear, says, whole

UIDS = "1.2.3", "1.2.3.1", "1.2.3.1.1"
PLACE = "/".join(UIDS)
META = file_meta(SecondaryCaptureImageStorage, UIDS[2], ExplicitVRLittleEndian)
DATASET = b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100" + bytes(5000)
FILE = META + DATASET
RELATED = b'Content-Type: multipart/related; type="application/dicom"; boundary=x\r\n'
ITEM = NodeFile(UIDS[2], UIDS[0], UIDS[1], "P1", b"", len(FILE))


def body(*parts: bytes) -> bytes:
    """A multipart body."""
    return b"".join(b"--x\r\nContent-Type: application/dicom\r\n\r\n" + part + b"\r\n" for part in parts) + b"--x--\r\n"


def related(*parts: bytes) -> bytes:
    return whole(body(*parts), OK + RELATED)


def rows(*found: dict[str, object]) -> bytes:
    said = [{tag: {"vr": "UI", "Value": [value]} for tag, value in row.items()} for row in found]
    return whole(json.dumps(said).encode(), OK + b"Content-Type: application/dicom+json\r\n")


def node(url: str, patience: float = LONG, largest: int = 10_000) -> DicomwebNode:
    return DicomwebNode("site", f"{url}/dicom-web", lambda request: request, patience=patience, largest=largest)


def read(of: Node, size: int | None = len(FILE), start: int = 0, length: int | None = None) -> bytes:
    with of.open(PLACE, size, start, length) as stream:
        return stream.read()


CALLS: dict[str, Callable[[Node], object]] = {
    "store": lambda node: node.store(ITEM, memoryview(FILE)),
    "open": read,
    "open, of no size": lambda node: read(node, None),
    "range": lambda node: read(node, len(FILE), 10, 20),
    "size": lambda node: node.size(PLACE),
    "places": lambda node: list(node.places()),
    "probe": lambda node: node.probe(),
}
SEARCHES = ["size", "places", "probe"]


def code(behave: Behaviour, call: Callable[[Node], object], patience: float = LONG) -> str:
    """How a call to such a node fails."""
    with fake(behave) as url, pytest.raises(Failure) as caught:
        call(node(url, patience))
    return caught.value.code


def given(answer: bytes, *how: int | None) -> bytes:
    with fake(says(answer)) as url:
        return read(node(url), *how)


# --- what is asked


def test_it_asks_for_what_is_kept_without_compression_or_anything_of_the_environment(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    heard: list[bytes] = []

    def behave(connection):
        heard.append(hear(connection))
        connection.sendall(related(FILE))

    with fake(behave) as url:
        assert read(node(url)) == FILE
    (asked,) = heard
    assert asked.startswith(b"GET /dicom-web/studies/1.2.3/series/1.2.3.1/instances/1.2.3.1.1 HTTP/1.1\r\n")
    assert b'Accept: multipart/related; type="application/dicom"; transfer-syntax=*\r\n' in asked
    assert b"Accept-Encoding: identity\r\n" in asked


def test_a_search_names_its_host_with_the_port_and_says_nothing_in_our_log(caplog):
    heard: list[bytes] = []

    def behave(connection):
        heard.append(hear(connection))
        connection.sendall(rows().replace(b"\r\n\r\n", b'\r\nWarning: 299 x "Doe^Jane"\r\n\r\n', 1))

    with fake(behave) as url:
        assert node(url).check().ok
        assert f"Host: {url.removeprefix('http://')}\r\n".encode() in heard[0]
    assert "Doe" not in caplog.text


@pytest.mark.parametrize(
    ("secret", "shown"),
    [
        ("accord:a:b\n", b"Authorization: Basic YWNjb3JkOmE6Yg==\r\n"),
        ("abc.DEF-_~+/=\n", b"Authorization: Bearer abc.DEF-_~+/=\r\n"),
        ("", b""),
    ],
    ids=["basic", "bearer", "none"],
)
def test_credentials_are_those_of_the_file_as_it_is_now(tmp_path: Path, secret, shown):
    heard: list[bytes] = []

    def behave(connection):
        heard.append(hear(connection))
        connection.sendall(rows())

    path = tmp_path / "secret"
    path.write_text("before:changed\n")
    with fake(behave) as url:
        archive = DicomwebNode("site", url, read_credentials(str(path)))
        path.write_text(secret)
        assert archive.check().ok
        assert shown in heard[0]
        assert (b"Authorization" in heard[0]) is bool(shown)
        path.unlink()
        assert archive.check().sentence == "The secret file of node site can't be read: No such file or directory."


def test_a_secret_file_that_is_not_there_or_no_client_file_is_said_at_once(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        read_credentials(str(tmp_path / "absent"))
    (tmp_path / "file").write_text('{"keys": []}')
    with pytest.raises(Invalid):
        read_credentials(str(tmp_path / "file"))


def test_it_is_found_out_whether_it_answers_anybody():
    with fake(says(rows())) as url:
        assert [line.partition(":")[0] for line in node(url).probe()] == ["anonymous"]
        assert DicomwebNode("site", url, lambda request: request, frozenset({"anonymous"})).probe() == []


# --- waiting for the node


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_one_that_says_nothing_does_not_answer(call):
    assert code(says(rows(), pause=LATE), call, PATIENCE) == "node-unavailable"


@pytest.mark.parametrize("call", ["open", "size"])
def test_one_that_drips_does_not_answer(call):
    assert code(drips(related(FILE)), CALLS[call], PATIENCE) == "node-unavailable"


@pytest.mark.parametrize("call", ["open", "open, of no size"])
def test_one_that_ends_in_the_middle_of_an_object_broke_off(call):
    assert code(says(related(FILE)[:2000]), CALLS[call]) == "node-broke-off"
    unsized = OK + RELATED + b"\r\n" + body(FILE)[:2000]
    assert code(says(unsized), CALLS[call]) == "node-broke-off", "no closing delimiter"


def test_one_that_drips_an_object_of_no_size_has_no_time_of_the_largest(monkeypatch):
    monkeypatch.setattr(line, "_BUSY", 1e15)
    with fake(drips(related(FILE))) as url, pytest.raises(Failure) as caught:
        read(node(url, PATIENCE, largest=10**9), None)
    assert caught.value.code == "node-unavailable"


def test_one_that_is_slow_but_steady_is_waited_for_though_it_tells_no_size(monkeypatch):
    monkeypatch.setattr(line, "_BUSY", 1e15)
    file = META + bytes(12 * 90_000)
    answer = related(file)
    slowly = says(*(answer[at : at + 90_000] for at in range(0, len(answer), 90_000)), pause=0.1)
    with fake(slowly) as url:
        assert read(node(url, 1.0, largest=10**9), None) == file


def test_one_that_says_nothing_is_not_asked_for_the_whole_instead_of_a_frame():
    assert code(says(rows(), pause=LATE), lambda node: node.frame(PLACE, 0, 256), PATIENCE) == "node-unavailable"


# --- no more than was asked for


@pytest.mark.parametrize("call", SEARCHES)
def test_an_endless_search_is_read_to_a_cap(call):
    assert code(endless(OK + b"\r\n[", b'{"x":1},' * 4096), CALLS[call]) == "node-endless"


def test_an_endless_object_is_read_to_its_size_or_to_the_largest_that_is_taken():
    behave = endless(OK + RELATED + b"\r\n--x\r\n\r\n" + META, bytes(1 << 16))
    assert code(behave, CALLS["open"]) == "node-other-size"
    with fake(behave) as url, pytest.raises(TooLarge):
        read(node(url), None)


def test_a_head_and_a_preamble_of_a_body_without_end_end_too():
    for head in (b"--x\r\nX: ", b"before the first part"):
        assert code(endless(OK + RELATED + b"\r\n" + head, b"x" * 4096), CALLS["open"]) in {"node-endless", "node-not-dicomweb"}


def test_a_file_meta_without_end_is_no_file_meta():
    element = b"\x02\x00\x16\x00AE\x00\x10" + bytes(4096)
    answer = META + element * (2 * MAX_META // len(element))
    with fake(says(related(answer))) as url:
        assert read(node(url, largest=10**6), None) == answer


def test_pages_without_end_end(monkeypatch):
    monkeypatch.setattr(dicomweb, "MOST_PLACES", 5)
    number = iter(range(10**6))

    def behave(connection):
        while True:
            hear(connection)
            connection.sendall(rows({"0020000D": f"1.2.{next(number)}", "00201208": 0}))

    assert code(behave, CALLS["places"]) == "node-endless"


def test_one_that_tells_the_same_page_for_ever_is_none():
    assert code(says(rows({"0020000D": "1.2.3", "00201208": 0})), CALLS["places"]) == "node-not-dicomweb"


def test_a_frame_longer_than_it_should_be_is_left_to_a_range():
    with fake(endless(OK + b"Content-Type: application/octet-stream\r\n\r\n", bytes(1 << 16))) as url:
        assert node(url).frame(PLACE, 0, 256) is None


# --- lies


def test_a_part_may_be_the_whole_answer_and_what_follows_the_first_is_left():
    assert given(whole(FILE, OK + b"Content-Type: application/dicom\r\n")) == FILE
    assert given(related(FILE, b"another")) == FILE


def test_another_head_is_replaced_and_another_data_set_shows(monkeypatch):
    theirs = bytes(range(128)) + b"DICM" + b"\x02\x00\x16\x00AE\x06\x00SECRET" + META[132:]
    for size in (len(FILE), None):
        assert given(related(theirs + DATASET), size) == FILE
    assert given(related(theirs + DATASET[:-1] + b"!")) != FILE


@pytest.mark.parametrize("stored", [FILE[:-1] + b"!", FILE + b"!"], ids=["a bit", "longer"])
def test_other_content_is_not_taken_for_what_was_to_be_stored(stored):
    item = replace(ITEM, digest=sha256(FILE).digest())
    assert code(says(related(stored)), lambda node: node.store(item, memoryview(FILE))) == "node-holds-other"
    assert code(says(whole(b"", b"HTTP/1.1 404 None\r\n")), lambda node: node.store(item, memoryview(FILE))) == "node-read-only"
    with fake(says(related(FILE))) as url:
        assert node(url).store(item, memoryview(FILE)) == PLACE


@pytest.mark.parametrize("wrong", [-1, 1])
def test_an_object_of_another_size_is_no_object(wrong):
    for how in ((), (0, None), (100, 10_000)):
        assert code(says(related(FILE)), lambda node, how=how: read(node, len(FILE) + wrong, *how)) == "node-other-size"


@pytest.mark.parametrize(
    "answer",
    [
        whole(b"<html>", OK + b"Content-Type: text/html\r\n"),
        whole(b"{}", OK + b"Content-Type: application/json\r\n"),
        whole(body(FILE), OK + b"Content-Type: multipart/related\r\n"),
        whole(body(FILE), OK + b"Content-Type: multipart/related; boundary=" + b"y" * 300 + b"\r\n"),
        whole(b"--x\r\nno header\r\n\r\n", OK + RELATED),
        whole(body(FILE), OK + RELATED + b"Content-Encoding: gzip\r\n"),
    ],
    ids=["a page", "json", "no boundary", "a long boundary", "no headers", "packed"],
)
def test_what_is_no_body_of_parts_is_no_dicomweb(answer):
    assert code(says(answer), CALLS["open"]) == "node-not-dicomweb"


@pytest.mark.parametrize(
    "said",
    [b"<html>It works!", b"[" * 100_000, b"9" * 10_000, b'"text"', b"\xff\xfe\x00", b"[7]", b'["x"]', b"null"],
    ids=["html", "deep", "digits", "text", "bytes", "a number", "a text", "null"],
)
@pytest.mark.parametrize("call", SEARCHES)
def test_json_of_another_shape_is_no_dicomweb(call, said):
    assert code(says(whole(said)), CALLS[call]) == "node-not-dicomweb"


@pytest.mark.parametrize("value", [None, 7, [], {}, "../../x", "1.2.3?x", "1.02.3", "9" * 70])
def test_a_uid_that_is_none_becomes_no_address(value):
    def behave(connection):
        for answer in (
            rows({"0020000D": value}, {"0020000D": "1.2.3", "00201208": 1}),
            rows({"0020000E": value, "00080018": "1.2"}),
        ):
            assert b"x" not in hear(connection).split(b" ")[1]
            connection.sendall(answer)
        hear(connection)
        connection.sendall(rows())

    with fake(behave) as url:
        assert list(node(url).places()) == []


def test_an_instance_of_another_uid_is_not_the_one_that_was_asked_for():
    assert code(says(rows({"00080018": "1.2.9"})), CALLS["size"]) == "node-not-dicomweb"
    for nothing in (rows(), whole(b"", b"HTTP/1.1 204 None\r\n"), whole(b"", b"HTTP/1.1 404 None\r\n")):
        assert code(says(nothing), CALLS["size"]) == "node-lacks"


def test_an_address_without_dicomweb_is_said():
    with fake(says(whole(b"", b"HTTP/1.1 404 None\r\n"))) as url:
        assert node(url).check().sentence == "What answers at the node's address does not speak DICOMweb."


@pytest.mark.parametrize("status", [301, 302, 304, 307, 400, 409, 418, 429, 500, 503])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_what_is_no_answer_is_a_failure_of_the_nodes(call, status):
    answer = whole(b"<html>", b"HTTP/1.1 %d Moved\r\nLocation: http://127.0.0.1:9/\r\n" % status)
    assert code(says(answer), call) == ("node-busy" if status == 409 else "node-failed")
