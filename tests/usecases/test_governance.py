"""Governance by the operator's verbs: refusals first, each act with its entry, and every stop binding the next statement."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from adapters.client_file import new_client_key
from adapters.sql import governance
from adapters.sql import node as nodes
from adapters.sql import search as rows
from adapters.sql import tables as t
from adapters.sql import tallies as federated
from consent.agreement import AgreementState, Side
from consent.conditions import Action
from consent.subject import FEDERATION, Role
from mappings.failures import Conflict, Failure, Gone, Invalid, NotFound
from mappings.query import Level, Query
from server.usecases import document, reconcile, render, search, withdraw
from server.usecases.agreement import add_agreement, move_agreement, read_agreement
from server.usecases.client import add_client, list_clients, set_client
from server.usecases.dataset import add_dataset, set_dataset
from server.usecases.deliver import Wanted, deliver, grant
from server.usecases.node import add_node, list_nodes, move_node, remove_node, set_node
from server.usecases.party import add_party, list_parties, set_party
from server.usecases.permit import add_permit, revoke_permit
from server.usecases.render import Picture
from server.usecases.runtime import Caller
from server.usecases.sender import add_sender, attest_sender, remove_sender
from server.usecases.take import take
from server.usecases.terms import publish_terms
from tests import builders
from tests.builders import ACTOR, made
from tests.deposits import deposit

AGREED = {"provider": "hospital-a", "node": "central", "terms": "1.0.0"}
REFUSALS = [
    (Invalid, lambda h: add_party(h, ACTOR, "x", "X", "king")),
    (Invalid, lambda h: add_party(h, ACTOR, "no blanks", "X", "user")),
    (Conflict, lambda h: add_party(h, ACTOR, "hospital-a", "X", "provider")),
    (Invalid, lambda h: add_node(h, ACTOR, "x", kind="cloud", hosting="central", url="x")),
    (Invalid, lambda h: add_node(h, ACTOR, "x", kind="folder", hosting="nowhere", url="x")),
    (Invalid, lambda h: add_node(h, ACTOR, "x", kind="folder", hosting="central", url="x", networks=["10.0.0.1/8"])),
    (Conflict, lambda h: add_node(h, ACTOR, "central", kind="folder", hosting="central", url="x")),
    (Conflict, lambda h: add_node(h, ACTOR, "quarantine", kind="folder", hosting="central", url="quarantine")),
    (Conflict, lambda h: add_node(h, ACTOR, "x", kind="folder", hosting="central", url="quarantine/x")),
    (Conflict, lambda h: set_node(h, ACTOR, "central", url=".")),
    (NotFound, lambda h: move_node(h, ACTOR, "nowhere", "link")),
    (Invalid, lambda h: publish_terms(h, ACTOR, "v2", b"")),
    (Conflict, lambda h: publish_terms(h, ACTOR, "1.0.0", b"changed")),
    (NotFound, lambda h: add_agreement(h, ACTOR, "X", **(AGREED | {"provider": "nobody"}))),
    (NotFound, lambda h: add_agreement(h, ACTOR, "X", **(AGREED | {"node": "nowhere"}))),
    (NotFound, lambda h: add_agreement(h, ACTOR, "X", **(AGREED | {"terms": "9.9.9"}))),
    (Invalid, lambda h: add_agreement(h, ACTOR, "X", **AGREED, actions=["govern"])),
    (Invalid, lambda h: add_agreement(h, ACTOR, "X", **AGREED, visibility="everything")),
    (Invalid, lambda h: add_agreement(h, ACTOR, "X", **AGREED, purposes=["TREAT"])),
    (Invalid, lambda h: add_agreement(h, ACTOR, "X", **AGREED, ends=h.clock())),
    (Conflict, lambda h: add_agreement(h, ACTOR, "DSA-LUNG", **AGREED)),
    (NotFound, lambda h: move_agreement(h, ACTOR, "X", "propose")),
    (Conflict, lambda h: move_agreement(h, ACTOR, "DSA-LUNG", "activate")),
    (Conflict, lambda h: move_agreement(h, ACTOR, "DSA-LUNG", "resume")),
    (Invalid, lambda h: add_dataset(h, ACTOR, "lower", "DSA-LUNG", "X")),
    (Invalid, lambda h: add_dataset(h, ACTOR, "A" * 17, "DSA-LUNG", "X")),
    (Conflict, lambda h: add_dataset(h, ACTOR, "LUNG", "DSA-LUNG", "X")),
    (NotFound, lambda h: add_dataset(h, ACTOR, "X", "none", "X")),
    (NotFound, lambda h: set_dataset(h, ACTOR, "X", {})),
    (Invalid, lambda h: add_sender(h, ACTOR, "LUNG", "A" * 17, "10.0.0.0/8")),
    (Invalid, lambda h: add_sender(h, ACTOR, "LUNG", "A\\B", "10.0.0.0/8")),
    (Invalid, lambda h: add_sender(h, ACTOR, "LUNG", "A", "everywhere")),
    (Conflict, lambda h: add_sender(h, ACTOR, "LUNG", "STORESCU", "127.0.0.1/32")),
    (NotFound, lambda h: add_sender(h, ACTOR, "X", "A", "10.0.0.0/8")),
    (NotFound, lambda h: attest_sender(h, ACTOR, "LUNG", "X", "Dr. X", "2026-01-01")),
    (NotFound, lambda h: remove_sender(h, ACTOR, "LUNG", "X")),
    (NotFound, lambda h: add_permit(h, ACTOR, "LUNG", "nobody")),
    (NotFound, lambda h: revoke_permit(h, ACTOR, "LUNG", "hospital-a")),
    (NotFound, lambda h: set_client(h, ACTOR, "nobody", enabled=False)),
    (Invalid, lambda h: set_party(h, ACTOR, "hospital-a", role="king")),
    (NotFound, lambda h: set_party(h, ACTOR, "nobody", approved=True)),
    (Conflict, lambda h: set_party(h, ACTOR, "hospital-a", role="user")),
    (NotFound, lambda h: set_node(h, ACTOR, "nowhere", url="x")),
    (Invalid, lambda h: set_node(h, ACTOR, "central", hosting="nowhere")),
    (Invalid, lambda h: set_node(h, ACTOR, "central", networks=["10.0.0.1/8"])),
    (Conflict, lambda h: remove_node(h, ACTOR, "central")),
    (NotFound, lambda h: remove_node(h, ACTOR, "nowhere")),
    (Invalid, lambda h: move_agreement(h, ACTOR, "DSA-LUNG", "suspend", reason="two\nlines")),
    (Invalid, lambda h: move_agreement(h, ACTOR, "DSA-LUNG", "suspend", reason="x" * 501)),
    (NotFound, lambda h: withdraw.withdraw_study(h, ACTOR, "1.2.3")),
    (NotFound, lambda h: withdraw.lift_block(h, ACTOR, "1.2.3")),
]


def state(runtime):
    with runtime.store.read() as connection:
        leaves = connection.execute(select(func.count()).select_from(t.ledger_leaf)).scalar_one()
        return governance.counter(connection), leaves


def test_what_is_refused_changes_nothing_and_is_not_recorded(built):
    for kind, act in REFUSALS:
        before = state(built)
        with pytest.raises(kind):
            act(built)
        assert state(built) == before


def newest(runtime):
    """The newest entry's body."""
    with runtime.store.read() as connection:
        return json.loads(
            connection.execute(select(t.ledger_body.c.body).order_by(t.ledger_body.c.id.desc()).limit(1)).scalar_one()
        )


