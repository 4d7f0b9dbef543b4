"""What governance nouns share: the one-row counter that every act moves, how their rows are written, and the facts read of them.

Every write moves the counter, so whoever keeps facts knows when to read them again. Nothing here is copied into data rows:
statements join these tables, and a change binds the next statement. Each noun has a file with its name.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, case, or_, select, update

from adapters.sql import tables as t
from adapters.sql.issue import read_issues
from adapters.sql.prepared import Prepared
from adapters.sql.stops import Ended, read_ended, stops_of
from adapters.sql.store import insert_one, moment, stamp
from consent.agreement import AgreementState
from consent.conditions import AccessClass, Action, Conditions, Purpose, Visibility
from consent.data_use import read_term
from consent.dataset import Facts, Grace
from consent.node import NodeState
from consent.permit import Permit
from consent.terms import Issue, covering, effect, renewal_due

_a, _v = t.agreement.c, t.agreement_version.c
IN_FORCE = and_(_v.agreement == _a.id, _v.version == _a.version)
"""Joins an agreement to the version of its content in force."""


def is_open(at: ColumnElement[int] | int) -> ColumnElement[bool]:
    """Whether an agreement (joined to its content in force and that to its node) lets anything in or out at this moment."""
    return and_(
        _a.state == str(AgreementState.ACTIVE),
        t.node.c.state == str(NodeState.LINKED),
        _v.starts <= at,
        or_(_v.ends.is_(None), _v.ends > at),
    )


def is_shared(at: ColumnElement[int] | int) -> ColumnElement[bool]:
    """Whether a dataset (joined to its agreement, as `is_open` says) lets anything in or out: it was not withdrawn as a whole."""
    return and_(is_open(at), t.dataset.c.stopped.is_(None))


def latest(*moments: ColumnElement[int]) -> ColumnElement[int]:
    """The last of these moments."""
    first, *others = moments
    for other in others:
        first = case((first >= other, first), else_=other)
    return first


# --- the counter


def counter(connection: Connection) -> int:
    """The number that changes with every governance act."""
    return int(_COUNTER.first(connection, {}).counter)


_COUNTER = Prepared(select(t.governance.c.counter))


def touch(connection: Connection) -> None:
    """Say that governance changed."""
    connection.execute(update(t.governance).values(counter=t.governance.c.counter + 1))


def lock(connection: Connection) -> None:
    """Hold the governance row until the transaction ends, written as it is: raises Full or Unavailable where nothing can be."""
    connection.execute(update(t.governance).values(counter=t.governance.c.counter))


# --- rows


def insert_row(connection: Connection, table: Table, now: datetime, **values: object) -> int:
    """Insert one governance row and move the counter; its id."""
    touch(connection)
    return insert_one(connection, table, **_dated(table, now, values))


def update_row(connection: Connection, table: Table, key: int, now: datetime, **values: object) -> None:
    """Change one governance row and move the counter."""
    touch(connection)
    connection.execute(update(table).where(table.c.id == key).values(**_dated(table, now, values)))


def _dated(table: Table, now: datetime, values: dict[str, object]) -> dict[str, object]:
    return values | ({"updated": stamp(now)} if "updated" in table.c else {})


def find_id(connection: Connection, name: ColumnElement[str], value: str) -> int | None:
    """The id of the row whose `name` (a unique column) is this."""
    key: int | None = connection.execute(select(name.table.c.id).where(name == value)).scalar_one_or_none()
    return key


def end_of(ends: int | None) -> datetime | None:
    """The end of a period as a moment; None where it is open."""
    return None if ends is None else moment(ends)


# --- facts

_before, _terms_before = t.agreement_version.alias("before"), t.terms.alias("terms_before")


def fact_rows(content: ColumnElement[bool], agreement: ColumnElement[int] = t.dataset.c.agreement) -> Select[Any]:
    """What facts are made of, for each dataset and each version of the `agreement` it is under that is its `content`."""
    return (
        select(
            t.dataset.c.id.label("dataset"),
            t.dataset.c.alias,
            t.dataset.c.stopped,
            t.dataset.c.stopped_by,
            t.party.c.key.label("provider"),
            _a.key.label("agreement"),
            _a.id.label("agreement_id"),
            _a.state,
            _a.stopped_by_provider,
            _a.stopped_by_repository,
            t.agreement_version,
            t.node.c.name.label("node_name"),
            t.node.c.state.label("node_state"),
            t.node.c.id.label("node_id"),
            t.terms.c.version.label("terms_version"),
            _terms_before.c.version.label("terms_before"),
        )
        .select_from(t.dataset)
        .join(t.agreement, agreement == _a.id)
        .join(t.agreement_version, content)
        .join(t.party, _a.party == t.party.c.id)
        .join(t.node, _v.node == t.node.c.id)
        .join(t.terms, _v.terms == t.terms.c.id)
        .outerjoin(_before, and_(_before.c.agreement == _a.id, _before.c.version == _v.replaces))
        .outerjoin(_terms_before, _before.c.terms == _terms_before.c.id)
        .order_by(t.dataset.c.id)
    )


_FACTS = fact_rows(IN_FORCE)


def facts(connection: Connection) -> tuple[Facts, ...]:
    """Every dataset as governance stands, for `consent.policy`."""
    permits, issues, ended = _permits(connection), read_issues(connection), read_ended(connection)
    rows = connection.execute(_FACTS).mappings()
    return tuple(facts_of(row, permits.get(row["dataset"], ()), issues, ended) for row in rows)


def _permits(connection: Connection) -> dict[int, tuple[Permit, ...]]:
    c = t.permit.c
    rows = (
        select(c.dataset, t.party.c.key, c.starts, c.ends, c.export, c.evidence)
        .join(t.party, c.party == t.party.c.id)
        .where(c.revoked.is_(None))
    )
    permits: dict[int, tuple[Permit, ...]] = {}
    for dataset, party, starts, ends, export, evidence in connection.execute(rows):
        permit = Permit(party, moment(starts), end_of(ends), export, frozenset(evidence.split()))
        permits[dataset] = (*permits.get(dataset, ()), permit)
    return permits


def facts_of(row: Mapping[Any, Any], permits: tuple[Permit, ...], issues: Sequence[Issue], ended: Ended) -> Facts:
    """The facts of one of `fact_rows`."""
    return Facts(
        dataset=row["dataset"],
        alias=row["alias"],
        provider=row["provider"],
        agreement=row["agreement"],
        version=row["version"],
        state=AgreementState(row["state"]),
        starts=moment(row["starts"]),
        ends=end_of(row["ends"]),
        node=row["node_name"],
        node_state=NodeState(row["node_state"]),
        terms=row["terms_version"],
        conditions=conditions_of(row),
        permits=permits,
        covered_by=covering(row["terms_version"], issues),
        renewal=renewal_due(row["terms_version"], issues),
        grace=grace_of(row["terms_version"], row["terms_before"], issues),
        withdrawn=end_of(row["stopped"]),
        stops=stops_of(row, ended),
    )


def grace_of(version: str, before: str | None, issues: Sequence[Issue]) -> Grace | None:
    """What users go on under until the terms in force take effect, where those replace others."""
    return None if before is None else Grace(effect(version, issues), covering(before, issues))


def conditions_of(row: Mapping[Any, Any]) -> Conditions:
    """The conditions that the content of an agreement says."""
    return Conditions(
        AccessClass(row["access_class"]),
        row["listed"],
        frozenset(Action(a) for a in row["actions"].split()),
        Visibility(row["visibility"]),
        frozenset(Purpose(p) for p in row["purposes"].split()),
        data_use=tuple(map(read_term, row["data_use"].splitlines())),
        cancers=frozenset(row["cancers"].split()),
        modalities=frozenset(row["modalities"].split()),
        sop_classes=frozenset(row["sop_classes"].split()),
        deviations=row["deviations"],
        external=bool(row["external"]),
        federated=bool(row["federated"]),
    )


def conditions_values(conditions: Conditions) -> dict[str, object]:
    """The same as columns."""
    return {
        "access_class": str(conditions.access_class),
        "listed": conditions.listed,
        "actions": " ".join(sorted(conditions.actions)),
        "visibility": str(conditions.visibility),
        "purposes": " ".join(sorted(conditions.purposes)),
        "data_use": "\n".join(map(str, conditions.data_use)),
        "cancers": " ".join(sorted(conditions.cancers)),
        "modalities": " ".join(sorted(conditions.modalities)),
        "sop_classes": " ".join(sorted(conditions.sop_classes)),
        "deviations": conditions.deviations,
        "external": conditions.external,
        "federated": conditions.federated,
    }
