"""What an agreement was at each of its changes, read from the ledger in the order in which it was recorded.

The number of a change is what its readers were told as the version then. Bodies that were erased leave a gap, and then nothing
before it is told.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, or_, select

from adapters.sql import agreement as agreements
from adapters.sql import tables as t
from adapters.sql.store import moment
from consent.agreement import ENFORCING, IN_FORCE, Agreement, AgreementState, AgreementVersion
from consent.entries import TargetType
from consent.permit import Permit
from consent.signature import version_hash

MOST = 5_000
"""Entries of the ledger that are read of one agreement, the newest."""
_body, _target = t.ledger_body.c, t.entry_target.c


@dataclass
class _Replayed:
    """An agreement as its entries made it so far; `version` is that of the content in force, 0 before one is drafted."""

    key: str
    state: AgreementState = AgreementState.DRAFT
    version: int = 0
    acts: int = 0
    lost: int = 0
    permitted: int = 0
    aliases: tuple[str, ...] = ()
    permits: list[tuple[str, Permit]] = field(default_factory=list)

    def number(self, *, is_own: bool) -> int:
        """What its version is to a reader (`Agreement.changes`)."""
        return self.version + self.acts + len(self.aliases) + 2 * self.lost + (self.permitted if is_own else 0)

    def told(self, *, is_own: bool) -> dict[str, Any]:
        """What a reader is told of where it stood."""
        return {"state": self.state, "aliases": self.aliases, "permits": tuple(self.permits) if is_own else ()}

    def take(self, kind: str, body: Mapping[str, Any], at: datetime) -> None:
        """Do what an entry says."""
        noun, verb = kind.removeprefix("govern.").split(".", 1)
        if noun == "agreement" and body["agreement"] == self.key:
            self._act(verb, body)
        elif noun == "dataset":
            self._dataset(verb, body)
        elif noun == "permit" and body["dataset"] in self.aliases:
            self._permit(verb, body, at)

    def _act(self, verb: str, body: Mapping[str, Any]) -> None:
        if verb == "apply":
            return
        if verb != "add":
            self.acts += 1
            self.state = AgreementState(body["state"])
        if body["v"] == 1 or verb in ENFORCING or (verb == "add" and self.state not in IN_FORCE):
            self.version = body["version"]
            self.state = AgreementState.DRAFT if verb == "add" else self.state

    def _dataset(self, verb: str, body: Mapping[str, Any]) -> None:
        if verb == "move.confirm" and body["left"] == self.key:
            self.lost += 1
            self.aliases = tuple(alias for alias in self.aliases if alias != body["dataset"])
        elif verb in ("add", "move.confirm") and body["agreement"] == self.key:
            self.aliases = (*self.aliases, body["dataset"])

    def _permit(self, verb: str, body: Mapping[str, Any], at: datetime) -> None:
        alias, party = body["dataset"], body["party"]
        if verb == "add":
            self.permitted += 1
            ends = datetime.fromisoformat(body["ends"]) if "ends" in body else None
            evidence = frozenset(str(body.get("evidence", "")).split())
            self.permits.append((alias, Permit(party, at, ends, bool(body.get("export")), evidence)))
        else:
            left = [each for each in self.permits if (each[0], each[1].party) != (alias, party)]
            self.permitted += len(self.permits) - len(left)
            self.permits = left


def read_past(connection: Connection, now: Agreement) -> list[Agreement]:
    """The agreement at each change that its reader is told of, oldest first, the last as it is now.

    Others than its own are told of it while it was active alone.
    """
    row = agreements.find(connection, now.key)
    if row is None:
        return [now]
    replayed, past, contents = _Replayed(now.key), list[Agreement](), dict[int, AgreementVersion | None]()
    for kind, at, body in _entries(connection, now):
        before = replayed.number(is_own=now.is_own)
        replayed.take(kind, body, at)
        number = replayed.number(is_own=now.is_own)
        if replayed.version not in contents:
            contents[replayed.version] = agreements.find_version(connection, row, replayed.version)
        content, told = contents[replayed.version], now.is_own or replayed.state is AgreementState.ACTIVE
        if number != before and told and content is not None:
            past.append(replace(_with(now, content), **replayed.told(is_own=now.is_own), updated=at, changes=number))
    is_whole = bool(past) and replayed.number(is_own=now.is_own) == now.changes
    return [*past[:-1], now] if is_whole else [now]


def _with(agreement: Agreement, content: AgreementVersion) -> Agreement:
    """The agreement under this content."""
    return replace(
        agreement,
        starts=content.starts,
        ends=content.ends,
        terms=content.terms,
        terms_sha256=content.terms_sha256,
        conditions=content.conditions,
        version=content.version,
        sha256=version_hash(agreement.key, agreement.provider, content),
        documents=content.documents,
    )


def _entries(connection: Connection, now: Agreement) -> Iterator[tuple[str, datetime, Mapping[str, Any]]]:
    """What was recorded of an agreement and of the datasets that are or were under it, in that order."""
    moved, agreement = t.dataset_move.c, t.agreement.c
    gone = (
        select(t.dataset.c.alias)
        .join(t.dataset_move, moved.dataset == t.dataset.c.id)
        .join(t.agreement, moved.left == agreement.id)
        .where(agreement.key == now.key)
    )
    aliases = {*now.aliases, *connection.execute(gone).scalars()}
    named = or_(
        (_target.type == str(TargetType.AGREEMENT)) & (_target.key == now.key),
        (_target.type == str(TargetType.DATASET)) & _target.key.in_(sorted(aliases)),
    )
    rows = (
        select(_body.id, _body.kind, _body.at, _body.body)
        .join(t.entry_target, _target.entry == _body.id)
        .where(named, or_(*(_body.kind.like(f"govern.{noun}.%") for noun in ("agreement", "dataset", "permit"))))
        .distinct()
        .order_by(_body.id.desc())
        .limit(MOST)
    )
    for _, kind, at, body in reversed(connection.execute(rows).all()):
        yield kind, moment(at), json.loads(body)
