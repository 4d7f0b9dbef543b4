"""Exports in bulk: the row of each, its datasets and its files, from the asking to the day they go."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, exists, func, insert, select, update

from adapters.sql import tables as t
from adapters.sql.store import insert_one, moment, stamp
from consent.entries import StudyWithdrawn
from mappings.query import Position

KIND = "export"
"""The kind of job that writes one, whose subject is its key."""
_e, _d, _f = t.export.c, t.export_dataset.c, t.export_file.c


class ExportState(StrEnum):
    """Where an export stands; one that is given up is found by nobody any more."""

    OPEN = "open"
    DONE = "done"
    FAILED = "failed"
    GIVEN_UP = "given up"


@dataclass(frozen=True, slots=True)
class ExportRow:
    """One export. `at`: the moment it tells of (None before it was begun); `step` and `position`: where its next file begins.

    `given`: resources in its finished files. `failure` and `outcome`: the code and the sentence, where it failed.
    """

    id: int
    key: str
    subject: str
    action: str
    purpose: str
    scopes: tuple[str, ...]
    asked: str
    request: str
    requested: datetime
    at: datetime | None
    mark: int
    step: int
    position: Position
    given: int
    state: ExportState
    failure: str
    outcome: str
    expires: datetime


@dataclass(frozen=True, slots=True)
class ExportFile:
    """A finished file: the array of the manifest it stands in, its type, whose rows it may hold, and how much they are."""

    number: int
    kind: str
    type: str
    step: int
    datasets: frozenset[int]
    count: int
    size: int
    packed: int
    digest: bytes


def _row(r: Any) -> ExportRow:
    values = r._asdict()
    values |= {name: moment(values[name]) for name in ("requested", "expires")}
    at = None if r.at is None else moment(r.at)
    read = {"scopes": tuple(r.scopes.split()), "state": ExportState(r.state), "position": _place(r.position)}
    return ExportRow(**values | read | {"at": at})


def _place(text: str) -> Position:
    return msgspec.json.decode(text, type=Position)


def _file(r: Any) -> ExportFile:
    datasets = frozenset(map(int, r.datasets.split()))
    return ExportFile(r.number, r.kind, r.type, r.step, datasets, r.count, r.size, r.packed, r.digest)


# --- asking


def add(
    connection: Connection, now: datetime, expires: datetime, *, refused: Mapping[int, str], scopes: Iterable[str], **asked: str
) -> None:
    """Insert an export with its datasets, each with the rule that refuses it ("" for none)."""
    begun = {"mark": 0, "step": 0, "position": "[]", "given": 0, "state": ExportState.OPEN, "failure": "", "outcome": ""}
    times = {"requested": stamp(now), "expires": stamp(expires)}
    export = insert_one(connection, t.export, **asked, **begun, **times, scopes=" ".join(scopes))
    rows = [{"export": export, "dataset": d, "rule": rule, "recorded": False} for d, rule in refused.items()]
    if rows:
        connection.execute(insert(t.export_dataset), rows)


def find(connection: Connection, key: str) -> ExportRow | None:
    """The export of this key, unless it was given up."""
    row = connection.execute(select(t.export).where(_e.key == key, _e.state != ExportState.GIVEN_UP)).one_or_none()
    return None if row is None else _row(row)


def held(connection: Connection, subject: str) -> int:
    """How many exports a client has, under way or kept."""
    own = select(func.count()).where(_e.subject == subject, _e.state != ExportState.GIVEN_UP)
    return int(connection.execute(own).scalar_one())


def kept(connection: Connection, subject: str | None = None) -> int:
    """Bytes on disk of the finished files of all exports, or of a client's."""
    rows = select(func.coalesce(func.sum(_f.packed), 0)).join(t.export, _f.export == _e.id)
    return int(connection.execute(rows if subject is None else rows.where(_e.subject == subject)).scalar_one())


def datasets(connection: Connection, export: ExportRow) -> dict[int, str]:
    """Dataset → the rule that refuses it, "" where it is granted."""
    rows = select(_d.dataset, _d.rule).where(_d.export == export.id).order_by(_d.dataset)
    return {row.dataset: row.rule for row in connection.execute(rows)}


# --- writing


