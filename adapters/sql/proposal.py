"""Proposals: what one person wants done that a second one decides on."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from adapters.sql import tables as t
from adapters.sql.store import insert_one, moment, stamp
from consent.proposal import Proposal, ProposalState

_p = t.proposal.c


def add(connection: Connection, proposal: Proposal) -> None:
    """Keep what is proposed."""
    said = {"key": proposal.key, "act": proposal.act, "arguments": proposal.arguments, "digest": proposal.digest}
    said |= {"reason": proposal.reason, "proposer": proposal.proposer, "state": str(proposal.state)}
    insert_one(connection, t.proposal, **said, at=stamp(proposal.at), expires=stamp(proposal.expires))


def find(connection: Connection, key: str) -> Proposal | None:
    """The proposal of this key."""
    row = connection.execute(select(t.proposal).where(_p.key == key)).one_or_none()
    return None if row is None else _row(row)


def read_open(connection: Connection, now: datetime, limit: int = 200) -> list[Proposal]:
    """Those that wait for a second person, oldest first."""
    waiting = select(t.proposal).where(_p.state == str(ProposalState.OPEN), _p.expires > stamp(now))
    return [_row(row) for row in connection.execute(waiting.order_by(_p.id).limit(limit))]


def decide(connection: Connection, key: str, state: ProposalState, decider: str, now: datetime) -> bool:
    """End a proposal that is open; False where it is not."""
    waiting = update(t.proposal).where(_p.key == key, _p.state == str(ProposalState.OPEN))
    return connection.execute(waiting.values(state=str(state), decider=decider, decided=stamp(now))).rowcount == 1


def _row(r: Any) -> Proposal:
    said = (r.key, r.act, r.arguments, r.digest, r.reason, r.proposer, moment(r.at), moment(r.expires), ProposalState(r.state))
    return Proposal(*said, r.decider, None if r.decided is None else moment(r.decided))
