"""The client of an Accord's own API against the whole application, without a network; and `accord push` on top of it."""

import io
import json
import os
import socket
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from adapters import accord_client
from adapters.accord_client import AccordClient
from adapters.client_file import ClientFile, new_client_key, write_client
from adapters.identity import Keys
from adapters.offered import Offered
from consent.subject import Role
from mappings.failures import Conflict, Forbidden, Full, Invalid, NotFound, Unauthenticated, Unavailable
from server.cli import gather, push
from server.usecases import report
from server.usecases.agreement import move_agreement
from server.usecases.client import add_client, set_client
from server.web import app
from tests import builders

WAITS, REFUSED, TAKEN, NO_DICOM = (
    "mr/MR_small.dcm",
    "identified/mr_p01_s01.dcm",
    "mr/emri_small.dcm",
    "malformed/not_a_dicom_file.txt",
)
TOKEN, STUDIES = "/oauth/token", "/dicom-web/studies"


class House(httpx.BaseTransport):
    """An Accord behind a wire that can be cut: `before` may answer or break instead, `after` may break."""

    def __init__(self, folder: Path) -> None:
        self.runtime = builders.runtime(folder)
        builders.seed(self.runtime)
        key, jwks = new_client_key()
        scopes = ["system/ImagingStudy.crs"]
        add_client(self.runtime, builders.ACTOR, "pusher", party="hospital-a", jwks=jwks, scopes=scopes, terms=builders.TERMS)
        base = self.runtime.settings.base_url
        self.client = ClientFile("pusher", base, scopes[0], None, key)
        self.wire = httpx.WSGITransport(app.create(self.runtime, Keys.load_or_make(folder / "signing.json")))
        self.paths: list[str] = []
        self.pauses: list[float] = []
        self.before: Callable[[httpx.Request], httpx.Response | None] = lambda _request: None
        self.after: Callable[[httpx.Request], None] = lambda _request: None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.paths.append(request.url.path)
        answer = self.before(request) or self.wire.handle_request(request)
        self.after(request)
        return answer

    def connect(self) -> AccordClient:
        return AccordClient(self.client, transport=self, pause=self.pauses.append)

    def report(self, key: str) -> list[tuple[str, str, str]]:
        return [(f.name, f.outcome, f.rule) for f in report.report(self.runtime, builders.caller(Role.PROVIDER), key).files]


@pytest.fixture
def house(tmp_path):
    built = House(tmp_path)
    yield built
    built.runtime.close()


@pytest.fixture
def client(house):
    with house.connect() as made:
        yield made


def offered(*names: str) -> list[Offered]:
    return [Offered(name, builders.DICOM / name, (builders.DICOM / name).stat().st_size) for name in names]


def once(path: str, act: Callable[[], httpx.Response | None]) -> Callable[[httpx.Request], httpx.Response | None]:
    """Let the first request to a path meet something else."""
    left = [act]
    return lambda request: left.pop()() if request.url.path == path and left else None


def cut() -> None:
    raise httpx.ReadError("cut")


def test_a_push_is_one_batch_with_every_file_told_of_once(house, client):
    key = client.open_batch("LUNG")
    client.send(key, offered(WAITS, REFUSED, TAKEN, NO_DICOM))
    closed = client.close_batch(key)
    assert closed["outcomes"] == {"reject": 2, "review": 1, "duplicate": 0, "pass": 1}
    assert house.report(key) == [
        (WAITS, "review", "not-declared"),
        (REFUSED, "reject", "birth-date"),
        (TAKEN, "pass", "declared"),
        (NO_DICOM, "reject", "not-dicom"),
    ]


def test_what_went_before_is_known_and_not_sent_again(house, client):
    client.send(client.open_batch(), offered(TAKEN))
    house.paths.clear()
    key = client.open_batch()
    client.send(key, offered(TAKEN))
    assert STUDIES not in house.paths
    assert house.report(key) == [(TAKEN, "duplicate", "known")]


@pytest.mark.parametrize("wire", ["before", "after"])
def test_a_cut_connection_leaves_every_file_told_of_once_and_the_bar_at_its_end(house, client, wire):
    moved: list[int] = []
    setattr(house, wire, once(STUDIES, cut))
    key = client.open_batch()
    files = offered(WAITS, REFUSED, TAKEN)
    client.send(key, files, moved.append)
    assert sorted(name for name, _, _ in house.report(key)) == sorted(f.name for f in files)
    assert sum(moved) == sum(f.size for f in files)


