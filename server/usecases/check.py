"""`accord check`: the server's own verdicts on files that nobody has sent, and what their series lack; nothing is sent."""

import mmap
import zipfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from consent.deposit import Code, Finding, Verdict, verdict
from mappings.dicom.part10 import Unreadable
from mappings.report import Receipt
from server.usecases.admission import judge
from server.usecases.parse import ParsedFile, parse_file

MINIMUM = {
    "patient_id": "Patient ID (0010,0020)",
    "modality": "Modality (0008,0060)",
    "body_part_examined": "Body Part Examined (0018,0015)",
    "manufacturer": "Manufacturer (0008,0070)",
    "study_date": "Study Date (0008,0020)",
    "age_years": "Patient's Age (0010,1010), or birth and study dates",
}
"""What EUCAIM's imaging minimum asks of every series, as the index reads it: field of the header → its name."""
MOST_GAPS = 1000
"""Instance numbers that are looked through for missing ones; a series that spans more counts otherwise."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file to be looked at: at `path`, or the `member` of the zip archive there; its `name` in a report made `at`."""

    path: Path
    name: str
    size: int
    at: datetime
    member: str | None = None


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


@dataclass(slots=True)
class Checked:
    """What was seen of all files."""

    receipts: list[Receipt] = field(default_factory=list)
    series: dict[str, Series] = field(default_factory=dict)
    copies: dict[str, list[str]] = field(default_factory=dict)
    """SOP Instance UID → the names of the files that have it, where several do."""

    @property
    def counts(self) -> Counter[tuple[str, str]]:
        """(outcome, rule) → files."""
        return Counter((receipt.outcome, receipt.rule) for receipt in self.receipts)


def look(source: Source, attested: bool, placeholders: frozenset[str]) -> Looked:
    """Look at one file as a door does that takes it for the first time; `attested`: its sender's de-identification is."""
    try:
        content = _content(source)
    except (OSError, zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError):  # one that can't be read keeps no other
        return Looked(_receipt(source, None, verdict(False, attested, [Finding(Code.STRUCTURE_BROKEN, "")])))
    return _looked(source, content, attested, placeholders)


def _content(source: Source) -> memoryview:
    if source.member is not None:
        with zipfile.ZipFile(source.path) as archive:
            return memoryview(archive.read(source.member))
    with source.path.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if source.size else b"")


def _looked(source: Source, content: memoryview, attested: bool, placeholders: frozenset[str]) -> Looked:
    try:
        parsed = parse_file(source.name, content, placeholders)
    except Unreadable as bad:
        said = verdict(declared=False, attested=attested, findings=[Finding(bad.rule, bad.where or "")])
        return Looked(_receipt(source, None, said))
    header = parsed.header
    lacks = frozenset(name for name in MINIMUM if getattr(header, name) in (None, ""))
    receipt = _receipt(source, parsed, judge(parsed, None, attested=attested))
    return Looked(receipt, header.series_instance_uid, lacks, header.instance_number)


def _receipt(source: Source, parsed: ParsedFile | None, said: Verdict) -> Receipt:
    findings = tuple((finding.rule, finding.where) for finding in (*said.findings, *said.warnings))
    found = parsed.instance if parsed else None
    study, sop, digest = (found.study_uid, found.sop_uid, found.digest) if found else (None, None, None)
    creators = parsed.seen.creators if parsed else {}
    return Receipt(source.name, study, sop, source.size, str(said.outcome), said.rule, findings, source.at, digest, creators)


def gather(looked: Iterable[Looked]) -> Checked:
    """What was seen, put together: by series, and which files have one SOP Instance UID."""
    checked, named = Checked(), defaultdict[str, list[str]](list)
    for each in looked:
        checked.receipts.append(each.receipt)
        if each.series is None or each.receipt.sop_uid is None:
            continue
        series = checked.series.setdefault(each.series, Series(each.receipt.study_uid or ""))
        series.files += 1
        series.lacks |= each.lacks
        if each.number is not None:
            series.numbers.add(each.number)
        named[each.receipt.sop_uid].append(each.receipt.name)
    checked.copies = {uid: names for uid, names in named.items() if len(names) > 1}
    return checked
