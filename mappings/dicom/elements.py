"""Walks the raw elements of an encoded data set, in place and at every depth, and says where each value lies (PS3.5 §7).

Nothing is converted: a value is two offsets into the data set. The walk is the structure check. It refuses lengths that leave
their container, tags that repeat or go backwards at one level, items that are none, and nesting over 32. It tolerates what real
files have and no reader is misled by: odd lengths, group lengths, zeros after the last element, a sequence of defined length that
also carries its delimiter, and delimiters whose own length is not zero.
"""

import re
import struct
from collections import deque
from collections.abc import Callable, Generator, Iterator
from functools import cache, lru_cache
from typing import TypeAlias

from pydicom._dicom_dict import DicomDictionary
from pydicom._private_dict import private_dictionaries
from pydicom.charset import CODES_TO_ENCODINGS, default_encoding, handled_encodings, python_encoding
from pydicom.datadict import dictionary_VR

from mappings.dicom.part10 import Unreadable

# Where an element lies: the (sequence's tag, item from 0) of each level above it; () at the root.
Path: TypeAlias = tuple[tuple[int, int], ...]
# (tag, VR, start, end, private creator, path). VR "SQ" opens a sequence: then per item an ITEM, its elements and an ITEM_END, at
# last a SEQUENCE_END; these three have VR "", the first two the path of what is in the item. Encapsulated pixel data is one event
# over all its fragments' item headers.
Event: TypeAlias = tuple[int, str, int, int, str | None, Path]
_Walk: TypeAlias = Generator[Event, None, int]
_Level: TypeAlias = Callable[[int, int, bool, Path], _Walk]

ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
PIXEL_DATA, CHARSET, TRAILING_PADDING = 0x7FE00010, 0x00080005, 0xFFFCFFFC
PIXELS = frozenset({0x7FE00008, 0x7FE00009, PIXEL_DATA})
MAX_DEPTH = 32
MAX_EVENTS = 8_000_000  # a slide of 180 000 frames has four million; without a bound 512 MB of empty elements cost minutes

IMPLICIT, BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
_UNDEFINED = 0xFFFFFFFF
_SHORT = {
    vr.encode(): vr
    for vr in [
        "AE",
        "AS",
        "AT",
        "CS",
        "DA",
        "DS",
        "DT",
        "FD",
        "FL",
        "IS",
        "LO",
        "LT",
        "PN",
        "SH",
        "SL",
        "SS",
        "ST",
        "TM",
        "UI",
        "UL",
        "US",
    ]
}
_LONG = {vr.encode(): vr for vr in ["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"]}
_ORDERED = frozenset(["AT", "FD", "FL", "OD", "OF", "OL", "OV", "OW", "SL", "SS", "SV", "UL", "US", "UV"])
_ONE_OF = {"US or SS": "xs", "US or SS or OW": "OW", "OB or OW": "OW", "OB_OW": "OW", "US or OW": "OW", "NONE": "UN"}
_CREATOR_BYTES = 64


def walk(dataset: memoryview, transfer_syntax: str) -> Iterator[Event]:
    """Every element at every depth, in order. Raises Unreadable('structure-broken') at the first place that can't be followed.

    `dataset` is plain (see part10.plain). Values under UN of undefined length are implicit VR little endian (PS3.5 §6.2.2), those
    under UN of known length stay opaque unless a dictionary says SQ and they parse. The VR is the wire's; where the wire says UN
    or nothing, it is the standard's or, by creator, the private dictionary's.
    """
    walker = _Walker(dataset, ">" if transfer_syntax == BIG_ENDIAN else "<")
    level = walker.implicit if transfer_syntax == IMPLICIT else walker.explicit
    yield from level(0, len(dataset), False, ())


def nested(value: memoryview) -> list[Event]:
    """The events of a value that is a sequence in implicit VR little endian, offsets into it; raises Unreadable if it is none."""
    walker = _Walker(value, "<")
    return list(walker.items(0, len(value), False, (), 0, walker.implicit))


