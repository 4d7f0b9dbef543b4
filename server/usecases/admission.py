"""Whether anything may come in: room for it, a dataset that takes something, nothing in its way, and the verdict on the file."""

import shutil
from collections.abc import Sequence

from sqlalchemy import Connection

from adapters.sql import dataset as datasets
from adapters.sql.blocks import find_blocks
from adapters.sql.custody import CustodyRow, SopInstance
from adapters.sql.node_syncs import SYNC
from consent import deposit
from consent.conditions import Action
from consent.deposit import Code, Finding, Verdict
from consent.policy import decide
from mappings.dcat.details import said
from mappings.failures import Busy, Full, TooLarge
from mappings.fields import fold
from mappings.vocabulary import uncoded
from server.usecases.batch import Batch, Origin
from server.usecases.parse import ParsedFile
from server.usecases.runtime import Runtime

MEGABYTE = 1_000_000


def check_room(runtime: Runtime, size: int) -> None:
    """Raise Full where less than the configured space would be left, TooLarge past the size limit: before bytes are taken."""
    if size > runtime.settings.max_object_mb * MEGABYTE:
        raise TooLarge("object-too-large", f"The object is larger than {runtime.settings.max_object_mb} MB, the most taken here.")
    free = shutil.disk_usage(runtime.settings.data_dir).free
    if free - 2 * size < runtime.settings.min_free_mb * MEGABYTE:
        raise Full(
            "disk-nearly-full",
            "The repository is short of disk space and takes nothing now. Nothing was stored; try again later.",
        )


NOT_SENT = (SYNC, "release", "recovery")
"""Doors of what lies on its node already, or was taken before."""


def find_stop(runtime: Runtime, connection: Connection, origin: Origin) -> Code | None:
    """The rule by which nothing is taken for this dataset now."""
    governance = runtime.governance.current(connection)
    facts = governance.dataset(origin.dataset)
    stop = deposit.stop(decide(origin.subject, Action.DEPOSIT, None, facts, runtime.clock()))
    if stop is None and origin.door not in NOT_SENT and governance.host(origin.dataset).is_read_only:
        return Code.NODE_READ_ONLY
    return stop


def find_other_study(batch: Batch, instance: SopInstance) -> Code | None:
    """What a batch that is for one study says of an object of another (PS3.18 section 10.5.1)."""
    return Code.OTHER_STUDY if batch.study not in (None, instance.study_uid) else None


def find_refusal(connection: Connection, dataset: int, instance: SopInstance, row: CustodyRow | None) -> Code | None:
    """What custody says before any content is compared: the dataset first, so that nobody learns of another's data."""
    blocks = find_blocks(connection, dataset, instance)
    if blocks.elsewhere or (row is not None and row.dataset != dataset):
        return Code.STUDY_NOT_YOURS
    return Code.BLOCKED if blocks.blocked else None


def find_outside(runtime: Runtime, connection: Connection, origin: Origin, parsed: ParsedFile) -> list[Finding]:
    """What of a file the agreement of its dataset does not name."""
    conditions, header = runtime.governance.current(connection).dataset(origin.dataset).conditions, parsed.header
    row = datasets.find(connection, origin.alias) if conditions.cancers else None
    stated = said(row.details, "condition") if row else []
    return deposit.outside(conditions, header.modality or "", header.sop_class_uid, stated)


def find_uncoded(parsed: ParsedFile) -> list[Finding]:
    """What a file says in words that are told by no code."""
    places = uncoded(parsed.header.body_part_examined or "", fold(parsed.header.manufacturer or ""))
    return [Finding(Code.WORD_UNCODED, place) for place in places]


def judge(parsed: ParsedFile, of_door: Finding | None, *, attested: bool, outside: Sequence[Finding] = ()) -> Verdict:
    """The verdict on a file, with what the door or custody says of it, and what its agreement does not name."""
    findings = [*parsed.seen.findings, *find_uncoded(parsed), *outside, *([] if of_door is None else [of_door])]
    return deposit.verdict(parsed.seen.declared, attested, findings)


def busy() -> Busy:
    """Another transfer of the same object is under way: try again."""
    return Busy("object-busy", deposit.sentence(Code.RETRY_LATER))
