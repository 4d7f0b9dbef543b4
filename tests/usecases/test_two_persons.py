"""What two persons decide on: by a second one who is signed in, exactly as proposed; or by one alone, and all are told."""

import json
from dataclasses import replace

import pytest
from sqlalchemy import select, update

from adapters.identity import RETIRED_SECONDS, Keys
from adapters.sql import notice
from adapters.sql import tables as t
from consent.person import Actor, PersonRole
from consent.proposal import LIFETIME
from mappings.failures import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from server.usecases import proposal, release, withdraw
from server.usecases.rotate_keys import FILE
from tests import builders
from tests.builders import ACTOR, OPERATOR, made
from tests.deposits import deposit
from tests.usecases.test_stops import entries, states, work

SECOND = Actor("person:sven", None, frozenset({PersonRole.OPERATOR}))
LOCAL = replace(OPERATOR, id="local:root", is_local=True)
MANAGER = Actor("person:mara", "hospital-a", frozenset({PersonRole.DATA_MANAGER}))
PURGE = ("purge", {"study": "1.2.3"}, "erasure")


@pytest.fixture
def withdrawn(tmp_path, clock):
    """A study that was withdrawn, with six days left."""
    runtime = builders.runtime(tmp_path, clock=clock, grace_days=7)
    builders.seed(runtime)
    deposit(runtime, made())
    withdraw.withdraw_study(runtime, ACTOR, "1.2.3")
    clock.on(86_400)
    yield runtime
    runtime.close()


def told(runtime, kind):
    with runtime.store.read() as connection:
        return [each.title for each in notice.read_all(connection, None, "", 10) if each.kind == kind]


@pytest.mark.parametrize("first", [OPERATOR, LOCAL])
def test_what_one_proposes_another_confirms_and_it_is_done_at_once(withdrawn, first):
    made = proposal.propose(withdrawn, first, *PURGE)
    work(withdrawn, "purge")
    assert states(withdrawn) == ["withdrawn"]
    assert [each.key for each in proposal.list_proposals(withdrawn, SECOND)] == [made.key]
    assert proposal.list_proposals(withdrawn, MANAGER) == []
    assert proposal.confirm(withdrawn, SECOND, made.key) == "1 objects go now"
    work(withdrawn, "purge")
    assert states(withdrawn) == ["purged"]
    assert [(e["actor"], e["digest"]) for e in entries(withdrawn, "govern.proposal.confirm")] == [(SECOND.id, made.digest)]
    with pytest.raises(Conflict, match="already"):
        proposal.confirm(withdrawn, SECOND, made.key)


@pytest.mark.parametrize(
    ("second", "why"),
    [(OPERATOR, "not its second person"), (LOCAL, "signs in"), (replace(SECOND, roles=MANAGER.roles), "do not let you")],
)
def test_nobody_is_the_second_person_but_another_who_is_signed_in_and_may(withdrawn, second, why):
    made = proposal.propose(withdrawn, OPERATOR, *PURGE)
    with pytest.raises(Forbidden, match=why):
        proposal.confirm(withdrawn, second, made.key)
    work(withdrawn, "purge")
    assert states(withdrawn) == ["withdrawn"]


def test_what_was_changed_since_it_was_proposed_is_not_done(withdrawn):
    made = proposal.propose(withdrawn, OPERATOR, *PURGE)
    with withdrawn.store.write() as connection:
        connection.execute(update(t.proposal).values(arguments='{"study":"1.2.4"}'))
    with pytest.raises(Forbidden, match="not what was proposed"):
        proposal.confirm(withdrawn, SECOND, made.key)


def test_what_has_waited_too_long_or_was_declined_is_not_done(withdrawn, clock):
    late, no = proposal.propose(withdrawn, OPERATOR, *PURGE), proposal.propose(withdrawn, OPERATOR, *PURGE)
    proposal.refuse(withdrawn, SECOND, no.key, "not asked for")
    with pytest.raises(Conflict):
        proposal.confirm(withdrawn, SECOND, no.key)
    clock.on(LIFETIME.total_seconds())
    with pytest.raises(Forbidden, match="too long"):
        proposal.confirm(withdrawn, SECOND, late.key)


def test_what_can_not_be_done_when_it_is_confirmed_leaves_the_proposal_open(withdrawn):
    made = proposal.propose(withdrawn, OPERATOR, "purge", {"study": "1.2.999"}, "erasure")
    with pytest.raises(NotFound):
        proposal.confirm(withdrawn, SECOND, made.key)
    assert [each.key for each in proposal.list_proposals(withdrawn, SECOND)] == [made.key]


