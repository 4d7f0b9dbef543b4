"""Batches and withdrawals as `/api/…` takes and tells of them; these types describe routes that are older than its frame."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta

from consent.deposit import Outcome
from mappings.api.shapes import Asked, Told


class BatchAsked(Asked):
    """For which dataset; none where the client has exactly one that takes files."""

    dataset: str | None = None


class CloseAsked(Asked):
    """The only change to a batch."""

    status: Literal["closed"]


class FileAsked(Asked):
    """A file's name as it will be presented, and the SHA-256 of its bytes in hex."""

    name: Annotated[str, Meta(min_length=1, max_length=1024)]
    digest: Annotated[str, Meta(pattern="^[0-9a-fA-F]{64}$")]


class KnownAsked(Asked):
    """Which of these files need not be sent."""

    files: Annotated[list[FileAsked], Meta(max_length=1000)]


class KnownTold(Told):
    """The names of those; and of those that wait for review, the batch that brought each."""

    known: list[str]
    waiting: dict[str, str]


class RuleTold(Told):
    """How many files a rule named, with which outcome, and its sentence."""

    outcome: Outcome
    rule: str
    files: int
    sentence: str


class FindingTold(Told):
    """What a rule found in a file, and where."""

    rule: str
    where: str
    name: str | None


class ReceiptTold(Told):
    """What became of one file."""

    file: str
    outcome: Outcome
    rule: str
    findings: list[FindingTold]
    sop_instance_uid: str | None
    study_instance_uid: str | None
    bytes: int
    at: datetime


class BatchSummary(Told):
    """What a batch brought."""

    id: str
    dataset: str
    provider: str
    door: str
    opened: datetime
    closed: datetime | None
    files: int
    outcomes: dict[str, int]
    waiting: int
    rules: list[RuleTold]
    notice: str


class BatchTold(BatchSummary):
    """A batch, and where its report is."""

    status: Literal["open", "closed"]
    report: str


class BatchesTold(Told):
    """The newest batches, at most 100."""

    batches: list[BatchTold]


class ReportTold(BatchSummary):
    """A batch's report with every file, as its provider is told; `?format=csv` and `?format=text` give it otherwise."""

    receipts: list[ReceiptTold]


class WithdrawalAsked(Asked):
    """A study, or a dataset and a patient in it; `replace` lets replacements come, a `dry_run` takes nothing out."""

    study: str | None = None
    dataset: str | None = None
    patient: str | None = None
    reason: str | None = None
    replace: bool = False
    dry_run: bool = False


class WithdrawalTold(Told):
    """What is out by now, or with `dry_run` what would be."""

    dataset: str
    studies: int
    objects: int
    bytes: int
    done: bool
