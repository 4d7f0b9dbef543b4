"""Reading back what custody holds, wherever it rests: whole into memory or, when large, into a mapped temporary file."""

import mmap
import tempfile
from hashlib import sha256

from adapters.nodes.port import Node
from adapters.sql.custody import CustodyRow
from mappings.failures import Unavailable
from server.usecases.runtime import Runtime

IN_MEMORY = 32_000_000
CHUNK = 1 << 20


def node_of(runtime: Runtime, row: CustodyRow) -> Node:
    """The node an object rests on: its agreement's, or the quarantine."""
    if row.quarantined:
        return runtime.quarantine
    with runtime.store.read() as connection:
        return runtime.node(connection, row.node)


def read_back(runtime: Runtime, row: CustodyRow) -> memoryview:
    """The object's file, checked against its digest. Raises NotFound or Unavailable."""
    with node_of(runtime, row).open(row.place) as source:
        if row.instance.size <= IN_MEMORY:
            file = memoryview(source.read())
        else:
            with tempfile.TemporaryFile(dir=runtime.settings.data_dir) as spool:
                while chunk := source.read(CHUNK):
                    spool.write(chunk)
                spool.flush()
                file = memoryview(mmap.mmap(spool.fileno(), 0, access=mmap.ACCESS_READ))
    if sha256(file).digest() != row.instance.file_digest:
        raise Unavailable("node-changed-object", "What the node gave back is not what it was given. The operator is told.")
    return file
