"""Comparing what nodes hold with custody: that each object is there and has its size, or that every byte of it is what came.

What is found lost or changed is marked in its row, and unmarked when a later look finds it sound. A look at the bytes also keeps
the digests of parts that an object held since an earlier release lacks.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto

from adapters.nodes.port import SILENT
from adapters.sql import custody, node_syncs, part_digests
from adapters.sql.custody import CustodyRow
from adapters.sql.node import NodeRow
from consent.custody import AT_REST, State
from consent.node import NodeState
from mappings.dicom.part10 import Unreadable
from mappings.digests import BLOCK, digest_parts
from mappings.failures import NotFound, Unavailable
from server.usecases.job import Work
from server.usecases.naming import require
from server.usecases.parse import parse_file
from server.usecases.read_back import is_sound, node_of, read_back
from server.usecases.runtime import Runtime

PAGE = 200
AGAIN_SECONDS = 5
"""After all others a node that answers is asked again for what it did not give, after this pause, before that is called lost."""
MOST_SILENT = 3
"""Objects in a row that a node does not give; then it is the node that does not answer, and the look ends."""


class Finding(Enum):
    """What a look at a copy shows."""

    SOUND = auto()
    LOST = auto()
    CHANGED = auto()
    NOT_GIVEN = auto()


@dataclass(slots=True)
class Compared:
    """A node against custody: places it holds that custody does not know there; objects (SOP Instance UIDs) lost and changed."""

    looked: int = 0
    unknown: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.looked} objects looked at, {len(self.lost)} lost, {len(self.changed)} changed."


def compare(runtime: Runtime, name: str, looked: Callable[[CustodyRow], None], *, digests: bool) -> Compared:
    """Compare a node with custody, and tell of each object when it is looked at. Raises NotFound, Unavailable."""
    row = _node(runtime, name)
    unknown = _unknown(runtime, row)
    compared = _look(runtime, row, looked, digests=digests)
    compared.unknown = unknown
    return compared


def at_rest(runtime: Runtime, name: str) -> tuple[int, int]:
    """(objects, bytes) that rest on a node or in the quarantine on their way there."""
    with runtime.store.read() as connection:
        return custody.count_at_rest(connection, _node(runtime, name).id)


def look_at_presence(runtime: Runtime, work: Work) -> str:
    """The job that looks whether each object of a node is there and has its size."""
    return _work(runtime, work, digests=False)


def look_at_digests(runtime: Runtime, work: Work) -> str:
    """The job that reads each object of a node and holds it against its digest."""
    return _work(runtime, work, digests=True)


def find_damage(runtime: Runtime) -> list[str]:
    """What is known to be lost or changed, in sentences for the operator."""
    with runtime.store.read() as connection:
        damaged = custody.count_damaged(connection)
        nodes = runtime.governance.current(connection).nodes
    return [_damage(nodes[key], count) for key, count in damaged.items()]


def _damage(node: NodeRow, count: int) -> str:
    mended = f"send them again, or `accord admin node reconcile {node.name} BACKUP`"
    return (
        f"Objects of node {node.name} that are lost or changed, and given to nobody: {count}. "
        f"`accord admin node compare {node.name}` names them; "
        f"{'who keeps that archive puts them back there' if node.is_read_only else mended}."
    )


def _work(runtime: Runtime, work: Work, *, digests: bool) -> str:
    row = _node(runtime, work.subject)
    if row.state is not NodeState.LINKED:
        return "Not looked at: the node is not linked."
    done, total = 0, at_rest(runtime, row.name)[0]

    def looked(_row: CustodyRow) -> None:
        nonlocal done
        done += 1
        work.progress(done, max(done, total))

    return str(_look(runtime, row, looked, digests=digests))


def _node(runtime: Runtime, name: str) -> NodeRow:
    with runtime.store.read() as connection:
        return require(runtime.governance.current(connection).node_called(name), "node", name)


def _unknown(runtime: Runtime, row: NodeRow) -> list[str]:
    with runtime.store.read() as connection:
        known = custody.places(connection, row.id)
    strangers = set(runtime.node_of(row).places()) - known.keys()
    with runtime.store.read() as connection:  # what settled while the node was asked is no stranger
        strangers -= custody.places(connection, row.id).keys() if strangers else set()
        begun = node_syncs.find(connection, row.id) if strangers else None
        return sorted(strangers - (node_syncs.presented(connection, row.name, begun.begun) if begun else set()))


def _look(runtime: Runtime, row: NodeRow, looked: Callable[[CustodyRow], None], *, digests: bool) -> Compared:
    """Raises Unavailable where the node does not answer; at the end, where it gave some objects no answer and others did."""
    compared, silence = Compared(), 0
    unseen: list[Unavailable] = []
    not_given: list[CustodyRow] = []

    def settle(row: CustodyRow, finding: Finding) -> None:
        if finding is not Finding.SOUND and _mark(runtime, row):
            (compared.changed if finding is Finding.CHANGED else compared.lost).append(row.instance.sop_uid)
        compared.looked += 1
        looked(row)

    for each in _at_rest(runtime, row.id):
        try:
            finding = _look_at(runtime, each, digests=digests or each.damaged is not None)
        except Unavailable as failure:
            unseen.append(failure)
            silence += 1
            if silence == MOST_SILENT:
                raise
            continue
        silence = 0
        if finding is Finding.NOT_GIVEN:
            not_given.append(each)
        else:
            settle(each, finding)
    if not_given:
        time.sleep(AGAIN_SECONDS)  # it may have been starting again; once for all of them, since a disk may have lost many
    for each in not_given:
        settle(each, _look_at(runtime, each, digests=digests or each.damaged is not None))
    if unseen:
        raise unseen[-1]
    return compared


def _at_rest(runtime: Runtime, node: int) -> Iterator[CustodyRow]:
    after = 0
    while True:
        with runtime.store.read() as connection:
            page = custody.at_rest(connection, node, after, PAGE)
        if not page:
            return
        yield from page
        after = page[-1].id


def _look_at(runtime: Runtime, row: CustodyRow, *, digests: bool) -> Finding:
    """How an object's copy is. Raises Unavailable where its node does not answer."""
    try:
        sound = _read(runtime, row) if digests else node_of(runtime, row).size(row.place) in (None, row.instance.size)
    except NotFound:
        return Finding.LOST
    except Unavailable as failure:
        if failure.code == SILENT or not node_of(runtime, row).check().ok:
            raise
        return Finding.NOT_GIVEN  # an Orthanc fails where its file is gone
    return Finding.SOUND if sound else Finding.CHANGED


