"""Repositories ask each other: two real Accords over HTTP, and peers that are late, cut off, huge, elsewhere, or against us."""

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from flask import Flask
from msgspec import structs
from sqlalchemy import select
from werkzeug.serving import make_server

from adapters import peers as adapter
from adapters.client_file import ClientFile, new_client_key, write_client
from adapters.identity import Keys
from adapters.sql import tables as t
from mappings.failures import Conflict, Invalid, NotFound
from mappings.peers.answer import PeerAnswer, State, total
from mappings.peers.question import Question, read_question
from server.usecases import document
from server.usecases import peer as registry
from server.usecases.ask import ask, ask_recorded, record_asking
from server.usecases.batch import close_batch
from server.usecases.client import add_client
from server.usecases.identify import identify
from server.usecases.party import add_party
from server.usecases.peer import MOST_PEERS, add_peer, list_peers, remove_peer
from server.usecases.runtime import Runtime
from server.usecases.take import take
from server.web import app as web
from server.web import context, errors
from server.web import federation as federated
from server.web.bulkheads import Bulkhead, Bulkheads
from tests import builders
from tests.server.test_federation import study
from tests.servers import free_port

ACTOR = builders.ACTOR
SECRET = "Secret of b"
QUESTION = read_question(modality=["MR"], body_part=["PROSTATE"], sex=["M"], age="40-70")
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
Serve = Callable[[socket.socket, bytes], None]


@pytest.fixture
def asker(tmp_path) -> Iterator[Runtime]:
    built = builders.runtime(tmp_path / "asker")
    yield built
    built.close()


@contextmanager
def served(runtime: Runtime) -> Iterator[str]:
    """An Accord's federated search on a port."""
    app = Flask("test")
    context.install(app, runtime, partial(identify, runtime), Bulkheads(dict.fromkeys(Bulkhead, 4)))
    errors.install(app, federated.door())
    with serving(app, free_port()) as url:
        yield url


