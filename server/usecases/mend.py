"""Mending: what a node has lost or changed is put back from the very same file, sent again or found in a backup."""

from collections.abc import Callable, Collection
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from adapters.sql import custody, node_syncs
from adapters.sql.custody import Copy, CustodyRow
from mappings.failures import Conflict, NotFound, Unavailable
from server.usecases.keep import Changed, store
from server.usecases.naming import require
from server.usecases.parse import ParsedFile, parse_file
from server.usecases.read_back import node_of, open_copy
from server.usecases.runtime import Runtime


def mend(runtime: Runtime, row: CustodyRow, parsed: ParsedFile) -> bool:
    """Put an object's file back where its copy is lost or damaged; False where nothing is known against it.

    What has another size on its node is damaged, known or not; a node that does not answer now has lost nothing. Raises
    Unavailable where this is not the object's file to the byte, Changed where another mends it or it has left our care, and what
    `store` raises.
    """
    if row.damaged is None and not _is_lost(runtime, row.copy):
        row = _as_it_is(runtime, row)
        if row.damaged is None:
            return False
    node = node_of(runtime, row)
    if row.instance.file_digest != parsed.instance.file_digest:
        raise Unavailable("object-damaged", "The stored copy is lost or damaged, and this one differs. The operator is told.")
    began = _begin(runtime, row)
    if began is not None and not _is_nodes_own(runtime, row):
        node.delete(row.place)  # it keeps what lies there, whatever comes
    store(node, parsed)
    _end(runtime, row, began)
    return True


def mend_from(runtime: Runtime, name: str, files: Collection[Path], looked: Callable[[Path], None]) -> list[str]:
    """Mend what is damaged on a node by those of these files that are the very same; the objects (UIDs) that still are.

    `looked` is told of each file that has been compared. Raises NotFound, Unavailable, and OSError where a file can't be read;
    Conflict for files that could not be put back, because the node is only read.
    """
    with runtime.store.read() as connection:
        node = require(runtime.governance.current(connection).node_called(name), "node", name)
        if node.is_read_only and files:
            raise Conflict("node-read-only", f"Node {name} is only read: who keeps it puts back what is lost or changed there.")
        wanted = {row.instance.file_digest: row for row in custody.damaged(connection, node.id)}
    sizes = {row.instance.size for row in wanted.values()}
    for path in files:
        if path.stat().st_size in sizes:
            file = memoryview(path.read_bytes())
            if row := wanted.pop(sha256(file).digest(), None):
                with suppress(Changed):  # a resend mends it, or it is withdrawn
                    mend(runtime, row, parse_file(row.name, file, runtime.placeholders))
        looked(path)
    return sorted(row.instance.sop_uid for row in wanted.values())


def _is_lost(runtime: Runtime, copy: Copy) -> bool:
    """Whether its node has nothing there. A copy of another size is marked as damaged by who opens it."""
    try:
        open_copy(runtime, copy).close()
    except Unavailable:
        return False
    except NotFound:
        return True
    return False


def _is_nodes_own(runtime: Runtime, row: CustodyRow) -> bool:
    """Whether what lies there was put there by others: it may be what they have made of it since."""
    with runtime.store.read() as connection:
        return not row.quarantined and node_syncs.is_nodes_own(connection, row.batch)


def _as_it_is(runtime: Runtime, row: CustodyRow) -> CustodyRow:
    with runtime.store.read() as connection:
        now = custody.by_id(connection, row.id)
    if now is None:
        raise Changed
    return now


def _begin(runtime: Runtime, row: CustodyRow) -> int | None:
    """Take a damaged copy on: who has read it meanwhile must not delete what is put back."""
    if row.damaged is None:
        return None
    with runtime.store.write() as connection:
        began = custody.begin_mending(connection, row, runtime.clock())
    if began is None:
        raise Changed
    return began


def _end(runtime: Runtime, row: CustodyRow, began: int | None) -> None:
    """Give the object out again; what was withdrawn or refused meanwhile is deleted once more."""
    with runtime.store.write() as connection:
        custody.lock_study(connection, row.instance.study_uid)
        if custody.mended(connection, row.id, began):
            return
        custody.delete_again(connection, row.id, runtime.clock())
    raise Changed
