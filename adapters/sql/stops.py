"""Stops as they stand: on agreements, nodes and whole datasets, and of studies that went; and who has used what was stopped."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, exists, func, or_, select

from adapters.sql import tables as t
from adapters.sql.store import moment
from consent.agreement import AgreementState, Side
from consent.entries import StudyPurged, TargetType
from consent.node import MOVES, NodeState
from consent.stop import Cause, Stop

_act, _g, _w = t.agreement_act.c, t.tombstone.c, t.window.c
_BEGUN = ("activate", "countersign")
"""Acts after which there was something to stop."""
_CUTS = [verb for verb, state in MOVES.items() if state is not NodeState.LINKED]


@dataclass(frozen=True, slots=True)
class Ended:
    """What only acts say: agreement → the end that a side made of what had begun; node → since when it is cut off."""

    agreements: Mapping[int, Stop]
    nodes: Mapping[int, Stop]


def read_ended(connection: Connection) -> Ended:
    """The ends of agreements and nodes by acts."""
    ends = select(_act.agreement, _act.side, _act.at).join(t.agreement, t.agreement.c.id == _act.agreement)
    ended = ends.where(_act.verb == "terminate", t.agreement.c.state == str(AgreementState.TERMINATED))
    cut = select(t.node_act.c.node, func.max(t.node_act.c.at)).where(t.node_act.c.verb.in_(_CUTS)).group_by(t.node_act.c.node)
    began = set(connection.execute(select(_act.agreement).where(_act.verb.in_(_BEGUN))).scalars())
    return Ended(
        {key: Stop(moment(at), Cause(side)) for key, side, at in connection.execute(ended) if key in began},
        {key: Stop(moment(at), Cause.REPOSITORY) for key, at in connection.execute(cut)},
    )


def stops_of(row: Mapping[Any, Any], ended: Ended) -> tuple[Stop, ...]:
    """All that keeps a dataset from those who had it, oldest first: a row of it with its agreement, node and own stop."""
    return tuple(sorted(_stops_of(row, ended), key=lambda stop: stop.at))


def _stops_of(row: Mapping[Any, Any], ended: Ended) -> Iterator[Stop]:
    sides = {Side.PROVIDER: row["stopped_by_provider"], Side.REPOSITORY: row["stopped_by_repository"]}
    yield from (Stop(moment(at), Cause(side)) for side, at in sides.items() if at is not None)
    if row["stopped"] is not None:
        yield Stop(moment(row["stopped"]), Cause(row["stopped_by"]))
    if row["agreement_id"] in ended.agreements:
        yield ended.agreements[row["agreement_id"]]
    if row["node_state"] != NodeState.LINKED and row["node_id"] in ended.nodes:
        yield ended.nodes[row["node_id"]]


def study_datasets(connection: Connection, key: str) -> list[int]:
    """The dataset of the study of this key, where it is there."""
    return list(connection.execute(select(t.study.c.dataset).where(t.study.c.key == key)).scalars())


def patient_datasets(connection: Connection, key: str) -> list[int]:
    """The datasets of the studies of the patient of this key that are there."""
    rows = select(t.study.c.dataset).join(t.patient, t.study.c.patient == t.patient.c.id).where(t.patient.c.key == key)
    return sorted(connection.execute(rows.distinct()).scalars())


@dataclass(frozen=True, slots=True)
class Buried:
    """A study, or a patient, whose last stop was its withdrawal: of which dataset it was, when it went, and why."""

    dataset: int
    stop: Stop


def find_study(connection: Connection, key: str) -> Buried | None:
    """The study of this key, where it was there and is not now."""
    there = exists().where(t.study.c.key == key)
    return _find(connection, _g.key == key, ~there)


def find_patient(connection: Connection, key: str) -> Buried | None:
    """The patient of this key, where no study of it is there now and one was."""
    there = exists().where(t.study.c.patient == t.patient.c.id, t.patient.c.key == key)
    return _find(connection, _g.patient == key, ~there)


def find_withdrawn(connection: Connection, key: str) -> Buried | None:
    """The last withdrawal of the study of this key, whether it is there again or not."""
    return _find(connection, _g.key == key)


def _find(connection: Connection, *where: Any) -> Buried | None:
    rows = select(_g.dataset, _g.at, _g.cause).where(*where, _g.at > 0)
    row = connection.execute(rows.order_by(_g.at.desc()).limit(1)).one_or_none()
    return None if row is None else Buried(row.dataset, Stop(moment(row.at), Cause(row.cause or Cause.PROVIDER)))


class Receipt(NamedTuple):
    """What was recorded of a study that was purged: its files by their SHA-256 (hex), and who had taken them, in part or all."""

    at: datetime
    dataset: str
    files: tuple[str, ...]
    takers: tuple[str, ...]
    taken: int


def read_receipts(connection: Connection, study_uid: str) -> list[Receipt]:
    """The receipts of a study's purges, oldest first; a long one is in parts."""
    body, about = t.ledger_body.c, t.entry_target.c
    rows = select(body.at, body.body).join(t.entry_target, about.entry == body.id)
    rows = rows.where(about.type == str(TargetType.STUDY), about.key == study_uid, body.kind == StudyPurged.KIND)
    told = ((at, json.loads(said)) for at, said in connection.execute(rows.order_by(body.id)))
    return [Receipt(moment(at), s["dataset"], tuple(s["files"]), tuple(s["takers"]), s["taken"]) for at, s in told]


def has_used(connection: Connection, subject: str, *, study_uid: str | None = None, dataset: int | None = None) -> bool:
    """Whether a subject has ever been given bytes of a study, or of a dataset (its uses are in the ledger)."""
    named = _w.study_uid == study_uid if study_uid is not None else _w.dataset == dataset
    return connection.execute(select(_w.id).where(_w.subject == subject, named).limit(1)).first() is not None


def who_took(connection: Connection, study_uid: str, most: int) -> tuple[list[str], int]:
    """(the first of those to whom whole objects of a study went, in their order; how many they are)."""
    took = select(_w.subject).where(_w.study_uid == study_uid, or_(_w.action == "process", _w.action == "export")).distinct()
    count = connection.execute(select(func.count()).select_from(took.subquery())).scalar_one()
    return list(connection.execute(took.order_by(_w.subject).limit(most)).scalars()), int(count)
