"""What a stranger or a broken client may send to the HTTP door: each gets a short answer in its dialect, and nothing leaks."""

import gzip
import io
import json
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from msgspec import structs
from werkzeug.serving import make_server

from adapters.identity import Keys
from adapters.sql import batches
from mappings.failures import Unavailable
from server.web import app
from tests import builders
from tests.house import CALLERS, SAMPLE, House, build

PROVIDER, USER = CALLERS["provider"], CALLERS["user"]
RELATED = 'multipart/related; type="application/dicom"; boundary=b'
STOW = "/dicom-web/studies?dataset=LUNG"
LEAKS = re.compile(r"Traceback|File \"|\.py\b|/tmp/|/work/|sqlalchemy|sqlite|psycopg|werkzeug|SELECT |line \d+", re.IGNORECASE)
NAMED = "identified/mr_p01_s01.dcm"


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> Iterator[House]:
    made = build(tmp_path_factory.mktemp("house"), Keys.load_or_make(tmp_path_factory.mktemp("keys") / "keys.json"))
    yield made
    made.runtime.close()


def checked(response, status: int, *, dialect: str = "application/problem+json"):
    """The status, in this dialect, with a request id and without a word of what is inside."""
    assert response.status_code == status, response.data[:400]
    assert re.fullmatch(r"[0-9a-f]{16}", response.headers["X-Request-Id"])
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert not LEAKS.search(response.get_data(as_text=True)), response.data
    if status >= 400:
        assert response.headers["Content-Type"] == dialect
        said = json.loads(response.data)
        assert (
            said.get("resourceType") == "OperationOutcome"
            if dialect == "application/fhir+json"
            else {"title", "status", "detail"} <= set(said)
        )
    return response


def part(body: bytes, headers: str = "Content-Type: application/dicom") -> bytes:
    return f"--b\r\n{headers}\r\n\r\n".encode() + body + b"\r\n"


def stow(house: House, body: bytes, kind: str = RELATED, **headers: str):
    return house.ask("POST", STOW, PROVIDER, data=body, headers={"Content-Type": kind} | headers)


GOOD = bytes(builders.sample(SAMPLE))


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"", RELATED, 400),
        (b"no boundary in sight", RELATED, 400),
        (part(GOOD), RELATED, 400),  # never closed
        (part(GOOD) + b"--b--", "multipart/related", 400),  # no boundary named
        (part(GOOD) + b"--b--", RELATED.replace("=b", '="' + "b" * 300 + '"'), 400),
        (part(GOOD, "A: " + "x" * 100_000) + b"--b--", RELATED, 400),
        (part(GOOD, "no colon here") + b"--b--", RELATED, 400),
        (b"--b\r\n", RELATED, 400),
        (b"--b--\r\n", RELATED, 400),  # a body without a part
        (part(b"x", "Content-Type: text/html") + b"--b--", RELATED, 400),
        (GOOD, "application/octet-stream", 415),
        (GOOD, "", 415),
        (b"{}", "application/dicom+json", 415),
    ],
)
def test_a_body_that_is_no_multipart_of_dicom_is_refused(house, body, kind, status):
    response = stow(house, body, kind)
    checked(response, status)


def test_what_came_whole_before_a_body_broke_off_is_told_of(house):
    before = count(house)
    checked(stow(house, part(GOOD) + b"--b\r\nContent-Type: application/dicom\r\n\r\nDIC"), 400)
    assert count(house) == before + 1, "the whole object has its receipt, the broken one has none"


def test_the_objects_of_a_body_share_a_durable_commit(house, monkeypatch):
    flushes, flush = [], os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: flushes.append(descriptor) or flush(descriptor))
    checked(stow(house, part(GOOD) * 9 + b"--b--"), 200)
    assert len(flushes) == 3, "the batch that opens, what it holds, the batch that closes"


def test_a_body_whose_objects_may_not_be_durable_is_no_success(house, monkeypatch):
    flushes = iter([None, Unavailable("database-unflushed", "-"), None])

    def flush() -> None:
        if failure := next(flushes):
            raise failure

    monkeypatch.setattr(house.runtime.store, "_flush", flush)
    checked(stow(house, part(GOOD) + b"--b--"), 503)


