"""Governance by the operator's verbs: refusals first, each act with its entry, and every stop binding the next statement."""

import pytest
from sqlalchemy import func, select

from adapters.sql import governance
from adapters.sql import search as rows
from adapters.sql import tables as t
from consent.conditions import Action
from consent.subject import FEDERATION, Role
from mappings.failures import Conflict, Failure, Gone, Invalid, NotFound
from mappings.query import Level, Query
from server.usecases import agree, document, ingest, reconcile, register, render, retrieve, search, withdraw
from server.usecases.hall import Caller
from server.usecases.render import Picture
from server.usecases.retrieve import Wanted
from tests import builders
from tests.builders import ACTOR, made

AGREED = {"provider": "hospital-a", "node": "central", "terms": "1.0.0"}
REFUSALS = [
    (Invalid, lambda h: agree.add_party(h, ACTOR, "x", "X", "king")),
    (Invalid, lambda h: agree.add_party(h, ACTOR, "no blanks", "X", "user")),
    (Conflict, lambda h: agree.add_party(h, ACTOR, "hospital-a", "X", "provider")),
    (Invalid, lambda h: register.add_node(h, ACTOR, "x", kind="cloud", hosting="central", url="x")),
    (Invalid, lambda h: register.add_node(h, ACTOR, "x", kind="folder", hosting="nowhere", url="x")),
    (Invalid, lambda h: register.add_node(h, ACTOR, "x", kind="folder", hosting="central", url="x", networks=["10.0.0.1/8"])),
    (Conflict, lambda h: register.add_node(h, ACTOR, "central", kind="folder", hosting="central", url="x")),
    (NotFound, lambda h: register.move_node(h, ACTOR, "nowhere", "link")),
    (Invalid, lambda h: agree.add_terms(h, ACTOR, "v2", b"")),
    (Conflict, lambda h: agree.add_terms(h, ACTOR, "1.0.0", b"changed")),
    (NotFound, lambda h: agree.add_agreement(h, ACTOR, "X", **(AGREED | {"provider": "nobody"}))),
    (NotFound, lambda h: agree.add_agreement(h, ACTOR, "X", **(AGREED | {"node": "nowhere"}))),
    (NotFound, lambda h: agree.add_agreement(h, ACTOR, "X", **(AGREED | {"terms": "9.9.9"}))),
    (Invalid, lambda h: agree.add_agreement(h, ACTOR, "X", **AGREED, actions=["govern"])),
    (Invalid, lambda h: agree.add_agreement(h, ACTOR, "X", **AGREED, visibility="everything")),
    (Invalid, lambda h: agree.add_agreement(h, ACTOR, "X", **AGREED, purposes=["TREAT"])),
    (Invalid, lambda h: agree.add_agreement(h, ACTOR, "X", **AGREED, ends=h.clock())),
    (Conflict, lambda h: agree.add_agreement(h, ACTOR, "DSA-LUNG", **AGREED)),
    (NotFound, lambda h: agree.move_agreement(h, ACTOR, "X", "propose")),
    (Conflict, lambda h: agree.move_agreement(h, ACTOR, "DSA-LUNG", "activate")),
    (Conflict, lambda h: agree.move_agreement(h, ACTOR, "DSA-LUNG", "resume")),
    (Invalid, lambda h: agree.add_dataset(h, ACTOR, "lower", "DSA-LUNG", "X")),
    (Invalid, lambda h: agree.add_dataset(h, ACTOR, "A" * 17, "DSA-LUNG", "X")),
    (Conflict, lambda h: agree.add_dataset(h, ACTOR, "LUNG", "DSA-LUNG", "X")),
    (NotFound, lambda h: agree.add_dataset(h, ACTOR, "X", "none", "X")),
    (NotFound, lambda h: agree.set_dataset(h, ACTOR, "X", {})),
    (Invalid, lambda h: register.add_sender(h, ACTOR, "LUNG", "A" * 17, "10.0.0.0/8")),
    (Invalid, lambda h: register.add_sender(h, ACTOR, "LUNG", "A\\B", "10.0.0.0/8")),
    (Invalid, lambda h: register.add_sender(h, ACTOR, "LUNG", "A", "everywhere")),
    (Conflict, lambda h: register.add_sender(h, ACTOR, "LUNG", "STORESCU", "127.0.0.1/32")),
    (NotFound, lambda h: register.add_sender(h, ACTOR, "X", "A", "10.0.0.0/8")),
    (NotFound, lambda h: register.attest_sender(h, ACTOR, "LUNG", "X", "Dr. X", "2026-01-01")),
    (NotFound, lambda h: register.remove_sender(h, ACTOR, "LUNG", "X")),
    (NotFound, lambda h: register.add_permit(h, ACTOR, "LUNG", "nobody")),
    (NotFound, lambda h: register.revoke_permit(h, ACTOR, "LUNG", "hospital-a")),
    (NotFound, lambda h: register.set_client(h, ACTOR, "nobody", enabled=False)),
    (NotFound, lambda h: withdraw.withdraw_study(h, ACTOR, "1.2.3")),
    (NotFound, lambda h: withdraw.lift_block(h, ACTOR, "1.2.3")),
]


