"""Writes DICOM JSON (PS3.18 §F): the whole of an instance for /metadata, and the QIDO objects of study, series and instance.

A fragment is made once, at ingest, and then only joined; so it holds a placeholder where the server's address belongs. Values
over 4 kB and pixel data become a BulkDataURI whose path names the element: 7FE00010, or SEQUENCE/item/ELEMENT with items from 0.
"""

import re
import struct
from array import array
from base64 import b64encode
from collections.abc import Iterable, Sequence
from json.encoder import encode_basestring as quoted
from math import isfinite
from types import MappingProxyType

from mappings.dicom.elements import (
    BIG_ENDIAN,
    CHARSET,
    DEFAULT_ENCODINGS,
    ITEM,
    ITEM_END,
    PIXELS,
    TRAILING_PADDING,
    Encodings,
    Event,
    Path,
    decode,
    encodings_of,
)
from mappings.dicom.header import Header

MAX_INLINE = 4096
BASE = "\x01"  # where the public base URL goes when a fragment is served: a control character no JSON string holds unescaped
_BULK = "\x02"  # where the address of the object's bulk data goes: it holds UIDs that may come after the first of it

_STRINGS = frozenset(["AE", "AS", "CS", "DA", "DT", "LO", "SH", "TM", "UC", "UI", "DS", "IS", "PN"])
_TEXTS = frozenset(["LT", "ST", "UT", "UR"])
_NUMBERS = MappingProxyType({"US": "H", "SS": "h", "UL": "I", "SL": "i", "UV": "Q", "SV": "q", "FL": "f", "FD": "d"})
_WIDTHS = MappingProxyType({"OW": "H", "OF": "I", "OL": "I", "OD": "Q", "OV": "Q"})
_NAME_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
_DECIMAL = rb"-?(?:0|[1-9][0-9]{0,15})(?:\.[0-9]{1,15})?"
_PLAIN_DECIMALS = re.compile(_DECIMAL + rb"(?:\\" + _DECIMAL + rb")*")  # most of a contour: no look at each number
_INTEGER = re.compile(r"[+-]?[0-9]{1,24}")
_MAX_DIGITS = 24
_UTF8 = '"00080005":{"vr":"CS","Value":["ISO_IR 192"]}'
_FLUSH = 4096


def fragment_of(dataset: memoryview, transfer_syntax: str, events: Iterable[Event], bulk_base: str) -> bytes:
    """A plain data set as a DICOM JSON object, UTF-8, from the events of its walk.

    Group lengths and trailing padding are left out. Bulk data is `bulk_base` + "/" + its path. (0008,0005) says ISO_IR 192 when
    the object has a character set or text beyond ASCII (PS3.18 §F.2.2). A DS or IS that is no finite number is null in its place.
    """
    writer = FragmentWriter(dataset, transfer_syntax)
    writer.feed(events)
    return writer.finish(bulk_base)


class FragmentWriter:
    """Writes one object from the events of one walk, as they come: `comma` is what goes before the next member."""

    __slots__ = ("comma", "data", "encodings", "order", "out", "outer", "pieces", "says_charset", "slot")

    def __init__(self, dataset: memoryview, transfer_syntax: str) -> None:
        self.data, self.order = dataset, ">" if transfer_syntax == BIG_ENDIAN else "<"
        self.out, self.pieces, self.comma = bytearray(b"{"), list[str](), ""
        self.encodings, self.outer = DEFAULT_ENCODINGS, list[Encodings]()
        self.slot, self.says_charset = -1, False

    def feed(self, events: Iterable[Event]) -> None:
        """Take the next events."""
        for tag, vr, start, stop, _, path in events:
            if vr == "SQ":
                self._open_sequence(tag, path)
            elif vr:
                self._element(tag, vr, start, stop, path)
            elif tag == ITEM:
                self._open_item()
            elif tag == ITEM_END:
                self._close_item()
            else:
                self._close_sequence()

    def finish(self, bulk_base: str) -> bytes:
        """The object, after the last event, its bulk data below this address."""
        self._flush()
        if not self.says_charset and not self.out.isascii():
            self.out[self.slot : self.slot] = (_UTF8 + "," if self.slot == 1 else "," + _UTF8).encode()
        return bytes(self.out).replace(_BULK.encode(), bulk_base.encode()) + b"}"

    def _open_sequence(self, tag: int, path: Path) -> None:
        self._pass_charset(tag, path)
        self.pieces.append(f'{self.comma}"{tag:08X}":{{"vr":"SQ"')
        self.comma = ',"Value":['

    def _open_item(self) -> None:
        self.pieces.append(self.comma + "{")
        self.comma = ""
        self.outer.append(self.encodings)

    def _close_item(self) -> None:
        self.pieces.append("}")
        self.comma = ","
        self.encodings = self.outer.pop()
        if len(self.pieces) > _FLUSH:
            self._flush()

    def _close_sequence(self) -> None:
        self.pieces.append("}" if self.comma.endswith("[") else "]}")
        self.comma = ","

    def _element(self, tag: int, vr: str, start: int, stop: int, path: Path) -> None:
        if tag & 0xFFFF == 0 or tag == TRAILING_PADDING:
            return
        self._pass_charset(tag, path)
        if tag == CHARSET:
            self.encodings = encodings_of(bytes(self.data[start:stop]))
            self.pieces.append(self.comma + _UTF8)
        elif start == stop:
            self.pieces.append(f'{self.comma}"{tag:08X}":{{"vr":"{vr}"}}')
        elif stop - start > MAX_INLINE or tag in PIXELS:
            above = "".join(f"{sequence:08X}/{item}/" for sequence, item in path)
            self.pieces.append(f'{self.comma}"{tag:08X}":{{"vr":"{vr}","BulkDataURI":"{_BULK}/{above}{tag:08X}"}}')
        else:
            value = _value(vr, bytes(self.data[start:stop]), self.encodings, self.order)
            self.pieces.append(f'{self.comma}"{tag:08X}":{{"vr":"{vr}"{value}}}')
        self.comma = ","

    def _pass_charset(self, tag: int, path: Path) -> None:
        """Remembers where (0008,0005) is or would be: names are in ascending order (PS3.18 §F.2.2)."""
        if self.slot < 0 and tag >= CHARSET and not path:
            self._flush()
            self.slot, self.says_charset = len(self.out), tag == CHARSET

    def _flush(self) -> None:
        self.out += "".join(self.pieces).encode("utf-8", "replace")
        self.pieces.clear()


