"""Questions to other repositories over HTTP: who may, what is told as it comes, what is cancelled, and how many there may be."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from adapters.identity import Keys
from adapters.sql import access
from adapters.sql import tables as t
from consent.policy import asking_refusal
from consent.subject import ANONYMOUS, Role
from server.usecases import peer_query
from server.usecases.peer import add_peer, remove_peer
from server.usecases.peer_query import MOST_KEPT, MOST_OPEN, forget_old
from server.usecases.runtime import MOST_ASKING
from tests import builders
from tests.house import CALLERS, House, build
from tests.running import eventually
from tests.usecases.test_ask import OK, behaving, dies, is_silent, says

URL = "/api/federation/queries"
USER, OPERATOR = CALLERS["user"], CALLERS["operator"]
TWO = says(OK, b'{"collections":[{"id":"D","name":"Set","studies_count":2,"subjects_count":1}]}')
ASKED = {"modality": ["MR"], "sex": ["M"], "age": "40-70"}


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("asks")
    made = build(folder, Keys.load_or_make(folder / "keys.json"))
    yield made
    made.runtime.close()


@pytest.fixture
def house(built) -> Iterator[House]:
    """The house, in which nothing was asked yet."""
    yield built
    assert eventually(lambda: built.runtime.asking._value == MOST_ASKING)  # nothing asks any more
    built.runtime.clock.on(3601)
    forget_old(built.runtime)


@contextmanager
def asking(house: House, **peers) -> Iterator[None]:
    """These peers are there, under their names."""
    name, *rest = peers
    with behaving(peers[name]) as url:
        add_peer(house.runtime, builders.ACTOR, name, kind="eucaim", url=url)
        with asking(house, **{each: peers[each] for each in rest}) if rest else nullcontext():
            yield
        remove_peer(house.runtime, builders.ACTOR, name)


def begin(house: House, who=USER, **more: object):
    return house.ask("POST", URL, who, json=ASKED | more)


def look(house: House, key: str, who=USER, accept: str = "application/json"):
    return house.ask("GET", f"{URL}/{key}", who, headers={"Accept": accept})


def ended(house: House, key: str) -> dict:
    assert eventually(lambda: look(house, key).json["ended"])
    return look(house, key).json


@pytest.mark.parametrize(
    ("who", "rule"),
    [
        (builders.subject(Role.USER), None),
        (builders.subject(Role.USER, external=True), None),
        (builders.subject(Role.INSIDE), None),
        (builders.subject(Role.OPERATOR), None),
        (builders.subject(Role.USER, approved=False), "not-approved"),
        (builders.subject(Role.USER, terms=frozenset()), "terms-not-accepted"),
        (builders.subject(Role.PROVIDER), "role"),
        (builders.subject(Role.SENDER), "role"),
        (builders.subject(Role.FEDERATION), "role"),
        (ANONYMOUS, "role"),
    ],
    ids=["user", "external", "inside", "operator", "unapproved", "no terms", "provider", "sender", "federation", "anybody"],
)
def test_the_operator_asks_and_approved_users_who_accepted_the_terms(who, rule):
    assert asking_refusal(who) == rule


def test_an_unapproved_user_is_told_why_it_may_not(house):
    told = begin(house, replace(USER, client="unapproved"))
    assert (told.status_code, told.json["title"]) == (403, "not-approved")


def test_a_question_is_begun_and_its_answers_are_there_when_they_came(house):
    with asking(house, good=TWO, bad=dies):
        made = begin(house)
        assert made.status_code == 201
        assert {peer["state"] for peer in made.json["peers"]} == {"waiting"}
        told = ended(house, made.json["query"])
    assert [(p["peer"], p["state"], p["studies"]) for p in told["peers"]] == [("good", "answered", 2), ("bad", "no answer", None)]
    assert told["datasets"] == [{"id": "D", "name": "Set", "studies": 2, "subjects": 1, "peers": ["good"]}]
    assert (told["at_least"], told["cancelled"]) == ({"studies": 2, "subjects": 1, "datasets": 1}, False)
    assert json.loads(told["question"]) == {"modality": ["MR"], "sex": ["M"], "age": [40, 70]}


def events(data: bytes) -> list[tuple[str, dict]]:
    found = [event.partition("\ndata: ") for event in data.decode().split("\n\n") if event]
    return [(name.removeprefix("event: "), json.loads(told)) for name, _, told in found]


def test_answers_are_told_as_events_when_they_come(house):
    gate = threading.Event()

    def gated(line, request):
        gate.wait(10)
        TWO(line, request)

    with asking(house, good=TWO, late=gated):
        key = begin(house).json["query"]
        shown = {"Authorization": f"Bearer {house.token(USER)}", "Accept": "text/event-stream"}
        stream = house.flask.test_client().get(f"{URL}/{key}", headers=shown)  # not read to its end before it is here
        assert (stream.status_code, stream.mimetype) == (200, "text/event-stream")
        pieces = stream.iter_encoded()
        first = events(next(pieces))
        gate.set()
        rest = events(b"".join(pieces))
        stream.close()
    assert [(name, told.get("peer")) for name, told in first + rest] == [("answer", "good"), ("answer", "late"), ("end", None)]
    assert (rest[-1][1]["ended"], rest[-1][1]["at_least"]["studies"]) == (True, 2)


def test_a_question_is_its_askers_alone(house):
    with asking(house, good=TWO):
        key = begin(house).json["query"]
        ended(house, key)
    for method in ("GET", "DELETE"):
        assert house.ask(method, f"{URL}/{key}", OPERATOR).status_code == 404
        assert house.ask(method, f"{URL}/{key}", CALLERS["provider"]).status_code == 403


def test_a_question_that_is_cancelled_is_let_go_of(house):
    with asking(house, silent=is_silent, good=TWO):
        key = begin(house).json["query"]
        assert eventually(lambda: look(house, key).json["at_least"]["studies"])
        assert house.ask("DELETE", f"{URL}/{key}", USER).status_code == 204
        told = look(house, key).json
        began = time.monotonic()
        assert eventually(lambda: house.runtime.asking._value == MOST_ASKING)
    assert time.monotonic() - began < 10
    assert (told["ended"], told["cancelled"]) == (True, True)
    silent, good = told["peers"]
    assert (silent["state"], silent["said"]) == ("no answer", peer_query.unanswered("x", "y", cancelled=True).said)
    assert good["state"] == "answered"


def test_where_the_process_that_asked_is_gone_what_did_not_come_is_no_answer(house, monkeypatch):
    monkeypatch.setattr(peer_query, "ask_recorded", lambda *_: (_ for _ in ()).throw(RuntimeError("gone")))
    with asking(house, good=TWO):
        key = begin(house).json["query"]
        assert look(house, key).json["ended"] is False
        house.runtime.clock.on(house.runtime.settings.peer_seconds + 6)
        told = ended(house, key)
    assert [(p["state"], p["studies"]) for p in told["peers"]] == [("no answer", None)]


def test_who_asks_much_is_told_to_wait(house, monkeypatch):
    with asking(house, silent=is_silent):
        keys = [begin(house).json["query"] for _ in range(MOST_OPEN)]
        more = begin(house)
        assert (more.status_code, more.json["title"], "Retry-After" in more.headers) == (429, "queries-open", True)
        monkeypatch.setattr(peer_query, "MOST_KEPT", MOST_OPEN)
        for key in keys:
            house.ask("DELETE", f"{URL}/{key}", USER)
        assert begin(house).json["title"] == "queries-often"
        assert begin(house, OPERATOR).status_code == 201, "another has questions of its own"
        house.ask("DELETE", f"{URL}/{begin(house, OPERATOR).json['query']}", OPERATOR)
        house.runtime.clock.on(60)
    assert MOST_KEPT == 60


def test_a_process_has_so_many_questions_under_way(house):
    for _ in range(MOST_ASKING):
        house.runtime.asking.acquire()
    full = begin(house)
    assert (full.status_code, full.json["title"]) == (503, "asking")
    for _ in range(MOST_ASKING):
        house.runtime.asking.release()
    assert begin(house).json["title"] == "no-peers"
    assert house.runtime.asking._value == MOST_ASKING, "what is refused holds no place"


def test_questions_are_forgotten_after_an_hour_and_the_ledger_keeps_what_was_asked(house):
    with asking(house, good=TWO):
        key = begin(house).json["query"]
        ended(house, key)
    assert forget_old(house.runtime) == 0
    house.runtime.clock.on(timedelta(hours=1, seconds=1).total_seconds())
    assert forget_old(house.runtime) == 1
    with house.runtime.store.read() as connection:
        tables = t.peer_query, t.peer_answer
        kept = [connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables]
        bodies = connection.execute(select(t.ledger_body.c.body).where(t.ledger_body.c.kind == "federation.asked"))
        (body,) = [body for body in bodies.scalars() if key in body.decode()]
        house.runtime.accesses.flush()
        asked = access.targets(connection, "researcher", 10)
    assert kept == [0, 0]
    assert json.loads(body)["actor"] == "researcher"
    assert any(target.startswith("peers {") for target in asked)
    assert b"Set" not in body


@pytest.mark.parametrize(
    ("more", "where"),
    [
        ({"sex": ["X"]}, "sex"),
        ({"age": "old"}, "age"),
        ({"peers": ["../x"]}, "$.peers[0]"),
        ({"modality": ["MR"] * 21}, "$.modality"),
        ({"peers": ["a"] * 51}, "$.peers"),
        ({"patient": "P1"}, "$"),
    ],
)
def test_a_question_that_can_not_be_read_is_refused_by_where(house, more, where):
    told = begin(house, **more)
    assert (told.status_code, told.json["where"]) == (400, where)


def test_what_is_neither_json_nor_events_is_not_told(house):
    with asking(house, good=TWO):
        key = begin(house).json["query"]
        ended(house, key)
        assert look(house, key, accept="text/html").status_code == 406