def count(house: House) -> int:
    with house.runtime.store.read() as connection:
        return sum(len(batches.receipts(connection, b.id)) for b in batches.recent(connection, None, 1000))


def test_compressed_bodies_are_415_before_they_are_read(house):
    for encoding in ("gzip", "deflate", "br", "x" * 500):
        checked(stow(house, gzip.compress(part(GOOD)), **{"Content-Encoding": encoding}), 415)


def test_past_the_most_parts_the_rest_is_413_and_what_came_before_is_told_of(house, monkeypatch):
    monkeypatch.setattr("server.web.dicomweb_store.MOST_PARTS", 3)
    before = count(house)
    checked(stow(house, part(b"x") * 5 + b"--b--"), 413)
    assert count(house) == before + 3


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"[" * 100_000, b'{"dataset": 7}', b'{"dataset": ["LUNG"]}']
)
def test_json_of_the_wrong_shape_is_400(house, body):
    checked(house.ask("POST", "/api/batches", PROVIDER, data=body, content_type="application/json"), 400)


@pytest.mark.parametrize(
    "files",
    [
        7,
        {},
        [1],
        [{}],
        [{"name": 1, "digest": "0" * 64}],
        [{"name": "a", "digest": "g" * 64}],
        [{"name": "a\0", "digest": "0" * 64}],
        [{"name": "\ud800", "digest": "0" * 64}],
        [{"name": "n" * 1025, "digest": "0" * 64}],
        [{"name": "a", "digest": "0" * 64}] * 1001,
    ],
    ids=lambda files: str(files).encode("ascii", "backslashreplace").decode()[:40],
)
def test_lists_of_files_of_the_wrong_shape_are_400(house, files):
    checked(house.ask("POST", f"/api/batches/{house.batch()}/known", PROVIDER, json={"files": files}), 400)


@pytest.mark.parametrize("path", ["/api/batches", "/fhir/R4/ImagingStudy/_search", "/oauth/token", "/api/datasets/eucaimSearch"])
def test_a_body_over_the_limit_is_413_and_is_not_held(house, path):
    who = CALLERS["federation"] if "eucaim" in path else PROVIDER
    kind = (
        "application/x-www-form-urlencoded" if path in ("/fhir/R4/ImagingStudy/_search", "/oauth/token") else "application/json"
    )
    response = house.ask("POST", path, who, data=b'{"a":"' + b"x" * 3_000_000 + b'"}', content_type=kind)
    if path == "/oauth/token":
        assert (response.status_code, response.json["error"]) == (413, "invalid_request")
    else:
        checked(response, 413, dialect="application/fhir+json" if path.startswith("/fhir/") else "application/problem+json")


@pytest.mark.parametrize(
    "query",
    [
        "limit=-1",
        "limit=x",
        "limit=99999999999999999999",
        "offset=-1",
        "StudyDate=2020",
        "StudyDate=20201399",
        "StudyInstanceUID=a;b",
        "StudyInstanceUID=" + "1" * 100,
        "PatientID=" + "*" * 3000,
        "0020000D=%00",
        "PatientName=" + "x" * 5000,
        "%F0%9F%92%A9=1",
    ],
)
def test_qido_parameters_of_any_shape_never_break_the_server(house, query):
    response = house.ask("GET", f"/dicom-web/studies?{query}", USER)
    assert response.status_code in (200, 400), query
    checked(response, response.status_code)


@pytest.mark.parametrize(
    "query",
    [
        "_count=-1",
        "_count=x",
        "_lastUpdated=yesterday",
        "nobody=1",
        "started=20",
        "_id=" + "x" * 3000,
        "_page=zzz",
        "patient=a/b/c/d",
        "modality=%00",
    ],
)
def test_fhir_parameters_of_any_shape_are_answered_with_an_outcome(house, query):
    response = house.ask("GET", f"/fhir/R4/ImagingStudy?{query}", USER)
    assert response.status_code in (200, 400), query
    checked(response, response.status_code, dialect="application/fhir+json")


