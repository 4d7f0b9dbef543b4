"""Taking a file: what C-STORE, STOW-RS, `accord push` and every other door call, for one file after the other of a batch.

A file is read and judged before anything is stored; then it is kept, or known already, or refused with a receipt and nothing
else. `consent/custody.py` tells how it is kept and who wins.
"""

import secrets
import time

from adapters.sql import custody
from adapters.sql.custody import CustodyRow
from consent.custody import State
from consent.deposit import Code, Finding, Outcome
from mappings.dicom.content import content_digest
from mappings.dicom.part10 import Unreadable, plain, read_part10
from mappings.failures import Failure, Unavailable
from server.usecases import keep, receipts
from server.usecases.admission import busy, check_room, find_other_study, find_outside, find_refusal, find_stop, judge
from server.usecases.batch import Batch
from server.usecases.keep import Changed
from server.usecases.mend import mend
from server.usecases.parse import ParsedFile, parse_file
from server.usecases.read_back import read_back
from server.usecases.receipts import DepositResult, JudgedFile
from server.usecases.runtime import Runtime

TRIES = 4


def take(runtime: Runtime, batch: Batch, name: str, file: memoryview) -> DepositResult:
    """Read, judge and keep one file. Raises Full, TooLarge, Busy or Unavailable where it can't be kept now: nothing is then."""
    check_room(runtime, len(file))
    try:
        parsed = parse_file(name, file, runtime.placeholders)
    except Unreadable as bad:
        return refuse(runtime, batch, name, file, Finding(bad.rule, bad.where or ""))
    for attempt in range(TRIES):
        try:
            return _attempt(runtime, batch, parsed)
        except Changed:
            time.sleep(secrets.randbelow(100 << attempt) / 1000)  # two doors with the same bytes would take the claim in turns
    raise busy()


def refuse(runtime: Runtime, batch: Batch, name: str, file: memoryview, finding: Finding) -> DepositResult:
    """Refuse a file unjudged; a stopped agreement is said first: it takes nothing, whatever it is."""
    with runtime.store.write(durable=batch.alone) as connection:
        rule = find_stop(runtime, connection, batch.origin) or finding.rule
        return receipts.write_refusal(runtime, connection, batch, name, file, Finding(rule, finding.where))


def _attempt(runtime: Runtime, batch: Batch, parsed: ParsedFile) -> DepositResult:
    origin, instance = batch.origin, parsed.instance
    with runtime.store.read() as connection:
        row = custody.in_care(connection, instance.sop_uid)
        code = find_stop(runtime, connection, origin) or find_other_study(batch, instance)
        code = code or find_refusal(connection, origin.dataset, instance, row)
        outside = find_outside(runtime, connection, origin, parsed)
    said = None if code is None else Finding(code, "")
    if said is None and row is not None:
        said = _compare(runtime, row, parsed)
    judged = JudgedFile(batch, parsed, judge(parsed, said, attested=origin.attested, outside=outside))
    _act(runtime, judged, row)
    return receipts.result_of(judged)


def _act(runtime: Runtime, judged: JudgedFile, row: CustodyRow | None) -> None:
    """Do as the verdict says."""
    known = judged.verdict.rule in receipts.IN_CARE
    if known and row is not None:
        mend(runtime, row, judged.parsed)
    if known or judged.verdict.outcome is Outcome.REJECT:
        with runtime.store.write(durable=judged.batch.alone) as connection:
            receipts.write(runtime, connection, judged)
    elif row is not None and row.state is State.REVIEW:
        keep.supersede(runtime, judged, row)
    else:
        keep.keep(runtime, judged, row)


def _compare(runtime: Runtime, row: CustodyRow, parsed: ParsedFile) -> Finding | None:
    """What the object in our care makes of this one; None where it may take the row's place (superseding, or taking over)."""
    if row.state is State.RECEIVING:
        if row.instance.file_digest == parsed.instance.file_digest:  # to the byte: the row's place and digest must stay true
            return None
        if row.lease is None or runtime.clock().timestamp() * 1e6 < row.lease:
            raise busy()
        raise Changed
    if row.instance.digest == parsed.instance.digest or _same_content(runtime, row, parsed):
        with runtime.store.read() as connection:
            return receipts.in_care(connection, row)
    return Finding(Code.CONTENT_CONFLICT, "") if row.state is State.HELD else None


def _same_content(runtime: Runtime, row: CustodyRow, parsed: ParsedFile) -> bool:
    """Whether the object in our care, read back, has the same elements and values (senders re-encode)."""
    try:
        part10 = read_part10(read_back(runtime, row.copy))
        theirs = content_digest(plain(part10.dataset, part10.transfer_syntax), part10.transfer_syntax)
    except Failure as failure:
        raise Unavailable(
            "node-unavailable", "The held copy can't be read to compare with. Nothing was stored; try again."
        ) from failure
    return theirs == content_digest(parsed.dataset, parsed.part10.transfer_syntax)
