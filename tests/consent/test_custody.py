"""Custody's moves: each state is reached, each ends, and what is said of a state follows from the moves alone."""

import pytest

from consent.custody import (
    AT_REST,
    AWAITING_DELETION,
    FINAL,
    IN_CARE,
    MOVES,
    PURGES,
    RETURNS,
    UNFINISHED,
    WITHDRAWALS,
    Move,
    State,
)

CARE = {State.RECEIVING, State.HELD, State.REVIEW}


def after(state):
    """Where an object may stand after one more move."""
    return {step.target for step in MOVES.values() if step.origin is state}


def reached(state):
    found, new = set(), {state}
    while new:
        found |= new
        new = {target for origin in new if origin or origin is state for target in after(origin)} - found
    return found


def test_every_move_has_its_step():
    assert set(MOVES) == set(Move)


def test_an_object_comes_into_care_by_a_claim_only_or_back_within_its_grace():
    assert [by for by, step in MOVES.items() if step.origin is None] == [Move.CLAIM]
    assert {by for by, step in MOVES.items() if step.origin not in CARE and step.target in CARE} == {Move.CLAIM, Move.RESTORE}
    assert MOVES[Move.RESTORE] == (State.WITHDRAWN, State.RECEIVING)


def test_only_a_claim_can_be_forgotten():
    """What was acknowledged keeps its row for ever."""
    assert {step.origin for step in MOVES.values() if step.target is None} == {State.RECEIVING}


@pytest.mark.parametrize("state", State)
def test_every_state_is_reached_and_comes_to_an_end(state):
    assert state in reached(None)
    assert reached(state) & {*FINAL, None}


@pytest.mark.parametrize("state", FINAL)
def test_nothing_comes_back_from_an_end_but_to_be_deleted_once_more(state):
    assert after(state) == {MOVES[RETURNS[state]].target} <= set(AWAITING_DELETION)


def test_bytes_are_deleted_between_care_and_the_end_and_never_while_in_care():
    assert not any(after(state) & set(FINAL) for state in CARE)
    restored = {MOVES[Move.RESTORE].target}
    assert all(after(state) - restored == {MOVES[PURGES[state]].target} <= set(FINAL) for state in AWAITING_DELETION)


def test_every_state_is_in_care_or_awaits_deletion_or_is_final():
    assert sorted([*IN_CARE, *AWAITING_DELETION, *FINAL]) == sorted(State)
    assert set(IN_CARE) == CARE


def test_what_was_acknowledged_is_what_is_at_rest():
    assert set(AT_REST) == {State.HELD, State.REVIEW} == set(IN_CARE) - set(UNFINISHED)
    assert set(UNFINISHED) == {State.RECEIVING, State.WITHDRAWN, State.REFUSING}


def test_a_withdrawn_study_leaves_from_every_state_at_rest_towards_its_deletion():
    assert {state: MOVES[by].origin for state, by in WITHDRAWALS.items()} == {state: state for state in AT_REST}
    assert {MOVES[by].target for by in WITHDRAWALS.values()} == {State.WITHDRAWN} <= set(AWAITING_DELETION)
