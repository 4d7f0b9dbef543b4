"""A batch's report: what was presented at a door and what became of it, as JSON, as CSV and in words for a data manager.

It names files as they were presented, identifiers and places in a file, never a value of one. A file's name may itself hold a
patient's name: only the provider of the files is told it, and no line of it is logged. Each form is written
piece by piece, so a batch may have any number of files.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from consent.deposit import BY_CODE, Outcome, sentence, short
from consent.policy import NEVER_FOR_DIAGNOSIS
from mappings.cells import csv_line
from mappings.dicom.places import attribute, attribute_name, said

NO_LIABILITY = "Quality checks come without any claim of liability."
NAMED_FILES = 10
"""Files named for each rule in the text; the rest is counted."""
NAMED_PLACES = 3
MOST_ATTRIBUTES = 100
"""Attributes that are counted for each rule: private ones may be any number."""
WARNING = "warning"
_WIDEST = 160
_WORDS = {Outcome.REJECT: "refused", Outcome.REVIEW: "wait for review", Outcome.DUPLICATE: "known already", Outcome.PASS: "taken"}
_ORDER = {(outcome, rule): (row, place) for row, outcome in enumerate(_WORDS) for place, rule in enumerate(BY_CODE)}
_WARNINGS = frozenset(r.code for r in BY_CODE.values() if r.outcome_undeclared is Outcome.PASS)
COLUMNS = (
    "file", "outcome", "rule", "meaning", "where", "findings", "sop_instance_uid", "study_instance_uid", "bytes", "at",
    "attributes",
)  # fmt: skip
"""`attributes` names what lies at each place in `where`."""
ALL_NAMED = "the CSV and JSON reports name all"


@dataclass(frozen=True, slots=True)
class Receipt:
    """One presented file: its outcome, the rule that named it, and every finding as (rule, where).

    `digest` is the SHA-256 of the data set, or of a file that could not be read; what has no UID could not be read either.
    `creators` has the known creator of each private place, as long as nobody has kept it: no table does.
    """

    name: str
    study_uid: str | None
    sop_uid: str | None
    size: int
    outcome: str
    rule: str
    findings: tuple[tuple[str, str], ...]
    at: datetime
    digest: bytes | None = None
    creators: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BatchReport:
    """A batch and its files, which are read once, in the order they came; `waiting` counts those still in review now."""

    key: str
    door: str
    alias: str
    provider: str
    opened: datetime
    closed: datetime | None
    counts: Mapping[tuple[str, str], int]
    waiting: int
    files: Iterable[Receipt] = field(default=(), repr=False)


def summary(report: BatchReport) -> dict[str, object]:
    """The report without its files, for JSON: totals by outcome, and by rule with the rule's sentence."""
    rules = [{"outcome": o, "rule": r, "files": n, "sentence": sentence(r)} for (o, r), n in _rows(report)]
    return {
        "id": report.key,
        "dataset": report.alias,
        "provider": report.provider,
        "door": report.door,
        "opened": report.opened.isoformat(),
        "closed": report.closed and report.closed.isoformat(),
        "files": sum(report.counts.values()),
        "outcomes": {str(outcome): _total(report, outcome) for outcome in _WORDS},
        "waiting": report.waiting,
        "rules": rules,
        "notice": f"{NEVER_FOR_DIAGNOSIS} {NO_LIABILITY}",
    }


def to_json(report: BatchReport) -> Iterator[str]:
    """The summary's members and `receipts`: one JSON object."""
    yield json.dumps(summary(report), ensure_ascii=False)[:-1] + ', "receipts": ['
    separator = "\n"
    for receipt in report.files:
        yield separator + json.dumps(receipt_object(receipt), ensure_ascii=False)
        separator = ",\n"
    yield "]}\n"


def receipt_object(receipt: Receipt) -> dict[str, object]:
    """One file's receipt, for JSON."""
    return {
        "file": receipt.name,
        "outcome": receipt.outcome,
        "rule": receipt.rule,
        "findings": [
            {"rule": rule, "where": where, "name": attribute_name(where, receipt.creators)} for rule, where in receipt.findings
        ],
        "sop_instance_uid": receipt.sop_uid,
        "study_instance_uid": receipt.study_uid,
        "bytes": receipt.size,
        "at": receipt.at.isoformat(),
    }


def to_csv(report: BatchReport) -> Iterator[str]:
    """A header and a line for each file (RFC 4180); no cell is a formula to a spreadsheet."""
    yield csv_line(COLUMNS)
    for r in report.files:
        findings = "; ".join(f"{rule} {where}".strip() for rule, where in r.findings)
        named = places(r, r.rule)
        attributes = "; ".join(filter(None, (attribute_name(place, r.creators) for place in named)))
        told = (r.name, r.outcome, r.rule, short(r.rule), " ".join(named), findings)
        yield csv_line((*told, r.sop_uid or "", r.study_uid or "", str(r.size), r.at.isoformat(), attributes))


