"""Walks the raw elements of an encoded data set, in place and at every depth, and says where each value lies (PS3.5 §7).

Nothing is converted: a value is two offsets into the data set. The walk is the structure check. It refuses lengths that leave
their container, tags that repeat or go backwards at one level, items that are none, and nesting over 32. It tolerates what real
files have and no reader is misled by: odd lengths, group lengths, zeros after the last element, a sequence of defined length that
also carries its delimiter, and delimiters whose own length is not zero.
"""

import struct
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterator
from itertools import islice
from typing import NamedTuple, TypeAlias

from mappings.dicom.charsets import CHARSET, DEFAULT_ENCODINGS, Encodings, encodings_of
from mappings.dicom.dictionary import resolve
from mappings.dicom.part10 import LONG, Unreadable
from mappings.dicom.transfer_syntax import BIG_ENDIAN, IMPLICIT

ItemPath: TypeAlias = tuple[tuple[int, int], ...]
"""From the outside in: the tag of a sequence and the number of its item, from 0."""


class Scope(NamedTuple):
    """Where an element stands: the items around it, and the character sets in force there (an item's own end with it)."""

    path: ItemPath
    encodings: Encodings


Event: TypeAlias = tuple[int, str, int, int, str | None, Scope]
"""(tag, VR, start, end, private creator, scope). VR "SQ" opens a sequence: then per item an ITEM, its elements and an ITEM_END,
at last a SEQUENCE_END; these three have VR "", and an item's marks have its own scope. Encapsulated pixel data is one event over
all its fragments' item headers."""
Passed: TypeAlias = Callable[[int], None]
"""Told how far a reading has come, by its byte, so that what lies behind can be let go of."""
_Walk: TypeAlias = Generator[Event, None, int]
_Level: TypeAlias = Callable[[int, int, bool, Scope], _Walk]

ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
PIXEL_DATA, TRAILING_PADDING = 0x7FE00010, 0xFFFCFFFC
PIXELS = frozenset({0x7FE00008, 0x7FE00009, PIXEL_DATA})
MAX_DEPTH = 32
MAX_EVENTS = 8_000_000  # a slide of 180 000 frames has four million; without a bound 512 MB of empty elements cost minutes

_UNDEFINED = 0xFFFFFFFF
_SHORT = {vr.encode(): vr for vr in (
    "AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO", "LT", "PN", "SH", "SL", "SS", "ST", "TM", "UI", "UL", "US",
)}  # fmt: skip
_LONG = {vr: vr.decode() for vr in LONG}
_ORDERED = frozenset(["AT", "FD", "FL", "OD", "OF", "OL", "OV", "OW", "SL", "SS", "SV", "UL", "US", "UV"])
_CREATOR_BYTES, _CHARSET_BYTES = 64, 256
_ROOT = Scope((), DEFAULT_ENCODINGS)
_BATCH = 256
_PIECE = 1 << 20


def walk(dataset: memoryview, transfer_syntax: str, passed: Passed = lambda _: None) -> Iterator[Event]:
    """Every element at every depth, in order. Raises Unreadable('structure-broken') at the first place that can't be followed.

    `passed` is told how far it has come where it is long between two events: at each fragment.

    `dataset` is plain (see part10.plain). Values under UN of undefined length are implicit VR little endian (PS3.5 §6.2.2), those
    under UN of known length stay opaque unless a dictionary says SQ and they parse. The VR is the wire's; where the wire says UN
    or nothing, it is the standard's or, by creator, the private dictionary's.
    """
    walker = _Walker(dataset, ">" if transfer_syntax == BIG_ENDIAN else "<", passed)
    yield from _walked(walker, transfer_syntax, len(dataset))


def walk_beginning(dataset: memoryview, transfer_syntax: str) -> Iterator[Event]:
    """As walk, of the first bytes of a data set, to its pixel data, of which nothing is read: its fragments seem to end at once.

    Raises Unreadable, and EOFError where more of the data set is needed to go on.
    """
    walker = _Beginning(dataset, ">" if transfer_syntax == BIG_ENDIAN else "<")
    try:
        yield from _walked(walker, transfer_syntax, sys.maxsize)
    except (struct.error, IndexError) as ended:
        raise EOFError from ended


