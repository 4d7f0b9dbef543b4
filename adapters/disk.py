"""The local disk, where it has no room: a failure of its own, which tells a sender to come again and an operator to look."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from mappings.failures import Full

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def filling() -> Iterator[None]:
    """Write to a temporary file. Raises Full where the disk, a quota or the file system's limit is reached."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise Full("disk-full", "The disk has no room left for this. Nothing was stored; try again later.") from error
