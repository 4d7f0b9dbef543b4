"""Renewed consent on both databases: published, foreseen, asked and answered, and who sees what meanwhile."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from joserfc.jwk import ECKey
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from adapters.sql import client as clients
from adapters.sql import tables as t
from consent.conditions import Action
from consent.person import Actor, PersonRole
from consent.terms import Answer, DocumentKind
from mappings.failures import Conflict, Forbidden, Invalid, NotFound, TooLarge
from server.usecases.acceptance import accept, list_accepted
from server.usecases.agreement import add_agreement, read_agreement
from server.usecases.client import add_client, set_client
from server.usecases.identify import subject
from server.usecases.party import add_party, admit, list_parties, set_party
from server.usecases.person import add_person, block_person
from server.usecases.renewal import answer, list_tasks
from server.usecases.terms import MOST_TEXT, Draft, foresee, list_documents, publish, publish_terms, read_terms
from tests.builders import ACTOR, Clock, runtime, seed

PUBLIC = {"keys": [ECKey.generate_key("P-384", {"kid": "k"}).as_dict(private=False)]}
OPERATOR = Actor("local:root", None, frozenset({PersonRole.OPERATOR}), is_local=True)
REMOTE = replace(OPERATOR, is_local=False)
SIGNATORY = Actor("person:s", "hospital-a", frozenset({PersonRole.SIGNATORY}))
MARCH = datetime(2027, 3, 1, tzinfo=UTC)
NEXT = Draft(version="2.0.0", text=b"Second.\n", effective_at=MARCH, needs_renewal=True)


@pytest.fixture
def built(tmp_path, database):
    opened = runtime(tmp_path, url=database, clock=Clock())
    seed(opened, external=True)
    seed(opened, alias="BREAST", provider="hospital-b")
    add_party(opened, ACTOR, "university", "U", "user")
    add_party(opened, ACTOR, "startup", "S", "user", external=True)
    admit(opened, OPERATOR, "startup")
    for client, party in (("lab", "university"), ("firm", "startup")):
        add_client(opened, ACTOR, client, party=party, jwks=PUBLIC, purposes=("AIRESEARCH",), terms="1.0.0")
    yield opened
    opened.close()


def sees(built, client):
    """The aliases whose rows a client may ask for."""
    with built.store.read() as connection:
        who, governance = subject(clients.find(connection, client), inside=False), built.governance.current(connection)
    seen = governance.visible_datasets(who, Action.QUERY, "AIRESEARCH", built.clock()).datasets
    return {governance.dataset(key).alias for key in seen}


def until(built, moment):
    built.clock.at = moment


def test_an_external_user_sees_what_is_shared_with_external_users_only(built):
    assert (sees(built, "lab"), sees(built, "firm")) == ({"LUNG", "BREAST"}, {"LUNG"})


def test_what_a_version_would_do_is_told_and_not_done(built):
    told = foresee(built, OPERATOR, NEXT)
    assert (told.effective_at, told.providers) == (MARCH, ("hospital-a", "hospital-b"))
    assert (told.users, told.losing) == (("lab", "firm"), ("firm",))
    assert list_tasks(built, OPERATOR) == ()
    assert len(list_documents(built)) == 1
    told = foresee(built, OPERATOR, replace(NEXT, needs_renewal=False))
    assert (told.providers, told.users, told.losing) == ((), (), ())


def test_persons_are_among_those_whom_a_version_would_affect(built):
    party_of = {"eve": "startup", "alan": "university"}
    for key, party in party_of.items():
        add_person(built, OPERATOR, key, name=key, role="researcher", party=party, purposes=["AIRESEARCH"])
        who = Actor(f"person:{key}", party, frozenset({PersonRole.RESEARCHER}))
        accept(built, who, DocumentKind.GENERAL, "1.0.0", read_terms(built, "1.0.0").sha256)
    told = foresee(built, OPERATOR, NEXT)
    assert (set(told.users), told.losing) == ({"lab", "firm", "person:eve", "person:alan"}, ("firm", "person:eve"))
    block_person(built, OPERATOR, "eve")
    assert "person:eve" not in foresee(built, OPERATOR, NEXT).users


def test_silence_ends_external_access_when_the_terms_take_effect_and_no_other(built):
    publish(built, OPERATOR, NEXT)
    assert [(k.version, k.party, k.answer) for k in list_tasks(built, OPERATOR)] == [
        ("2.0.0", "hospital-a", None),
        ("2.0.0", "hospital-b", None),
    ]
    until(built, MARCH - timedelta(microseconds=1))
    assert (sees(built, "lab"), sees(built, "firm")) == ({"LUNG", "BREAST"}, {"LUNG"})
    assert read_terms(built).version == "1.0.0"
    until(built, MARCH)
    assert (sees(built, "lab"), sees(built, "firm")) == ({"LUNG", "BREAST"}, set())
    assert read_terms(built).version == "2.0.0"
    until(built, MARCH + timedelta(days=900))
    assert (sees(built, "lab"), sees(built, "firm")) == ({"LUNG", "BREAST"}, set())


def test_a_decline_is_kept_and_changes_nothing(built):
    publish(built, OPERATOR, NEXT)
    answer(built, SIGNATORY, "hospital-a", "2.0.0", Answer.DECLINE)
    until(built, MARCH)
    assert (sees(built, "lab"), sees(built, "firm")) == ({"LUNG", "BREAST"}, set())
    (task, _) = list_tasks(built, OPERATOR)
    assert (task.answer, task.actor) == (Answer.DECLINE, "person:s")
    answer(built, SIGNATORY, "hospital-a", "2.0.0", Answer.ACCEPT)  # it may think again
    assert read_agreement(built, "DSA-LUNG").content.terms == "2.0.0"


def test_accepting_brings_agreements_under_the_version_and_users_must_accept_it_too(built):
    published = publish(built, OPERATOR, NEXT)
    before = read_agreement(built, "DSA-LUNG")
    until(built, MARCH)
    told = answer(built, SIGNATORY, "hospital-a", "2.0.0", Answer.ACCEPT)
    assert told.agreements == {"DSA-LUNG": 2}
    after = read_agreement(built, "DSA-LUNG")
    assert after.content == replace(before.content, version=2, terms="2.0.0", terms_sha256=after.content.terms_sha256)
    assert read_agreement(built, "DSA-LUNG@1").content == before.content
    assert [(a.verb, a.version, a.actor) for a in after.acts][-1] == ("renew", 2, "person:s")
    assert (sees(built, "lab"), sees(built, "firm")) == ({"BREAST"}, set())
    accept(built, Actor("firm", "startup", frozenset({PersonRole.RESEARCHER})), DocumentKind.GENERAL, "2.0.0", published.sha256)
    set_client(built, ACTOR, "lab", terms="2.0.0")
    assert (sees(built, "lab"), sees(built, "firm")) == ({"LUNG", "BREAST"}, {"LUNG"})


def test_accepting_early_changes_nothing_before_the_terms_take_effect(built):
    publish(built, OPERATOR, NEXT)
    answer(built, SIGNATORY, "hospital-a", "2.0.0", Answer.ACCEPT)
    set_client(built, ACTOR, "firm", terms="2.0.0")
    until(built, MARCH - timedelta(microseconds=1))
    assert (sees(built, "lab"), sees(built, "firm")) == ({"LUNG", "BREAST"}, {"LUNG"})
    until(built, MARCH)
    assert (sees(built, "lab"), sees(built, "firm")) == ({"BREAST"}, {"LUNG"})


def test_later_terms_that_contain_the_old_ones_are_as_good(built):
    publish(built, OPERATOR, Draft(version="1.1.0", text=b"First, mended.\n", contains=["1.0.0"]))
    publish(built, OPERATOR, Draft(version="3.0.0", text=b"Other.\n"))
    for client, terms in (("mended", "1.1.0"), ("other", "3.0.0")):
        add_client(built, ACTOR, client, party="university", jwks=PUBLIC, purposes=("AIRESEARCH",), terms=terms)
    assert (sees(built, "mended"), sees(built, "other")) == ({"LUNG", "BREAST"}, set())


REFUSED = [
    (Invalid, lambda h: publish(h, OPERATOR, replace(NEXT, version="two"))),
    (Conflict, lambda h: publish(h, OPERATOR, replace(NEXT, version="1.0.0"))),
    (Conflict, lambda h: publish(h, OPERATOR, replace(NEXT, version="0.9.0"))),
    (Invalid, lambda h: publish(h, OPERATOR, replace(NEXT, effective_at=h.clock() - timedelta(seconds=1)))),
    (Invalid, lambda h: publish(h, OPERATOR, replace(NEXT, kind=DocumentKind.GUIDELINES))),
    (NotFound, lambda h: publish(h, OPERATOR, replace(NEXT, contains=["1.5.0"]))),
    (TooLarge, lambda h: publish(h, OPERATOR, replace(NEXT, text=b"x" * (MOST_TEXT + 1)))),
    (Invalid, lambda h: publish(h, OPERATOR, replace(NEXT, summary="x" * 4001))),
    (Forbidden, lambda h: publish(h, SIGNATORY, NEXT)),
    (Forbidden, lambda h: foresee(h, SIGNATORY, NEXT)),
    (NotFound, lambda h: answer(h, SIGNATORY, "hospital-a", "2.0.0", Answer.ACCEPT)),
    (Conflict, lambda h: answer(h, SIGNATORY, "hospital-a", "1.0.0", Answer.ACCEPT)),
    (Forbidden, lambda h: answer(h, SIGNATORY, "hospital-b", "1.0.0", Answer.ACCEPT)),
    (Forbidden, lambda h: answer(h, REMOTE, "hospital-a", "1.0.0", Answer.ACCEPT)),
    (Forbidden, lambda h: admit(h, SIGNATORY, "startup")),
    (Conflict, lambda h: admit(h, OPERATOR, "university")),
    (Conflict, lambda h: set_party(h, ACTOR, "startup", approved=True)),
    (Forbidden, lambda h: accept(h, OPERATOR, DocumentKind.GENERAL, "1.0.0", "0" * 64)),
    (Conflict, lambda h: accept(h, SIGNATORY, DocumentKind.GENERAL, "1.0.0", "0" * 64)),
    (NotFound, lambda h: accept(h, SIGNATORY, DocumentKind.GUIDELINES, "1.0.0", "0" * 64)),
]


def test_what_is_refused_leaves_no_entry(built):
    with built.store.read() as connection:
        entries = connection.execute(select(func.count()).select_from(t.ledger_leaf)).scalar_one()
    for failure, act in REFUSED:
        with pytest.raises(failure):
            act(built)
    with built.store.read() as connection:
        assert connection.execute(select(func.count()).select_from(t.ledger_leaf)).scalar_one() == entries


def test_what_becomes_external_uses_nothing_before_it_is_admitted(built):
    set_party(built, ACTOR, "university", external=True)
    assert sees(built, "lab") == set()
    admit(built, OPERATOR, "university")
    assert sees(built, "lab") == {"LUNG"}
    assert [p.external for p in list_parties(built) if p.key == "university"] == [True]


def test_an_acceptance_names_document_version_hash_who_and_for_whom(built):
    published = publish(built, OPERATOR, Draft(version="1.0.0", text=b"Be kind.\n", kind=DocumentKind.DATA_USER))
    person = Actor("person:r", "university", frozenset({PersonRole.RESEARCHER}))
    for _ in range(2):
        kept = accept(built, person, DocumentKind.DATA_USER, "1.0.0", published.sha256.upper())
    assert list_accepted(built, person) == (kept,)
    assert (kept.kind, kept.version, kept.sha256) == (DocumentKind.DATA_USER, "1.0.0", published.sha256)
    assert (kept.subject, kept.party, kept.at) == ("person:r", "university", built.clock())
    with built.store.read() as connection:
        kinds = connection.execute(select(t.ledger_body.c.kind).where(t.ledger_body.c.actor == "person:r")).scalars().all()
    assert kinds == ["govern.acceptance.add"]


def test_each_document_has_versions_of_its_own_and_says_what_it_changed(built):
    publish(built, OPERATOR, Draft(version="1.0.0", text=b"a\nb\n", kind=DocumentKind.GUIDELINES))
    publish(built, OPERATOR, Draft(version="1.1.0", text=b"a\nc\n", kind=DocumentKind.GUIDELINES, summary="c for b"))
    told = read_terms(built, "1.1.0", DocumentKind.GUIDELINES)
    assert told.changes.splitlines()[-3:] == [" a", "-b", "+c"]
    assert told.summary == "c for b"
    assert read_terms(built, "1.0.0").text == b"Never for diagnosis.\n"
    assert [(d.kind, d.version) for d in list_documents(built)] == [
        ("general", "1.0.0"),
        ("guidelines", "1.0.0"),
        ("guidelines", "1.1.0"),
    ]


def test_a_greater_major_alone_needs_a_new_yes_where_terms_are_added_simply(built):
    publish_terms(built, ACTOR, "1.0.1", b"x")
    publish_terms(built, ACTOR, "2.0.0", b"y")
    assert [sorted(d.issue.contains) for d in list_documents(built)] == [[], ["1.0.0"], []]


def test_the_database_changes_nothing_that_was_published_or_accepted(built):
    for table in (t.terms, t.acceptance, t.party_act):
        with pytest.raises(DBAPIError), built.store.write() as connection:
            connection.execute(table.update().values(at=0))


def test_an_agreement_under_older_terms_than_were_published_waits_too(built):
    publish(built, OPERATOR, replace(NEXT, effective_at=None))
    add_agreement(built, ACTOR, "LATE", provider="hospital-a", node="central", terms="1.0.0", external=True)
    assert sees(built, "firm") == set()
    assert answer(built, OPERATOR, "hospital-a", "2.0.0", Answer.ACCEPT).agreements == {"DSA-LUNG": 2}  # what is concluded


def test_what_is_signed_on_paper_is_recorded_as_that(built):
    publish(built, OPERATOR, NEXT)
    answer(built, OPERATOR, "hospital-a", "2.0.0", Answer.ACCEPT)
    with built.store.read() as connection:
        kept = connection.execute(select(t.ledger_body.c.body).where(t.ledger_body.c.kind == "govern.terms.accept")).scalar_one()
    assert b'"on_paper":1' in bytes(kept)
    assert b'"agreements":{"DSA-LUNG":2}' in bytes(kept)


def test_a_provider_is_told_of_its_own_tasks_only(built):
    publish(built, OPERATOR, NEXT)
    assert [k.party for k in list_tasks(built, SIGNATORY)] == ["hospital-a"]
    assert list_tasks(built, Actor("person:x", "hospital-a")) == ()