def state(hall):
    with hall.store.read() as connection:
        leaves = connection.execute(select(func.count()).select_from(t.ledger_leaf)).scalar_one()
        return governance.counter(connection), leaves


def test_what_is_refused_changes_nothing_and_is_not_recorded(built):
    for kind, act in REFUSALS:
        before = state(built)
        with pytest.raises(kind):
            act(built)
        assert state(built) == before


def test_every_act_is_recorded_once_with_who_did_it(built):
    before = state(built)[1]
    agree.move_agreement(built, "operator:ann", "DSA-LUNG", "suspend")
    with built.store.read() as connection:
        newest = connection.execute(select(t.ledger_body).order_by(t.ledger_body.c.id.desc()).limit(1)).one()
    assert state(built)[1] == before + 1
    assert (newest.kind, newest.actor) == ("govern.agreement.suspend", "operator:ann")
    assert b'"state":"suspended"' in newest.body


def test_each_move_is_a_new_version(built):
    for n, verb in enumerate(("suspend", "resume", "suspend", "terminate"), 4):
        agree.move_agreement(built, ACTOR, "DSA-LUNG", verb)
        with built.store.read() as connection:
            assert built.governance(connection).facts[0].version == n


# --- a stop binds the next statement, everywhere

EVERYTHING = {"actions": ("query", "process", "export")}
WANTED = Wanted("1.2.3", "1.2.3.1", "1.2.3.1.1")
USER = builders.caller()


@pytest.fixture
def shared(tmp_path, clock):
    """A hall whose agreement permits everything, with one study of two images."""
    hall = builders.hall(tmp_path, clock=clock)
    builders.seed(hall, **EVERYTHING)
    batch = builders.batch(hall)
    for n in (1, 2):
        ingest.take(hall, batch, "a", made(f"1.2.3.1.{n}"))
    clock.on(30)
    assert document.rebuild(hall) == 1
    yield hall
    hall.accesses.close()
    hall.store.close()


def documents(hall):
    with hall.store.read() as connection:
        return rows.documents(connection, Query(Level.STUDY), hall.sight(connection, USER, Action.QUERY), hall.clock())


def tallies(hall):
    with hall.store.read() as connection:
        return rows.tallies(
            connection, Query(Level.STUDY), hall.sight(connection, Caller(FEDERATION), Action.DISCOVER), hall.clock()
        )


ASKED = {
    "search": lambda h: search.fragments(h, USER, Query(Level.STUDY)),
    "metadata": lambda h: retrieve.metadata(h, USER, WANTED),
    "retrieve": lambda h: retrieve.grant(h, USER, WANTED, Action.EXPORT).objects,
    "render": lambda h: render.render(h, USER, WANTED, Picture()),
    "documents": documents,
    "tallies": tallies,
    "its provider's search": lambda h: search.fragments(h, builders.caller(Role.PROVIDER), Query(Level.INSTANCE)),
    "the operator's search": lambda h: search.fragments(h, builders.caller(Role.OPERATOR), Query(Level.SERIES)),
}


def answered(hall):
    """What each question is answered with now: True for something, False for nothing or not found."""
    found = {}
    for name, ask in ASKED.items():
        try:
            found[name] = bool(ask(hall))
        except NotFound:
            found[name] = False
    return found


