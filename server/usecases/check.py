"""`accord check`: the server's own verdicts on files that nobody has sent, and what their series lack; nothing is sent."""

import pickle
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from tempfile import TemporaryFile
from types import TracebackType
from typing import Self

from adapters.offered import Damaged, Offered
from consent.deposit import Code, Finding, Verdict, verdict
from mappings.dicom.acquired import acquisition_date
from mappings.dicom.part10 import Unreadable
from mappings.report import Receipt
from server.usecases.admission import judge
from server.usecases.parse import ParsedFile, parse_file

ACQUIRED = "acquisition_date"
MINIMUM = {
    "patient_id": "Patient ID (0010,0020)",
    "modality": "Modality (0008,0060)",
    "body_part_examined": "Body Part Examined (0018,0015)",
    "manufacturer": "Manufacturer (0008,0070)",
    ACQUIRED: "Acquisition Date (0008,0022), or the date of content, series or study",
    "age_years": "Patient's Age (0010,1010), or birth and study dates",
}
"""What EUCAIM's imaging minimum asks of every series: field of the header, or ACQUIRED → its name."""
MOST_GAPS = 1000
"""Instance numbers that are looked through for missing ones; a series that spans more counts otherwise."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What was seen of one file: what would become of it, its series, what of the minimum it lacks, its instance number."""

    receipt: Receipt
    series: str | None = None
    lacks: frozenset[str] = frozenset()
    number: int | None = None


@dataclass(slots=True)
class Series:
    """What was seen of one series."""

    study: str
    files: int = 0
    lacks: set[str] = field(default_factory=set)
    numbers: set[int] = field(default_factory=set)

    @property
    def missing(self) -> list[int]:
        """The instance numbers between its first and last that no file has."""
        if not self.numbers or max(self.numbers) - min(self.numbers) > MOST_GAPS:
            return []
        return sorted(set(range(min(self.numbers), max(self.numbers))) - self.numbers)


class Receipts:
    """What was seen of each file, in the order it came; on a disk, since a folder may hold any number. `with` lets go of them."""

    def __init__(self) -> None:
        self._file = TemporaryFile()  # noqa: SIM115 - closed at the end of the block

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def add(self, receipt: Receipt) -> None:
        """Keep one more; not while they are read."""
        pickle.dump(receipt, self._file)

    def __iter__(self) -> Iterator[Receipt]:
        self._file.seek(0)
        try:
            while True:
                yield pickle.load(self._file)  # noqa: S301 - nobody else has this file
        except EOFError:
            return


@dataclass(slots=True)
class Checked:
    """What was seen of all files."""

    receipts: Receipts
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(outcome, rule) → files."""
    size: int = 0
    series: dict[str, Series] = field(default_factory=dict)
    copies: dict[str, list[str]] = field(default_factory=dict)
    """SOP Instance UID → the names of the files that have it, where several do."""


def look(files: Sequence[Offered], at: datetime, attested: bool, placeholders: frozenset[str]) -> list[Looked]:
    """Look at files as a door does that takes each for the first time; `attested`: their sender's de-identification is."""
    return [_look(file, at, attested, placeholders) for file in files]


def _look(file: Offered, at: datetime, attested: bool, placeholders: frozenset[str]) -> Looked:
    try:
        parsed = parse_file(file.name, file.content(), placeholders)
    except (OSError, Damaged):  # one that can't be read keeps no other
        return _unread(file, at, attested, Finding(Code.STRUCTURE_BROKEN, ""))
    except Unreadable as bad:
        return _unread(file, at, False, Finding(bad.rule, bad.where or ""))
    receipt = _receipt(file, at, parsed, judge(parsed, None, attested=attested))
    return Looked(receipt, parsed.header.series_instance_uid, _lacks(parsed), parsed.header.instance_number)


def _unread(file: Offered, at: datetime, attested: bool, finding: Finding) -> Looked:
    return Looked(_receipt(file, at, None, verdict(False, attested, [finding])))


def _lacks(parsed: ParsedFile) -> frozenset[str]:
    lacks = {name for name in MINIMUM if name != ACQUIRED and getattr(parsed.header, name) in (None, "")}
    acquired = acquisition_date(parsed.dataset, parsed.header.transfer_syntax)
    return frozenset(lacks if acquired else lacks | {ACQUIRED})


def _receipt(file: Offered, at: datetime, parsed: ParsedFile | None, said: Verdict) -> Receipt:
    findings = tuple((finding.rule, finding.where) for finding in (*said.findings, *said.warnings))
    found = parsed.instance if parsed else None
    study, sop, digest = (found.study_uid, found.sop_uid, found.digest) if found else (None, None, None)
    creators = parsed.seen.creators if parsed else {}
    return Receipt(file.name, study, sop, file.size, str(said.outcome), said.rule, findings, at, digest, creators)


def gather(looked: Iterable[Looked], receipts: Receipts) -> Checked:
    """What was seen, put together: by series, and which files have one SOP Instance UID."""
    checked, first = Checked(receipts), dict[str, str]()
    for each in looked:
        receipt = each.receipt
        receipts.add(receipt)
        checked.counts[receipt.outcome, receipt.rule] += 1
        checked.size += receipt.size
        if each.series is None or receipt.sop_uid is None:
            continue
        _see(checked.series.setdefault(each.series, Series(receipt.study_uid or "")), each)
        if (before := first.setdefault(receipt.sop_uid, receipt.name)) is not receipt.name:
            checked.copies.setdefault(receipt.sop_uid, [before]).append(receipt.name)
    return checked


def _see(series: Series, looked: Looked) -> None:
    series.files += 1
    series.lacks |= looked.lacks
    if looked.number is not None:
        series.numbers.add(looked.number)