@pytest.mark.parametrize(
    "path",
    [
        "/dicom-web/studies/..%2f..%2fetc%2fpasswd",
        "/dicom-web/studies/1.2.3%00",
        "/dicom-web/studies/' OR 1=1 --/metadata",
        "/fhir/R4/ImagingStudy/..%2f..%2f",
        "/api/batches/../../keys.json",
        "/catalogue/datasets/%00",
        "/dicom-web/studies/" + "1" * 5000,
    ],
)
def test_paths_lead_nowhere_else(house, path):
    response = house.ask("GET", path, PROVIDER)
    assert response.status_code in (400, 404), response.data[:200]
    checked(
        response,
        response.status_code,
        dialect="application/fhir+json" if path.startswith("/fhir/") else "application/problem+json",
    )


def test_an_unknown_method_is_405_in_the_paths_dialect(house):
    checked(house.ask("DELETE", f"/dicom-web/studies/{house.study}", PROVIDER), 405)
    checked(house.ask("BREW", "/dicom-web/studies", PROVIDER), 405)
    checked(house.ask("DELETE", "/fhir/R4/ImagingStudy", PROVIDER), 405, dialect="application/fhir+json")
    response = house.ask("PUT", "/api/batches", PROVIDER)
    assert {"GET", "POST"} <= set(checked(response, 405).headers["Allow"].replace(" ", "").split(","))


def test_an_unknown_path_is_404_in_its_dialect(house):
    checked(house.ask("GET", "/nowhere"), 404)
    checked(house.ask("GET", "/fhir/R4/Observation", USER), 404, dialect="application/fhir+json")
    checked(house.ask("GET", "/fhir/R9/metadata"), 404, dialect="application/fhir+json")


def test_head_answers_as_get_does_without_a_body(house):
    for path in ("/health/live", "/dicom-web/studies", f"/dicom-web/studies/{house.study}", "/fhir/R4/metadata"):
        head, get = (house.ask(method, path, PROVIDER) for method in ("HEAD", "GET"))
        assert (head.status_code, head.data) == (200, b"")
        assert head.headers["Content-Type"].partition("boundary=")[0] == get.headers["Content-Type"].partition("boundary=")[0]


class Dripping(io.BytesIO):
    """A body that whoever reads it waits for."""

    def read(self, _size=-1):
        raise AssertionError("somebody waits for a body that nobody asked for")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "path", ["/fhir/R4/metadata", "/fhir/R4/ImagingStudy", "/dicom-web/studies", "/catalogue", "/health/ready"]
)
def test_a_body_that_a_route_does_not_ask_for_is_not_waited_for(house, method, path):
    """Werkzeug reads a HEAD's form where values are asked for, and who drips it would hold a place of everybody's searches."""
    form = {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": "100"}
    who = CALLERS["anonymous"] if path in ("/fhir/R4/metadata", "/health/ready", "/catalogue") else PROVIDER
    answer = house.ask(method, path, who, headers=form, input_stream=Dripping())
    assert answer.status_code in (200, 503)


def test_the_host_header_is_in_no_url(house):
    headers = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example;proto=https"}
    for path in (
        "/dicom-web/studies",
        f"/dicom-web/studies/{house.study}/metadata",
        "/fhir/R4/ImagingStudy?_count=1",
        "/fhir/R4/metadata",
        "/fhir/R4/.well-known/smart-configuration",
        "/catalogue",
        "/api/batches",
    ):
        response = house.ask("GET", path, PROVIDER, headers=headers)
        assert response.status_code == 200
        assert b"evil.example" not in response.data, path
        assert "evil.example" not in str(response.headers), path
    made = house.ask("POST", "/api/batches", PROVIDER, json={"dataset": "LUNG"}, headers=headers)
    assert made.headers["Location"].startswith(house.runtime.settings.base_url)


@pytest.mark.parametrize("path", ["//fhir/R4/metadata", "/fhir//R4/metadata", "//evil.example/", "/fhir/R4/metadata/"])
def test_a_path_with_slashes_too_many_is_not_there_and_leads_nowhere(house, path):
    answer = house.flask.test_client().get(path, base_url="http://evil.example", headers={"Host": "evil.example"})
    assert answer.status_code == 404
    assert "Location" not in answer.headers
    assert b"evil" not in answer.data


@pytest.mark.parametrize(
    "name", ["a%0d%0aX-Evil: 1", "%00", "../../../etc/passwd", "%FF%FE", "x" * 4000, "<script>", "%E2%80%AE"]
)
def test_the_name_of_a_part_is_a_name_and_nothing_else(house, name):
    response = stow(house, part(GOOD, f"Content-Type: application/dicom\r\nContent-Location: {name}") + b"--b--\r\n")
    assert response.status_code in (200, 400), response.data
    assert "X-Evil" not in response.headers
    key = response.headers.get("Link", "").partition(">")[0].rpartition("/")[2]
    for form in ("json", "csv", "text") if key else ():
        told = house.ask("GET", f"/api/batches/{key}?format={form}", PROVIDER)
        assert told.status_code == 200, form
        assert "X-Evil" not in told.headers


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "." * 20_000, "\xff", "null", "eyJhbGciOiJub25lIn0.e30.", "Bearer Bearer"])
def test_a_token_that_proves_nothing_is_401_and_says_no_more(house, token):
    response = house.ask("GET", "/dicom-web/studies", headers={"Authorization": f"Bearer {token}"})
    assert 'error="invalid_token"' in checked(response, 401).headers["WWW-Authenticate"] or token == ""


