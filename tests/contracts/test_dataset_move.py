"""A dataset moves to another agreement of its provider by an act of both sides, and by the next statement is under it."""

import json

import pytest
from sqlalchemy import select

from adapters.sql import tables as t
from consent.agreement import Side
from consent.person import Actor, PersonRole
from consent.subject import Role
from mappings.failures import Conflict, Forbidden, Invalid, NotFound
from server.usecases.agreement import add_agreement, move_agreement
from server.usecases.dataset_move import answer_move, moves_of, propose_move
from server.usecases.node import add_node
from server.usecases.read import read_resource
from tests import builders
from tests.agreed import MANAGER, OPERATOR, SIGNATORY, STRANGER
from tests.builders import ACTOR, Clock, runtime, seed


@pytest.fixture
def built(tmp_path, database):
    """LUNG under DSA-LUNG and nothing under DSA-NEXT, which shows no pictures; both of hospital-a."""
    opened = runtime(tmp_path, url=database, clock=Clock())
    seed(opened)
    seed(opened, alias="LIVER", provider="hospital-b")
    agree(opened, "DSA-NEXT")
    yield opened
    opened.close()


def agree(built, key, **content):
    add_agreement(built, ACTOR, key, **({"provider": "hospital-a", "node": "central", "terms": "1.0.0"} | content))
    for verb in ("propose", "activate"):
        move_agreement(built, ACTOR, key, verb)


def under(built, alias="LUNG"):
    with built.store.read() as connection:
        return next(each.agreement for each in built.governance.current(connection).facts if each.alias == alias)


@pytest.mark.parametrize(("proposer", "confirmer"), [(SIGNATORY, OPERATOR), (OPERATOR, SIGNATORY)])
def test_one_side_proposes_and_the_other_confirms(built, proposer, confirmer):
    side = propose_move(built, proposer, "LUNG", "DSA-NEXT")
    assert (len(moves_of(built, MANAGER)), moves_of(built, STRANGER)) == (1, ())
    assert under(built) == "DSA-LUNG"
    assert [(move.alias, move.left, move.agreement, move.side) for move in moves_of(built, OPERATOR)] == [
        ("LUNG", "DSA-LUNG", "DSA-NEXT", side)
    ]
    with pytest.raises(Conflict, match="the other side confirms"):
        answer_move(built, proposer, "LUNG", "confirm")
    before = version(built, "DSA-LUNG"), version(built, "DSA-NEXT")
    answer_move(built, confirmer, "LUNG", "confirm")
    assert (under(built), moves_of(built, OPERATOR)) == ("DSA-NEXT", ())
    assert (version(built, "DSA-LUNG"), version(built, "DSA-NEXT")) == (before[0] + 1, before[1] + 1)
    with built.store.read() as connection:
        kinds = connection.execute(select(t.ledger_body.c.kind).order_by(t.ledger_body.c.id.desc()).limit(2)).scalars().all()
    assert kinds == ["govern.dataset.move.confirm", "govern.dataset.move.propose"]


def version(built, key):
    """What a Consent's readers are told is its version."""
    told = read_resource(built, builders.caller(Role.OPERATOR), "Consent", key)
    return int(json.loads(told.body)["meta"]["versionId"])


def test_a_move_is_refused_by_the_other_or_taken_back_and_may_be_proposed_again(built):
    for who in (SIGNATORY, OPERATOR):
        assert propose_move(built, OPERATOR, "LUNG", "DSA-NEXT") is Side.REPOSITORY
        answer_move(built, who, "LUNG", "refuse")
        assert under(built) == "DSA-LUNG"
        with pytest.raises(NotFound, match="waits for an answer"):
            answer_move(built, SIGNATORY, "LUNG", "confirm")


def test_what_can_not_be_moved_is_not(built):
    add_node(built, ACTOR, "other", kind="folder", hosting="central", url="other")
    agree(built, "DSA-ELSEWHERE", node="other")
    add_agreement(built, ACTOR, "DSA-DRAFT", provider="hospital-a", node="central", terms="1.0.0")
    for kind, actor, agreement in (
        (Forbidden, MANAGER, "DSA-NEXT"),
        (NotFound, STRANGER, "DSA-NEXT"),
        (Forbidden, Actor("person:x", None, frozenset({PersonRole.AUDITOR})), "DSA-NEXT"),
        (NotFound, OPERATOR, "DSA-LIVER"),
        (NotFound, OPERATOR, "DSA-NONE"),
        (Conflict, OPERATOR, "DSA-LUNG"),
        (Conflict, OPERATOR, "DSA-DRAFT"),
        (Conflict, OPERATOR, "DSA-ELSEWHERE"),
    ):
        with pytest.raises(kind):
            propose_move(built, actor, "LUNG", agreement)
    propose_move(built, OPERATOR, "LUNG", "DSA-NEXT")
    with pytest.raises(Conflict, match="waits for its answer"):
        propose_move(built, SIGNATORY, "LUNG", "DSA-NEXT")
    with pytest.raises(Invalid):
        answer_move(built, SIGNATORY, "LUNG", "perhaps")
    move_agreement(built, ACTOR, "DSA-NEXT", "terminate")
    with pytest.raises(Conflict, match="terminated"):
        answer_move(built, SIGNATORY, "LUNG", "confirm")
    assert under(built) == "DSA-LUNG"