def test_a_busy_server_is_given_the_time_it_asks_for(house, client):
    house.before = once(STUDIES, lambda: httpx.Response(503, headers={"Retry-After": "7"}))
    key = client.open_batch()
    client.send(key, offered(TAKEN))
    assert house.pauses == [7]
    assert house.report(key) == [(TAKEN, "pass", "declared")]


def test_a_server_that_asks_for_hours_is_asked_again_within_a_minute(house, client):
    house.before = once("/api/batches", lambda: httpx.Response(503, headers={"Retry-After": "86400"}))
    client.open_batch()
    assert house.pauses == [accord_client.LONGEST_PAUSE]


class Cut(httpx.SyncByteStream):
    """A body that breaks off."""

    def __iter__(self):
        yield b"{"
        raise httpx.ReadError("cut")


NO_ANSWERS = {
    "deep": lambda: httpx.Response(200, content=b"[" * 200_000),
    "cut": lambda: httpx.Response(200, stream=Cut()),
    "packed": lambda: httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(b"no gzip")),
}


@pytest.mark.parametrize("answer", NO_ANSWERS.values(), ids=NO_ANSWERS)
@pytest.mark.parametrize("path", [accord_client.METADATA_PATH, TOKEN, "/api/batches"])
def test_an_answer_that_is_none_is_said(house, client, path, answer):
    house.before = lambda request: answer() if request.url.path == path else None
    with pytest.raises(Unavailable):
        client.open_batch()


def test_a_report_that_breaks_off_is_said(house, client):
    house.before = lambda request: NO_ANSWERS["cut"]() if "format=" in str(request.url) else None
    with pytest.raises(Unavailable, match="broke off"):
        client.report(client.open_batch(), "text", io.BytesIO())


def test_what_a_server_says_moves_no_cursor(house, client):
    house.before = lambda request: (
        httpx.Response(409, json={"title": "x", "detail": "\x1b[2Jno"}) if "api" in str(request.url) else None
    )
    with pytest.raises(Conflict) as refused:
        client.open_batch()
    assert refused.value.sentence == "?[2Jno"
    house.before = once(TOKEN, lambda: httpx.Response(400, json={"error": "x", "error_description": "\x9b2Jno"}))
    with pytest.raises(Unauthenticated) as denied, house.connect() as other:
        other.open_batch()
    assert denied.value.sentence == "x: ?2Jno"


@pytest.mark.parametrize("path", [TOKEN, "/api/batches", STUDIES])
def test_a_server_that_never_answers_is_given_up_after_a_bounded_number_of_tries(house, client, path):
    house.before = lambda request: cut() if request.url.path == path else None
    with pytest.raises(Unavailable):
        client.send(client.open_batch(), offered(TAKEN))
    assert house.paths.count(path) == len(accord_client.PAUSES) + 1
    assert house.pauses == list(accord_client.PAUSES)


def test_the_token_is_kept_while_it_is_good_and_renewed_before_it_expires(house, client, monkeypatch):
    client.open_batch()
    client.open_batch()
    assert house.paths.count(TOKEN) == 1
    now = accord_client.time.monotonic()
    monkeypatch.setattr(accord_client.time, "monotonic", lambda: now + 250)
    client.open_batch()
    assert house.paths.count(TOKEN) == 2


def test_a_token_refused_although_it_is_young_is_renewed_once(house, client):
    house.before = once("/api/batches", lambda: httpx.Response(401))
    client.open_batch()
    assert house.paths == [accord_client.METADATA_PATH, TOKEN, "/api/batches", TOKEN, "/api/batches"]


def test_the_token_endpoint_is_the_servers_own_by_whatever_url_it_is_reached(house):
    with AccordClient(house.client, "http://tunnel.example:9", transport=house, pause=house.pauses.append) as reached:
        assert reached.open_batch()
    assert house.paths == [accord_client.METADATA_PATH, TOKEN, "/api/batches"]


@pytest.mark.parametrize(
    "told", [{"issuer": "https://other.example"}, {"token_endpoint": "https://other.example/oauth/token"}, {"issuer": 1}, {}]
)
def test_a_proof_is_made_for_no_server_but_the_client_files_own(house, client, told):
    said = {"issuer": house.client.base_url, "token_endpoint": f"{house.client.base_url}{TOKEN}"} | told
    house.before = lambda request: httpx.Response(200, json=said if told else []) if "well-known" in request.url.path else None
    with pytest.raises(Unavailable):
        client.open_batch()
    assert TOKEN not in house.paths