def places(receipt: Receipt, rule: str) -> list[str]:
    """Where in a file a rule found something."""
    return [where for finding, where in receipt.findings if finding == rule and where]


def to_text(report: BatchReport) -> Iterator[str]:
    """Totals, then what needs the reader: a block for each rule with its sentence and first files; warnings after."""
    totals = ", ".join(f"{_total(report, outcome)} {word}" for outcome, word in reversed(_WORDS.items()))
    yield f"Batch {report.key} for {report.alias}: {files(sum(report.counts.values()))}: {totals}.\n"
    waits = f" Of what it brought, {files(report.waiting)} still to be decided."
    own = waits if _total(report, Outcome.REVIEW) else ""
    yield f"{_times(report)}{own}\n"
    yield from blocks(report)
    yield f"\n{NEVER_FOR_DIAGNOSIS}\n{NO_LIABILITY}\n"


def blocks(report: BatchReport) -> Iterator[str]:
    """What needs the reader, a block for each outcome and rule: its sentence, what it found most, and its first files."""
    for group in groups(report):
        yield from _block(group)


def _times(report: BatchReport) -> str:
    closed = f"closed {report.closed:%Y-%m-%d %H:%M} (UTC)" if report.closed else "still open"
    return f"By {report.door}, opened {report.opened:%Y-%m-%d %H:%M} (UTC), {closed}."


@dataclass(slots=True)
class Group:
    """The files of an outcome (or WARNING) and a rule: how many, the first of them, and the attributes found → in how many."""

    outcome: str
    rule: str
    count: int = 0
    first: list[Receipt] = field(default_factory=list)
    attributes: Counter[str] = field(default_factory=Counter)

    def add(self, receipt: Receipt) -> None:
        """One more."""
        self.count += 1
        if self.count <= NAMED_FILES:
            self.first.append(receipt)
        found = {attribute(place, receipt.creators) for place in places(receipt, self.rule)}
        self.attributes.update(a for a in found if a in self.attributes or len(self.attributes) < MOST_ATTRIBUTES)


def groups(report: BatchReport) -> list[Group]:
    """In one reading: the files of each outcome and rule, as a reader needs them; then the taken ones of each further warning."""
    named: dict[tuple[str, str], Group] = {(outcome, rule): Group(outcome, rule) for (outcome, rule), _ in _rows(report)}
    warned: dict[str, Group] = {}
    for receipt in report.files:
        named.setdefault((receipt.outcome, receipt.rule), Group(receipt.outcome, receipt.rule)).add(receipt)
        if receipt.outcome == Outcome.PASS:
            for rule in {rule for rule, _ in receipt.findings} & _WARNINGS - {receipt.rule}:
                warned.setdefault(rule, Group(WARNING, rule)).add(receipt)
    return [*named.values(), *(group for _, group in sorted(warned.items()))]


def _block(group: Group) -> Iterator[str]:
    title = _WORDS[Outcome(group.outcome)] if group.outcome != WARNING else WARNING
    yield f"\n{title}: {group.rule}, {files(group.count)}\n  {sentence(group.rule)}\n"
    if group.attributes and group.count > NAMED_FILES:
        yield "".join(f"  {attribute}: {files(count)}\n" for attribute, count in group.attributes.most_common(NAMED_PLACES))
    yield from (f"    {_named(receipt, group.rule)}\n" for receipt in group.first)
    if group.count > NAMED_FILES:
        yield f"    and {group.count - NAMED_FILES} more: {ALL_NAMED}\n"


def files(count: int) -> str:
    """So many files, in words."""
    return f"{count:,} {'file' if count == 1 else 'files'}"


def _named(receipt: Receipt, rule: str) -> str:
    """A file's name and the places of a rule on one line."""
    return f"{shown(receipt.name)}  {found(receipt, rule)}".rstrip()


def found(receipt: Receipt, rule: str) -> str:
    """The first places of a rule in a file, named."""
    where = places(receipt, rule)
    more = f" and {len(where) - NAMED_PLACES} more" if len(where) > NAMED_PLACES else ""
    return ", ".join(said(place, receipt.creators) for place in where[:NAMED_PLACES]) + more


def shown(name: str) -> str:
    """A file's name as it can be printed: it can't move a terminal's cursor or colour it, and a long one keeps its end."""
    name = "".join(c if c.isprintable() else "?" for c in name)
    return name if len(name) <= _WIDEST else f"…{name[1 - _WIDEST :]}"


def _rows(report: BatchReport) -> list[tuple[tuple[str, str], int]]:
    """Counts as a reader needs them: refused, waiting, known, taken; in each, the rules in their table's order."""
    return sorted(report.counts.items(), key=lambda row: _ORDER[Outcome(row[0][0]), row[0][1]])


def _total(report: BatchReport, outcome: Outcome) -> int:
    return sum(n for (other, _), n in report.counts.items() if other == outcome)