def test_what_uses_a_node_is_named_and_what_nothing_uses_goes_and_may_come_again(built):
    add_client(built, ACTOR, "gpu", party="hospital-a", jwks=new_client_key()[1], node="central")
    deposit(built, made())
    with pytest.raises(Conflict, match=r"in use by agreement DSA-LUNG, client gpu, 1 objects\. It stays"):
        remove_node(built, ACTOR, "central")
    add_node(built, ACTOR, "other", kind="folder", hosting="central", url="other")
    remove_node(built, ACTOR, "other")
    assert [row.name for row in list_nodes(built)] == ["central"]
    assert newest(built)["kind"] == "govern.node.remove"
    with pytest.raises(NotFound):
        move_node(built, ACTOR, "other", "link")
    add_node(built, ACTOR, "other", kind="folder", hosting="federated", url="other")
    assert [(row.name, row.hosting, row.state) for row in list_nodes(built)][1] == ("other", "federated", "linked")
    assert built.node_of(list_nodes(built)[1]).check().ok


def test_a_folder_node_moves_to_where_its_objects_are_and_nowhere_else(built):
    deposit(built, made())
    data = built.settings.data_dir
    (data / "empty").mkdir()
    for wrong in ("empty", "absent"):
        with pytest.raises(Conflict, match="holds nothing of this one"):
            set_node(built, ACTOR, "central", url=wrong)
    assert list_nodes(built)[0].url == "central"
    (data / "central").rename(data / "moved")
    set_node(built, ACTOR, "central", url="moved", networks=["10.0.0.0/8"])
    (row,) = list_nodes(built)
    assert (row.url, row.networks, built.node_of(row).check().ok) == ("moved", ("10.0.0.0/8",), True)
    body = newest(built)
    assert (body["kind"], body["networks"], body["moved"], "hosting" in body) == ("govern.node.set", "10.0.0.0/8", 1, False)


