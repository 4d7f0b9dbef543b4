"""The doctor's checklist: well where all is, and each check wrong where what it looks at is broken."""

import json
import socket
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from msgspec import structs

from adapters.identity import Keys
from adapters.sql import custody, governance
from adapters.sql.store import Store
from adapters.tls import TlsFiles
from mappings.eucaim import PATH, read_ast
from mappings.query import is_nothing
from server.usecases import ledger, vet_node, worker
from server.usecases.examine import KEYS, Mark, examine, examine_keys
from server.usecases.node import move_node
from server.usecases.peer import add_peer
from tests.builders import ACTOR, made
from tests.certificates import certificate
from tests.deposits import deposit, in_care


class Answers(BaseHTTPRequestHandler):
    """A door that is open, and answers with its server's status."""

    def do_GET(self):
        self.send_response(self.server.status)
        self.end_headers()

    def do_POST(self):
        self.server.asked.append((self.path, self.headers, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
        known = self.headers["Authorization"] in self.server.secrets
        self.send_response(self.server.search if known else 401)
        self.end_headers()
        self.wfile.write(self.server.reply)

    def log_message(self, *_): ...


@pytest.fixture
def http():
    """An HTTP door."""
    with HTTPServer(("127.0.0.1", 0), Answers) as door:
        door.status, door.search, door.reply, door.asked, door.secrets = 200, 200, b'{"collections": []}', [], {"Secret a"}
        threading.Thread(target=door.serve_forever, daemon=True).start()
        yield door
        door.shutdown()


@pytest.fixture
def served(built, http):
    """A runtime that holds an object, with a worker and open doors."""
    deposit(built, made())
    ledger.sequence(built)
    ledger.checkpoint(built)
    worker.beat(built)
    Keys.load_or_make(built.settings.data_dir / "keys.json")
    with socket.create_server(("127.0.0.1", 0)) as dicom:
        ports = {"port": http.server_port, "dimse_port": dicom.getsockname()[1]}
        yield replace(built, settings=structs.replace(built.settings, **ports))


def wrong(runtime):
    return {each.check: each.sentence for each in examine(runtime) if each.mark is Mark.WRONG}


def test_where_all_is_well_nothing_is_wrong_and_each_thing_was_looked_at(served):
    told = [*examine_keys(served.settings), *examine(served)]
    assert {each.check for each in told if each.mark is Mark.WELL} == {f"key {name}" for name in KEYS} | {
        *("database", "disk", "node central", "server", "dicom", "https", "clock", "ledger", "worker", "jobs", "objects")
    }
    assert [each for each in told if each.mark is Mark.WRONG] == []


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("broken", ["missing", "garbage", "open to others"])
def test_a_key_that_is_missing_broken_or_open_to_others_is_wrong(served, name, broken):
    path = served.settings.data_dir / name
    if broken == "missing":
        path.unlink()
    elif broken == "garbage":
        path.write_text("garbage")
    else:
        path.chmod(0o644)
    (told,) = (each for each in examine_keys(served.settings) if each.check == f"key {name}")
    assert told.mark is (Mark.NOTE if (name, broken) == ("keys.json", "missing") else Mark.WRONG)
    assert path.exists() is (broken != "missing")


def test_a_database_of_another_release_is_all_that_is_said(served):
    with served.store.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
    assert [(each.check, each.mark) for each in examine(served)] == [("database", Mark.WRONG)]


def test_a_database_that_can_not_be_written_is_wrong(served):
    readonly = Store(f"sqlite:///file:{served.settings.data_dir / 'accord.db'}?mode=ro&uri=true")
    assert list(wrong(replace(served, store=readonly))) == ["database"]
    readonly.close()


def test_a_disk_without_room_is_wrong(served):
    assert "disk" in wrong(replace(served, settings=structs.replace(served.settings, min_free_mb=1_000_000_000)))


def test_a_node_without_its_disk_one_that_lacks_objects_and_one_that_may_not_be_used_are_wrong(served, monkeypatch):
    central = served.settings.data_dir / "central"
    central.rename(central.with_name("unmounted"))
    assert "is its disk mounted" in wrong(served)["node central"]
    central.with_name("unmounted").rename(central)
    (path,) = (central / "objects").glob("*/*")
    path.rename(central / "lost")
    assert wrong(served)["node central"] == "Of the last 1 objects 1 are not there, or have another size."
    (central / "lost").rename(path)
    monkeypatch.setattr(vet_node, "find_refusals", lambda *_: ["anonymous: it answers anybody."])
    assert wrong(served) == {"node central": "anonymous: it answers anybody."}


def test_a_node_that_was_unlinked_is_a_note(served):
    move_node(served, ACTOR, "central", "unlink")
    assert wrong(served) == {}
    assert next(each.mark for each in examine(served) if each.check == "node central") is Mark.NOTE


def test_a_server_that_answers_otherwise_or_not_at_all_is_wrong(served, http):
    http.status = 502
    assert wrong(served)["server"].endswith("does not answer: it answers with status 502.")
    nowhere = replace(served, settings=structs.replace(served.settings, port=1))
    assert "refused" in wrong(nowhere)["server"]


def searched(runtime, **settings):
    asked = replace(runtime, settings=structs.replace(runtime.settings, **({"federation_secret": "Secret a"} | settings)))
    return next(((each.mark, each.sentence) for each in examine(asked) if each.check == "federated search"), None)


def test_the_federated_search_is_asked_as_focus_asks_it(served, http):
    mark, said = searched(served)
    assert (mark, said.partition(" answers ")[2]) == (Mark.WELL, "eucaim as Focus asks.")
    ((path, headers, body),) = http.asked
    assert (path, headers["Content-Type"], headers["Authorization"]) == (PATH, "application/json", "Secret a")
    assert (is_nothing(read_ast(body["ast"])[0].where), read_ast(body["ast"])[1], body["id"]) == (True, (), "accord-doctor")
    assert searched(served, federation_secret="") is None


@pytest.mark.parametrize(
    ("status", "reply", "said"),
    [
        (201, b'{"collections": []}', "status 201"),
        (302, b"", "status 302"),
        (200, b"", "no JSON"),
        (200, b"[" * 100_000, "no JSON"),
        (200, b"[]", "no collections"),
        (200, b"{}", "no collections"),
        (200, '{"collections": [], "é": 1}'.encode(), "letters"),
        (200, b" " * 1_000_001, "over 1 MB"),
    ],
)
def test_an_answer_that_focus_or_the_explorer_cannot_use_is_wrong(served, http, status, reply, said):
    http.search, http.reply = status, reply
    mark, sentence = searched(served)
    assert mark is Mark.WRONG
    assert said in sentence
    assert "Secret a" not in sentence


def test_a_secret_that_the_server_has_not_read_is_wrong_and_two_that_it_has_are_told(served, http):
    callers = {"federation_callers": "biobank Secret b\neucaim Secret new"}
    mark, sentence = searched(served, **callers)
    assert mark is Mark.WRONG
    assert [part.partition(":")[0] for part in sentence.split(" does not answer ")[1:]] == [
        "eucaim by its secret 2",
        "biobank by its secret 1",
    ]
    http.secrets |= {"Secret b", "Secret new"}
    mark, sentence = searched(served, **callers)
    assert mark is Mark.WELL
    assert "Two secrets are valid of eucaim" in sentence


def test_a_federated_search_is_not_asked_of_a_server_that_does_not_answer(served, http):
    http.status = 503
    assert searched(served) == (Mark.NOTE, "It was not asked, since the server does not answer.")
    assert http.asked == []


def test_a_dicom_door_that_takes_no_connection_is_wrong(served):
    assert list(wrong(replace(served, settings=structs.replace(served.settings, dimse_port=1)))) == ["dicom"]


@pytest.mark.parametrize(
    ("days", "broken", "sentence"), [(0, False, ""), (20, False, "It ends in 9 days."), (31, False, "ended"), (0, True, "no PEM")]
)
def test_a_certificate_that_ends_soon_or_cannot_be_used_is_wrong(served, clock, tmp_path, days, broken, sentence):
    own = certificate(tmp_path / "own", "own")
    clock.at = datetime.now(UTC) + timedelta(days=days)
    if broken:
        own.pem.write_text("-")
    files = {"dimse_tls_port": served.settings.dimse_port, "dimse_tls_certificate": str(own.pem)}
    secured = replace(served, settings=structs.replace(served.settings, **files), tls=TlsFiles(own.pem, own.key, None))
    found = wrong(secured)
    assert ("certificate" in found, sentence in found.get("certificate", ""), "dicom by tls" in found) == (
        bool(sentence),
        True,
        False,
    )


@pytest.mark.parametrize(
    ("url", "well"),
    [
        ("http://pacs.invalid:8080", False),
        ("https://accord.invalid", True),
        ("http://[::1]:1", True),
        ("http://localhost:1", True),
    ],
)
def test_clear_http_is_wrong_where_callers_come_from_outside(served, url, well):
    assert ("https" not in wrong(replace(served, settings=structs.replace(served.settings, public_url=url)))) is well


def test_a_clock_behind_what_was_recorded_is_wrong(served, clock):
    clock.on(3600)
    worker.beat(served)
    clock.on(-3600)
    assert list(wrong(served)) == ["clock"]


def test_entries_that_nobody_makes_a_root_over_are_wrong(served, clock):
    deposit(served, made("1.2.3.1.2"))
    assert wrong(served) == {}
    clock.on(timedelta(minutes=6).total_seconds())
    worker.beat(served)
    assert list(wrong(served)) == ["ledger"]


def test_no_worker_and_a_job_that_nobody_does_are_wrong(served, clock):
    clock.on(timedelta(hours=1).total_seconds())
    assert list(wrong(served)) == ["worker", "jobs"]


def test_a_damaged_object_is_wrong(served):
    with served.store.write() as connection:
        custody.mark_damaged(connection, in_care(served).id, served.clock())
    assert list(wrong(served)) == ["objects"]


def test_a_database_that_another_holds_is_said_soon(served):
    impatient = replace(served, store=Store(served.settings.sqlalchemy_url, lock_seconds=1))
    with served.store.write() as connection:
        governance.lock(connection)
        assert "Another process holds the database." in wrong(impatient)["database"]
    impatient.store.close()
    assert wrong(served) == {}


def test_a_peer_whose_secret_is_gone_is_wrong(served, tmp_path):
    (tmp_path / "secret").write_text("Secret s")
    add_peer(served, ACTOR, "upv", kind="accord", url="https://a.example", secret_file=str(tmp_path / "secret"))
    assert "peers" not in wrong(served)
    (tmp_path / "secret").unlink()
    assert "Peer upv: The secret file" in wrong(served)["peers"]