@contextmanager
def serving(app: Flask, port: int) -> Iterator[str]:
    """An application on this port."""
    server = make_server("127.0.0.1", port, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


def fill(runtime: Runtime, *people: tuple[str, int, str]) -> Runtime:
    """One study each of these (sex, age, modality) in the dataset PROSTATE."""
    builders.seed(runtime, alias="PROSTATE", purposes=("AIRESEARCH",), external=True)
    for number, (sex, age, modality) in enumerate(people):
        study(runtime, "PROSTATE", f"P{number}", (modality, "PROSTATE", "X"), sex=sex, age=age)
    return runtime


@contextmanager
def another(folder, *people: tuple[str, int, str], **settings: object) -> Iterator[str]:
    """A whole other Accord that knows us by our secret."""
    runtime = fill(builders.runtime(folder, federation_callers=f"asker {SECRET}", **settings), *people)
    with served(runtime) as url:
        yield url
    runtime.close()


@contextmanager
def behaving(serve: Serve) -> Iterator[str]:
    """A peer that does this with every connection and the request that came by it."""
    ours: list[socket.socket] = []
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def run() -> None:
            while True:
                try:
                    line, _ = listener.accept()
                except OSError:
                    return
                ours.append(line)
                threading.Thread(target=_done, args=(serve, line), daemon=True).start()

        threading.Thread(target=run, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
    for line in ours:
        line.close()


def _done(serve: Serve, line: socket.socket) -> None:
    with suppress(OSError):  # it was left
        serve(line, _request(line))


def _request(line: socket.socket) -> bytes:
    """A whole request: a connection that is closed with some of it unread is reset, and its answer lost."""
    read = b""
    while b"\r\n\r\n" not in read:
        read += line.recv(65536)
    length = int((re.search(rb"(?i)content-length: (\d+)", read) or [b"", b"0"])[1])
    while len(read.partition(b"\r\n\r\n")[2]) < length:
        read += line.recv(65536)
    return read


def says(head: bytes, body: bytes = b"") -> Serve:
    def serve(line: socket.socket, _request: bytes) -> None:
        line.sendall(head + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        line.close()

    return serve


def drips(line: socket.socket, _request: bytes) -> None:
    """A head that never ends, a byte now and then: each read is in time."""
    line.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        line.sendall(b"x")
        time.sleep(0.1)


def is_silent(line: socket.socket, _request: bytes) -> None:
    line.recv(1)


def dies(line: socket.socket, _request: bytes) -> None:
    line.sendall(OK + b'Content-Length: 1000\r\n\r\n{"collections":[')
    line.close()


def floods(line: socket.socket, _request: bytes) -> None:
    line.sendall(OK + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        line.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")


def asked(runtime: Runtime, question: Question = QUESTION, *names: str) -> dict[str, PeerAnswer]:
    answers: list[PeerAnswer] = []
    ask(runtime, ACTOR, question, names, answers.append)
    assert len({answer.peer for answer in answers}) == len(answers)
    return {answer.peer: answer for answer in answers}


def secret(tmp_path, text: str = SECRET) -> str:
    (tmp_path / "secret").write_text(f"{text}\n")
    return str(tmp_path / "secret")


def recorded(runtime: Runtime) -> list[dict[str, object]]:
    """What the ledger says was asked of peers."""
    with runtime.store.read() as connection:
        bodies = select(t.ledger_body.c.body).where(t.ledger_body.c.kind == "federation.asked")
        return [json.loads(body) for body in connection.execute(bodies).scalars()]


MEN = [("M", 50, "MR"), ("M", 60, "MR"), ("F", 50, "MR"), ("M", 30, "MR"), ("M", 50, "CT")]


def test_two_accords_are_asked_for_one_question_and_a_dataset_that_both_name_counts_once(asker, tmp_path):
    with another(tmp_path / "b", *MEN) as b, another(tmp_path / "c", *MEN, *MEN) as c:
        for name, url in (("b", b), ("c", c)):
            add_peer(asker, ACTOR, name, kind="accord", url=url, secret_file=secret(tmp_path))
        answers = asked(asker)
    assert {name: (a.state, a.studies, a.subjects) for name, a in answers.items()} == {
        "b": (State.AT_LEAST, 2, 2),
        "c": (State.AT_LEAST, 4, 4),
    }
    least = total(list(answers.values()))
    assert (least.studies, least.subjects, least.datasets) == (4, 4, 1)


def test_an_accord_that_is_asked_applies_its_own_disclosure(asker, tmp_path):
    with another(tmp_path / "b", *MEN, min_subjects=10) as b:
        add_peer(asker, ACTOR, "b", kind="accord", url=b, secret_file=secret(tmp_path))
        answer = asked(asker)["b"]
    assert (answer.state, answer.studies, answer.datasets) == (State.AT_LEAST, 0, ())


def test_what_is_asked_is_recorded_before_anything_leaves_and_no_answer_is(asker):
    seen: list[int] = []

    def looks(line: socket.socket, request: bytes) -> None:
        with asker.store.read() as connection:
            seen.append(
                len(connection.execute(select(t.ledger_body.c.id).where(t.ledger_body.c.kind == "federation.asked")).all())
            )
        says(OK, b'{"collections":[]}')(line, request)

    with behaving(looks) as url:
        add_peer(asker, ACTOR, "b", kind="eucaim", url=url)
        asked(asker)
    assert seen == [1]
    with asker.store.read() as connection:
        body = json.loads(
            connection.execute(select(t.ledger_body.c.body).where(t.ledger_body.c.kind == "federation.asked")).scalar_one()
        )
        assert connection.execute(select(t.peer_answer)).all() == []
    assert (body["question"], body["peers"], body["actor"]) == (QUESTION.text, ["b"], ACTOR)
    assert {"v", "kind", "at", "actor", "query", "sha256", "question", "peers"} == body.keys()


BAD: dict[str, tuple[Serve, State, str]] = {
    "silent": (is_silent, State.NO_ANSWER, "within 2 s"),
    "drips": (drips, State.NO_ANSWER, "within 2 s"),
    "dies": (dies, State.NO_ANSWER, "broke off"),
    "floods": (floods, State.NO_ANSWER, "larger than 1 MB"),
    "no-http": (says(b"SSH-2.0-x\r\n"), State.NO_ANSWER, "does not speak HTTP"),
    "other-json": (says(OK, b'{"results":0}'), State.NO_ANSWER, "no reply"),
    "html": (says(OK, b"<html>0</html>"), State.NO_ANSWER, "no reply"),
    "coded": (says(OK + b"Content-Encoding: gzip\r\n", b"x"), State.NO_ANSWER, "compressed"),
    "refuses": (says(b"HTTP/1.1 401 No\r\n"), State.REFUSED, "who asks"),
    "busy": (says(b"HTTP/1.1 503 No\r\n"), State.NO_ANSWER, "503"),
}


def test_what_a_peer_does_keeps_no_other_waiting_and_is_never_no_results(asker, tmp_path, monkeypatch):
    """Ten of them at once, and a good one: all is over when the latest's time is."""
    monkeypatch.setattr(adapter, "MOST_BYTES", 1_000_000)
    hurried = replace(asker, settings=structs.replace(asker.settings, peer_seconds=2))
    with ExitStack() as running:
        for name, (serve, _, _) in BAD.items():
            add_peer(hurried, ACTOR, name, kind="eucaim", url=running.enter_context(behaving(serve)))
        good = running.enter_context(another(tmp_path / "b", *MEN))
        add_peer(hurried, ACTOR, "good", kind="accord", url=good, secret_file=secret(tmp_path))
        add_peer(hurried, ACTOR, "nobody", kind="accord", url=f"http://127.0.0.1:{free_port()}")
        began = time.monotonic()
        answers = asked(hurried)
        took = time.monotonic() - began
    assert took < 6
    assert (answers["good"].state, answers["good"].studies) == (State.AT_LEAST, 2)
    assert answers["nobody"].state is State.NO_ANSWER
    assert answers["nobody"].said.startswith("It can't be reached: ")
    for name, (_, state, why) in BAD.items():
        answer = answers[name]
        assert (answer.state, answer.studies, answer.subjects) == (state, None, None), name
        assert why in answer.said, (name, answer.said)


def test_a_peer_that_redirects_is_not_followed_and_nobody_else_is_shown_the_secret(asker, tmp_path):
    shown: list[bytes] = []
    with behaving(lambda _line, request: shown.append(request)) as elsewhere:
        moved = f"HTTP/1.1 307 Moved\r\nLocation: {elsewhere}/api/datasets/eucaimSearch\r\n"
        with behaving(says(moved.encode())) as url:
            add_peer(asker, ACTOR, "b", kind="accord", url=url, secret_file=secret(tmp_path))
            answer = asked(asker)["b"]
    assert (answer.state, answer.said) == (State.NO_ANSWER, "It redirects, and that is not followed.")
    assert shown == []


def test_a_proxy_of_the_environment_is_not_asked(asker, tmp_path, monkeypatch):
    with behaving(says(OK, b"{}")) as proxy, behaving(says(OK, b'{"collections":[]}')) as url:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy)
        add_peer(asker, ACTOR, "b", kind="eucaim", url=url)
        assert asked(asker)["b"].state is State.ANSWERED


def test_what_a_peer_is_sent_names_no_user(asker, tmp_path):
    sent: list[bytes] = []

    def keeps(line: socket.socket, request: bytes) -> None:
        sent.append(request)
        says(OK, b'{"collections":[]}')(line, request)

    with behaving(keeps) as url:
        add_peer(asker, ACTOR, "b", kind="accord", url=url, secret_file=secret(tmp_path))
        asked(asker)
    head, _, body = sent[0].partition(b"\r\n\r\n")
    assert f"authorization: {SECRET}".encode().lower() in head.lower()
    assert ACTOR.encode() not in sent[0]
    assert json.loads(body).keys() == {"ast", "id"}


def test_one_that_can_not_express_age_is_not_asked_and_the_other_is(asker, tmp_path):
    with behaving(says(OK, b"{}")) as fhir, another(tmp_path / "b", *MEN) as b:
        add_peer(asker, ACTOR, "hapi", kind="fhir", url=fhir)
        add_peer(asker, ACTOR, "b", kind="accord", url=b, secret_file=secret(tmp_path))
        answers = asked(asker, read_question(sex=["M"], age="40-70"))
    assert (answers["hapi"].state, answers["hapi"].said) == (State.CANNOT_EXPRESS, "It can't be asked for age.")
    assert answers["b"].studies == 3


@contextmanager
def whole(folder) -> Iterator[tuple[str, ClientFile]]:
    """A whole Accord over HTTP, with two studies of MR and one of CT, and the client file of who may search there."""
    port = free_port()
    clock = builders.Clock(datetime.now(UTC) - timedelta(minutes=1))
    runtime = fill(builders.runtime(folder, port=port, clock=clock))
    batch = builders.batch(runtime, "PROSTATE")
    for number, modality in enumerate(("MR", "MR", "CT")):
        take(runtime, batch, str(number), builders.made(f"1.2.{number}.1", study=f"1.2.{number}", Modality=modality))
    close_batch(runtime, batch.id)
    clock.on(60)
    document.rebuild(runtime)
    private, public = new_client_key()
    add_party(runtime, ACTOR, "asker", "Asker", "repository", approved=True)
    registered = {"purposes": ["AIRESEARCH"], "terms": builders.TERMS, "scopes": ["system/ImagingStudy.rs"]}
    add_client(runtime, ACTOR, "asker", party="asker", node=None, jwks=public, **registered)
    app = web.create(runtime, Keys.load_or_make(folder / "keys.json"))
    with serving(app, port) as url:
        yield url, ClientFile("asker", url, "system/ImagingStudy.rs", "AIRESEARCH", private)
    runtime.close()


def test_a_fhir_server_is_asked_with_the_key_of_a_client_file(asker, tmp_path):
    with whole(tmp_path / "b") as (url, client):
        others = {"client_id": "stranger"}, {"base_url": "http://127.0.0.1:1"}
        for number, other in enumerate(({}, *others)):
            file = tmp_path / f"client-{number}.json"
            write_client(file, replace(client, **other))
            at = f"{url}/fhir/R4" if number == 0 else f"{url}/fhir/{number}"
            add_peer(asker, ACTOR, f"b{number}", kind="fhir", url=at, client_file=str(file))
        answers = asked(asker, read_question(modality=["MR"]))
    assert (answers["b0"].state, answers["b0"].studies, answers["b0"].subjects) == (State.ANSWERED, 2, None)
    assert answers["b1"].state is State.REFUSED
    assert "name where its tokens are" in answers["b2"].said


def test_what_a_server_says_of_itself_reaches_no_terminal_as_it_came(asker, tmp_path):
    """Its metadata names another issuer: with moves of the cursor in it, and longer than a line."""
    issuer = "https://b.example/\x1b[2J" + "x" * 5000
    lies = json.dumps({"issuer": issuer, "token_endpoint": f"{issuer}/token"}).encode()
    with behaving(says(OK, lies)) as url:
        write_client(tmp_path / "client.json", ClientFile("asker", url, "system/*.rs", None, new_client_key()[0]))
        add_peer(asker, ACTOR, "b", kind="fhir", url=url, client_file=str(tmp_path / "client.json"))
        said = asked(asker, read_question(sex=["M"]))["b"].said
    assert (said.isprintable(), len(said)) == (True, adapter.MOST_SAID)


def test_a_question_that_is_stopped_lets_go_of_who_has_not_answered(asker):
    with behaving(is_silent) as url, behaving(says(OK, b'{"collections":[]}')) as quick:
        add_peer(asker, ACTOR, "slow", kind="eucaim", url=url)
        add_peer(asker, ACTOR, "quick", kind="eucaim", url=quick)
        with asker.store.write() as connection:
            asking = record_asking(asker, connection, ACTOR, QUESTION)
        answers: list[PeerAnswer] = []
        began = time.monotonic()
        ask_recorded(asker, asking, answers.append, lambda: bool(answers))
    assert [answer.peer for answer in answers] == ["quick"]
    assert time.monotonic() - began < 10


def test_the_secret_is_read_anew_for_each_question(asker, tmp_path):
    with another(tmp_path / "b", *MEN) as b:
        add_peer(asker, ACTOR, "b", kind="accord", url=b, secret_file=secret(tmp_path, "Secret old"))
        assert asked(asker)["b"].state is State.REFUSED
        secret(tmp_path)
        assert asked(asker)["b"].state is State.AT_LEAST
        (tmp_path / "secret").unlink()
        answer = asked(asker)["b"]
    assert answer.state is State.NO_ANSWER
    assert "can't be read" in answer.said


# --- the registry


@pytest.mark.parametrize(
    "url",
    [
        "http://accord.example",
        "http://127.0.0.1.evil.example",
        "https://user:pass@accord.example",
        "https://accord.example?x=1",
        "https://accord.example/#x",
        "https://accord.example/a b",
        "https://[x",
        "https://accord.example:x",
        "https://",
        "ftp://accord.example",
        "file:///etc/passwd",
        "https://" + "a" * 500,
        "",
    ],
)
def test_a_peer_is_asked_by_https_at_a_plain_url(asker, url):
    with pytest.raises(Invalid) as refused:
        add_peer(asker, ACTOR, "b", kind="accord", url=url)
    assert refused.value.code == "peer-url"


@pytest.mark.parametrize("text", ["", "two\nlines", "x" * 5000, "caf\u00e9"])
def test_a_secret_is_one_line_that_a_header_can_be(asker, tmp_path, text):
    with pytest.raises(Invalid) as refused:
        add_peer(asker, ACTOR, "b", kind="accord", url="https://b.example", secret_file=secret(tmp_path, text))
    assert refused.value.code == "secret-unreadable"
    assert text[:9] not in refused.value.sentence or not text


def test_a_peer_has_a_name_and_a_url_of_its_own_and_there_are_not_too_many(asker, monkeypatch):
    add_peer(asker, ACTOR, "b", kind="accord", url="https://b.example/")
    with pytest.raises(Conflict) as twice:
        add_peer(asker, ACTOR, "c", kind="fhir", url="https://b.example")
    assert twice.value.code == "peer-twice"
    monkeypatch.setattr(registry, "MOST_PEERS", 1)
    with pytest.raises(Conflict) as full:
        add_peer(asker, ACTOR, "c", kind="accord", url="https://c.example")
    assert (full.value.code, MOST_PEERS) == ("peers-full", 50)
    remove_peer(asker, ACTOR, "b")
    assert list_peers(asker) == ()


def test_who_is_not_there_is_not_asked(asker):
    with pytest.raises(Conflict, match="There is no peer to ask"):
        asked(asker)
    add_peer(asker, ACTOR, "b", kind="accord", url="https://b.example")
    with pytest.raises(NotFound):
        asked(asker, QUESTION, "c")
    assert recorded(asker) == []