def test_a_partys_role_stays_while_anything_stands_on_it(built):
    with pytest.raises(Conflict, match="agreement DSA-LUNG"):
        set_party(built, ACTOR, "hospital-a", role="user")
    add_party(built, ACTOR, "typo", "Typo", "user", approved=False)
    set_party(built, ACTOR, "typo", role="provider", name="Hospital T", approved=True)
    party = next(each for each in list_parties(built) if each.key == "typo")
    assert (party.role, party.name, party.approved) == ("provider", "Hospital T", True)
    said = {key: value for key, value in newest(built).items() if key not in ("v", "at", "actor")}
    assert said == {
        "kind": "govern.party.set",
        "party": "typo",
        "name": "Hospital T",
        "role": "provider",
        "approved": 1,
    }


def test_what_a_client_may_ask_for_and_its_keys_change_and_are_recorded(built):
    first, second = new_client_key()[1], new_client_key()[1]
    added = add_client(built, ACTOR, "c", party="hospital-a", jwks=first)
    assert added.scopes == ("system/*.rs", "system/ImagingStudy.cd"), "what a provider needs"
    set_client(built, ACTOR, "c", purposes=["AITRAIN"], node="central", jwks=second, scopes=["system/Patient.r"])
    row = next(each for each in list_clients(built) if each.client_id == "c")
    assert (row.purposes, row.node, row.scopes) == ({"AITRAIN"}, "central", ("system/Patient.r",))
    assert json.loads(row.jwks) == second
    body = newest(built)
    assert (body["node"], body["keys"]) == ("central", second["keys"][0]["kid"])
    set_client(built, ACTOR, "c", node="", purposes=[])
    row = next(each for each in list_clients(built) if each.client_id == "c")
    assert (row.node, row.purposes, json.loads(row.jwks)) == (None, frozenset(), second)
    with pytest.raises(Invalid):
        set_client(built, ACTOR, "c", scopes=["user/*.rs"])
    with pytest.raises(NotFound):
        set_client(built, ACTOR, "c", terms="")


def test_a_reason_is_kept_with_its_act(built):
    move_agreement(built, ACTOR, "DSA-LUNG", "suspend", reason=" an audit ")
    assert newest(built)["reason"] == "an audit"
    move_agreement(built, ACTOR, "DSA-LUNG", "resume")
    assert "reason" not in newest(built)
    deposit(built, made())
    withdraw.withdraw_study(built, ACTOR, "1.2.3", reason="consent withdrawn")
    assert (newest(built)["kind"], newest(built)["reason"]) == ("govern.study.withdraw", "consent withdrawn")


def test_every_act_is_recorded_once_with_who_did_it(built):
    before = state(built)[1]
    move_agreement(built, "operator:ann", "DSA-LUNG", "suspend")
    with built.store.read() as connection:
        newest = connection.execute(select(t.ledger_body).order_by(t.ledger_body.c.id.desc()).limit(1)).one()
    assert state(built)[1] == before + 1
    assert (newest.kind, newest.actor) == ("govern.agreement.suspend", "operator:ann")
    assert b'"state":"suspended"' in newest.body


def test_moves_are_acts_that_are_kept_and_leave_the_content_as_it_is(built):
    before = read_agreement(built, "DSA-LUNG")
    for verb, side in (("suspend", Side.PROVIDER), ("resume", Side.PROVIDER), ("terminate", Side.REPOSITORY)):
        move_agreement(built, "operator:ann", "DSA-LUNG", verb, side)
    after = read_agreement(built, "DSA-LUNG@1")
    assert after.content == before.content
    assert [(act.verb, act.side, act.actor, act.version) for act in after.acts[len(before.acts) :]] == [
        ("suspend", "provider", "operator:ann", 1),
        ("resume", "provider", "operator:ann", 1),
        ("terminate", "repository", "operator:ann", 1),
    ]


