"""What is withdrawn is kept for its grace and can be had back; then it goes, with a receipt. Who is blocked gets nothing."""

import json
from dataclasses import replace
from threading import Event

import pytest
from sqlalchemy import select

from adapters.client_file import new_client_key
from adapters.sql import tables as t
from consent.conditions import Action
from consent.exclusion import Excluded
from consent.person import Actor, PersonRole
from consent.subject import Role, Subject
from mappings.failures import Conflict, Forbidden, Gone, Invalid, NotFound, Unauthenticated
from mappings.query import Level, Query
from server.usecases import purge, reconcile, search, withdraw
from server.usecases.agreement import move_agreement
from server.usecases.client import add_client
from server.usecases.deliver import Wanted, deliver
from server.usecases.exclusion import exclude, lift_exclusion, list_exclusions
from server.usecases.identify import recall
from server.usecases.party import add_party
from server.usecases.person import block_person, unblock_person
from server.usecases.restore import restore_study
from server.usecases.withdraw_dataset import restore_dataset, withdraw_dataset
from server.worker.jobs import KINDS, work_off
from tests import builders
from tests.builders import ACTOR, OPERATOR, made
from tests.deposits import deposit

DAY = 86_400
MANAGER = Actor("person:mara", "hospital-a", frozenset({PersonRole.DATA_MANAGER}))
STRANGER = Actor("person:eve", "hospital-b", frozenset({PersonRole.DATA_MANAGER}))
RESEARCHER = Actor("person:rita", "hospital-a", frozenset({PersonRole.RESEARCHER}))


@pytest.fixture
def kept(tmp_path, clock):
    """A world whose grace is seven days, with two objects of one study."""
    runtime = builders.runtime(tmp_path, clock=clock, grace_days=7)
    builders.seed(runtime)
    add_party(runtime, ACTOR, "university", "U", "user")
    assert [deposit(runtime, made(uid)) for uid in ("1.2.3.1.1", "1.2.3.1.2")] == [("pass", "declared")] * 2
    yield runtime
    runtime.close()


def states(runtime):
    with runtime.store.read() as connection:
        return [row.state for row in connection.execute(select(t.custody).order_by(t.custody.c.id))]


def work(runtime, *kinds):
    for kind in kinds:
        work_off(runtime, kind, KINDS[kind], Event())


def entries(runtime, kind):
    with runtime.store.read() as connection:
        rows = connection.execute(select(t.ledger_body.c.body).where(t.ledger_body.c.kind == kind).order_by(t.ledger_body.c.id))
        return [json.loads(row.body) for row in rows]


def found(runtime):
    return len(search.fragments(runtime, builders.caller(), Query(Level.STUDY)))


def test_what_is_withdrawn_rests_until_its_grace_is_over_and_then_goes_with_a_receipt(kept, clock):
    deliver(kept, builders.caller(Role.INSIDE), Wanted("1.2.3"), len)
    withdraw.withdraw_study(kept, ACTOR, "1.2.3")
    clock.on(7 * DAY - 1)
    reconcile.purge(kept)
    work(kept, "purge")
    assert (states(kept), entries(kept, "govern.study.purge")) == (["withdrawn"] * 2, [])
    clock.on(1)
    work(kept, "purge")
    (receipt,) = entries(kept, "govern.study.purge")
    (told,) = purge.read_receipts(kept, MANAGER, "1.2.3")
    assert (list(told.files), list(told.takers), told.taken) == (receipt["files"], receipt["takers"], receipt["taken"])
    with pytest.raises(NotFound):
        purge.read_receipts(kept, STRANGER, "1.2.3")
    with kept.store.read() as connection:
        digests = [row.file_digest.hex() for row in connection.execute(select(t.custody.c.file_digest))]
    assert states(kept) == ["purged"] * 2
    assert (receipt["files"], receipt["kept"], receipt["taken"]) == (digests, 0, 1)
    assert receipt["takers"] == [builders.caller(Role.INSIDE).subject.id]
    work(kept, "purge")
    assert len(entries(kept, "govern.study.purge")) == 1, "a receipt is written once"


