"""What two persons decide on: by a second one who is signed in, exactly as proposed; or by one alone, and all are told."""

import json
from dataclasses import replace
from hashlib import sha256

import pytest
from sqlalchemy import select, update

from adapters.identity import RETIRED_SECONDS, Keys
from adapters.sql import notice
from adapters.sql import tables as t
from consent.person import Actor, PersonRole
from consent.proposal import LIFETIME
from mappings.failures import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from server.usecases import proposal, release, withdraw
from server.usecases.notice import list_notices
from server.usecases.party import add_party, admit, list_parties, set_party
from server.usecases.person import block_person, unblock_person
from server.usecases.proposable import publishing
from server.usecases.rotate_keys import FILE
from server.usecases.terms import MOST_TEXT, Draft, publish, read_terms
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
    builders.person(runtime, "olga")
    builders.person(runtime, "sven")
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
    [
        (OPERATOR, "not its second person"),
        (LOCAL, "signs in"),
        (replace(SECOND, id="a-client"), "signs in"),
        (replace(SECOND, roles=MANAGER.roles), "do not let you"),
    ],
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
    block_person(withdrawn, LOCAL, "sven")
    made = proposal.propose(withdrawn, OPERATOR, *PURGE)
    assert (made.state, made.done) == ("confirmed", "1 objects go now")
    assert (len(entries(withdrawn, "govern.proposal.alone")), entries(withdrawn, "govern.proposal.make")) == (1, [])
    unblock_person(withdrawn, LOCAL, "sven")
    assert proposal.propose(withdrawn, OPERATOR, *PURGE).done is None
    assert len(entries(withdrawn, "govern.proposal.make")) == 1


DRAFT = Draft(
    version="2.0.0", text="Neu, für alle.\r\n".encode(), summary="New", needs_renewal=True, contains=["1.0.0"], effective_at=None
)


def test_two_publish_a_document_byte_for_byte_and_one_of_them_does_not(withdrawn):
    with pytest.raises(Forbidden, match="another operator confirms"):
        publish(withdrawn, OPERATOR, DRAFT)
    asked = proposal.propose(withdrawn, OPERATOR, "publish", publishing(DRAFT), "new terms")
    assert "Neu" in asked.arguments
    assert read_terms(withdrawn, None, DRAFT.kind).version == "1.0.0"
    proposal.confirm(withdrawn, SECOND, asked.key)
    found = read_terms(withdrawn, "2.0.0", DRAFT.kind)
    assert (found.text, found.issue.needs_renewal, found.issue.contains) == (DRAFT.text, True, frozenset({"1.0.0"}))
    assert [each.title.partition(",")[0] for each in list_notices(withdrawn, MANAGER)] == ["General terms of use 2.0.0"]


def test_a_long_document_is_proposed_whole_and_told_by_its_digest(withdrawn):
    text = b"x" * MOST_TEXT
    asked = proposal.propose(withdrawn, OPERATOR, "publish", publishing(replace(DRAFT, text=text)), "long")
    assert len(proposal.shown(asked)) < 500
    assert sha256(text).hexdigest() in proposal.shown(asked)
    for wrong in ({"effective": "tomorrow"}, {"effective": "2027-01-01T00:00:00"}, {"kind": "song"}, {"renewal": "1"}):
        asked = proposal.propose(withdrawn, OPERATOR, "publish", publishing(DRAFT) | wrong, "wrong")
        with pytest.raises(Invalid):
            proposal.confirm(withdrawn, SECOND, asked.key)
    with pytest.raises(Invalid):
        publishing(replace(DRAFT, text=b"\xff"))
    with pytest.raises(Invalid):
        proposal.propose(withdrawn, OPERATOR, "publish", publishing(DRAFT) | {"text": "x" * (MOST_TEXT + 1)}, "long")


def test_two_admit_an_external_organisation_and_one_of_them_does_not(withdrawn):
    add_party(withdrawn, ACTOR, "university", "University", "user", external=True)
    with pytest.raises(Forbidden, match="another operator confirms"):
        admit(withdrawn, OPERATOR, "university")
    asked = proposal.propose(withdrawn, OPERATOR, "admit-external", {"party": "university"}, "they signed")
    assert proposal.confirm(withdrawn, SECOND, asked.key) == "university: admitted"
    assert [each.approved for each in list_parties(withdrawn) if each.key == "university"] == [True]


def test_who_is_external_does_not_become_a_beneficiary_by_one(withdrawn):
    """A beneficiary has more than whom two have admitted."""
    add_party(withdrawn, ACTOR, "university", "University", "user", external=True)
    with pytest.raises(Forbidden, match="another operator confirms"):
        set_party(withdrawn, OPERATOR.id, "university", external=False, approved=True)
    asked = proposal.propose(withdrawn, OPERATOR, "make-beneficiary", {"party": "university"}, "they signed")
    assert proposal.confirm(withdrawn, SECOND, asked.key) == "university: beneficiary"
    found = [(each.external, each.approved) for each in list_parties(withdrawn) if each.key == "university"]
    assert found == [(False, False)], "approving is an act of its own"
    set_party(withdrawn, OPERATOR.id, "university", approved=True)


def test_what_undeclared_would_have_been_rejected_is_released_by_two(tmp_path, clock):
    runtime = builders.runtime(tmp_path, clock=clock)
    builders.seed(runtime)
    builders.person(runtime, "olga")
    builders.person(runtime, "sven")
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
