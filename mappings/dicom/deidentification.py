"""Observes what a data set still says about people: the facts that the deposit rules judge (PS3.15 §E, Table E.1-1).

Every element at every depth is looked at, raw; a value that is empty or blank is no fact, and no value leaves this file. A
private element is what its creator's dictionary says it is, never what the wire says.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from consent.deposit import Finding
from mappings.dicom.charsets import decode
from mappings.dicom.dictionary import known_private, private_vr
from mappings.dicom.elements import SEQUENCE_END, Event, ItemPath, Scope, where
from mappings.dicom.plausible import plausible_institution, plausible_name, small_numbers

MAX_PER_RULE = 20  # a file with a thousand names needs no longer list; the places listed are the first
_LOOK = 1024
_MAX_NAMES = 1 << 16  # bytes; a longer PN can't be judged, so it counts as a name

_PATIENT_ID, _MODALITY, _IMAGE_TYPE, _CONVERSION, _BURNED_IN = 0x00100020, 0x00080060, 0x00080008, 0x00080064, 0x00280301
_TOP = frozenset({_PATIENT_ID, _MODALITY, _IMAGE_TYPE, _CONVERSION, _BURNED_IN})
_METHODS = frozenset({0x00120063, 0x00120064})
_IDENTITY_REMOVED = 0x00120062
_BIRTH_DATES = frozenset({0x00100030, 0x00100033})
_NO_DATE = "00000000"  # as some tools write what they emptied

# PS3.6 names; PS3.15 Table E.1-1 lists them all.
STAFF = frozenset(
    {
        0x00080090,  # Referring Physician's Name
        0x0008009C,  # Consulting Physician's Name
        0x00081048,  # Physician(s) of Record
        0x00081050,  # Performing Physician's Name
        0x00081060,  # Name of Physician(s) Reading Study
        0x00081070,  # Operators' Name
        0x00140104,  # Secondary Reviewer Name
        0x00142006,  # Evaluator Name
        0x00321032,  # Requesting Physician
        0x00400006,  # Scheduled Performing Physician's Name
        0x00401010,  # Names of Intended Recipients of Results
        0x00402008,  # Order Entered By
        0x00404037,  # Human Performer's Name
        0x0040A067,  # Document Author (Trial)
        0x0040A075,  # Verifying Observer Name
        0x00700084,  # Content Creator's Name
        0x300600A6,  # ROI Interpreter
        0x300E0008,  # Reviewer Name
        0x40080102,  # Interpretation Recorder
        0x4008010A,  # Interpretation Transcriber
        0x4008010C,  # Interpretation Author
        0x40080114,  # Physician Approving Interpretation
        0x40080119,  # Distribution Name
    }
)
# Names whatever VR the wire gives them.
_NAMES = frozenset({0x00100010, 0x00101001, 0x00101005, 0x00101060, 0x00102297, 0x0040A123, 0x0040A307, 0x0040A352, 0x0072006A})
_PRESENT = MappingProxyType(
    {
        0x00101040: "address",  # Patient's Address
        0x00401102: "address",  # Person's Address
        0x00102154: "telephone",  # Patient's Telephone Numbers
        0x00102155: "telephone",  # Patient's Telecom Information
        0x00401103: "telephone",  # Person's Telephone Numbers
        0x00401104: "telephone",  # Person's Telecom Information
        0x00101000: "other-ids",  # Other Patient IDs
        0x00101002: "other-ids",  # Other Patient IDs Sequence
        0x00101050: "other-ids",  # Insurance Plan Identification
        0x00101090: "other-ids",  # Medical Record Locator
        0x00101080: "patient-detail",  # Military Rank
        0x00101081: "patient-detail",  # Branch of Service
        0x00380300: "patient-detail",  # Current Patient Location
        0x00080080: "institution",  # Institution Name
        0x00080081: "institution",  # Institution Address
        0x00080082: "institution",  # Institution Code Sequence
        0x00081040: "institution",  # Institutional Department Name
        0x00081041: "institution",  # Institutional Department Type Code Sequence
    }
)
_MAY_BE_REPLACED = frozenset({"institution", "patient-detail"})
_WATCHED = _TOP | _METHODS | {_IDENTITY_REMOVED} | _BIRTH_DATES | STAFF | _NAMES | frozenset(_PRESENT)

_TEXT_VRS = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UN", "UT"})
_HINTING_MODALITIES = frozenset({"US", "XA", "ES", "XC", "SC", "OT"})
_HINTING_CONVERSIONS = frozenset({"SI", "SD", "DF"})
_EIGHT_DIGITS = re.compile(r"[0-9]{8}")


@dataclass(frozen=True, slots=True)
class Observations:
    """What a data set says of its own de-identification, and the findings that bear on it, in the order of the file.

    `creators` has the creator of each private place in them whose creator is known: any other may be anything.
    """

    declared: bool
    findings: tuple[Finding, ...]
    creators: Mapping[str, str] = field(default_factory=dict)


def observations_of(
    dataset: memoryview,
    events: Iterable[Event],
    *,
    placeholders: frozenset[str],
    preamble_zero: bool,
) -> Observations:
    """The facts of a plain data set, from a walk of it; `placeholders` are lower-case words that make a name none."""
    observer = Observer(dataset, placeholders)
    observer.read(events)
    return observer.finish(preamble_zero=preamble_zero)


class Observer:
    """A data set being looked at, for a walk that others read too.

    `_pending` holds the open sequences that become facts with their first non-empty value: depth, rule and place.
    """

    __slots__ = ("_creators", "_data", "_declared", "_found", "_names", "_pending", "_placeholders", "_top")

    def __init__(self, dataset: memoryview, placeholders: frozenset[str]) -> None:
        self._data, self._placeholders = dataset, placeholders
        self._pending: list[tuple[int, str, str]] = []
        self._declared = False
        self._creators: dict[str, str] = {}
        self._found: dict[str, list[Finding]] = {}
        self._names: dict[tuple[str, str], Finding] = {}
        self._top: dict[int, str] = {}

    def read(self, events: Iterable[Event]) -> None:
        """Take the next events of the walk, in order."""
        for tag, vr, start, stop, creator, scope in events:
            if vr == "SQ":
                self._open(tag, scope.path)
            elif vr:
                if start != stop and (
                    self._pending or tag in _WATCHED or vr == "PN" or tag & 0x10000 or 0x50000000 <= tag < 0x61000000
                ):
                    self._element(tag, vr, start, stop, creator, scope)
            elif tag == SEQUENCE_END:
                while self._pending and self._pending[-1][0] >= len(scope.path):
                    self._pending.pop()

    def finish(self, *, preamble_zero: bool) -> Observations:
        """The facts, when the walk has ended."""
        patient_id = self._top.get(_PATIENT_ID, "")
        for (rule, text), finding in self._names.items():
            if plausible_name(text, patient_id, self._placeholders) and len(self._found.get(rule, ())) < MAX_PER_RULE:
                self._found.setdefault(rule, []).append(finding)
        if not preamble_zero:
            self._found["preamble"] = [Finding("preamble", "preamble")]
        hint = None if "burned-in" in self._found else self._burned_in_hint()
        if hint:
            self._found["burned-in"] = [Finding("burned-in", where(hint))]
        findings = tuple(finding for findings in self._found.values() for finding in findings)
        return Observations(self._declared, findings, self._creators)

    def _open(self, tag: int, path: ItemPath) -> None:
        rule = _PRESENT.get(tag) or ("private" if tag & 0x10000 else "declared" if tag in _METHODS and not path else "")
        if rule:
            self._pending.append((len(path), rule, where(tag, path)))

    def _element(self, tag: int, vr: str, start: int, stop: int, creator: str | None, scope: Scope) -> None:
        value = self._data[start:stop]
        if tag & 0xFFFF == 0 or _blank(value):
            return
        self._settle_pending()
        if tag & 0x10000:
            self._private(tag, vr, value, creator, scope)
        elif tag >> 24 == 0x60 and tag & 0xFFFF == 0x3000:
            self._add("overlay", tag, scope)
        elif tag >> 24 == 0x50:
            self._add("curve", tag, scope)
        else:
            self._public(tag, vr, value, scope)

    def _public(self, tag: int, vr: str, value: memoryview, scope: Scope) -> None:
        if tag in _PRESENT:
            self._present(_PRESENT[tag], tag, value, scope)
        elif vr == "PN" or tag in STAFF or tag in _NAMES:
            self._name("staff" if tag in STAFF else "person-name", tag, value, scope)
        elif tag in _WATCHED:
            self._stated(tag, decode(bytes(value[:_LOOK]), "LO", scope.encodings).strip(" \0"), scope)

    def _present(self, rule: str, tag: int, value: memoryview, scope: Scope) -> None:
        """What counts as it is there; of an institution or a detail, a placeholder or a hash does not."""
        text = "" if rule not in _MAY_BE_REPLACED or len(value) > _LOOK else decode(bytes(value), "LO", scope.encodings)
        if not text or plausible_institution(text, self._placeholders):
            self._add(rule, tag, scope)

    def _stated(self, tag: int, text: str, scope: Scope) -> None:
        """Plain statements: identity removed and how, birth dates, burned-in and what hints at it."""
        if tag in _TOP and not scope.path:
            self._top[tag] = text
        if tag in _BIRTH_DATES:
            date = text.replace(".", "")
            if _EIGHT_DIGITS.fullmatch(date) and date != _NO_DATE and not date.endswith("0101"):
                self._add("birth-date", tag, scope)
        elif tag == _BURNED_IN and text == "YES":
            self._add("burned-in", tag, scope)
        elif not scope.path and (tag in _METHODS or (tag == _IDENTITY_REMOVED and text == "YES")):
            self._declared = True

    def _private(self, tag: int, vr: str, value: memoryview, creator: str | None, scope: Scope) -> None:
        """PS3.5 §7.8: a creator's own element says nothing; an element without its creator has an unknown one."""
        if 0x10 <= tag & 0xFFFF <= 0xFF:
            return
        if not known_private(tag, creator):
            text = vr in _TEXT_VRS and not (vr == "UN" and small_numbers(value))
            self._add("private-unknown" if text else "private", tag, scope)
            return
        self._add("private", tag, scope, creator)
        if private_vr(tag, creator) == "PN":
            self._name("person-name", tag, value, scope, creator)

    def _name(self, rule: str, tag: int, value: memoryview, scope: Scope, creator: str | None = None) -> None:
        """Keeps each distinct name once, with its first place: PatientID may come later, and a name equal to it is none."""
        if len(value) > _MAX_NAMES:
            self._add(rule, tag, scope, creator)
            return
        for text in decode(bytes(value), "PN", scope.encodings).split("\\"):
            key = (rule, text)
            if key not in self._names and self._room(rule) and plausible_name(text, "\0", self._placeholders):
                self._names[key] = Finding(rule, self._place(tag, scope, creator))

    def _room(self, rule: str) -> bool:
        return sum(1 for named, _ in self._names if named == rule) <= MAX_PER_RULE

    def _add(self, rule: str, tag: int, scope: Scope, creator: str | None = None) -> None:
        findings = self._found.setdefault(rule, [])
        if len(findings) < MAX_PER_RULE:
            findings.append(Finding(rule, self._place(tag, scope, creator)))

    def _place(self, tag: int, scope: Scope, creator: str | None) -> str:
        place = where(tag, scope.path)
        if creator:
            self._creators[place] = creator
        return place

    def _settle_pending(self) -> None:
        for _, rule, place in self._pending:
            if rule == "declared":
                self._declared = True
            elif len(self._found.setdefault(rule, [])) < MAX_PER_RULE:
                self._found[rule].append(Finding(rule, place))
        self._pending.clear()

    def _burned_in_hint(self) -> int | None:
        """The element that makes burned-in text likely, unless the object says NO (PS3.3 §C.7.6.1)."""
        if self._top.get(_BURNED_IN) == "NO":
            return None
        if self._top.get(_MODALITY) in _HINTING_MODALITIES:
            return _MODALITY
        if "SCREEN SAVE" in self._top.get(_IMAGE_TYPE, ""):
            return _IMAGE_TYPE
        return _CONVERSION if self._top.get(_CONVERSION) in _HINTING_CONVERSIONS else None


def _blank(value: memoryview) -> bool:
    """Whether a value is padding only; looked at in pieces, since pixel-sized values are rarely blank."""
    if bytes(value[:_LOOK]).strip(b" \0"):
        return False
    return all(not bytes(value[at : at + _LOOK]).strip(b" \0") for at in range(_LOOK, len(value), _LOOK))
