"""Decides which moves custody knows: what may become of an object between its arrival and the deletion of its bytes.

What a sender was told yes to is a row of custody and a file on a node. No transaction spans both, so they are written in three
steps, each of which may be the last one that a process makes:

    claim     a row *receiving*: its holder is the process, its lease the time for which it is believed to be at work
    store     the node keeps the file, and says yes when it is durable; no transaction is open meanwhile
    settle    one durable transaction: the row is *held*, with its index rows, or in *review*; the receipt with it

Only when that is committed does the sender hear yes. What is rejected leaves a receipt and no row: nobody can squat a UID.

*A crash* leaves what the last step left: nothing; a claim; a claim and a file; everything. So nothing that was acknowledged is
lost, and what was not is either there whole or not at all.

*Recovery* takes over a claim whose lease has ended and asks its node. The file is there: settled, as the process would have. It
is not: the row is forgotten. The node does not answer: asked again later. It may not be kept any more (an agreement was stopped,
the study withdrawn): abandoned, and its bytes go as a refused object's do.

*Two doors* with one SOP Instance UID: only one row in care can have it, so one door's claim wins. The very same file takes a
claim over at once, for it comes to rest at the same place whoever settles it; another file is told to retry until the claim is
settled or its lease has ended. Then it is the same content (known), other content for an object in review (supersedes it), or
other content for one that is held (a conflict).

*Deletion* begins at the row: it moves, and binds every reader at once; its bytes go afterwards, under a lease, and stay where
the same file has come again. What is withdrawn has a time of grace, in which whoever withdrew it may have it back.

*Damage* is no state: what a node has lost or changed stays in our care, and nobody is given it. The same file, sent again or
found in a backup, is put back in its place. What is withdrawn while it is put back is deleted once more.

The rules:

1. All that changes a state stands in MOVES. No other file names a state or a move by a word of its own.
2. A move compares before it sets: it is made from its own origin, and by the holder that the row has (nobody, for what rests).
   Who finds it otherwise has lost to somebody, looks again, and undoes nothing.
3. Bytes go after their row has moved, and only while nobody else in care rests at their place.
"""

from enum import Enum, StrEnum, auto
from types import MappingProxyType
from typing import NamedTuple


class State(StrEnum):
    """Where an object stands."""

    RECEIVING = "receiving"
    HELD = "held"
    REVIEW = "review"
    WITHDRAWN = "withdrawn"
    REFUSING = "refusing"
    PURGED = "purged"
    REFUSED = "refused"


class Move(Enum):
    """What can become of it."""

    CLAIM = auto()
    SETTLE_HELD = auto()
    SETTLE_REVIEW = auto()
    FORGET = auto()
    ABANDON = auto()
    RELEASE = auto()
    REFUSE = auto()
    SUPERSEDE = auto()
    WITHDRAW = auto()
    WITHDRAW_WAITING = auto()
    RESTORE = auto()
    PURGE_WITHDRAWN = auto()
    PURGE_REFUSED = auto()
    RETURN_WITHDRAWN = auto()
    RETURN_REFUSED = auto()


class Step(NamedTuple):
    """The state a move starts from and the one it leads to; None: there is no row."""

    origin: State | None
    target: State | None


MOVES = MappingProxyType(
    {
        Move.CLAIM: Step(None, State.RECEIVING),
        Move.SETTLE_HELD: Step(State.RECEIVING, State.HELD),
        Move.SETTLE_REVIEW: Step(State.RECEIVING, State.REVIEW),  # also a release that was stopped half-way
        Move.FORGET: Step(State.RECEIVING, None),  # its node has nothing of it
        Move.ABANDON: Step(State.RECEIVING, State.REFUSING),  # its node may have it, but it may not be kept
        Move.RELEASE: Step(State.REVIEW, State.RECEIVING),  # a person's yes: from quarantine on its way to its node
        Move.REFUSE: Step(State.REVIEW, State.REFUSING),  # a person's no
        Move.SUPERSEDE: Step(State.REVIEW, State.REFUSING),  # other content has come under its UID, and is safe
        Move.WITHDRAW: Step(State.HELD, State.WITHDRAWN),
        Move.WITHDRAW_WAITING: Step(State.REVIEW, State.WITHDRAWN),
        Move.RESTORE: Step(State.WITHDRAWN, State.RECEIVING),  # its withdrawal is undone: settled in the same transaction
        Move.PURGE_WITHDRAWN: Step(State.WITHDRAWN, State.PURGED),  # its bytes are deleted, or wanted by another row
        Move.PURGE_REFUSED: Step(State.REFUSING, State.REFUSED),
        Move.RETURN_WITHDRAWN: Step(State.PURGED, State.WITHDRAWN),  # its bytes were put back when it had just been withdrawn
        Move.RETURN_REFUSED: Step(State.REFUSED, State.REFUSING),
    }
)
"""The whole machine."""


def _in_order(states: set[State]) -> tuple[State, ...]:
    return tuple(state for state in State if state in states)


FINAL = (State.PURGED, State.REFUSED)
"""From here nothing moves but bytes that came back too late; the row stays, so that it can be said what became of the object."""
PURGES = MappingProxyType({step.origin: move for move, step in MOVES.items() if step.origin and step.target in FINAL})
"""State whose bytes are to be deleted → the move that says they are."""
AWAITING_DELETION = _in_order(set(PURGES))
RETURNS = MappingProxyType({step.origin: move for move, step in MOVES.items() if step.origin in FINAL})
"""Final state → the move by which its bytes are to be deleted once more."""
IN_CARE = _in_order(set(State) - {*AWAITING_DELETION, *FINAL})
"""Of these there is one row for each SOP Instance UID."""
AT_REST = tuple(state for state in IN_CARE if state is not State.RECEIVING)
"""In care and safe: it was acknowledged."""
UNFINISHED = _in_order({State.RECEIVING, *AWAITING_DELETION})
"""What the worker looks for."""
WITHDRAWALS = MappingProxyType({State.HELD: Move.WITHDRAW, State.REVIEW: Move.WITHDRAW_WAITING})
"""State at rest → the move by which it leaves with its study."""