def test_a_receipt_of_many_files_is_in_parts_and_names_so_many_takers(kept, monkeypatch):
    monkeypatch.setattr(purge, "FILES", 1)
    monkeypatch.setattr(purge, "TAKERS", 1)
    for name in ("one", "two"):
        caller = builders.caller(Role.INSIDE)
        deliver(kept, replace(caller, subject=replace(caller.subject, id=name)), Wanted("1.2.3"), len)
    withdraw.withdraw_study(kept, ACTOR, "1.2.3", replace=True)
    work(kept, "purge")
    parts = entries(kept, "govern.study.purge")
    assert [(each["part"], each["parts"], len(each["files"]), each["takers"], each["taken"]) for each in parts] == [
        (1, 2, 1, ["one"], 2),
        (2, 2, 1, ["one"], 2),
    ]


def test_a_purge_waits_for_a_node_that_does_not_answer(kept, clock, monkeypatch):
    withdraw.withdraw_study(kept, ACTOR, "1.2.3", replace=True)
    monkeypatch.setattr(purge, "delete_all", lambda _runtime, _rows: 0)
    work(kept, "purge")
    assert (states(kept), entries(kept, "govern.study.purge")) == (["withdrawn"] * 2, [])
    monkeypatch.undo()
    clock.on(3600)
    work(kept, "purge")
    assert len(entries(kept, "govern.study.purge")) == 1


def test_who_withdrew_has_it_back_within_the_grace(kept, clock, sound):
    withdraw.withdraw_study(kept, ACTOR, "1.2.3")
    clock.on(7 * DAY - 1)
    assert restore_study(kept, ACTOR, "1.2.3") == 2
    clock.on(DAY)
    reconcile.purge(kept)
    work(kept, "purge", "restore")
    assert (states(kept), found(kept)) == (["held"] * 2, 1)
    clock.on(400 * DAY)
    reconcile.purge(kept)
    work(kept, "purge")
    assert states(kept) == ["held"] * 2
    sound(kept)


def test_what_comes_back_waits_while_its_agreement_is_stopped(kept, clock):
    withdraw.withdraw_study(kept, ACTOR, "1.2.3")
    restore_study(kept, ACTOR, "1.2.3")
    move_agreement(kept, ACTOR, "DSA-LUNG", "suspend")
    work(kept, "restore")
    assert states(kept) == ["withdrawn"] * 2
    move_agreement(kept, ACTOR, "DSA-LUNG", "resume")
    clock.on(3600)
    work(kept, "restore")
    assert states(kept) == ["held"] * 2


def test_nobody_has_back_what_is_over_what_is_another_s_or_what_the_repository_stopped(kept, clock):
    provider = builders.caller(Role.PROVIDER)
    withdraw.withdraw(kept, ACTOR, withdraw.find_study(kept, "1.2.3"), circumstance="legal-order")
    with pytest.raises(Forbidden):
        restore_study(kept, "pacs-a", "1.2.3", provider)
    with pytest.raises(NotFound):
        restore_study(kept, "x", "1.2.3", replace(provider, subject=Subject("x", Role.PROVIDER, "hospital-b")))
    clock.on(7 * DAY)
    with pytest.raises(Conflict, match="over"):
        restore_study(kept, ACTOR, "1.2.3")


def test_the_repository_s_own_withdrawal_cites_a_circumstance_there_is(kept):
    with pytest.raises(Invalid):
        withdraw.withdraw(kept, ACTOR, withdraw.find_study(kept, "1.2.3"), circumstance="weather")


def test_a_dataset_is_withdrawn_by_one_act_and_empties_when_its_grace_is_over(kept, clock):
    withdraw_dataset(kept, MANAGER, "LUNG", reason="we stop")
    assert (found(kept), states(kept)) == (0, ["held"] * 2)
    assert deposit(kept, made("1.2.4.1.1", study="1.2.4")) == ("reject", "agreement-inactive")
    with pytest.raises(Conflict):
        withdraw_dataset(kept, MANAGER, "LUNG")
    clock.on(7 * DAY)
    work(kept, "empty", "purge")
    assert states(kept) == ["purged"] * 2
    with pytest.raises(Conflict, match="over"):
        restore_dataset(kept, MANAGER, "LUNG")
    assert {each["side"] for each in entries(kept, "govern.study.withdraw")} == {"provider"}


def test_a_dataset_comes_back_with_the_next_statement_and_nothing_of_it_has_moved(kept, clock):
    withdraw_dataset(kept, MANAGER, "LUNG")
    with pytest.raises(Forbidden, match="provider"):
        restore_dataset(kept, OPERATOR, "LUNG")
    clock.on(7 * DAY - 1)
    restore_dataset(kept, MANAGER, "LUNG")
    clock.on(1)
    work(kept, "empty", "purge")
    assert (found(kept), states(kept)) == (1, ["held"] * 2)