STOPS = {
    "suspend": (
        lambda h: agree.move_agreement(h, ACTOR, "DSA-LUNG", "suspend"),
        lambda h: agree.move_agreement(h, ACTOR, "DSA-LUNG", "resume"),
    ),
    "terminate": (lambda h: agree.move_agreement(h, ACTOR, "DSA-LUNG", "terminate"), None),
    "suspend node": (
        lambda h: register.move_node(h, ACTOR, "central", "suspend"),
        lambda h: register.move_node(h, ACTOR, "central", "link"),
    ),
    "unlink node": (
        lambda h: register.move_node(h, ACTOR, "central", "unlink"),
        lambda h: register.move_node(h, ACTOR, "central", "link"),
    ),
    "withdraw": (lambda h: withdraw.withdraw_study(h, ACTOR, "1.2.3"), None),
}


@pytest.mark.parametrize("name", STOPS)
def test_a_stop_binds_the_next_statement_everywhere_and_so_does_its_end(shared, name):
    stop, resume = STOPS[name]
    assert answered(shared) == dict.fromkeys(ASKED, True)
    stop(shared)
    assert answered(shared) == dict.fromkeys(ASKED, False)
    refused = ingest.take(shared, builders.batch(shared), "a", made("1.2.3.1.9"))
    assert (str(refused.outcome), refused.rule) in [("reject", r) for r in ("agreement-inactive", "node-not-linked", "blocked")]
    if resume:
        resume(shared)
        assert answered(shared) == dict.fromkeys(ASKED, True)


def test_a_stop_reaches_another_process_that_keeps_facts(shared, tmp_path, clock):
    other = builders.hall(tmp_path, clock=clock)
    assert answered(other) == dict.fromkeys(ASKED, True)
    agree.move_agreement(shared, ACTOR, "DSA-LUNG", "suspend")
    assert answered(other) == dict.fromkeys(ASKED, False)
    other.accesses.close()
    other.store.close()


def test_an_agreement_that_ends_stops_by_itself(tmp_path, clock):
    hall = builders.hall(tmp_path, clock=clock)
    builders.seed(hall, ends=clock().replace(day=23), **EVERYTHING)
    ingest.take(hall, builders.batch(hall), "a", made())
    assert len(search.fragments(hall, USER, Query(Level.STUDY))) == 1
    clock.on(86_400)
    assert search.fragments(hall, USER, Query(Level.STUDY)) == []
    hall.accesses.close()
    hall.store.close()


def test_a_revoked_permit_binds_the_next_statement(tmp_path, clock):
    hall = builders.hall(tmp_path, clock=clock)
    builders.seed(hall, access_class="conditional", **EVERYTHING)
    agree.add_party(hall, ACTOR, "university", "U", "user")
    ingest.take(hall, builders.batch(hall), "a", made())
    seen = []
    for act in (
        lambda: None,
        lambda: register.add_permit(hall, ACTOR, "LUNG", "university"),
        lambda: register.revoke_permit(hall, ACTOR, "LUNG", "university"),
    ):
        act()
        seen.append(len(search.fragments(hall, USER, Query(Level.STUDY))))
    assert seen == [0, 1, 0]
    hall.accesses.close()
    hall.store.close()


@pytest.mark.parametrize("name", [n for n in STOPS if n != "withdraw"])
def test_what_is_being_sent_ends_at_the_next_object(shared, name):
    wanted = Wanted("1.2.3")
    granted = retrieve.grant(shared, USER, wanted, Action.EXPORT)
    sending = retrieve.stream(shared, USER, wanted, Action.EXPORT, granted)
    _, first = next(sending)
    assert b"".join(first)
    STOPS[name][0](shared)
    with pytest.raises(Gone):
        next(sending)


def test_a_withdrawn_study_that_is_being_sent_ends_with_its_bytes(shared):
    wanted = Wanted("1.2.3")
    granted = retrieve.grant(shared, USER, wanted, Action.EXPORT)
    sending = retrieve.stream(shared, USER, wanted, Action.EXPORT, granted)
    _, first = next(sending)
    b"".join(first)
    withdraw.withdraw_study(shared, ACTOR, "1.2.3")
    reconcile.purge(shared)
    with pytest.raises(Failure):
        b"".join(next(sending)[1])


def test_a_withdrawn_patient_with_another_study_stays(shared):
    ingest.take(shared, builders.batch(shared), "a", made("1.2.4.1.1", study="1.2.4"))
    for study, patients in (("1.2.3", 1), ("1.2.4", 0)):
        withdraw.withdraw_study(shared, ACTOR, study)
        with shared.store.read() as connection:
            assert connection.execute(select(func.count()).select_from(t.patient)).scalar_one() == patients
