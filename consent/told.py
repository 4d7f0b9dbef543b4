"""Decides who is told that something was stopped or withdrawn; to everybody else it was never there.

It is told to whom the decision without the stop would have said yes, and to who has used it. A description that was listed for
everybody is told of to everybody; images never were, so of a study nobody hears but who could have asked for it.
"""

from dataclasses import replace
from datetime import datetime

from consent.agreement import AgreementState
from consent.conditions import Action
from consent.dataset import Facts
from consent.node import NodeState
from consent.policy import decide
from consent.subject import ANONYMOUS, Subject


def is_told(subject: Subject, action: Action, purpose: str | None, facts: Facts, now: datetime, *, used: bool = False) -> bool:
    """Whether this subject, who asked to do this with what is stopped (`facts` as they stand), is told so.

    `used`: whether it has used what it asks for before.
    """
    if used:
        return True
    without = unstopped(facts)
    if action is Action.DISCOVER:
        return any(decide(who, action, purpose, without, now).allowed for who in (subject, ANONYMOUS))
    return any(decide(subject, asked, purpose, without, now).allowed for asked in (action, Action.QUERY))


def unstopped(facts: Facts) -> Facts:
    """The same dataset as if nothing of it were stopped; what was never begun, or has ended by its date, stays so."""
    if not facts.stops:
        return facts
    return replace(facts, state=AgreementState.ACTIVE, node_state=NodeState.LINKED, withdrawn=None, stops=())