# ---- one value (PS3.18 §F.2.3) ----


def _value(vr: str, value: bytes, encodings: Encodings, order: str) -> str:
    """The Value or InlineBinary member with its leading comma, or nothing for a value of padding only."""
    if vr in _TEXTS:
        return _listed([quoted(text) for text in [decode(value, vr, encodings).rstrip(" \0")] if text])
    if vr == "DS" and _PLAIN_DECIMALS.fullmatch(decimals := value.rstrip(b" ")):
        return _listed(decimals.decode("ascii").split("\\"))
    if vr in _STRINGS:
        each = _EACH.get(vr, _string)
        return _listed([each(text) for text in _split(value, vr, encodings)])
    if vr in _NUMBERS:
        return _numbers(_NUMBERS[vr], value, order)
    if vr == "AT":
        pairs = struct.iter_unpack(order + "HH", value[: len(value) // 4 * 4])
        return _listed([f'"{group:04X}{element:04X}"' for group, element in pairs])
    return f',"InlineBinary":"{b64encode(_little(vr, value, order)).decode()}"'


def _listed(values: list[str]) -> str:
    if values == ["null"] or not values:
        return ""
    return f',"Value":[{",".join(values)}]'


def _split(value: bytes, vr: str, encodings: Encodings) -> list[str]:
    """Split after decoding: in GB18030 and Shift JIS the backslash's byte is half a character."""
    text = decode(value, vr, encodings).strip(" \0")
    return [part.strip(" \0") for part in text.split("\\")] if "\\" in text else [text]


def _string(text: str) -> str:
    return quoted(text) if text else "null"


def _number(text: str) -> str:
    """A decimal as a JSON number, digit for digit where its grammar allows; null where it is none or not finite."""
    if len(text) <= _MAX_DIGITS and _JSON_NUMBER.fullmatch(text):
        return text
    if _INTEGER.fullmatch(text):
        return str(int(text))
    try:
        number = float(text.replace("_", "?"))
    except ValueError:
        return "null"
    return repr(number) if isfinite(number) else "null"


def _name(text: str) -> str:
    groups = zip(_NAME_GROUPS, text.split("="), strict=False)
    members = [f'"{group}":{quoted(name.strip())}' for group, name in groups if name.strip()]
    return "{" + ",".join(members) + "}" if members else "null"


_EACH = MappingProxyType({"DS": _number, "IS": _number, "PN": _name})


def _numbers(code: str, value: bytes, order: str) -> str:
    size = struct.calcsize(order + code)
    count = len(value) // size
    numbers = struct.unpack(f"{order}{count}{code}", value[: count * size])
    return _listed([repr(number) if isfinite(number) else "null" for number in numbers])


def _little(vr: str, value: bytes, order: str) -> bytes:
    """Binary is little endian in JSON, whatever the file's order (PS3.18 §F.2.7)."""
    if order == "<" or vr not in _WIDTHS or len(value) % struct.calcsize("=" + _WIDTHS[vr]):
        return value
    words = array(_WIDTHS[vr], value)
    words.byteswap()
    return words.tobytes()


# ---- QIDO objects (PS3.18 Tables 10.6.3-3 to -5) ----


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
            (0x00180015, "CS", (header.body_part_examined,)),
            (0x0020000D, "UI", (header.study_instance_uid,)),
            (0x0020000E, "UI", (header.series_instance_uid,)),
            (0x00200011, "IS", (header.series_number,)),
            (0x00200060, "CS", (header.laterality,)),
            (0x00201209, "IS", (instances,)),
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


def _object(members: Iterable[tuple[int, str, Sequence[str | int | None]]]) -> str:
    return "{" + ",".join(f'"{tag:08X}":{{"vr":"{vr}"{_members(vr, values)}}}' for tag, vr, values in members) + "}"


def _members(vr: str, values: Sequence[str | int | None]) -> str:
    if vr == "PN":
        return _listed([_name(str(value)) for value in values if value])
    if vr == "UR":  # ours alone here: a base and legal UIDs, nothing to escape
        return _listed([f'"{value}"' for value in values])
    return _listed([str(value) if isinstance(value, int) else quoted(value) for value in values if value not in (None, "")])


def _zone(header: Header) -> tuple[tuple[int, str, tuple[str]], ...]:
    return ((0x00080201, "SH", (header.timezone_offset,)),) if header.timezone_offset else ()


def _url(study: str, series: str = "", instance: str = "") -> str:
    return f"{BASE}/studies/{study}" + (f"/series/{series}" if series else "") + (f"/instances/{instance}" if instance else "")
