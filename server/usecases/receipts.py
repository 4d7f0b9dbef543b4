"""What a file is told, and the receipt that its batch keeps of it: written in the transaction that makes it true."""

from dataclasses import dataclass

from sqlalchemy import Connection

from adapters.spool import Behind
from adapters.sql import batches
from adapters.sql.custody import CustodyRow, SopInstance
from consent import deposit
from consent.custody import State
from consent.deposit import Code, Finding, Outcome, Verdict
from mappings.digests import digest
from mappings.report import Receipt
from server.usecases.batch import Batch
from server.usecases.parse import ParsedFile
from server.usecases.runtime import Runtime

IN_CARE = frozenset({Code.KNOWN, Code.WAITING})
"""The rules of a file whose content is in our care already."""


@dataclass(frozen=True, slots=True)
class JudgedFile:
    """A file, the batch it was presented in, and the verdict on it."""

    batch: Batch
    parsed: ParsedFile
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class DepositResult:
    """What became of one file: in words for a report, and in 64 characters for a DIMSE comment."""

    outcome: Outcome
    rule: str
    sentence: str
    short: str
    sop_class: str | None = None
    sop_uid: str | None = None
    study_uid: str | None = None
    series_uid: str | None = None


def write(runtime: Runtime, connection: Connection, judged: JudgedFile) -> None:
    """Write the receipt of a file. Raises Conflict where its batch was closed meanwhile."""
    _write(runtime, connection, judged.batch, judged.parsed.name, judged.parsed.instance, judged.verdict)


def write_known(runtime: Runtime, connection: Connection, batch: Batch, name: str, row: CustodyRow) -> None:
    """Write the receipt of a file that need not be sent. Raises Conflict where the batch was closed meanwhile."""
    verdict = deposit.verdict(declared=False, attested=False, findings=[in_care(connection, row)])
    _write(runtime, connection, batch, name, row.instance, verdict)


def in_care(connection: Connection, row: CustodyRow) -> Finding:
    """What a file hears whose content rests here: it is known, or it waits for review since the batch that is named."""
    if row.state is State.HELD:
        return Finding(Code.KNOWN, "")
    brought = batches.by_id(connection, row.batch)
    return Finding(Code.WAITING, f"batch {brought.key}" if brought else "")


def write_refusal(
    runtime: Runtime, connection: Connection, batch: Batch, name: str, file: memoryview, finding: Finding
) -> DepositResult:
    """Write the receipt of a file that nobody judged, under the rule of this finding. Raises Conflict as `write`."""
    facts = (str(Outcome.REJECT), finding.rule, ((finding.rule, finding.where),), runtime.clock())
    content = digest(file, 0, len(file), Behind(file))
    batches.add_receipt(connection, batch.id, Receipt(name, None, None, len(file), *facts, content))
    return DepositResult(Outcome.REJECT, finding.rule, deposit.sentence(finding.rule), deposit.short(finding.rule))


def _write(runtime: Runtime, connection: Connection, batch: Batch, name: str, instance: SopInstance, verdict: Verdict) -> None:
    findings = tuple((finding.rule, finding.where) for finding in (*verdict.findings, *verdict.warnings))
    facts = (str(verdict.outcome), verdict.rule, findings, runtime.clock())
    receipt = Receipt(name, instance.study_uid, instance.sop_uid, instance.size, *facts, instance.digest)
    batches.add_receipt(connection, batch.id, receipt)


def result_of(judged: JudgedFile) -> DepositResult:
    """What the sender of a file hears."""
    header, rule = judged.parsed.header, judged.verdict.rule
    uids = (header.sop_class_uid, header.sop_instance_uid, header.study_instance_uid, header.series_instance_uid)
    since = "".join(f" ({finding.where})" for finding in judged.verdict.findings if finding.rule == Code.WAITING)
    return DepositResult(judged.verdict.outcome, rule, deposit.sentence(rule), deposit.short(rule) + since, *uids)