def resolve(tag: int, creator: str | None, *, signed: bool = False) -> str:
    """The VR that the dictionaries give: the standard's, or a private creator's; UN when neither knows the element."""
    if tag & 0x10000:
        return private_vr(tag, creator)
    vr = _dictionary().get(tag) or _repeating(tag)
    return vr if vr != "xs" else "SS" if signed else "US"


def known_creator(creator: str | None) -> bool:
    """Whether pydicom's private dictionary has the creator."""
    return creator in private_dictionaries


@lru_cache(maxsize=4096)
def private_vr(tag: int, creator: str | None) -> str:
    """The VR of a private element by its creator, from pydicom's private dictionary; LO for a creator itself (PS3.5 §7.8.1)."""
    group, element = tag >> 16, tag & 0xFFFF
    if element <= 0xFF:
        return "LO" if element >= 0x10 else "UL" if element == 0 else "UN"
    known = private_dictionaries.get(creator or "", {})
    entry = known.get(f"{group:04X}{element:04X}") or known.get(f"{group:04X}xx{element & 0xFF:02X}")
    return _ONE_OF.get(entry[0], entry[0]).replace("xs", "US") if entry else "UN"


@cache
def _dictionary() -> dict[int, str]:
    return {tag: _ONE_OF.get(entry[0], entry[0]) for tag, entry in DicomDictionary.items()}


def _repeating(tag: int) -> str:
    """For group lengths and the groups that repeat (50xx, 60xx, 7Fxx), folded into one, so that a stranger can't fill a cache."""
    if tag & 0xFFFF == 0:
        return "UL"
    return _repeated(tag & 0xFF00FFFF) if tag >> 24 in (0x50, 0x60, 0x7F) else "UN"


@cache
def _repeated(tag: int) -> str:
    try:
        vr = dictionary_VR(tag)
    except KeyError:
        return "UN"
    return _ONE_OF.get(vr, vr)


def where(tag: int, path: Path = ()) -> str:
    """(gggg,eeee), after the path of the items it lies in: (gggg,eeee)[0].(gggg,eeee)."""
    above = "".join(f"({sequence >> 16:04x},{sequence & 0xFFFF:04x})[{item}]." for sequence, item in path)
    return f"{above}({tag >> 16:04x},{tag & 0xFFFF:04x})"


def broken(detail: str, tag: int | None) -> Unreadable:
    """The refusal of a structure that can't be followed."""
    return Unreadable("structure-broken", detail, None if tag is None else where(tag))