def test_another_scheme_is_401(house):
    for proof in ("Basic YTpi", "bearer", "Bearer", "Digest x"):
        checked(house.ask("GET", "/dicom-web/studies", headers={"Authorization": proof}), 401)


def test_no_patients_value_is_in_an_answer_to_a_refused_object(house):
    response = stow(house, bytes(builders.sample(NAMED)), "application/dicom")
    assert response.status_code == 409
    read = builders.sample(NAMED).tobytes()
    name = re.search(rb"\x10\x00\x10\x00PN(..)", read, re.DOTALL)
    length = int.from_bytes(name[1], "little")
    value = read[name.end() : name.end() + length].decode("latin-1").strip(" \0")
    assert value
    assert value not in response.get_data(as_text=True)


def test_an_error_of_ours_says_a_reference_and_nothing_else(house, monkeypatch, caplog):
    monkeypatch.setattr("server.usecases.search.fragments", lambda *_: 1 / 0)
    response = checked(house.ask("GET", "/dicom-web/studies", USER), 500)
    assert response.headers["X-Request-Id"] in response.json["detail"]
    assert "division" not in response.get_data(as_text=True)


def test_a_stalled_upload_holds_its_own_place_and_no_search(tmp_path, monkeypatch):
    """More senders than the upload room has places stop in the middle: the next is told to come again, and searches go on."""
    house = build(tmp_path, Keys.load_or_make(tmp_path / "keys.json"))
    small = replace(house.runtime, settings=structs.replace(house.runtime.settings, uploads=2))
    server = make_server("127.0.0.1", 0, app.create(small, house.keys), threaded=True)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_port
    proof = f"Authorization: Bearer {house.token(PROVIDER)}\r\nContent-Type: {RELATED}\r\nContent-Length: 100000"
    head = f"POST {STOW} HTTP/1.1\r\nHost: x\r\n{proof}\r\n\r\n--b\r\n"
    stalled = []
    try:
        for _ in range(2):
            stalled.append(socket.create_connection(("127.0.0.1", port), 10))
            stalled[-1].sendall(head.encode())
        until = time.monotonic() + 10
        while (said := asked(port, "POST", STOW, house.token(PROVIDER)))[0] != 503 and time.monotonic() < until:
            time.sleep(0.05)
        assert said[0] == 503
        assert "Retry-After: 5" in said[1]
        assert asked(port, "GET", "/dicom-web/studies", house.token(USER))[0] == 200
    finally:
        for each in stalled:
            each.close()
        server.shutdown()
        server.server_close()
        house.runtime.close()


def asked(port: int, method: str, path: str, token: str) -> tuple[int, str]:
    with socket.create_connection(("127.0.0.1", port), 10) as wire:
        wire.sendall(
            f"{method} {path} HTTP/1.0\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n".encode()
        )
        text = b"".join(iter(lambda: wire.recv(65536), b"")).decode("latin-1")
    return int(text.split()[1]), text
