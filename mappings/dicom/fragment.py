"""Writes DICOM JSON (PS3.18 §F): the whole of an instance for /metadata, and the QIDO objects of study, series and instance.

A fragment is made once, at ingest, and then only joined; so it holds a placeholder where the server's address belongs, and while
its own UIDs are still being read another for that of its bulk data. Pixel data and what is large become a BulkDataURI whose path
names the element: 7FE00010, or SEQUENCE/item/ELEMENT with items from 0. Text and look-up tables are large over 1 MB, so that the
contours of a structure set, or a palette, are read in one request, up to 16 MB of an object; other values over 4 kB.
"""

from collections.abc import Collection, Iterable, Sequence
from functools import cache, lru_cache
from json import JSONDecoder
from json.encoder import encode_basestring as quoted
from typing import Any, TypeAlias

import msgspec

from mappings.dicom.charsets import CHARSET
from mappings.dicom.elements import ITEM, ITEM_END, PIXELS, TRAILING_PADDING, Event, Scope
from mappings.dicom.header import Header
from mappings.dicom.json_value import json_array, json_name, json_value
from mappings.dicom.transfer_syntax import BIG_ENDIAN
from mappings.query import Level

MAX_INLINE, MAX_TEXT, MAX_TEXTS = 4096, 1_000_000, 16_000_000
_BINARY = frozenset({"AT", "FD", "FL", "OB", "OD", "OF", "OL", "OV", "OW", "SL", "SS", "SV", "UL", "UN", "US", "UV"})
_LUTS = frozenset({0x00283006, *range(0x00281201, 0x00281204), *range(0x00281221, 0x00281224)})
BASE = "\x01"  # where the public base URL goes when a fragment is served: a control character no JSON string holds unescaped
BULK = "\x02"  # where the address of the instance's bulk data goes

_UTF8 = '"00080005":{"vr":"CS","Value":["ISO_IR 192"]}'


def fragment_of(dataset: memoryview, transfer_syntax: str, events: Iterable[Event]) -> bytes:
    """One plain data set as a DICOM JSON object, UTF-8, from a walk of it; raises Unreadable('structure-broken') as that does.

    Group lengths and trailing padding are left out. Bulk data is BULK + "/" + its path. (0008,0005) says ISO_IR 192 when
    the object has a character set or text beyond ASCII (PS3.18 §F.2.2). A DS or IS that is no finite number is null in its place.
    """
    writer = FragmentWriter(dataset, transfer_syntax)
    writer.read(events)
    return writer.finish()


class FragmentWriter:
    """One object being written, for a walk that others read too: `_comma` is what goes before the next member."""

    __slots__ = ("_comma", "_data", "_left", "_order", "_out", "_pieces", "_says_charset", "_slot")

    def __init__(self, dataset: memoryview, transfer_syntax: str) -> None:
        self._data, self._order = dataset, ">" if transfer_syntax == BIG_ENDIAN else "<"
        self._out, self._pieces, self._comma = bytearray(b"{"), list[str](), ""
        self._slot, self._says_charset, self._left = -1, False, MAX_TEXTS

    def read(self, events: Iterable[Event]) -> None:
        """Take the next events of the walk, in order."""
        for tag, vr, start, stop, _, scope in events:
            if vr == "SQ":
                if self._slot < 0:
                    self._pass_charset(tag, scope)
                self._pieces.append(self._comma + _member(tag, vr))
                self._comma = ',"Value":['
            elif vr:
                self._element(tag, vr, start, stop, scope)
            elif tag == ITEM:
                self._pieces.append(self._comma + "{")
                self._comma = ""
            else:
                self._close(tag)
        self._flush()

    def finish(self) -> bytes:
        """The object, when the walk has ended."""
        if not self._says_charset and not self._out.isascii():
            self._out[self._slot : self._slot] = (_UTF8 + "," if self._slot == 1 else "," + _UTF8).encode()
        self._out += b"}"
        return bytes(self._out)

    def _close(self, tag: int) -> None:
        """An item, or a sequence, which has a Value only where it has items (PS3.18 §F.2.5)."""
        self._pieces.append("}" if tag == ITEM_END or self._comma.endswith("[") else "]}")
        self._comma = ","

    def _element(self, tag: int, vr: str, start: int, stop: int, scope: Scope) -> None:
        if tag & 0xFFFF == 0 or tag == TRAILING_PADDING:
            return
        if self._slot < 0:
            self._pass_charset(tag, scope)
        if tag == CHARSET:
            member = _UTF8
        elif start == stop:
            member = _member(tag, vr) + "}"
        elif tag in PIXELS or not self._fits(tag, vr, stop - start):
            path = "".join(f"{sequence:08X}/{item}/" for sequence, item in scope.path)
            member = f'{_member(tag, vr)},"BulkDataURI":"{BULK}/{path}{tag:08X}"}}'
        else:
            member = f"{_member(tag, vr)}{json_value(vr, bytes(self._data[start:stop]), scope.encodings, self._order)}}}"
        self._pieces.append(self._comma + member)
        self._comma = ","

    def _fits(self, tag: int, vr: str, length: int) -> bool:
        """Whether a value of so many bytes stands in the object itself."""
        if length <= MAX_INLINE:
            return True
        if (vr in _BINARY and tag not in _LUTS) or length > min(MAX_TEXT, self._left):
            return False
        self._left -= length
        return True

    def _pass_charset(self, tag: int, scope: Scope) -> None:
        """Remembers where (0008,0005) is or would be: names are in ascending order (PS3.18 §F.2.2)."""
        if tag >= CHARSET and not scope.path:
            self._flush()
            self._slot, self._says_charset = len(self._out), tag == CHARSET

    def _flush(self) -> None:
        self._out += "".join(self._pieces).encode("utf-8", "replace")
        self._pieces.clear()