def test_a_server_that_goes_by_another_url_is_not_waited_for(house):
    elsewhere = replace(house.client, base_url="https://other.example")
    with (
        AccordClient(elsewhere, transport=house, pause=house.pauses.append) as client,
        pytest.raises(Unavailable, match="correct its base_url"),
    ):
        client.open_batch()
    assert house.pauses == []


def test_a_client_file_of_before_is_followed_to_the_token_endpoint_it_names(house):
    older = replace(house.client, token_url=house.client.base_url + TOKEN)
    with AccordClient(older, transport=house) as client:
        client.open_batch()
    assert house.paths == [TOKEN, "/api/batches"]


def test_failures_are_the_servers_own_by_code_and_sentence(house, client):
    with pytest.raises(NotFound) as missing:
        client.open_batch("NOWHERE")
    assert (missing.value.code, missing.value.sentence) == ("dataset-unknown", "You have no dataset of this name.")
    move_agreement(house.runtime, builders.ACTOR, "DSA-LUNG", "suspend")
    with pytest.raises(Conflict) as stopped:
        client.open_batch()
    assert stopped.value.code == "agreement-not-active"


def test_a_full_disk_ends_the_push_with_its_sentence(house, client):
    house.before = once(STUDIES, lambda: httpx.Response(507, json={"title": "disk-nearly-full", "detail": "No room."}))
    with pytest.raises(Full, match="No room"):
        client.send(client.open_batch(), offered(TAKEN))


def test_a_batch_closed_by_somebody_else_ends_the_push(client):
    key = client.open_batch()
    client.close_batch(key)
    with pytest.raises(Conflict, match="closed"):
        client.send(key, offered(TAKEN))


def test_a_client_that_is_refused_too_often_is_told_so_in_the_servers_words(house, client):
    """Before a token request is read, its refusal is a problem (RFC 9457) and no OAuth error."""
    problem = {"title": "throttled", "status": 429, "detail": "This client was refused too often from this address."}
    house.before = once(TOKEN, lambda: httpx.Response(429, json=problem))
    with pytest.raises(Unauthenticated, match="refused too often") as refused:
        client.open_batch()
    assert refused.value.code == "throttled"


def test_a_disabled_client_is_refused_by_name(house, client):
    set_client(house.runtime, builders.ACTOR, "pusher", enabled=False)
    with pytest.raises(Unauthenticated) as refused:
        client.open_batch()
    assert refused.value.code == "client-disabled"


def test_what_is_no_accord_is_not_taken_for_one(house, client):
    house.before = once("/api/batches", lambda: httpx.Response(200, text="<html>"))
    with pytest.raises(Unavailable, match="not answer as an Accord"):
        client.open_batch()


def test_a_scope_that_is_missing_is_said(house):
    bare = ClientFile("pusher", house.client.base_url, "system/ImagingStudy.rs", None, house.client.private_jwk)
    with AccordClient(bare, transport=house) as client, pytest.raises(Forbidden) as refused:
        client.open_batch()
    assert refused.value.code == "insufficient-scope"


def test_files_are_asked_about_and_sent_in_bounded_groups(house, client, monkeypatch):
    monkeypatch.setattr(accord_client, "WINDOW_FILES", 3)
    monkeypatch.setattr(accord_client, "REQUEST_BYTES", 10_000)
    small = offered(*["flags/burned_in_no.dcm"] * 2)
    files = [Offered(f"{n}.dcm", f.path, f.size) for n, f in enumerate([*small, *offered(TAKEN), *small])]
    assert max(f.size for f in files) > 10_000
    key = client.open_batch()
    client.send(key, files)
    assert house.paths.count(f"/api/batches/{key}/known") == 2
    assert len(house.report(key)) == 5


