"""What `accord check` says of files that were not sent: verdicts by rule, what series lack, copies and gaps; as text and JSON."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from consent.deposit import Outcome, sentence
from mappings.report import BatchReport, Receipt, blocks, files, receipt_object, shown

NAMED = 10
"""Series, and objects with copies, that are named; the rest is counted."""
WORDS = {Outcome.PASS: "would be taken", Outcome.REVIEW: "would wait for review", Outcome.REJECT: "would be refused"}
NOTHING_SENT = "Nothing was sent. What a server decides depends on its agreement and on what it holds already, too."
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
    """What was seen of all files, whose receipts can be read as often as is needed.

    `size` is theirs in bytes, together; `skipped` counts what was not looked at; `minimum` names what EUCAIM asks of a series;
    `copies` has the names of the files of each SOP Instance UID that several have.
    """

    receipts: Iterable[Receipt]
    counts: Mapping[tuple[str, str], int]
    size: int
    skipped: int
    minimum: Sequence[str]
    series: Sequence[SeriesReport]
    copies: Mapping[str, Sequence[str]]

    @property
    def as_batch(self) -> BatchReport:
        """The same as a report of what was pushed, which it was not."""
        return BatchReport("check", "check", "-", "-", _NEVER, None, self.counts, 0, self.receipts)

    @property
    def outcomes(self) -> dict[Outcome, int]:
        """Outcome → files."""
        return {o: sum(n for (other, _), n in self.counts.items() if other == o) for o in WORDS}

    @property
    def seen(self) -> str:
        """How much was looked at."""
        looked, studies = files(sum(self.counts.values())), len({series.study for series in self.series})
        return f"{looked} of {len(self.series):,} series in {studies:,} studies, {self.size / 1e6:,.1f} MB"


def to_text(report: CheckReport) -> Iterator[str]:
    """Totals, a block for each rule, then what the series lack."""
    totals = ", ".join(f"{count} {WORDS[outcome]}" for outcome, count in report.outcomes.items())
    yield f"{report.seen}: {totals}.\n"
    yield from blocks(report.as_batch)
    yield from _lacking(report.series)
    yield from _some("missing slices", [f"{s.series}: {numbers(s.missing)}" for s in report.series if s.missing])
    copies = [f"{uid}: {', '.join(map(shown, names))}" for uid, names in report.copies.items()]
    yield from _some("one SOP Instance UID, several files", copies)
    yield f"\n{NOTHING_SENT}\n"


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
            yield f"    and {len(lines) - NAMED} more: the JSON report names all\n"


def numbers(missing: Sequence[int]) -> str:
    """The first of them, and how many more."""
    return ", ".join(map(str, missing[:NAMED])) + (f" and {len(missing) - NAMED} more" if len(missing) > NAMED else "")


def to_json(report: CheckReport) -> Iterator[str]:
    """One object: `files`, `skipped`, `rules`, `series`, `copies` and `receipts`."""
    rules = [{"outcome": o, "rule": r, "files": n, "sentence": sentence(r)} for (o, r), n in sorted(report.counts.items())]
    series = [
        {"series": s.series, "study": s.study, "files": s.files, "lacks": list(s.lacks), "missing": list(s.missing)}
        for s in report.series
    ]
    counted = {"files": sum(report.counts.values()), "skipped": report.skipped, "rules": rules}
    told = {**counted, "series": series, "copies": dict(report.copies)}
    yield json.dumps(told, ensure_ascii=False, indent=1)[:-2] + ',\n "receipts": ['
    separator = "\n  "
    for receipt in report.receipts:
        yield separator + json.dumps(receipt_object(receipt), ensure_ascii=False)
        separator = ",\n  "
    yield "\n ]\n}\n"
