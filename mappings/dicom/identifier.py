"""Reads the identifier of a C-FIND, C-GET or C-MOVE (PS3.4 §C.2.2, §C.4) as QIDO's question, and writes those of the answers.

The request is decoded by its own character set; an answer is always in ISO_IR 192, and holds each element that was asked for,
empty where it can't be said. What is wrong names its attribute, never its value.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import msgspec

from mappings.dicom import qido
from mappings.dicom.charsets import CHARSET, CHARSET_VRS, decode
from mappings.dicom.elements import ITEM, walk
from mappings.dicom.fragment import BASE, always_answered
from mappings.dicom.part10 import Unreadable
from mappings.dicom.transfer_syntax import IMPLICIT
from mappings.failures import Invalid
from mappings.fields import QIDO_KEYS
from mappings.query import AllOf, Level, Query

MOST_BYTES, MOST_ELEMENTS = 1 << 20, 512
"""Of one identifier; its door takes no more bytes, its reader no more elements."""
LEVELS = MappingProxyType(
    {"PATIENT": Level.PATIENT, "STUDY": Level.STUDY, "SERIES": Level.SERIES, "IMAGE": Level.INSTANCE},
)
"""Query/Retrieve Level (0008,0052) → level."""
_BASE = BASE.encode()
_LEVEL, _AE_TITLE, _AVAILABILITY, _RETRIEVE_URL = 0x00080052, 0x00080054, 0x00080056, 0x00081190
_PATIENT_ID, _ISSUER, _STUDY, _SERIES, _INSTANCE = 0x00100020, 0x00100021, 0x0020000D, 0x0020000E, 0x00080018
_FAILED = 0x00080058
_TIMES = ("00080030", "00400245")
_ABOUT = frozenset({CHARSET, _LEVEL, _AE_TITLE, _AVAILABILITY, 0x00080201})
"""What says how the others are meant, or is said of every answer: no matching keys."""
_LONG = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
_LONGEST_SHORT = 65534


@dataclass(frozen=True, slots=True)
class Identifier:
    """What is asked: the level, and each element's VR and value as text, "" where it is only to be answered.

    `items` are the keys in the one item of a sequence, as paths of tags (PS3.4 §C.2.2.2.6), with their values.
    """

    level: Level
    elements: Mapping[int, tuple[str, str]]
    items: tuple[tuple[str, str], ...] = ()

    def value(self, tag: int) -> str:
        """The value of a key."""
        return self.elements.get(tag, ("", ""))[1]

    def uids(self, tag: int) -> tuple[str, ...]:
        """The UIDs of a key, each once."""
        return tuple(dict.fromkeys(uid for uid in self.value(tag).split("\\") if uid))


def read_identifier(data: bytes, transfer_syntax: str, levels: Iterable[str]) -> Identifier:
    """The identifier, at one of these levels. Raises Invalid."""
    try:
        told = list(_elements(memoryview(data), transfer_syntax))
    except Unreadable:
        raise Invalid("identifier-unreadable", "The identifier can't be read.") from None
    elements = {path[0]: (vr, value) for path, vr, value in told if len(path) == 1}
    level = elements.get(_LEVEL, ("", ""))[1]
    if len(elements) > MOST_ELEMENTS or level not in levels:
        code, what = ("identifier-level", "level") if level not in levels else ("identifier-too-long", "number of elements")
        raise Invalid(code, f"This {what} can't be asked here.", "QueryRetrieveLevel")
    items = ((".".join(f"{tag:08X}" for tag in path), value) for path, _, value in told if len(path) > 1 and value)
    return Identifier(LEVELS[level], elements, tuple(items))


def _elements(data: memoryview, transfer_syntax: str) -> Iterator[tuple[tuple[int, ...], str, str]]:
    """(path of tags, VR, value as text) of each element."""
    for tag, vr, start, stop, _, scope in walk(data, transfer_syntax):
        if vr and tag & 0xFFFF:
            text = "" if vr == "SQ" else decode(bytes(data[start:stop]), vr, scope.encodings)
            yield (*(sequence for sequence, _ in scope.path), tag), vr, text.strip(" \0")


_MOMENTS, _FUZZY = 1, 2  # places of what is agreed; that of relational queries changes nothing
_FIND_EXTENDED, _RETRIEVE_EXTENDED = b"\1\1\1\0\0", b"\0\0"


def agree_find(asked: bytes) -> bytes:
    """Of what is asked for of C-FIND (PS3.4 §C.5.1.1.1), a byte each, what is done.

    That is relational queries, date-time matching and fuzzy matching of names (their words' beginnings); not the adjustment of
    time zones, nor conversion.
    """
    return _agree(asked, _FIND_EXTENDED)


def agree_retrieve(asked: bytes) -> bytes:
    """The same of C-GET and C-MOVE (§C.5.2.1, §C.5.3.1): neither relational retrieval nor conversion."""
    return _agree(asked, _RETRIEVE_EXTENDED)


def _agree(asked: bytes, done: bytes) -> bytes:
    return bytes(each & ours for each, ours in zip(asked, done, strict=False))


def read_question(identifier: Identifier, extended: bytes = b"") -> tuple[Query, bool]:
    """The question that an identifier asks, and whether all of its keys are matched. Raises Invalid.

    Patients are read off their studies: at that level the question is for these. Dates and times are matched each for itself,
    and names as they are, unless something else was agreed (`extended`).
    """
    combined, fuzzy = (extended[at : at + 1] == b"\1" for at in (_MOMENTS, _FUZZY))
    level = Level.STUDY if identifier.level is Level.PATIENT else identifier.level
    keys = {tag: value for tag, (_, value) in identifier.elements.items() if value and tag not in _ABOUT}
    known = {f"{tag:08X}": value for tag, value in keys.items() if f"{tag:08X}" in QIDO_KEYS} | {
        path: value for path, value in identifier.items if path in QIDO_KEYS
    }
    times = [(name, known.pop(name)) for name in _TIMES if name in known and not combined]
    names = [("fuzzymatching", "true")] if fuzzy else []
    questions = [qido.read_query(level, asked)[0] for asked in ([*known.items(), *names], times)]
    said = always_answered(level)
    above = questions[0].above if any(f"{tag:08X}" not in said for tag in identifier.elements.keys() - _ABOUT) else ()
    complete = len(known) + len(times) == len(keys) + len(identifier.items)
    return Query(level, AllOf(tuple(each.where for each in questions)), above=above), complete


@dataclass(frozen=True, slots=True)
class Selection:
    """What is to be retrieved: patients' or studies', or of one study these series, or of one series these instances."""

    patients: tuple[str, ...] = ()
    studies: tuple[str, ...] = ()
    series: tuple[str, ...] = ()
    instances: tuple[str, ...] = ()


def read_selection(identifier: Identifier) -> Selection:
    """What a C-GET or C-MOVE selects by its unique keys (PS3.4 §C.4.2.1.4). Raises Invalid where one is lacking."""
    patients, studies = identifier.uids(_PATIENT_ID), identifier.uids(_STUDY)
    series, instances = identifier.uids(_SERIES), identifier.uids(_INSTANCE)
    selected = {
        Level.PATIENT: (patients, Selection(patients=patients)),
        Level.STUDY: (studies, Selection(studies=studies)),
        Level.SERIES: (studies[1:] == () and studies and series, Selection(studies=studies, series=series)),
        Level.INSTANCE: (studies[1:] == () and studies and instances, Selection((), studies, series, instances)),
    }
    complete, selection = selected[identifier.level]
    if not complete or "*" in "".join(patients if identifier.level is Level.PATIENT else ()):
        raise Invalid("identifier-key", "A retrieval names its level's unique key, and one of each level above.")
    return selection


class Answers:
    """Writes the answers to an identifier, from finished DICOM JSON objects, in the context's transfer syntax."""

    def __init__(self, identifier: Identifier, transfer_syntax: str, aet: str) -> None:
        self._explicit = transfer_syntax != IMPLICIT
        said = {CHARSET: ("CS", "ISO_IR 192"), _AE_TITLE: ("AE", aet), _AVAILABILITY: ("CS", "ONLINE"), _RETRIEVE_URL: ("UR", "")}
        level = next(word for word, level in LEVELS.items() if level is identifier.level)
        always = dict.fromkeys((CHARSET, _AE_TITLE, _LEVEL), ("", ""))
        asked = always | dict(identifier.elements)
        self._wanted = [(tag, f"{tag:08X}", asked[tag][0], (said | {_LEVEL: ("CS", level)}).get(tag)) for tag in sorted(asked)]

    def write(self, answer: Mapping[str, Any]) -> bytes:
        """The identifier of one answer."""
        each = ((tag, *self._said(name, vr, said, answer)) for tag, name, vr, said in self._wanted)
        return b"".join(_element(*element, explicit=self._explicit) for element in each)

    def _said(self, name: str, vr: str, said: tuple[str, str] | None, answer: Mapping[str, Any]) -> tuple[str, bytes]:
        if said is not None:
            return said[0], said[1].encode()
        member = answer.get(name)
        return (vr, b"") if member is None else (member["vr"], _value(member, explicit=self._explicit))


def _element(tag: int, vr: str, value: bytes, *, explicit: bool) -> bytes:
    padded = value + (b"\0" if vr == "UI" else b" ") * (len(value) % 2)
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    if not explicit:
        return head + struct.pack("<L", len(padded)) + padded
    if vr in _LONG:
        return head + struct.pack("<2s2xL", vr.encode(), len(padded)) + padded
    padded = padded[:_LONGEST_SHORT]
    return head + struct.pack("<2sH", vr.encode(), len(padded)) + padded


def _value(member: Mapping[str, Any], *, explicit: bool) -> bytes:
    vr, values = member["vr"], member.get("Value", ())
    if vr == "SQ":
        return b"".join(_item(item, explicit=explicit) for item in values)
    if vr == "US":
        return b"".join(struct.pack("<H", value) for value in values)
    texts = (_name(value) if vr == "PN" else "" if value is None else str(value) for value in values)
    return "\\".join(texts).encode("utf-8" if vr in CHARSET_VRS else "ascii", "replace")


def _item(item: Mapping[str, Any], *, explicit: bool) -> bytes:
    members = ((int(tag, 16), m["vr"], _value(m, explicit=explicit)) for tag, m in sorted(item.items()))
    content = b"".join(_element(*element, explicit=explicit) for element in members)
    return struct.pack("<HHL", ITEM >> 16, ITEM & 0xFFFF, len(content)) + content


def _name(value: Mapping[str, str] | None) -> str:
    groups = [(value or {}).get(group, "") for group in ("Alphabetic", "Ideographic", "Phonetic")]
    return "=".join(groups).rstrip("=")


def failed_list(uids: Iterable[str], transfer_syntax: str) -> bytes:
    """An identifier with Failed SOP Instance UID List (0008,0058): as many as one element holds."""
    value = b""
    for uid in uids:
        if len(value) + len(uid) >= _LONGEST_SHORT:
            break
        value += (b"\\" if value else b"") + uid.encode()
    return _element(_FAILED, "UI", value, explicit=transfer_syntax != IMPLICIT)


def read_answer(fragment: bytes) -> dict[str, Any]:
    """A finished DICOM JSON object as it is written from; its URLs, which nobody asks for here, lead nowhere."""
    answer: dict[str, Any] = msgspec.json.decode(fragment.replace(_BASE, b""))
    return answer


def patient_of(answer: Mapping[str, Any]) -> tuple[Any, ...]:
    """Whose study it is: Patient ID and its issuer."""
    return tuple(str(answer.get(f"{tag:08X}", {}).get("Value")) for tag in (_PATIENT_ID, _ISSUER))


def study_of(answer: Mapping[str, Any]) -> str:
    """Its Study Instance UID."""
    return str(answer[f"{_STUDY:08X}"]["Value"][0])