class _Walker:
    """One walk: the bytes, their order, what pixel values are signed, and how many events are left."""

    __slots__ = ("checking", "data", "head_explicit", "head_implicit", "left", "long", "order", "signed")

    def __init__(self, data: memoryview, order: str) -> None:
        self.data = data
        self.order = order
        self.head_explicit = struct.Struct(order + "HH2sH").unpack_from
        self.head_implicit = struct.Struct(order + "HHI").unpack_from
        self.long = struct.Struct(order + "I").unpack_from
        self.left = MAX_EVENTS
        self.signed = False
        self.checking = False

    def explicit(self, pos: int, end: int, open_ended: bool, path: Path) -> _Walk:
        """The elements of the root or of one item; returns where it ends (past its delimiter when open-ended)."""
        data, head, last = self.data, self.head_explicit, -1
        creators: dict[int, str] = {}
        while end - pos >= 8:
            group, element, code, length = head(data, pos)
            tag = group << 16 | element
            vr = _SHORT.get(code)
            start = pos + 8
            if tag <= last or group == 0xFFFE or (vr is None and code not in _LONG):
                return self._stop(pos, end, open_ended, not path, tag, tag > last)
            last = tag
            if vr is None:
                if end - pos < 12:
                    raise broken("an element's header is cut short", tag)
                vr, length, start = _LONG[code], self.long(data, start)[0], start + 4
            creator = self._creator(creators, tag, start, length) if group & 1 else None
            if length == _UNDEFINED and start == pos + 12:
                pos = yield from self._undefined(tag, vr, start, end, path, creator)
                continue
            pos = start + length
            if pos > end:
                raise broken("a value runs past its end", tag)
            if vr == "SQ":
                yield tag, vr, start, pos, creator, path
                yield from self.items(start, pos, False, path, tag, self.explicit)
            elif vr == "UN" and (vr := resolve(tag, creator, signed=self.signed)) == "SQ":
                yield from self._sequence_or_opaque(tag, start, pos, path, creator)
            else:
                self._spend(tag)
                yield tag, vr, start, pos, creator, path
        return self._stop(pos, end, open_ended, not path, None, True)

    def implicit(self, pos: int, end: int, open_ended: bool, path: Path) -> _Walk:
        """As explicit, with the VR from the dictionaries; undefined length means a sequence (PS3.5 §7.5)."""
        data, head, last = self.data, self.head_implicit, -1
        creators: dict[int, str] = {}
        while end - pos >= 8:
            group, element, length = head(data, pos)
            tag = group << 16 | element
            if tag <= last or group == 0xFFFE:
                return self._stop(pos, end, open_ended, not path, tag, False)
            last = tag
            start = pos + 8
            creator = self._creator(creators, tag, start, length) if group & 1 else None
            vr = resolve(tag, creator, signed=self.signed)
            if length == _UNDEFINED:
                yield tag, "SQ", start, start, creator, path
                pos = yield from self.items(start, end, True, path, tag, self.implicit)
                continue
            pos = start + length
            if pos > end:
                raise broken("a value runs past its end", tag)
            if vr == "SQ" and group & 1:
                yield from self._sequence_or_opaque(tag, start, pos, path, creator)
            elif vr == "SQ":
                yield tag, vr, start, pos, creator, path
                yield from self.items(start, pos, False, path, tag, self.implicit)
            else:
                if tag == 0x00280103 and length:
                    self.signed = data[start] == 1
                self._spend(tag)
                yield tag, vr, start, pos, creator, path
        return self._stop(pos, end, open_ended, not path, None, True)

    def items(self, pos: int, end: int, open_ended: bool, path: Path, sequence: int, level: _Level) -> _Walk:
        """The items of one sequence (PS3.5 §7.5) and its SEQUENCE_END event; returns where the sequence ends."""
        if len(path) >= MAX_DEPTH:
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
            inside = (*path, (sequence, number))
            number += 1
            yield ITEM, "", pos, pos, None, inside
            if length == _UNDEFINED:
                pos = yield from level(pos, end, True, inside)
            elif pos + length > end:
                raise broken("an item runs past its end", tag)
            else:
                pos = yield from level(pos, pos + length, False, inside)
            yield ITEM_END, "", pos, pos, None, inside
        yield SEQUENCE_END, "", pos, pos, None, path
        return pos

    def _undefined(self, tag: int, vr: str, start: int, end: int, path: Path, creator: str | None) -> _Walk:
        """An explicit element of undefined length: a sequence, UN that is one in implicit little endian, or fragments."""
        if vr == "SQ":
            yield tag, vr, start, start, creator, path
            return (yield from self.items(start, end, True, path, tag, self.explicit))
        if vr == "UN":
            yield tag, "SQ", start, start, creator, path
            inner = self._little()
            pos = yield from self._foreign(inner.items(start, end, True, path, tag, inner.implicit))
            self.left = inner.left
            return pos
        if vr not in ("OB", "OW") or tag != PIXEL_DATA:
            raise broken("an element that is no sequence has no length", tag)
        stop = self._fragments(start, end)
        yield tag, vr, start, stop, creator, path
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
            pos += 8 + length
        raise broken("encapsulated pixel data ends early", PIXEL_DATA)

    def _sequence_or_opaque(self, tag: int, start: int, stop: int, path: Path, creator: str | None) -> Iterator[Event]:
        """A value that a dictionary calls a sequence and the wire does not: walked if it can be, else one UN value.

        It is checked before anything is said of it, without keeping events; a check inside a check is not walked again, so
        that nesting costs its depth and not a power of two.
        """
        inner = self._little()
        inner.checking = True
        try:
            deque(inner.items(start, stop, False, path, tag, inner.implicit), maxlen=0)
        except Unreadable:
            yield tag, "UN", start, stop, creator, path
            return
        finally:
            self.left = inner.left
        yield tag, "SQ", start, stop, creator, path
        if not self.checking:
            inner.checking = False
            yield from self._foreign(inner.items(start, stop, False, path, tag, inner.implicit))
            self.left = inner.left

    def _foreign(self, nested: _Walk) -> _Walk:
        """Events in little endian; in a big endian file their numbers are UN, since a reader would take the file's order."""
        while True:
            try:
                tag, vr, start, stop, creator, path = next(nested)
            except StopIteration as ended:
                return int(ended.value)
            yield tag, "UN" if self.order == ">" and vr in _ORDERED else vr, start, stop, creator, path

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

    def _spend(self, tag: int) -> None:
        self.left -= 1
        if self.left < 0:
            raise broken("it has more elements than any plausible object", tag)

    def _stop(self, pos: int, end: int, open_ended: bool, root: bool, tag: int | None, forwards: bool) -> int:
        """The end of a level, if this is one: its delimiter, its last byte, or at the root nothing but zeros."""
        if open_ended and tag == ITEM_END:
            return pos + 8
        if pos == end and not open_ended:
            return pos
        if root and bytes(self.data[pos:end]).count(0) == end - pos:
            return end
        if tag is None or (open_ended and tag == SEQUENCE_END):
            raise broken("an item or the data set is cut short", None)
        raise broken("an element's VR is none of the standard's" if forwards else "tags repeat or go backwards", tag)