@pytest.mark.parametrize(
    ("act", "arguments", "reason"),
    [
        ("sing", {}, "why"),
        ("purge", {}, "why"),
        ("purge", {"study": "1", "node": "x"}, "why"),
        ("purge", {"study": "1" * 129}, "why"),
        ("purge", {"study": "1.2.3"}, " "),
        ("purge", {"study": "1.2.3"}, "x" * 501),
    ],
)
def test_a_proposal_is_of_a_known_act_with_its_arguments_and_a_reason(withdrawn, act, arguments, reason):
    with pytest.raises(Invalid):
        proposal.propose(withdrawn, OPERATOR, act, arguments, reason)
    with pytest.raises(Invalid):
        proposal.act_alone(withdrawn, OPERATOR, act, arguments, reason)


def test_who_acts_alone_does_so_at_once_and_every_operator_is_told_why(withdrawn):
    proposal.act_alone(withdrawn, LOCAL, *PURGE)
    work(withdrawn, "purge")
    assert states(withdrawn) == ["purged"]
    assert [e["reason"] for e in entries(withdrawn, "govern.proposal.alone")] == ["erasure"]
    assert told(withdrawn, "alone") == ["Done by one person alone: purge"]
    with pytest.raises(Forbidden):
        proposal.act_alone(withdrawn, MANAGER, *PURGE)


def test_the_only_operator_there_is_acts_alone_and_the_record_says_so(withdrawn):
    alone = replace(withdrawn, operators=lambda _connection: [OPERATOR.id])
    proposal.propose(alone, OPERATOR, *PURGE)
    assert (len(entries(alone, "govern.proposal.alone")), entries(alone, "govern.proposal.make")) == (1, [])
    pair = replace(withdrawn, operators=lambda _connection: [OPERATOR.id, SECOND.id])
    proposal.propose(pair, OPERATOR, *PURGE)
    assert len(entries(pair, "govern.proposal.make")) == 1


def test_what_undeclared_would_have_been_rejected_is_released_by_two(tmp_path, clock):
    runtime = builders.runtime(tmp_path, clock=clock)
    builders.seed(runtime)
    batch = builders.batch(runtime)
    assert deposit(runtime, made(OtherPatientIDs="17"), batch) == ("review", "other-ids")
    with pytest.raises(Forbidden, match="Two persons"):
        release.release(runtime, ACTOR, batch.key)
    asked = proposal.propose(runtime, OPERATOR, "release", {"batch": batch.key}, "a study number")
    proposal.confirm(runtime, SECOND, asked.key)
    work(runtime, "release")
    assert states(runtime) == ["held"]
    assert [e["actor"] for e in entries(runtime, "govern.batch.release")] == [SECOND.id]
    runtime.close()


def test_a_rotated_key_signs_in_every_process_and_the_last_one_verifies_until_its_tokens_ended(withdrawn, clock):
    path, base = withdrawn.settings.data_dir / FILE, withdrawn.settings.base_url
    one, other = Keys.load_or_make(path), Keys.load_or_make(path)
    times = {"exp": clock().timestamp() + 3600, "client_id": "x", "iss": base, "aud": base}
    before = one.mint(times)
    asked = proposal.propose(withdrawn, OPERATOR, "rotate-keys", {}, "yearly")
    proposal.confirm(withdrawn, SECOND, asked.key)
    after = other.mint(times)
    (entry,) = entries(withdrawn, "govern.keys.rotate")
    assert [key["kid"] for key in one.public()["keys"]] == [entry["key"], *entry["retired"]]
    assert all(one.read(token, base, clock())["client_id"] == "x" for token in (before, after))
    clock.on(RETIRED_SECONDS + 1)
    proposal.act_alone(withdrawn, OPERATOR, "rotate-keys", {}, "emergency")
    clock.on(RETIRED_SECONDS + 1)
    proposal.act_alone(withdrawn, OPERATOR, "rotate-keys", {}, "emergency")
    assert len(one.public()["keys"]) == 2
    with pytest.raises(Unauthenticated):
        one.read(before, base, clock())
    assert "d" in json.loads(path.read_text())["keys"][0]
    assert path.stat().st_mode & 0o077 == 0
    with withdrawn.store.read() as connection:
        assert "retired" not in str(connection.execute(select(t.proposal)).all())