def begin(connection: Connection, export: ExportRow, at: datetime) -> None:
    """Set the moment that an export tells of."""
    newest = select(func.coalesce(func.max(t.ledger_leaf.c.id), 0)).scalar_subquery()
    connection.execute(update(t.export).where(_e.id == export.id).values(at=stamp(at), mark=newest))


def is_wanted(connection: Connection, export: ExportRow) -> bool:
    """Whether it was not given up meanwhile."""
    return connection.execute(select(_e.state).where(_e.id == export.id)).scalar_one_or_none() == ExportState.OPEN


def next_number(connection: Connection, export: ExportRow) -> int:
    """The number of its next file."""
    newest = select(func.coalesce(func.max(_f.number), 0)).where(_f.export == export.id)
    return int(connection.execute(newest).scalar_one()) + 1


def move(connection: Connection, export: ExportRow, step: int, position: Position, given: int) -> None:
    """Say where its next file begins, and how many resources its files hold."""
    place = msgspec.json.encode(position).decode()
    connection.execute(update(t.export).where(_e.id == export.id).values(step=step, position=place, given=given))


def keep(connection: Connection, export: ExportRow, file: ExportFile) -> None:
    """Keep a finished file."""
    said = {name: getattr(file, name) for name in ("number", "kind", "type", "step", "count", "size", "packed", "digest")}
    connection.execute(insert(t.export_file).values(**said, export=export.id, datasets=" ".join(map(str, sorted(file.datasets)))))


def refuse(connection: Connection, export: ExportRow, rules: Mapping[int, str]) -> None:
    """Leave datasets out from now on, and with them each file that is theirs alone."""
    for dataset, rule in rules.items():
        connection.execute(update(t.export_dataset).where(_d.export == export.id, _d.dataset == dataset).values(rule=rule))
        connection.execute(delete(t.export_file).where(_f.export == export.id, _f.datasets == str(dataset)))


def drop(connection: Connection, export: ExportRow, step: int) -> int:
    """Let the files of a step go, which is begun anew; how many resources they held."""
    files = delete(t.export_file).where(_f.export == export.id, _f.step == step).returning(_f.count)
    return sum(connection.execute(files).scalars())


def end(
    connection: Connection, export: ExportRow, state: ExportState, expires: datetime, failure: str = "", said: str = ""
) -> bool:
    """End an export that is open; False where it is not."""
    values = {"state": state, "failure": failure, "outcome": said, "expires": stamp(expires)}
    ended = update(t.export).where(_e.id == export.id, _e.state == ExportState.OPEN).values(**values)
    return connection.execute(ended).rowcount == 1


# --- giving


def files(connection: Connection, export: ExportRow) -> list[ExportFile]:
    """Its finished files, in their order."""
    return [_file(r) for r in connection.execute(select(t.export_file).where(_f.export == export.id).order_by(_f.number))]


def is_withdrawn_from(connection: Connection, export: ExportRow, among: Collection[int]) -> bool:
    """Whether a study was taken out of one of these datasets since the export was begun."""
    b = t.ledger_body.c
    acts = select(b.id).where(b.dataset.in_(sorted(among)), b.id > export.mark, b.kind == StudyWithdrawn.KIND)
    return connection.execute(select(exists(acts))).scalar_one()


def unrecorded(connection: Connection, export: ExportRow, among: Collection[int]) -> list[int]:
    """Those of these datasets of which nothing was given yet by this export; from now on something is."""
    own = (_d.export == export.id, _d.dataset.in_(sorted(among)), _d.recorded.is_(False))
    return sorted(connection.execute(update(t.export_dataset).where(*own).values(recorded=True).returning(_d.dataset)).scalars())


# --- going


def give_up(connection: Connection, export: ExportRow) -> None:
    """Let it be found by nobody from now on."""
    connection.execute(update(t.export).where(_e.id == export.id).values(state=ExportState.GIVEN_UP))


def over(connection: Connection, now: datetime) -> list[ExportRow]:
    """The exports that were given up or have expired."""
    rows = select(t.export).where((_e.state == ExportState.GIVEN_UP) | (_e.expires <= stamp(now))).order_by(_e.id).limit(100)
    return [_row(r) for r in connection.execute(rows)]


def remove(connection: Connection, export: ExportRow) -> None:
    """Let its rows go, its job's among them."""
    connection.execute(delete(t.export).where(_e.id == export.id))
    connection.execute(delete(t.job).where(t.job.c.kind == KIND, t.job.c.subject == export.key))