# ---- text (PS3.5 §6.1, PS3.3 §C.12.1.1.2) ----

Encodings: TypeAlias = tuple[str, ...]
DEFAULT_ENCODINGS: Encodings = (default_encoding,)
CHARSET_VRS = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
_ESCAPED = re.compile(rb"\x1b[^\x1b]*|[^\x1b]+")
_RESETS = {"PN": re.compile(rb"[\\^=]")}
_LINES = re.compile(rb"[\\\r\n\t\f]")


def encodings_of(charset: bytes) -> Encodings:
    """The codecs that a value of (0008,0005) names; unknown names read as the default repertoire."""
    return _encodings(charset[:256])


@lru_cache(maxsize=256)
def _encodings(charset: bytes) -> Encodings:
    terms = [term.strip(" \0") for term in charset.decode("latin-1").upper().split("\\")]
    return tuple(_codec(term) for term in terms) or DEFAULT_ENCODINGS


def _codec(term: str) -> str:
    """Also for the misspellings ISO IR 100, ISO-IR 100, ISO_IR_100 and ISO_IR100 of real files."""
    number = re.fullmatch(r"ISO[ _-]?IR[ _-]?(\d+)", term)
    return python_encoding.get(term) or python_encoding.get(f"ISO_IR {number[1]}" if number else "") or default_encoding


def decode(value: bytes, vr: str, encodings: Encodings) -> str:
    """Text as its VR and character sets say; what can't be decoded becomes U+FFFD, and nothing is raised or warned of."""
    if vr not in CHARSET_VRS:
        return value.decode("latin-1")
    if b"\x1b" not in value:
        return value.decode(encodings[0], "replace")
    resets = _RESETS.get(vr, _LINES)
    return "".join(_decode_part(part, encodings, resets) for part in _ESCAPED.findall(value))


def _decode_part(part: bytes, encodings: Encodings, resets: re.Pattern[bytes]) -> str:
    """One run under one escape sequence; a delimiter ends it and the first character set is back (PS3.5 §6.1.2.5.3)."""
    size = 4 if part.startswith((b"\x1b$(", b"\x1b$)")) else 3
    codec = CODES_TO_ENCODINGS.get(part[:size])
    if not part.startswith(b"\x1b") or (codec not in encodings and codec != default_encoding) or codec is None:
        return part.decode(encodings[0], "replace")
    if codec in handled_encodings:
        return part.decode(codec, "replace")
    reset = resets.search(part, size)
    cut = reset.start() if reset else len(part)
    return part[size:cut].decode(codec, "replace") + part[cut:].decode(encodings[0], "replace")