def _walked(walker: "_Walker", transfer_syntax: str, end: int) -> _Walk:
    level = walker.implicit if transfer_syntax == IMPLICIT else walker.explicit
    return (yield from level(0, end, False, _ROOT))


def nested(value: memoryview) -> list[Event]:
    """The events of a value that is a sequence in implicit VR little endian, offsets into it; raises Unreadable if it is none."""
    walker = _Walker(value, "<")
    return list(walker.items(0, len(value), False, _ROOT, ITEM, walker.implicit))


def shared(events: Iterator[Event], *readers: Callable[[list[Event]], None]) -> Iterator[Event]:
    """A walk that several read: in lists of bounded length each reader is given what then comes from here.

    What came before a refusal is given before it is raised.
    """
    while True:
        batch: list[Event] = []
        refusal = None
        try:
            batch.extend(islice(events, _BATCH))
        except Unreadable as broken:
            refusal = broken
        for read in readers:
            read(batch)
        yield from batch
        if refusal:
            raise refusal
        if not batch:
            return


def is_fragmented(dataset: memoryview | bytes, start: int) -> bool:
    """Whether pixel data whose value begins here lies in fragments: its length is not said (PS3.5 §A.4)."""
    return bytes(dataset[start - 4 : start]) == b"\xff\xff\xff\xff"


def where(tag: int, path: ItemPath = ()) -> str:
    """(gggg,eeee), after the items it lies in: (0040,0275)[0].(0040,1102)."""
    return "".join(f"{where(sequence)}[{item}]." for sequence, item in path) + f"({tag >> 16:04x},{tag & 0xFFFF:04x})"


def broken(detail: str, tag: int | None) -> Unreadable:
    """The refusal of a structure that can't be followed."""
    return Unreadable("structure-broken", detail, None if tag is None else where(tag))