@lru_cache(maxsize=4096)
def _member(tag: int, vr: str) -> str:
    """The opening of a member: its name and VR."""
    return f'"{tag:08X}":{{"vr":"{vr}"'


# ---- QIDO objects (PS3.18 Tables 10.6.3-3 to -5) ----


Member: TypeAlias = tuple[int, str, Sequence[Any]]
"""Tag, VR and values; those of a sequence are its items, each a row of members."""
_OPENS, _ESCAPED = f'"{BASE}'.encode(), rb'"\u002f'
"""Where an address begins, and the same as JSON reads it: no string written here escapes its first slash."""
_WHOLE = msgspec.json.Decoder(dict[str, msgspec.Raw])
_DECODER = JSONDecoder(strict=False)


def joined(own: bytes, *above: bytes, more: dict[str, bytes] | None = None) -> bytes:
    """An object with what it does not say itself: first by those of the levels above, then by `more`, tag → element."""
    members = {tag: msgspec.Raw(element.replace(_OPENS, _ESCAPED)) for tag, element in (more or {}).items()}
    for fragment in (*reversed(above), own):
        members |= _WHOLE.decode(fragment.replace(_OPENS, _ESCAPED))
    return msgspec.json.encode(members, order="deterministic").replace(_ESCAPED, _OPENS)


def elements_of(metadata: bytes, wanted: Collection[str] | None) -> dict[str, bytes]:
    """The wanted elements (None: all), by tag, of an object of which the end may be cut off, with all that was there."""
    text, found, at = metadata.decode("utf-8", "ignore"), dict[str, bytes](), 1
    last = "~" if wanted is None else max(wanted, default="")
    while text.startswith('"', at) and (tag := text[at + 1 : at + 9]) <= last:
        try:
            _, end = _DECODER.raw_decode(text, at + 11)
        except ValueError:
            break
        if wanted is None or tag in wanted:
            found[tag] = text[at + 11 : end].encode()
        at = end + 1
    return found


def study_fragment(
    header: Header,
    *,
    issuer: str,
    modalities: Sequence[str],
    sop_classes: Sequence[str],
    series: int,
    instances: int,
) -> str:
    """A study as QIDO answers it; `issuer` scopes the patient id, counts are those of the held objects."""
    return _object(
        (
            (0x00080005, "CS", ("ISO_IR 192",)),
            (0x00080020, "DA", (header.study_date,)),
            (0x00080030, "TM", (header.study_time,)),
            (0x00080050, "SH", (header.accession_number,)),
            (0x00080056, "CS", ("ONLINE",)),
            (0x00080061, "CS", modalities),
            (0x00080062, "UI", sop_classes),
            (0x00080090, "PN", (header.referring_physician_name,)),
            *_zone(header),
            (0x00081030, "LO", (header.study_description,)),
            *_codes(header, "00081032"),
            (0x00081190, "UR", (_url(header.study_instance_uid),)),
            (0x00100010, "PN", (header.patient_name,)),
            (0x00100020, "LO", (header.patient_id,)),
            (0x00100021, "LO", (issuer,)),
            (0x00100030, "DA", (header.patient_birth_date,)),
            (0x00100040, "CS", (header.patient_sex,)),
            (0x0020000D, "UI", (header.study_instance_uid,)),
            (0x00200010, "SH", (header.study_id,)),
            (0x00201206, "IS", (series,)),
            (0x00201208, "IS", (instances,)),
            *_codes(header, "00321064"),
        )
    )


