"""An object as a DICOMweb archive gives it (PS3.18 §8.6.1), piece by piece, and as a file behind a file meta of ours.

What comes is bounded, and a body that breaks off is never taken for an object's end.
"""

import io
from collections.abc import Callable, Iterator

import requests
import urllib3

from adapters.nodes.port import other_size
from mappings.dicom.accept import RELATED
from mappings.dicom.multipart import PartHeaders, PartReader
from mappings.dicom.part10 import MAX_META, Unreadable, file_meta, read_part10
from mappings.failures import Invalid, TooLarge, Unavailable, UnsupportedMedia

_BUFFER = 256 * 1024
_HEAD = MAX_META + 12
"""Bytes of a file in which its file meta ends, and the next element's head."""


def first_part(answer: requests.Response, node: str, stranger: Callable[[], Unavailable]) -> Iterator[bytes]:
    """The bytes of a multipart body's first part, or of a body that is none; the rest of the body is left.

    Raises Unavailable where it breaks off before the part is whole, and as `stranger` where it is no such body.
    """
    kind = answer.headers.get("Content-Type", "")
    if not kind.lower().startswith(RELATED):
        yield from _sent(answer, node)
        return
    part = _Part()
    try:
        reader = PartReader(kind, part.opened, of=None)
        for sent in _sent(answer, node):
            reader.feed(sent)
            yield part.taken()
            if part.whole:
                return
    except (Invalid, TooLarge, UnsupportedMedia):
        raise stranger() from None
    raise _broke_off(node)


def behind_our_meta(file: Iterator[bytes], sop_instance: str) -> Iterator[bytes]:
    """A DICOM file with preamble and file meta of ours before its data set; what is none as it comes."""
    head = bytearray()
    for piece in file:
        head += piece
        if len(head) >= _HEAD:
            break
    try:
        part10 = read_part10(memoryview(bytes(head)))
        yield file_meta(part10.media_sop_class, sop_instance, part10.transfer_syntax)
        yield bytes(part10.dataset)
    except (Unreadable, UnicodeEncodeError):
        yield bytes(head)
    yield from file


def ranged(file: Iterator[bytes], size: int, start: int, end: int, node: str) -> Iterator[bytes]:
    """Bytes `start` to `end` of a file of `size` bytes. Raises Unavailable where it shows to be of another size."""
    at = 0
    for piece in file:
        if at + len(piece) > size:
            raise other_size(node)
        yield piece[max(start - at, 0) : max(end - at, 0)]
        at += len(piece)
        if end <= at < size:
            return
    if at != size:
        raise other_size(node)


def bounded(file: Iterator[bytes], most: int) -> Iterator[bytes]:
    """A file of at most so many bytes. Raises TooLarge."""
    for piece in file:
        most -= len(piece)
        if most < 0:
            raise TooLarge("object-too-large", "An object of the node is larger than the most that is taken here.")
        yield piece


class Pieces(io.RawIOBase):
    """Pieces to be read as one, of an answer that is closed with them."""

    def __init__(self, pieces: Iterator[bytes], answer: requests.Response) -> None:
        self._pieces, self._answer, self._left = pieces, answer, memoryview(b"")

    def readable(self) -> bool:
        """That it is read."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # io calls it with a memoryview
        """The next bytes; 0 at the end."""
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._left = memoryview(piece)
        count = min(len(buffer), len(self._left))
        buffer[:count], self._left = self._left[:count], self._left[count:]
        return count

    def close(self) -> None:
        """Close the answer; a connection whose body was not read to its end is given up."""
        self._answer.close()
        super().close()


class _Part:
    """A sink for a body's first part; of the others nothing is kept."""

    def __init__(self) -> None:
        self.whole = False
        self._came = bytearray()

    def opened(self, said: PartHeaders) -> "_Part":
        return self if said.number == 1 else _Part()

    def write(self, data: memoryview) -> None:
        self._came += data

    def close(self) -> None:
        self.whole = True

    def taken(self) -> bytes:
        came, self._came = bytes(self._came), bytearray()
        return came


def _sent(answer: requests.Response, node: str) -> Iterator[bytes]:
    try:
        while sent := answer.raw.read(_BUFFER, decode_content=False):
            yield sent
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise _broke_off(node) from error


def _broke_off(node: str) -> Unavailable:
    return Unavailable("node-broke-off", f"Node {node} broke off in the middle of an object.")