@pytest.mark.parametrize(("who", "failure"), [(STRANGER, NotFound), (RESEARCHER, Forbidden), (OPERATOR, Invalid)])
def test_a_dataset_is_withdrawn_by_its_own_provider_or_by_the_repository_that_says_why(kept, who, failure):
    with pytest.raises(failure):
        withdraw_dataset(kept, who, "LUNG")
    with pytest.raises(NotFound):
        withdraw_dataset(kept, who, "NONE", circumstance="breach" if who is OPERATOR else None)
    assert found(kept) == 1


def test_who_has_used_a_study_is_told_when_it_is_withdrawn_though_it_may_ask_for_nothing_now(kept):
    caller = builders.caller(Role.INSIDE)
    deliver(kept, caller, Wanted("1.2.3"), len)
    withdraw.withdraw_study(kept, ACTOR, "1.2.3", replace=True)
    stopped = replace(caller, subject=replace(caller.subject, approved=False))
    with pytest.raises(Gone) as told:
        deliver(kept, stopped, Wanted("1.2.3"), len)
    assert (told.value.cause, told.value.at) == ("replaced", kept.clock())
    with pytest.raises(NotFound):
        deliver(kept, replace(stopped, subject=replace(stopped.subject, id="another")), Wanted("1.2.3"), len)


# --- blocking


def test_who_is_blocked_gets_no_next_object_and_who_is_let_in_again_does(kept):
    caller = builders.caller(Role.INSIDE)
    files = iter(deliver(kept, caller, Wanted("1.2.3"), len))
    next(files)
    exclude(kept, OPERATOR, "party", caller.subject.party, circumstance="breach")
    with pytest.raises(Gone):
        next(files)
    lift_exclusion(kept, OPERATOR, "party", caller.subject.party)
    assert len(list(deliver(kept, caller, Wanted("1.2.3"), len))) == 2


def test_a_person_that_is_blocked_sees_no_dataset_from_the_next_statement_on(kept):
    builders.person(kept, "mara", role="data-manager", party="hospital-a")
    subject = Subject(MANAGER.id, Role.PROVIDER, "hospital-a")
    sees = []
    for act in (lambda: None, lambda: block_person(kept, OPERATOR, "mara"), lambda: unblock_person(kept, OPERATOR, "mara")):
        act()
        with kept.store.read() as connection:
            now = kept.governance.current(connection)
            sees.append(len(now.visible_datasets(subject, Action.VIEW, None, kept.clock()).datasets))
    assert sees == [1, 0, 1]


def test_work_that_goes_on_after_its_request_ends_when_its_client_is_blocked(kept):
    add_client(kept, ACTOR, "gpu", party="university", jwks=new_client_key()[1])
    exclude(kept, OPERATOR, "client", "gpu", circumstance="security")
    with kept.store.read() as connection, pytest.raises(Unauthenticated):
        recall(kept, connection, "gpu", inside=False, purpose="AIRESEARCH", scopes=())
    lift_exclusion(kept, OPERATOR, "client", "gpu")
    with kept.store.read() as connection:
        assert recall(kept, connection, "gpu", inside=False, purpose="AIRESEARCH", scopes=()).subject.id == "gpu"


def test_blocking_is_the_operator_s_cites_a_circumstance_and_is_never_of_oneself(kept):
    with pytest.raises(Forbidden):
        exclude(kept, MANAGER, "party", "hospital-a", circumstance="breach")
    for kind, key, circumstance, failure in (
        ("party", "hospital-a", None, Invalid),
        ("party", "nobody", "breach", NotFound),
        ("client", OPERATOR.id, "breach", Conflict),
        ("client", "nobody", "breach", NotFound),
        ("client", "x" * 81, "breach", Invalid),
        ("tribe", "x", "breach", Invalid),
    ):
        with pytest.raises(failure):
            exclude(kept, OPERATOR, kind, key, circumstance=circumstance)
    exclude(kept, OPERATOR, "party", "hospital-a", circumstance="breach", reason="twice")
    with pytest.raises(Conflict):
        exclude(kept, OPERATOR, "party", "hospital-a", circumstance="breach")
    assert [(row.kind, row.key) for row in list_exclusions(kept, OPERATOR)] == [(Excluded.PARTY, "hospital-a")]
    with pytest.raises(NotFound):
        lift_exclusion(kept, OPERATOR, "client", "hospital-a")