def series_fragment(header: Header, *, instances: int) -> str:
    """A series as QIDO answers it."""
    return _object(
        (
            (0x00080005, "CS", ("ISO_IR 192",)),
            (0x00080021, "DA", (header.series_date,)),
            (0x00080031, "TM", (header.series_time,)),
            (0x00080060, "CS", (header.modality,)),
            (0x00080070, "LO", (header.manufacturer,)),
            *_zone(header),
            (0x0008103E, "LO", (header.series_description,)),
            (0x00081190, "UR", (_url(header.study_instance_uid, header.series_instance_uid),)),
            *_codes(header, "00082218"),
            (0x00180015, "CS", (header.body_part_examined,)),
            (0x0020000D, "UI", (header.study_instance_uid,)),
            (0x0020000E, "UI", (header.series_instance_uid,)),
            (0x00200011, "IS", (header.series_number,)),
            (0x00200060, "CS", (header.laterality,)),
            (0x00201209, "IS", (instances,)),
            (0x00400244, "DA", (header.performed_date,)),
            (0x00400245, "TM", (header.performed_time,)),
            (0x00400275, "SQ", tuple(_request(*request) for request in header.requests or ())),
        )
    )


def instance_summary(header: Header, available_transfer_syntax: str) -> str:
    """An instance as QIDO answers it."""
    return _object(
        (
            (0x00080005, "CS", ("ISO_IR 192",)),
            (0x00080016, "UI", (header.sop_class_uid,)),
            (0x00080018, "UI", (header.sop_instance_uid,)),
            (0x00080056, "CS", ("ONLINE",)),
            (0x00081190, "UR", (_url(header.study_instance_uid, header.series_instance_uid, header.sop_instance_uid),)),
            (0x00083002, "UI", (available_transfer_syntax,)),
            (0x0020000D, "UI", (header.study_instance_uid,)),
            (0x0020000E, "UI", (header.series_instance_uid,)),
            (0x00200013, "IS", (header.instance_number,)),
            (0x00280008, "IS", (header.number_of_frames,)),
            (0x00280010, "US", (header.rows,)),
            (0x00280011, "US", (header.columns,)),
            (0x00280100, "US", (header.bits_allocated,)),
        )
    )


@cache
def always_answered(level: Level) -> frozenset[str]:
    """The tags of what every answer at this level says, if only that it is empty."""
    empty = Header("", "", "", "", "")
    written = {
        Level.STUDY: lambda: study_fragment(empty, issuer="", modalities=(), sop_classes=(), series=0, instances=0),
        Level.SERIES: lambda: series_fragment(empty, instances=0),
        Level.INSTANCE: lambda: instance_summary(empty, ""),
    }
    return frozenset(_WHOLE.decode(written[level]().replace(BASE, "")))


def _object(members: Iterable[Member]) -> str:
    return "{" + ",".join(f'"{tag:08X}":{{"vr":"{vr}"{_members(vr, values)}}}' for tag, vr, values in members) + "}"


def _members(vr: str, values: Sequence[Any]) -> str:
    if vr == "SQ":
        return json_array([_object(item) for item in values])
    if vr == "PN":
        return json_array([json_name(str(value)) for value in values if value])
    if vr == "UR":  # ours alone here: a base and legal UIDs, nothing to escape
        return json_array([f'"{value}"' for value in values])
    return json_array([str(value) if isinstance(value, int) else quoted(value) for value in values if value not in (None, "")])


def _request(procedure: str, step: str) -> tuple[Member, ...]:
    return (0x00400009, "SH", (step,)), (0x00401001, "SH", (procedure,))


def _codes(header: Header, sequence: str) -> tuple[Member, ...]:
    """The sequence with its codes, where it has any: few say one."""
    items = tuple(
        ((0x00080100, "SH", (code,)), (0x00080102, "SH", (scheme,)), (0x00080104, "LO", (meaning,)))
        for tag, scheme, code, meaning in header.codes or ()
        if tag == sequence
    )
    return ((int(sequence, 16), "SQ", items),) if items else ()


def _zone(header: Header) -> tuple[tuple[int, str, tuple[str]], ...]:
    return ((0x00080201, "SH", (header.timezone_offset,)),) if header.timezone_offset else ()


def _url(study: str, series: str = "", instance: str = "") -> str:
    return f"{BASE}/studies/{study}" + (f"/series/{series}" if series else "") + (f"/instances/{instance}" if instance else "")
