"""What `accord check` says of a folder: verdicts by rule, what series lack, copies and gaps; as text and as JSON."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from consent.deposit import Outcome, sentence
from mappings.report import BatchReport, Receipt, blocks, receipt_object

NAMED = 10
"""Series, and objects with copies, that are named; the rest is counted."""
_WORDS = {Outcome.PASS: "would be taken", Outcome.REVIEW: "would wait for review", Outcome.REJECT: "would be refused"}
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class SeriesReport:
    """One series: its study, how many files it has, the names of what it lacks, and the instance numbers that are missing."""

    series: str
    study: str
    files: int
    lacks: Sequence[str]
    missing: Sequence[int]


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What was seen of all files; `copies`: SOP Instance UID → the names of the files that have it."""

    receipts: Sequence[Receipt]
    counts: Mapping[tuple[str, str], int]
    series: Sequence[SeriesReport]
    copies: Mapping[str, Sequence[str]]

    @property
    def as_batch(self) -> BatchReport:
        """The same as a report of what was pushed, which it was not."""
        return BatchReport("check", "check", "-", "-", _NEVER, None, self.counts, 0, self.receipts)


def to_text(report: CheckReport) -> Iterator[str]:
    """Totals, a block for each rule, then what the series lack."""
    outcomes = {o: sum(n for (other, _), n in report.counts.items() if other == o) for o in _WORDS}
    totals = ", ".join(f"{count} {_WORDS[outcome]}" for outcome, count in outcomes.items())
    studies, size = len({series.study for series in report.series}), sum(receipt.size for receipt in report.receipts)
    yield f"{len(report.receipts)} files of {len(report.series)} series in {studies} studies, {size / 1e6:,.1f} MB: {totals}.\n"
    yield from blocks(report.as_batch)
    yield from _lacking(report.series)
    yield from _some("missing slices", [f"{s.series}: {_numbers(s.missing)}" for s in report.series if s.missing])
    yield from _some(
        "one SOP Instance UID, several files", [f"{uid}: {', '.join(names)}" for uid, names in report.copies.items()]
    )
    yield "\nNothing was sent. What a server decides depends on its agreement and on what it holds already, too.\n"


def _lacking(series: Sequence[SeriesReport]) -> Iterator[str]:
    """By what is lacking: EUCAIM's imaging minimum."""
    for name in dict.fromkeys(name for each in series for name in each.lacks):
        without = [each.series for each in series if name in each.lacks]
        yield from _some(f"without {name}, which EUCAIM's imaging minimum asks for", without, "series")


def _some(title: str, lines: Sequence[str], unit: str = "") -> Iterator[str]:
    if lines:
        yield f"\n{title}: {len(lines)}{f' {unit}' if unit else ''}\n"
        yield from (f"    {line}\n" for line in lines[:NAMED])
        if len(lines) > NAMED:
            yield f"    and {len(lines) - NAMED} more\n"


def _numbers(missing: Sequence[int]) -> str:
    return ", ".join(map(str, missing[:NAMED])) + (f" and {len(missing) - NAMED} more" if len(missing) > NAMED else "")


def to_json(report: CheckReport) -> str:
    """One object: `files`, `rules`, `series`, `copies` and `receipts`."""
    rules = [{"outcome": o, "rule": r, "files": n, "sentence": sentence(r)} for (o, r), n in sorted(report.counts.items())]
    series = [
        {"series": s.series, "study": s.study, "files": s.files, "lacks": list(s.lacks), "missing": list(s.missing)}
        for s in report.series
    ]
    receipts = [receipt_object(receipt) for receipt in report.receipts]
    told = {"files": len(receipts), "rules": rules, "series": series, "copies": dict(report.copies), "receipts": receipts}
    return json.dumps(told, ensure_ascii=False, indent=1)
