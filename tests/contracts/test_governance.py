"""Governance rows on both databases: read as facts, counted at every change, and assertions that can't be played again."""

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread

import pytest
from joserfc.jwk import ECKey

from adapters.sql import client as clients
from adapters.sql import entity as entities
from adapters.sql import governance
from consent.agreement import AgreementState
from consent.conditions import AccessClass, Action, Purpose, Visibility
from consent.node import NodeState
from consent.permit import Permit
from mappings.failures import Conflict, Invalid, Unauthenticated
from server.usecases.agreement import add_agreement, move_agreement
from server.usecases.client import add_client
from server.usecases.dataset import add_dataset, set_dataset
from server.usecases.entity import add_entity, remove_entity
from server.usecases.identify import AeTitle, identify
from server.usecases.node import add_node, move_node
from server.usecases.party import add_party
from server.usecases.permit import add_permit, revoke_permit
from server.usecases.sender import add_sender, attest_sender, remove_sender
from server.usecases.terms import publish_terms
from tests.builders import ACTOR, Clock, runtime, seed

PUBLIC = {"keys": [ECKey.generate_key("P-384", {"kid": "k"}).as_dict(private=False)]}
START = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def built(tmp_path, database):
    opened = runtime(tmp_path, url=database, clock=Clock())
    seed(opened)
    yield opened
    opened.close()


def facts(built):
    with built.store.read() as connection:
        (found,) = governance.facts(connection)
        return found


def test_a_dataset_is_read_as_it_was_agreed(built):
    found = facts(built)
    assert (found.alias, found.provider, found.agreement, found.node, found.terms) == (
        "LUNG",
        "hospital-a",
        "DSA-LUNG",
        "central",
        "1.0.0",
    )
    assert (found.state, found.version, found.node_state) == (AgreementState.ACTIVE, 1, NodeState.LINKED)
    assert (found.starts, found.ends, found.permits) == (START, None, ())
    given = found.conditions
    assert (given.access_class, given.listed, given.visibility) == (AccessClass.DEFAULT, True, Visibility.FULL)
    assert (given.actions, given.purposes) == ({Action.QUERY, Action.PROCESS}, frozenset(Purpose))


ACTS = [
    lambda h: add_party(h, ACTOR, "x", "X", "user"),
    lambda h: add_node(h, ACTOR, "x", kind="folder", hosting="central", url="x"),
    lambda h: move_node(h, ACTOR, "central", "suspend"),
    lambda h: publish_terms(h, ACTOR, "2.0.0", b""),
    lambda h: add_agreement(h, ACTOR, "X", provider="hospital-a", node="central", terms="1.0.0"),
    lambda h: move_agreement(h, ACTOR, "DSA-LUNG", "suspend"),
    lambda h: add_dataset(h, ACTOR, "X", "DSA-LUNG", "X"),
    lambda h: set_dataset(h, ACTOR, "LUNG", {"title": "New"}),
    lambda h: add_sender(h, ACTOR, "LUNG", "X", "10.0.0.0/8"),
    lambda h: attest_sender(h, ACTOR, "LUNG", "STORESCU", "Dr. X", "2026-01-01"),
    lambda h: remove_sender(h, ACTOR, "LUNG", "STORESCU"),
    lambda h: add_client(h, ACTOR, "x", party="hospital-a", jwks=PUBLIC, scopes=("system/*.rs",)),
    lambda h: add_entity(h, ACTOR, "ASKS", client="x", networks=["10.0.0.0/8"]),
    lambda h: remove_entity(h, ACTOR, "ASKS"),
    lambda h: add_permit(h, ACTOR, "LUNG", "hospital-a"),
]


def test_every_act_moves_the_counter(built):
    with built.store.read() as connection:
        for act in ACTS:
            before = governance.counter(connection)
            act(built)
            assert governance.counter(connection) > before, act


def test_facts_are_kept_while_the_counter_stands_and_read_again_when_it_moves(built):
    with built.store.read() as connection:
        first = built.governance.current(connection)
        assert built.governance.current(connection) is first
        move_agreement(built, ACTOR, "DSA-LUNG", "suspend")
        assert built.governance.current(connection).facts[0].state is AgreementState.SUSPENDED


def test_a_permit_is_among_the_facts_until_it_is_revoked(built):
    add_party(built, ACTOR, "university", "U", "user")
    ends = built.clock() + timedelta(days=1)
    add_permit(built, ACTOR, "LUNG", "university", ends)
    assert facts(built).permits == (Permit("university", built.clock(), ends),)
    revoke_permit(built, ACTOR, "LUNG", "university")
    assert facts(built).permits == ()


@pytest.mark.parametrize(
    ("alias", "aet", "address", "found"),
    [
        ("LUNG", "STORESCU", "127.0.0.1", True),
        ("LUNG", "STORESCU", "127.0.0.2", False),
        ("LUNG", "storescu", "127.0.0.1", False),
        ("OTHER", "STORESCU", "127.0.0.1", False),
        ("LUNG", "STORESCU", "::1", False),
    ],
)
def test_a_sender_is_known_by_dataset_title_and_network_together(built, alias, aet, address, found):
    asked = AeTitle(alias, aet, address)
    with nullcontext() if found else pytest.raises(Unauthenticated):
        assert identify(built, asked).registration.aet == aet