def test_a_stop_stands_until_who_set_it_lifts_it(built):
    for side in Side:
        move_agreement(built, ACTOR, "DSA-LUNG", "suspend", side)
    assert read_agreement(built, "DSA-LUNG").standing.stops == set(Side)
    assert move_agreement(built, ACTOR, "DSA-LUNG", "resume", Side.REPOSITORY) is AgreementState.SUSPENDED
    with pytest.raises(Conflict, match="is resumed by who stopped it, the provider"):
        move_agreement(built, ACTOR, "DSA-LUNG", "resume", Side.REPOSITORY)
    assert move_agreement(built, ACTOR, "DSA-LUNG", "resume", Side.PROVIDER) is AgreementState.ACTIVE


def test_a_citation_names_a_version_that_is_there(built):
    assert read_agreement(built, "DSA-LUNG") == read_agreement(built, "DSA-LUNG@1")
    for citation in ("DSA-LUNG@2", "DSA-LUNG@x", "NONE@1"):
        with pytest.raises(NotFound):
            read_agreement(built, citation)


def test_what_was_done_to_a_node_is_kept(built):
    move_node(built, "operator:ann", "central", "suspend")
    with built.store.read() as connection:
        acts = nodes.read_acts(connection, nodes.find(connection, "central").id)
    assert [(act.verb, act.actor) for act in acts] == [("add", ACTOR), ("suspend", "operator:ann")]
    assert acts[1].at == built.clock()


# --- a stop binds the next statement, everywhere

EVERYTHING = {"access_class": "conditional", "actions": ("query", "process", "export")}
WANTED = Wanted("1.2.3", "1.2.3.1", "1.2.3.1.1")
USER = builders.caller()


def permissive(runtime, **agreement):
    """An agreement that permits everything, and a permit that names export."""
    builders.seed(runtime, **EVERYTHING, **agreement)
    add_party(runtime, ACTOR, "university", "U", "user")
    add_permit(runtime, ACTOR, "LUNG", "university", export=True)


@pytest.fixture
def shared(tmp_path, clock):
    """A runtime whose agreement permits everything, with one study of two images."""
    runtime = builders.runtime(tmp_path, clock=clock)
    permissive(runtime)
    batch = builders.batch(runtime)
    for n in (1, 2):
        take(runtime, batch, "a", made(f"1.2.3.1.{n}"))
    clock.on(30)
    assert document.rebuild(runtime) == 1
    yield runtime
    runtime.close()


def documents(runtime):
    with runtime.store.read() as connection:
        return rows.documents(
            connection, Query(Level.STUDY), runtime.visible_datasets(connection, USER, Action.QUERY), runtime.clock()
        )


def tallies(runtime):
    with runtime.store.read() as connection:
        return federated.tallies(
            connection,
            Query(Level.STUDY),
            runtime.visible_datasets(connection, Caller(FEDERATION), Action.DISCOVER),
            runtime.clock(),
        )


ASKED = {
    "search": lambda h: search.fragments(h, USER, Query(Level.STUDY)),
    "metadata": lambda h: search.metadata(h, USER, WANTED),
    "retrieve": lambda h: grant(h, USER, WANTED, Action.EXPORT).objects,
    "render": lambda h: render.render(h, USER, WANTED, Picture()),
    "documents": documents,
    "tallies": tallies,
    "its provider's search": lambda h: search.fragments(h, builders.caller(Role.PROVIDER), Query(Level.INSTANCE)),
    "the operator's search": lambda h: search.fragments(h, builders.caller(Role.OPERATOR), Query(Level.SERIES)),
}


def answered(runtime):
    """What each question is answered with now: True for something, False for nothing or not found."""
    found = {}
    for name, ask in ASKED.items():
        try:
            found[name] = bool(ask(runtime))
        except (NotFound, Gone):
            found[name] = False
    return found


STOPS = {
    "suspend": (
        lambda h: move_agreement(h, ACTOR, "DSA-LUNG", "suspend"),
        lambda h: move_agreement(h, ACTOR, "DSA-LUNG", "resume"),
    ),
    "terminate": (lambda h: move_agreement(h, ACTOR, "DSA-LUNG", "terminate"), None),
    "suspend node": (
        lambda h: move_node(h, ACTOR, "central", "suspend"),
        lambda h: move_node(h, ACTOR, "central", "link"),
    ),
    "unlink node": (
        lambda h: move_node(h, ACTOR, "central", "unlink"),
        lambda h: move_node(h, ACTOR, "central", "link"),
    ),
    "withdraw": (lambda h: withdraw.withdraw_study(h, ACTOR, "1.2.3"), None),
}


