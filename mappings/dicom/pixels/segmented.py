"""A palette in segments, expanded to the entries that it stands for (PS3.3 §C.7.9.2)."""

import numpy as np

_DISCRETE, _LINEAR, _INDIRECT = 0, 1, 2


class Unexpandable(ValueError):
    """Segments that say no table."""


def expanded(data: memoryview, order: str, bits: int, count: int) -> memoryview:
    """The table's entries, so many, as words of this byte order (`<` or `>`); `bits` of an entry as it is written.

    Each segment adds one at least, so a table ends whatever its bytes are. Raises Unexpandable.
    """
    size = 2 if bits > 8 else 1
    said = np.frombuffer(data[: len(data) // size * size], f"{order}u{size}").astype(int).tolist()
    entries, at = list[int](), 0
    try:
        while len(entries) < count:
            at = _again(said, at, entries, size) if said[at] == _INDIRECT else _segment(said, at, entries)
    except IndexError as cut:
        raise Unexpandable from cut
    if len(entries) > count:
        raise Unexpandable
    return memoryview(np.array(entries, f"{order}u2").tobytes())


def _segment(said: list[int], at: int, entries: list[int]) -> int:
    """Add the entries of the segment here; where the next one is."""
    kind, length, end = said[at], said[at + 1], said[at + 2]
    if kind not in (_DISCRETE, _LINEAR) or not length:
        raise Unexpandable
    if kind == _LINEAR:
        entries.extend(round(each) for each in np.linspace(entries[-1], end, length + 1).tolist()[1:])
        return at + 3
    more = said[at + 2 : at + 2 + length]
    if len(more) < length:
        raise Unexpandable
    entries.extend(more)
    return at + 2 + length


def _again(said: list[int], at: int, entries: list[int], size: int) -> int:
    """Add the entries of earlier segments, so many from a byte offset on: its least significant word or byte comes first."""
    words = 4 // size
    offset = sum(said[at + 2 + word] << (8 * size * word) for word in range(words))
    earlier = offset // size
    if not said[at + 1]:
        raise Unexpandable
    for _ in range(said[at + 1]):
        earlier = _segment(said, earlier, entries)  # none of them repeats others
    return at + 2 + words
