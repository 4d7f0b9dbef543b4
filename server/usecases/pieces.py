"""A stored file that is read in pieces, each believed by its own digests: what is made of one frame does not cost the whole."""

from adapters.sql import part_digests
from adapters.sql.custody import Copy
from mappings.digests import BLOCK
from server.usecases.read_back import read_back, read_frame, read_part
from server.usecases.runtime import Runtime

MOST_PIECES = 8
"""Asked of a node; then the file is read whole. A node that knows no ranges sends all that comes before each."""


AHEAD = 16_000_000
"""A frame of at most so many bytes is read before anybody is kept waiting for it: a slow node must not hold what draws."""


class Pieces:
    """A file whose `frame`, from 1, is wanted. Raises what reading back raises, at once where its node does not answer."""

    def __init__(self, runtime: Runtime, copy: Copy, frame: int) -> None:
        self._runtime, self._copy, self._number, self._count = runtime, copy, frame, 0
        with runtime.store.read() as connection:
            in_parts = part_digests.of_blocks(connection, copy.custody, 0, 1) is not None
            self._frame = part_digests.of_frame(connection, copy.custody, frame)
        self.span = (self._frame.start, self._frame.length) if self._frame else None
        self._whole = None if in_parts else read_back(runtime, copy)
        self._first = self._whole or read_part(runtime, copy, 0, BLOCK)
        self._ahead = self._read_ahead()

    def read(self, start: int, length: int) -> memoryview:
        """These bytes, fewer where the file ends."""
        stop = min(start + length, self._copy.size)
        if start >= stop or stop <= len(self._first):
            return self._first[start:stop]
        if self._whole is None and self._count == MOST_PIECES:
            self._whole = read_back(self._runtime, self._copy)
        if self._whole is not None:
            return self._whole[start:stop]
        self._count += 1
        if self._frame is not None and (start, stop - start) == self.span:
            return self._ahead or read_frame(self._runtime, self._copy, self._frame, self._number)
        return read_part(self._runtime, self._copy, start, stop - start)

    def _read_ahead(self) -> memoryview | None:
        if self._frame is None or self._whole is not None or self._frame.length > AHEAD:
            return None
        if self._frame.start + self._frame.length <= len(self._first):
            return None
        return read_frame(self._runtime, self._copy, self._frame, self._number)