@pytest.mark.parametrize("name", STOPS)
def test_a_stop_binds_the_next_statement_everywhere_and_so_does_its_end(shared, name):
    stop, resume = STOPS[name]
    assert answered(shared) == dict.fromkeys(ASKED, True)
    stop(shared)
    assert answered(shared) == dict.fromkeys(ASKED, False)
    refused = take(shared, builders.batch(shared), "a", made("1.2.3.1.9"))
    assert (str(refused.outcome), refused.rule) in [("reject", r) for r in ("agreement-inactive", "node-not-linked", "blocked")]
    if resume:
        resume(shared)
        assert answered(shared) == dict.fromkeys(ASKED, True)


def test_a_stop_reaches_another_process_that_keeps_facts(shared, tmp_path, clock):
    other = builders.runtime(tmp_path, clock=clock)
    assert answered(other) == dict.fromkeys(ASKED, True)
    move_agreement(shared, ACTOR, "DSA-LUNG", "suspend")
    assert answered(other) == dict.fromkeys(ASKED, False)
    other.close()


def test_an_agreement_that_ends_stops_by_itself(tmp_path, clock):
    runtime = builders.runtime(tmp_path, clock=clock)
    permissive(runtime, ends=clock().replace(day=23))
    take(runtime, builders.batch(runtime), "a", made())
    assert len(search.fragments(runtime, USER, Query(Level.STUDY))) == 1
    clock.on(86_400)
    assert search.fragments(runtime, USER, Query(Level.STUDY)) == []
    runtime.close()


def test_a_revoked_permit_binds_the_next_statement(tmp_path, clock):
    runtime = builders.runtime(tmp_path, clock=clock)
    builders.seed(runtime, **EVERYTHING)
    add_party(runtime, ACTOR, "university", "U", "user")
    take(runtime, builders.batch(runtime), "a", made())
    seen = []
    for act in (
        lambda: None,
        lambda: add_permit(runtime, ACTOR, "LUNG", "university"),
        lambda: revoke_permit(runtime, ACTOR, "LUNG", "university"),
    ):
        act()
        seen.append(len(search.fragments(runtime, USER, Query(Level.STUDY))))
    assert seen == [0, 1, 0]
    runtime.close()


@pytest.mark.parametrize("name", [n for n in STOPS if n != "withdraw"])
def test_what_is_being_sent_ends_at_the_next_object(shared, name):
    wanted = Wanted("1.2.3")
    sending = iter(deliver(shared, USER, wanted, len))
    _, first = next(sending)
    assert b"".join(first)
    STOPS[name][0](shared)
    with pytest.raises(Gone):
        next(sending)


def test_acts_on_one_agreement_come_one_after_another(anywhere):
    move_agreement(anywhere, ACTOR, "DSA-LUNG", "suspend")
    with ThreadPoolExecutor(1) as pool:
        with anywhere.governance_act():
            resumed = pool.submit(move_agreement, anywhere, ACTOR, "DSA-LUNG", "resume")
            with pytest.raises(TimeoutError):
                resumed.result(timeout=0.3)
        resumed.result(timeout=20)
    assert read_agreement(anywhere, "DSA-LUNG").standing.state is AgreementState.ACTIVE


def test_a_withdrawn_study_that_is_being_sent_ends_with_its_bytes(shared):
    wanted = Wanted("1.2.3")
    sending = iter(deliver(shared, USER, wanted, len))
    _, first = next(sending)
    b"".join(first)
    withdraw.withdraw_study(shared, ACTOR, "1.2.3")
    reconcile.purge(shared)
    with pytest.raises(Failure):
        b"".join(next(sending)[1])


def test_a_withdrawn_patient_with_another_study_stays(shared):
    take(shared, builders.batch(shared), "a", made("1.2.4.1.1", study="1.2.4"))
    for study, patients in (("1.2.3", 1), ("1.2.4", 0)):
        withdraw.withdraw_study(shared, ACTOR, study)
        with shared.store.read() as connection:
            assert connection.execute(select(func.count()).select_from(t.patient)).scalar_one() == patients