def test_an_archive_that_is_another_by_now_is_said_by_name(house, client, tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.dcm", b"a")
        archive.writestr("b.dcm", b"b")
    files, _ = gather.gathered((path,), tmp_path)
    key = client.open_batch()
    house.before = once(f"/api/batches/{key}/known", lambda: path.write_bytes(b"") and None)
    with pytest.raises(Conflict, match=r"a\.dcm changed"):
        client.send(key, files)


def test_a_file_that_changes_while_it_is_sent_is_said_by_name(client, tmp_path):
    (file := tmp_path / "a.dcm").write_bytes(b"four")
    for size in (3, 5):
        with pytest.raises(Conflict, match=r"a\.dcm changed"):
            client.send(client.open_batch(), [Offered("a.dcm", file, size)])


@pytest.mark.parametrize("name", ["Überweisung 1.dcm", "a;b=%41\r\nX: y.dcm", '"q".dcm', "日本/1"])
def test_any_name_reaches_the_report_as_it_is(house, client, tmp_path, name):
    (file := tmp_path / "a").write_bytes(b"no DICOM")
    key = client.open_batch()
    client.send(key, [Offered(name, file, 8)])
    assert house.report(key) == [(name, "reject", "not-dicom")]
    assert client.acknowledged(key, {name: "0" * 64}) == {name}


def test_a_report_is_written_in_the_form_that_is_asked_for(client):
    key = client.open_batch()
    client.send(key, offered(TAKEN))
    written = {form: io.BytesIO() for form in ("json", "csv", "text")}
    for form, into in written.items():
        client.report(key, form, into)
    assert json.loads(written["json"].getvalue())["receipts"][0]["file"] == TAKEN
    assert written["csv"].getvalue().startswith(b"file,")
    assert written["text"].getvalue().startswith(b"Batch ")


# --- accord push


@pytest.fixture
def command(house, tmp_path, monkeypatch):
    write_client(tmp_path / "client.json", house.client)
    monkeypatch.setattr(
        push, "AccordClient", lambda client, _url, **_: AccordClient(client, transport=house, pause=house.pauses.append)
    )

    def run(*arguments: str | Path) -> int:
        with push.push.make_context("push", ["--as", str(tmp_path / "client.json"), *map(str, arguments)]) as context:
            return push.push.invoke(context)

    return run


def test_push_prints_the_report_and_nothing_else_and_ends_with_1_where_something_was_refused(command, capfdbinary):
    assert command(builders.DICOM / "identified", "--report", "json") == 1
    said = json.loads(capfdbinary.readouterr().out)
    names = sorted(p.name for p in (builders.DICOM / "identified").iterdir())
    assert [f["file"] for f in said["receipts"]] == names
    assert said["outcomes"]["reject"] > 0
    assert said["closed"]


def test_push_ends_with_0_where_nothing_was_refused_and_again_where_all_is_known(command, capfdbinary):
    for outcome in ("pass", "duplicate"):
        assert command(builders.DICOM / TAKEN, "--report", "json") == 0
        assert json.loads(capfdbinary.readouterr().out)["outcomes"][outcome] == 1


def test_a_push_that_was_stopped_goes_on_where_it_was(house, command, capfdbinary, monkeypatch):
    monkeypatch.setattr(accord_client, "REQUEST_FILES", 1)
    stored = []

    def stop(request: httpx.Request) -> None:
        if request.url.path == STUDIES:
            stored.append(request)
            if len(stored) == 2:
                raise KeyboardInterrupt

    house.after = stop
    folder = builders.DICOM / "ct/liver"
    with pytest.raises(KeyboardInterrupt):
        command(folder)
    said = capfdbinary.readouterr().err.decode()
    key = next(path for path in house.paths if path.endswith("/known")).split("/")[3]
    assert "Stopped after 1 of 3 files: 1 sent (526.5 kB), 0 known already.\nTo go on, run the very same command again" in said
    assert f"\nnext: accord report {key} --as " in said
    assert command(folder, "--report", "json") == 0
    again = capfdbinary.readouterr()
    told = json.loads(again.out)
    assert {rule["rule"]: rule["files"] for rule in told["rules"]} == {"waiting": 2, "not-declared": 1}
    assert [file["file"] for file in told["receipts"]] == ["01.dcm", "02.dcm", "03.dcm"]
    assert again.err.decode().startswith("3 files: 1 sent (526.5 kB); 0 taken, 0 known already, 3 waiting for review,")


@pytest.mark.parametrize("name", ["export.zip", "export.tar", "export.tgz"])
def test_an_archive_is_pushed_as_the_files_in_it_and_only_once(house, command, capfdbinary, tmp_path, name):
    taken = builders.sample(TAKEN)
    if name.endswith("zip"):
        with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("disc/IM1", bytes(taken))
            archive.writestr("disc/.DS_Store", b"x")
    else:
        with tarfile.open(tmp_path / name, "w:gz" if name.endswith("tgz") else "w") as archive:
            archive.add(builders.DICOM / TAKEN, "disc/IM1")
    for outcome in ("pass", "duplicate"):
        assert command(tmp_path / name, "--report", "json") == 0
        (file,) = json.loads(capfdbinary.readouterr().out)["receipts"]
        assert (file["file"], file["outcome"]) == (f"{tmp_path}/{name}/disc/IM1", outcome)
    assert house.paths.count(STUDIES) == 1
    assert list(tmp_path.glob("*.tar")) == list(tmp_path.glob("export.tar"))


def test_a_damaged_file_of_an_archive_keeps_no_other_from_being_sent(command, capfdbinary, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("bad", bytes(1000))
        archive.writestr("good", bytes(builders.sample(TAKEN)))
    content = bytearray((tmp_path / "a.zip").read_bytes())
    content[500] ^= 1
    (tmp_path / "a.zip").write_bytes(content)
    assert command(tmp_path / "a.zip", "--report", "json") == 1
    said = capfdbinary.readouterr()
    assert [file["file"].rpartition("/")[2] for file in json.loads(said.out)["receipts"]] == ["good"]
    assert b"a.zip/bad' can't be unpacked" in said.err
    assert b"1 skipped." in said.err


def test_an_archive_in_an_archive_is_not_sent(tmp_path):
    with zipfile.ZipFile(tmp_path / "inner.zip", "w") as archive:
        archive.writestr("a", b"x")
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as archive:
        archive.write(tmp_path / "inner.zip", "inner.zip")
    files, skipped = gather.gathered([tmp_path / "outer.zip"], tmp_path)
    assert (files, skipped) == ([], [(f"{tmp_path}/outer.zip/inner.zip", gather.NESTED)])


def test_what_is_not_sent_is_said(command, capsys, tmp_path):
    folder = tmp_path / "export"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep/a.dcm").write_bytes(builders.sample(TAKEN))
    (folder / "link").symlink_to(folder / "deep")
    (folder / "gone").symlink_to("nowhere")
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
    files, skipped = gather.gathered([folder], tmp_path)
    assert [f.name for f in files] == ["deep/a.dcm"]
    assert [name for name, _ in skipped] == ["gone", "link", "pipe", "socket"]
    assert command(folder) == 1
    assert "skipped: 'pipe' is not a regular file." in capsys.readouterr().err


def test_what_lies_beside_images_everywhere_is_skipped_and_nothing_is_wrong(command, capsys, tmp_path):
    """It was sent, and refused one by one as no DICOM file."""
    folder = tmp_path / "disc"
    folder.mkdir()
    (folder / "IM0001").write_bytes(builders.sample(TAKEN))
    beside = {
        ".DS_Store": b"\0\0\0\1Bud1",
        "._IM0001": b"x",
        "DICOMDIR": b"x",
        "letter.dcm": b"%PDF-1.7",
        "Thumbs.db": b"x",
        "zero": b"",
    }
    for name, content in beside.items():
        (folder / name).write_bytes(content)
    assert command(folder) == 0
    said = capsys.readouterr()
    *lines, summed = said.err.splitlines()
    assert sorted(line.split("'")[1] for line in lines) == sorted(beside)
    assert summed.startswith("7 files: 1 sent (")
    assert summed.endswith("; 1 taken, 0 known already, 0 waiting for review, 0 refused, 6 skipped.")
    assert "skipped: 'letter.dcm' is a PDF, not a DICOM file." in said.err
    assert "1 file" in said.out


def test_files_are_named_by_their_path_in_the_one_folder_or_as_they_were_given(tmp_path):
    for name in ("b/2", "b/10", "a"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert [f.name for f in gather.gathered([tmp_path], tmp_path)[0]] == ["a", "b/10", "b/2"]
    given = [tmp_path / "b", tmp_path / "a", tmp_path / "a"]
    assert [f.name for f in gather.gathered(given, tmp_path)[0]] == [f"{tmp_path}/{n}" for n in ("a", "b/10", "b/2")]


def test_a_name_in_no_known_encoding_is_kept_apart_from_others(tmp_path):
    for name in (b"\xff.dcm", b"\xfe.dcm"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(b"x")
    assert [f.name for f in gather.gathered([tmp_path], tmp_path)[0]] == ["\\xfe.dcm", "\\xff.dcm"]


def test_nothing_to_send_opens_no_batch(house, command, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(Invalid, match="no file"):
        command(tmp_path / "empty")
    assert house.paths == []