def test_of_two_registrations_that_fit_an_attested_one_speaks(built):
    attest_sender(built, ACTOR, "LUNG", "STORESCU", "Dr. X", "2026-01-01")
    add_sender(built, ACTOR, "LUNG", "STORESCU", "127.0.0.0/8")
    attested = [identify(built, AeTitle("LUNG", "STORESCU", f"127.0.0.{n}")).registration.attested for n in (1, 9)]
    assert attested == [True, False]


def test_a_sender_that_was_removed_is_registered_anew_and_not_attested(built):
    attest_sender(built, ACTOR, "LUNG", "STORESCU", "Dr. X", "2026-01-01")
    remove_sender(built, ACTOR, "LUNG", "STORESCU")
    add_sender(built, ACTOR, "LUNG", "STORESCU", "127.0.0.1/32", "127.0.0.1:104")
    found = identify(built, AeTitle("LUNG", "STORESCU", "127.0.0.1")).registration
    assert (found.attested, found.scp) == (False, ("127.0.0.1", 104))


def test_an_application_entity_is_one_clients_until_it_is_removed(built):
    add_client(built, ACTOR, "inside", party="hospital-a", jwks=PUBLIC, scopes=("system/*.rs",), purposes=("AITRAIN",))
    given = {"client": "inside", "networks": ["10.0.0.0/8"], "purpose": "AITRAIN"}
    add_entity(built, ACTOR, "ASKS", **given, scp="[2001:db8::1]:104")
    with pytest.raises(Conflict):
        add_entity(built, ACTOR, "ASKS", **given)
    with built.store.read() as connection:
        row = entities.find(connection, "ASKS")
        assert (row.client, row.networks, row.purpose, row.address, row.port) == (
            "inside",
            ("10.0.0.0/8",),
            "AITRAIN",
            "2001:db8::1",
            104,
        )
    remove_entity(built, ACTOR, "ASKS")
    add_entity(built, ACTOR, "ASKS", **given)


@pytest.mark.parametrize(
    ("aet", "given", "code"),
    [
        ("A" * 17, {}, "aet-illegal"),
        ("ASKS", {"networks": ["everywhere"]}, "network-unreadable"),
        ("ASKS", {"networks": []}, "network-missing"),
        ("ASKS", {"purpose": "TREAT"}, "purpose-not-registered"),
        ("ASKS", {"scp": "host.example:104"}, "scp-unreadable"),
        ("ASKS", {"scp": "10.0.0.1:65536"}, "scp-unreadable"),
        ("ASKS", {"scp": "10.0.0.1"}, "scp-unreadable"),
    ],
)
def test_an_application_entity_that_can_not_be_is_refused(built, aet, given, code):
    add_client(built, ACTOR, "inside", party="hospital-a", jwks=PUBLIC, scopes=("system/*.rs",))
    with pytest.raises(Invalid) as refused:
        add_entity(built, ACTOR, aet, **{"client": "inside", "networks": ["10.0.0.0/8"]} | given)
    assert refused.value.code == code


def test_no_dataset_has_the_name_that_queries_call(built):
    with pytest.raises(Conflict):
        add_dataset(built, ACTOR, "ACCORD", "DSA-LUNG", "X")


def test_a_client_comes_with_its_organisation_node_and_terms(built):
    names = {"party": "hospital-a", "jwks": PUBLIC, "scopes": ("system/*.rs",), "purposes": ("AITRAIN",)}
    add_client(built, ACTOR, "inside", **names, node="central", terms="1.0.0")
    with built.store.read() as connection:
        found = clients.find(connection, "inside")
        assert clients.find(connection, "nobody") is None
    assert (found.party, found.role, found.node, found.networks, found.terms) == (
        "hospital-a",
        "provider",
        "central",
        ("127.0.0.0/8",),
        {"1.0.0"},
    )
    assert (found.purposes, found.scopes, found.enabled) == ({"AITRAIN"}, ("system/*.rs",), True)


def used(built, jti="j", issuer="i", at=0):
    now = built.clock() + timedelta(seconds=at)
    with built.store.write() as connection:
        return not clients.use_assertion(connection, issuer, jti, now + timedelta(seconds=300), now)


def test_an_assertion_is_used_once(built):
    assert [used(built), used(built), used(built, "other"), used(built, issuer="other")] == [False, True, False, False]


def test_a_used_assertion_is_known_for_ten_minutes_after_its_end_however_the_clock_steps_back(built):
    assert not used(built)
    assert not used(built, "later", at=300 + 599)
    assert used(built, at=0)
    assert not used(built, "much later", at=300 + 601)
    assert not used(built, at=0), "then it is forgotten"


def test_a_replay_does_not_spoil_the_transaction_it_is_found_in(built):
    used(built)
    with built.store.write() as connection:
        now = built.clock()
        assert not clients.use_assertion(connection, "i", "j", now + timedelta(seconds=300), now)
        governance.touch(connection)
        before = governance.counter(connection)
    with built.store.read() as connection:
        assert governance.counter(connection) == before


def test_of_many_who_play_one_assertion_at_once_one_gets_through(built):
    answers, start = [], Barrier(8)

    def run():
        start.wait()
        answers.append(used(built))

    threads = [Thread(target=run) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert sorted(answers) == [False] + [True] * 7
