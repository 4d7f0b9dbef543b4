"""Governance as it was, on both databases: each decision that was made is made again, whatever was done since."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from joserfc.jwk import ECKey

from adapters.sql import client as clients
from adapters.sql import governance, history
from consent.agreement import Side
from consent.conditions import Action
from consent.person import Actor, PersonRole
from consent.policy import decide
from consent.terms import Answer, DocumentKind
from mappings.failures import Forbidden, Invalid, NotFound
from server.usecases.acceptance import accept
from server.usecases.agreement import act_on_agreement, add_agreement, move_agreement
from server.usecases.audit import audit
from server.usecases.client import add_client, set_client
from server.usecases.dataset_move import answer_move, propose_move
from server.usecases.draft import draft_version
from server.usecases.identify import subject
from server.usecases.node import move_node
from server.usecases.party import add_party, admit, set_party
from server.usecases.permit import add_permit, revoke_permit
from server.usecases.person import add_person, take_role
from server.usecases.renewal import answer
from server.usecases.terms import Draft, publish, read_terms
from tests.agreed import CONTENT, MANAGER, SIGNATORY, Outbox, sending, signed
from tests.agreed import OPERATOR as OLGA
from tests.builders import ACTOR, Clock, runtime, seed

PUBLIC = {"keys": [ECKey.generate_key("P-384", {"kid": "k"}).as_dict(private=False)]}
OPERATOR = Actor("local:root", None, frozenset({PersonRole.OPERATOR}), is_local=True)
PEOPLE = {actor.id for actor in (MANAGER, SIGNATORY, OLGA)}
START = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
RENEWED = START + 10 * HOUR
ACTS = (
    lambda h: add_permit(h, ACTOR, "LUNG", "university", START + 20 * HOUR),
    lambda h: add_permit(h, ACTOR, "LUNG", "startup"),
    lambda h: admit(h, OLGA, "startup"),
    lambda h: move_agreement(h, ACTOR, "DSA-LUNG", "suspend"),
    lambda h: move_agreement(h, ACTOR, "DSA-LUNG", "suspend", Side.PROVIDER),
    lambda h: move_agreement(h, ACTOR, "DSA-LUNG", "resume"),
    lambda h: move_agreement(h, ACTOR, "DSA-LUNG", "resume", Side.PROVIDER),
    lambda h: publish(h, OLGA, Draft(version="2.0.0", text=b"2", effective_at=RENEWED, needs_renewal=True)),
    lambda h: move_node(h, ACTOR, "central", "unlink"),
    lambda h: move_node(h, ACTOR, "central", "link"),
    lambda h: None,  # the terms take effect in this hour
    lambda h: answer(h, OPERATOR, "hospital-a", "2.0.0", Answer.ACCEPT),
    lambda h: set_client(h, ACTOR, "lab", terms="2.0.0"),
    lambda h: set_client(h, ACTOR, "firm", terms="2.0.0"),
    lambda h: set_party(h, ACTOR, "university", approved=False),
    lambda h: set_party(h, ACTOR, "university", approved=True),
    lambda h: revoke_permit(h, ACTOR, "LUNG", "startup"),
    lambda h: move_agreement(h, ACTOR, "DSA-LUNG", "terminate"),
)


def another(built, key):
    """Conclude another agreement with the provider."""
    add_agreement(built, ACTOR, key, provider="hospital-a", node="central", terms="1.0.0", external=True)
    for verb in ("propose", "activate"):
        move_agreement(built, ACTOR, key, verb)


_CHANGE = replace(CONTENT, access_class="conditional", data_use=("IRB",), visibility="full", external=True)
LIFE = (
    lambda h: add_permit(h, ACTOR, "LUNG", "university"),
    lambda h: draft_version(h, MANAGER, "DSA-LUNG", _CHANGE),
    lambda h: act_on_agreement(h, MANAGER, "DSA-LUNG", "propose"),
    lambda h: move_agreement(h, ACTOR, "DSA-LUNG", "suspend"),
    lambda h: signed(h, Outbox(h), SIGNATORY, "DSA-LUNG"),
    lambda h: move_agreement(h, ACTOR, "DSA-LUNG", "resume"),
    lambda h: signed(h, Outbox(h), OLGA, "DSA-LUNG", name="Olga Operator"),
    lambda h: add_permit(h, ACTOR, "LUNG", "university", evidence=("IRB",)),
    lambda h: draft_version(h, MANAGER, "DSA-LUNG", CONTENT),
    lambda h: act_on_agreement(h, MANAGER, "DSA-LUNG", "propose"),
    lambda h: act_on_agreement(h, OLGA, "DSA-LUNG", "refuse"),
    lambda h: another(h, "DSA-NEXT"),
    lambda h: propose_move(h, SIGNATORY, "LUNG", "DSA-NEXT"),
    lambda h: answer_move(h, OLGA, "LUNG", "confirm"),
)
"""A change that is agreed on, one that is refused, and a dataset that moves."""


@pytest.fixture
def built(tmp_path, database):
    opened = runtime(tmp_path, url=database, clock=Clock(START))
    seed(opened, access_class="conditional", external=True)
    opened, _ = sending(opened)
    add_party(opened, ACTOR, "university", "U", "user")
    add_party(opened, ACTOR, "startup", "S", "user", external=True)
    for client, party in (("lab", "university"), ("firm", "startup")):
        add_client(opened, ACTOR, client, party=party, jwks=PUBLIC, purposes=("AIRESEARCH",), terms="1.0.0")
    yield opened
    opened.close()


def decided(facts, rows, now):
    """What every client may do with every dataset, by which rule, agreement and terms, until when."""
    asked = [(row.client_id, subject(row, inside=False)) for row in rows]
    return {(who, a): decide(as_who, a, "AIRESEARCH", f, now) for f in facts for who, as_who in asked for a in Action}


def now_decided(built):
    with built.store.read() as connection:
        return decided(governance.facts(connection), clients.read_all(connection), built.clock())


def then_decided(built, at):
    with built.store.read() as connection:
        return decided(history.facts_at(connection, at), history.clients_at(connection, clients.read_all(connection), at), at)


def live(built, acts=ACTS):
    """Do one act an hour; what was decided half an hour after each."""
    told = {}
    for act in acts:
        built.clock.on(1800)
        act(built)
        built.clock.on(1800)
        told[built.clock()] = now_decided(built)
    return told


@pytest.mark.parametrize(("acts", "ways"), [(ACTS, 11), (LIFE, 5)], ids=["stops and terms", "changes and moves"])
def test_what_was_decided_is_decided_again_from_what_is_kept(built, acts, ways):
    told = live(built, acts)
    assert len({frozenset((key, d.rule, d.agreement) for key, d in decisions.items()) for decisions in told.values()}) >= ways
    for at, decisions in told.items():
        again = then_decided(built, at)
        assert {key: (d.allowed, d.rule, d.agreement, d.terms) for key, d in again.items()} == {
            key: (d.allowed, d.rule, d.agreement, d.terms) for key, d in decisions.items()
        }, at


def test_who_could_see_it_is_who_some_decision_let(built):
    told = live(built)
    for at, decisions in told.items():
        may = {who for (who, action), d in decisions.items() if d.allowed and action is Action.QUERY}
        seen = audit(built, OPERATOR, "LUNG", at, at + timedelta(microseconds=1))
        assert {s.subject for s in seen if Action.QUERY in s.actions} - PEOPLE == may, at
    ever = {s.subject: s.actions for s in audit(built, OPERATOR, "LUNG", START, built.clock())}
    assert {client for client, actions in ever.items() if Action.QUERY in actions} - PEOPLE == {"lab", "firm"}


def test_a_person_could_see_it_while_it_had_a_role_for_it_and_had_accepted_the_terms(built):
    for key, role, party in (("alan", "researcher", "university"), ("sara", "signatory", "hospital-a")):
        purposes = ["AIRESEARCH"] if role == "researcher" else []
        add_person(built, OPERATOR, key, name=key, role=role, party=party, purposes=purposes)
    add_permit(built, ACTOR, "LUNG", "university")
    alan = Actor("person:alan", "university", frozenset({PersonRole.RESEARCHER}))
    told = {}
    for act in (
        lambda: None,
        lambda: accept(built, alan, DocumentKind.GENERAL, "1.0.0", read_terms(built, "1.0.0").sha256),
        lambda: take_role(built, OPERATOR, "alan", "researcher", party="university"),
    ):
        built.clock.on(1800)
        act()
        built.clock.on(1800)
        told[built.clock()] = act
    seen = [audit(built, OPERATOR, "LUNG", at, at + timedelta(microseconds=1)) for at in told]
    people = [
        {s.subject for s in sights if s.subject in ("person:alan", "person:sara") and Action.QUERY in s.actions}
        for sights in seen
    ]
    assert people == [set(), {"person:alan"}, set()]


def test_nothing_could_be_seen_before_anything_was_agreed(built):
    with pytest.raises(NotFound):
        audit(built, OPERATOR, "LUNG", START - HOUR, START - HOUR / 2)
    with pytest.raises(NotFound):
        audit(built, OPERATOR, "LIVER", START, START + HOUR)


def test_only_who_reads_the_record_is_told(built):
    with pytest.raises(Forbidden):
        audit(built, Actor("person:r", "university", frozenset({PersonRole.RESEARCHER})), "LUNG", START, START + HOUR)
    officer = Actor("person:d", "hospital-a", frozenset({PersonRole.DATA_PROTECTION_OFFICER}))
    assert audit(built, officer, "LUNG", START, START + HOUR)


def test_a_span_of_too_many_acts_is_refused(built, monkeypatch):
    live(built)
    monkeypatch.setattr(history, "MOST_MOMENTS", 5)
    with pytest.raises(Invalid, match="More than 5 acts"):
        audit(built, OPERATOR, "LUNG", START, built.clock())
