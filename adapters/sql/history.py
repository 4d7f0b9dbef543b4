"""Governance as it stood at a moment: from what is append-only or has a period, so that anybody's decision can be made again."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, func, or_, select, union

from adapters.sql import acceptance, party, person
from adapters.sql import tables as t
from adapters.sql.client import ClientRow
from adapters.sql.governance import end_of, fact_rows, facts_of
from adapters.sql.issue import read_issues
from adapters.sql.person import RoleRow
from adapters.sql.stops import Ended
from adapters.sql.store import moment, stamp
from consent.agreement import ENFORCING, IN_FORCE, MOVES, OF_VERSIONS, AgreementState, Side, Standing, move
from consent.dataset import Facts
from consent.node import MOVES as NODE_MOVES
from consent.node import NodeState
from consent.party import PartyAct
from consent.permit import Permit

_b = t.ledger_body.c
_a, _v, _act, _node, _m = t.agreement.c, t.agreement_version.c, t.agreement_act.c, t.node_act.c, t.permit.c
_NODE_STATES = NODE_MOVES | {"add": NodeState.LINKED, "remove": NodeState.REMOVED}
MOST_MOMENTS = 1_000


def facts_at(connection: Connection, at: datetime) -> tuple[Facts, ...]:
    """Every dataset on which something was agreed by then, as governance stood."""
    standings, nodes, withdrawn = _standings(connection, at), _node_states(connection, at), _withdrawn(connection, at)
    permits, issues = _permits(connection, at), read_issues(connection, at=at)
    rows = connection.execute(fact_rows(_v.agreement == _a.id, _agreement_at(at)).where(_v.at <= stamp(at))).mappings()
    told = []
    for row in rows:
        state, version = standings.get(row["agreement"], (AgreementState.DRAFT, 1))
        if row["version"] == version:
            then = {"state": str(state), "node_state": str(nodes.get(row["node_name"], NodeState.REMOVED))}
            out = _UNTOLD | withdrawn.get(row["alias"], {"stopped": None})
            told.append(facts_of(dict(row) | then | out, permits.get(row["dataset"], ()), issues, Ended({}, {})))
    return tuple(told)


_UNTOLD: dict[str, Any] = dict.fromkeys(("stopped_by_provider", "stopped_by_repository"))
"""Who is told of a stop is decided as it stands now, and nothing here decides by that."""
_OF_WHOLE = _b.kind.in_(bindparam("kinds", t.OF_WHOLE_DATASETS, expanding=True, literal_execute=True))  # as its index says


def _withdrawn(connection: Connection, at: datetime) -> Mapping[str, dict[str, Any]]:
    """Alias of each dataset that was ever withdrawn as a whole → since when and by whom it was then, as the record says."""
    rows = select(_b.kind, _b.at, _b.body).where(_OF_WHOLE, _b.at <= stamp(at)).order_by(_b.id)
    found: dict[str, dict[str, Any]] = {}
    for kind, since, body in connection.execute(rows):
        said = json.loads(body)
        taken = kind.endswith(".withdraw")
        found[said["dataset"]] = {"stopped": since, "stopped_by": said["side"]} if taken else {"stopped": None}
    return found


def _agreement_at(at: datetime) -> ColumnElement[int]:
    """The agreement that a dataset was under: the one that it has left since, first, or the one that it is under now."""
    c = t.dataset_move.c
    moved = select(c.left).where(c.dataset == t.dataset.c.id, c.answer == "confirm", c.answered > stamp(at))
    return func.coalesce(moved.order_by(c.id).limit(1).correlate(t.dataset).scalar_subquery(), t.dataset.c.agreement)


def _standings(connection: Connection, at: datetime) -> Mapping[str, tuple[AgreementState, int]]:
    """Agreement → its state then, and the version of its content that was in force."""
    acts = select(_a.key, _act.verb, _act.side, _act.version).join(t.agreement, _act.agreement == _a.id)
    rows = connection.execute(acts.where(_act.at <= stamp(at)).order_by(_act.agreement, _act.id))
    found = {}
    for key, done in groupby(rows, key=lambda row: row.key):
        standing, version = Standing(AgreementState.DRAFT), 1
        for _, verb, side, of in done:
            if verb in OF_VERSIONS and standing.state in IN_FORCE:  # of a change: all that it does is to take effect
                version = of if verb in ENFORCING else version
            else:
                standing, version = move(standing, verb, Side(side)) if verb in MOVES else standing, of
        found[key] = (standing.state, version)
    return found


def _node_states(connection: Connection, at: datetime) -> Mapping[str, NodeState]:
    rows = select(t.node.c.name, _node.verb).join(t.node, _node.node == t.node.c.id).where(_node.at <= stamp(at))
    done = connection.execute(rows.order_by(_node.id))
    return {name: _NODE_STATES[verb] for name, verb in done if verb in _NODE_STATES}


def _permits(connection: Connection, at: datetime) -> Mapping[int, tuple[Permit, ...]]:
    """Dataset → the permits that were given by then and not taken back."""
    rows = select(_m.dataset, t.party.c.key, _m.starts, _m.ends, _m.export, _m.evidence).join(t.party, _m.party == t.party.c.id)
    standing = rows.where(_m.starts <= stamp(at), or_(_m.revoked.is_(None), _m.revoked > stamp(at)))
    found: defaultdict[int, tuple[Permit, ...]] = defaultdict(tuple)
    for dataset, holder, starts, ends, export, evidence in connection.execute(standing):
        found[dataset] += (Permit(holder, moment(starts), end_of(ends), export, frozenset(evidence.split())),)
    return found


def clients_at(connection: Connection, rows: Iterable[ClientRow], at: datetime) -> tuple[ClientRow, ...]:
    """These clients with what their organisations were then, and what they had accepted; registered as they are now."""
    parties, accepted = _parties(connection, at), acceptance.read_versions(connection, at)
    told = []
    for row in rows:
        was = parties.get(row.party)
        known = {"role": was.role, "approved": was.approved, "external": was.external} if was else {"approved": False}
        told.append(replace(row, terms=accepted.get(row.client_id, frozenset()), **known))
    return tuple(told)


def roles_at(connection: Connection, at: datetime) -> tuple[tuple[str, RoleRow], ...]:
    """(person's key, role) of each role that stood, with what its organisation was then."""
    parties, told = _parties(connection, at), []
    for key, role in person.roles_at(connection, at):
        was = parties.get(role.party or "")
        then = replace(role, party_role=was.role, approved=was.approved, external=was.external) if was else role
        told.append((key, then))
    return tuple(told)


def _parties(connection: Connection, at: datetime) -> Mapping[str, PartyAct]:
    """Party's key → what it was."""
    acts = party.read_acts(connection).items()
    return {key: was[-1] for key, every in acts if (was := [act for act in every if act.at <= at])}


_CHANGES: tuple[ColumnElement[int | None], ...] = (
    *(_act.at, _node.at, _v.starts, _v.ends, _m.starts, _m.ends, _m.revoked),
    *(t.acceptance.c.at, t.party_act.c.at, t.terms.c.effective_at, t.dataset_move.c.answered),
    *(t.person_role.c.since, t.person_role.c.ended),
    *(t.exclusion.c.at, t.exclusion.c.lifted),
)


def moments(connection: Connection, after: datetime, until: datetime) -> list[datetime]:
    """When a decision may have turned, after a moment and before another, in order; one more than `MOST_MOMENTS` at most."""
    named = [(c, c.is_not(None)) for c in _CHANGES] + [(_b.at, _OF_WHOLE)]
    turned = union(*(select(c.label("at")).where(where, c > stamp(after), c < stamp(until)) for c, where in named)).subquery()
    rows = select(turned.c.at).order_by(turned.c.at).limit(MOST_MOMENTS + 1)
    return [moment(at) for at in connection.execute(rows).scalars()]