def _read(runtime: Runtime, row: CustodyRow) -> bool:
    if not is_sound(runtime, row.copy):
        return False
    if row.damaged is not None:
        with runtime.store.write(durable=False) as connection:
            custody.mended(connection, row.id, row.damaged)
    if row.instance.size > BLOCK and row.state is State.HELD and not _has_parts(runtime, row):
        _keep_parts(runtime, row)
    return True


def _has_parts(runtime: Runtime, row: CustodyRow) -> bool:
    with runtime.store.read() as connection:
        return part_digests.are_kept(connection, row.id)


def _keep_parts(runtime: Runtime, row: CustodyRow) -> None:
    file = read_back(runtime, row.copy)
    try:
        parts = parse_file(row.name, file, runtime.placeholders).parts
    except Unreadable:  # it was read by an earlier release: its frames are not told, its blocks are
        parts = digest_parts(file, [])
    with runtime.store.write() as connection:
        if custody.holds(connection, row.id):
            part_digests.keep(connection, row.id, parts)


def _mark(runtime: Runtime, row: CustodyRow) -> bool:
    """Say that a copy is damaged; False where it rests there no more, so that nothing is wrong."""
    with runtime.store.write() as connection:
        now = custody.by_id(connection, row.id)
        if now is None or now.copy != row.copy or now.state not in AT_REST:
            return False
        custody.mark_damaged(connection, row.id, runtime.clock())
    return True