class _Walker:
    """One walk: the bytes, their order, what pixel values are signed, and how many events are left."""

    __slots__ = ("checking", "data", "head_explicit", "head_implicit", "left", "long", "order", "passed", "signed")

    def __init__(self, data: memoryview, order: str, passed: Passed = lambda _: None) -> None:
        self.data = data
        self.order = order
        self.passed = passed
        self.head_explicit = struct.Struct(order + "HH2sH").unpack_from
        self.head_implicit = struct.Struct(order + "HHI").unpack_from
        self.long = struct.Struct(order + "I").unpack_from
        self.left = MAX_EVENTS
        self.signed = False
        self.checking = False

    def explicit(self, pos: int, end: int, open_ended: bool, scope: Scope) -> _Walk:
        """The elements of the root or of one item; returns where it ends (past its delimiter when open-ended)."""
        data, head, last = self.data, self.head_explicit, -1
        creators: dict[int, str] = {}
        while end - pos >= 8:
            group, element, code, length = head(data, pos)
            tag = group << 16 | element
            vr = _SHORT.get(code)
            start = pos + 8
            if tag <= last or group == 0xFFFE or (vr is None and code not in _LONG):
                return self._stop(pos, end, open_ended, scope, tag, tag > last)
            last = tag
            if vr is None:
                if end - pos < 12:
                    raise broken("an element's header is cut short", tag)
                vr, length, start = _LONG[code], self.long(data, start)[0], start + 4
            creator = self._creator(creators, tag, start, length) if group & 1 else None
            if length == _UNDEFINED and start == pos + 12:
                pos = yield from self._undefined(tag, vr, start, end, creator, scope)
                continue
            pos = start + length
            if pos > end:
                raise broken("a value runs past its end", tag)
            if vr == "SQ":
                yield tag, vr, start, pos, creator, scope
                yield from self.items(start, pos, False, scope, tag, self.explicit)
            elif vr == "UN" and (vr := resolve(tag, creator, signed=self.signed)) == "SQ":
                yield from self._sequence_or_opaque(tag, start, pos, creator, scope)
            else:
                self._spend(tag)
                if tag == CHARSET:
                    scope = self._in_charset(scope, start, pos)
                yield tag, vr, start, pos, creator, scope
        return self._stop(pos, end, open_ended, scope, None, True)

    def implicit(self, pos: int, end: int, open_ended: bool, scope: Scope) -> _Walk:
        """As explicit, with the VR from the dictionaries; undefined length means a sequence (PS3.5 §7.5)."""
        data, head, last = self.data, self.head_implicit, -1
        creators: dict[int, str] = {}
        while end - pos >= 8:
            group, element, length = head(data, pos)
            tag = group << 16 | element
            if tag <= last or group == 0xFFFE:
                return self._stop(pos, end, open_ended, scope, tag, False)
            last = tag
            start = pos + 8
            creator = self._creator(creators, tag, start, length) if group & 1 else None
            vr = resolve(tag, creator, signed=self.signed)
            if length == _UNDEFINED:
                yield tag, "SQ", start, start, creator, scope
                pos = yield from self.items(start, end, True, scope, tag, self.implicit)
                continue
            pos = start + length
            if pos > end:
                raise broken("a value runs past its end", tag)
            if vr == "SQ" and group & 1:
                yield from self._sequence_or_opaque(tag, start, pos, creator, scope)
            elif vr == "SQ":
                yield tag, vr, start, pos, creator, scope
                yield from self.items(start, pos, False, scope, tag, self.implicit)
            else:
                if tag == 0x00280103 and length:
                    self.signed = data[start] == 1
                self._spend(tag)
                if tag == CHARSET:
                    scope = self._in_charset(scope, start, pos)
                yield tag, vr, start, pos, creator, scope
        return self._stop(pos, end, open_ended, scope, None, True)

    def items(self, pos: int, end: int, open_ended: bool, scope: Scope, sequence: int, level: _Level) -> _Walk:
        """The items of one sequence (PS3.5 §7.5) and its SEQUENCE_END event; returns where the sequence ends."""
        if len(scope.path) >= MAX_DEPTH:
            raise broken(f"sequences are nested deeper than {MAX_DEPTH}", None)
        self._spend(ITEM)
        number = 0
        while open_ended or pos < end:
            if end - pos < 8:
                raise broken("a sequence ends early", None)
            group, element, length = self.head_implicit(self.data, pos)
            tag = group << 16 | element
            pos += 8
            if tag == SEQUENCE_END and (open_ended or pos == end):
                break
            if tag != ITEM:
                raise broken("a sequence holds something that is no item", tag)
            self._spend(tag)
            inside = Scope((*scope.path, (sequence, number)), scope.encodings)
            number += 1
            yield ITEM, "", pos, pos, None, inside
            if length == _UNDEFINED:
                pos = yield from level(pos, end, True, inside)
            elif pos + length > end:
                raise broken("an item runs past its end", tag)
            else:
                pos = yield from level(pos, pos + length, False, inside)
            yield ITEM_END, "", pos, pos, None, inside
        yield SEQUENCE_END, "", pos, pos, None, scope
        return pos

    def _undefined(self, tag: int, vr: str, start: int, end: int, creator: str | None, scope: Scope) -> _Walk:
        """An explicit element of undefined length: a sequence, UN that is one in implicit little endian, or fragments."""
        if vr == "SQ":
            yield tag, vr, start, start, creator, scope
            return (yield from self.items(start, end, True, scope, tag, self.explicit))
        if vr == "UN":
            yield tag, "SQ", start, start, creator, scope
            inner = self._little()
            pos = yield from self._foreign(inner.items(start, end, True, scope, tag, inner.implicit))
            self.left = inner.left
            return pos
        if vr not in ("OB", "OW") or tag != PIXEL_DATA:
            raise broken("an element that is no sequence has no length", tag)
        stop = self._fragments(start, end)
        yield tag, vr, start, stop, creator, scope
        return stop + 8

    def _fragments(self, pos: int, end: int) -> int:
        """Where the fragments end; found by their lengths, since a delimiter inside one is pixel data (PS3.5 §A.4)."""
        while end - pos >= 8:
            group, element, length = self.head_implicit(self.data, pos)
            tag = group << 16 | element
            if tag == SEQUENCE_END:
                return pos
            if tag != ITEM or length == _UNDEFINED:
                raise broken("encapsulated pixel data holds something that is no fragment", PIXEL_DATA)
            self._spend(tag)
            self.passed(pos)
            pos += 8 + length
        raise broken("encapsulated pixel data ends early", PIXEL_DATA)

    def _sequence_or_opaque(self, tag: int, start: int, stop: int, creator: str | None, scope: Scope) -> Iterator[Event]:
        """A value that a dictionary calls a sequence and the wire does not: walked if it can be, else one UN value.

        It is checked before anything is said of it, without keeping events; a check inside a check is not walked again, so
        that nesting costs its depth and not a power of two.
        """
        inner = self._little()
        inner.checking = True
        try:
            deque(inner.items(start, stop, False, scope, tag, inner.implicit), maxlen=0)
        except Unreadable:
            yield tag, "UN", start, stop, creator, scope
            return
        finally:
            self.left = inner.left
        yield tag, "SQ", start, stop, creator, scope
        if not self.checking:
            inner.checking = False
            yield from self._foreign(inner.items(start, stop, False, scope, tag, inner.implicit))
            self.left = inner.left

    def _foreign(self, nested: _Walk) -> _Walk:
        """Events in little endian; in a big endian file their numbers are UN, since a reader would take the file's order."""
        while True:
            try:
                tag, vr, start, stop, creator, scope = next(nested)
            except StopIteration as ended:
                return int(ended.value)
            yield tag, "UN" if self.order == ">" and vr in _ORDERED else vr, start, stop, creator, scope

    def _little(self) -> "_Walker":
        inner = _Walker(self.data, "<")
        inner.left, inner.signed = self.left, self.signed
        return inner

    def _creator(self, creators: dict[int, str], tag: int, start: int, length: int) -> str | None:
        """Learns a private creator (PS3.5 §7.8.1), or says whose block the element lies in."""
        element = tag & 0xFFFF
        if 0x10 <= element <= 0xFF:
            value = bytes(self.data[start : start + min(length, _CREATOR_BYTES)])
            creators[tag >> 16 << 8 | element] = value.decode("latin-1").strip(" \0")
            return None
        return creators.get(tag >> 16 << 8 | element >> 8)

    def _in_charset(self, scope: Scope, start: int, stop: int) -> Scope:
        return Scope(scope.path, encodings_of(bytes(self.data[start : min(stop, start + _CHARSET_BYTES)])))

    def _spend(self, tag: int) -> None:
        self.left -= 1
        if self.left < 0:
            raise broken("it has more elements than any plausible object", tag)

    def _stop(self, pos: int, end: int, open_ended: bool, scope: Scope, tag: int | None, forwards: bool) -> int:
        """The end of a level, if this is one: its delimiter, its last byte, or at the root nothing but zeros."""
        if open_ended and tag == ITEM_END:
            return pos + 8
        if pos == end and not open_ended:
            return pos
        if not scope.path and self._only_zeros(pos, end):
            return end
        if tag is None or (open_ended and tag == SEQUENCE_END):
            raise broken("an item or the data set is cut short", None)
        raise broken("an element's VR is none of the standard's" if forwards else "tags repeat or go backwards", tag)

    def _only_zeros(self, pos: int, end: int) -> bool:
        """Whether nothing else stands there; asked piece by piece, since it may be most of a large file."""
        for at in range(pos, end, _PIECE):
            self.passed(at)
            piece = bytes(self.data[at : min(at + _PIECE, end)])
            if piece.count(0) < len(piece):
                return False
        return True


class _Beginning(_Walker):
    """A walk over less than there is: what it is not given can't be told from what is not there."""

    __slots__ = ()

    def _undefined(self, tag: int, vr: str, start: int, end: int, creator: str | None, scope: Scope) -> _Walk:
        if tag == PIXEL_DATA and vr in ("OB", "OW") and not scope.path:  # an icon's are walked: what comes behind it is wanted
            yield tag, vr, start, start, creator, scope
            return start + 8
        return (yield from super()._undefined(tag, vr, start, end, creator, scope))

    def _only_zeros(self, pos: int, end: int) -> bool:
        """At the root, whose end is not known: more is needed to tell (or its endless zeros would be counted)."""
        if super()._only_zeros(pos, min(end, len(self.data))):
            raise EOFError
        return False
