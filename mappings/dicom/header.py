"""Reads from a data set what the index keeps: identifiers, patient, study, series and instance, as plain text and numbers.

Text is decoded by the file's own character sets; a value that is no date, time or number where one belongs is None. Every value
is cut at a bound, since a file may say anything.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from mappings.dicom.charsets import DEFAULT_ENCODINGS, Encodings, decode
from mappings.dicom.elements import Event, ItemPath, where
from mappings.dicom.part10 import Unreadable
from mappings.dicom.transfer_syntax import BIG_ENDIAN
from mappings.dicom.uid import legal_uid

MAX_VALUE = 1024  # bytes; the longest VR here has 64 characters a component (PS3.5 §6.2)


@dataclass(frozen=True, slots=True)
class Header:
    """One instance as the index knows it. Dates are YYYYMMDD, times HHMMSS[.F], absent or unusable values None.

    Headers are kept and read by other releases: a new field has None as default, and a field never changes its meaning or type.
    """

    transfer_syntax: str
    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    patient_id: str | None = None
    issuer_of_patient_id: str | None = None
    patient_name: str | None = None
    patient_sex: str | None = None
    patient_birth_date: str | None = None
    age_years: int | None = None  # at study: PatientAge, else the whole years between birth and study
    study_date: str | None = None
    study_time: str | None = None
    timezone_offset: str | None = None
    accession_number: str | None = None
    study_id: str | None = None
    study_description: str | None = None
    referring_physician_name: str | None = None
    modality: str | None = None
    series_number: int | None = None
    series_description: str | None = None
    series_date: str | None = None
    series_time: str | None = None
    body_part_examined: str | None = None
    laterality: str | None = None
    manufacturer: str | None = None
    instance_number: int | None = None
    rows: int | None = None
    columns: int | None = None
    number_of_frames: int | None = None
    bits_allocated: int | None = None
    samples_per_pixel: int | None = None
    photometric_interpretation: str | None = None
    image_type: str | None = None
    content_label: str | None = None
    image_laterality: str | None = None
    procedures: tuple[tuple[str, str, str], ...] | None = None  # (coding scheme, code, meaning), empty where not said
    performed_date: str | None = None  # Performed Procedure Step Start Date and Time
    performed_time: str | None = None
    requests: tuple[tuple[str, str], ...] | None = None  # (Requested Procedure ID, Scheduled Procedure Step ID)
    codes: tuple[tuple[str, str, str, str], ...] | None = None  # (sequence, coding scheme, code, meaning)


# field → (tag, VR), PS3.6; the VR says how its value reads.
UIDS = MappingProxyType(
    {
        "sop_class_uid": 0x00080016,
        "sop_instance_uid": 0x00080018,
        "study_instance_uid": 0x0020000D,
        "series_instance_uid": 0x0020000E,
    }
)
FIELDS = MappingProxyType(
    {
        "patient_id": (0x00100020, "LO"),
        "issuer_of_patient_id": (0x00100021, "LO"),
        "patient_name": (0x00100010, "PN"),
        "patient_sex": (0x00100040, "CS"),
        "patient_birth_date": (0x00100030, "DA"),
        "study_date": (0x00080020, "DA"),
        "study_time": (0x00080030, "TM"),
        "timezone_offset": (0x00080201, "SH"),
        "accession_number": (0x00080050, "SH"),
        "study_id": (0x00200010, "SH"),
        "study_description": (0x00081030, "LO"),
        "referring_physician_name": (0x00080090, "PN"),
        "modality": (0x00080060, "CS"),
        "series_number": (0x00200011, "IS"),
        "series_description": (0x0008103E, "LO"),
        "series_date": (0x00080021, "DA"),
        "series_time": (0x00080031, "TM"),
        "body_part_examined": (0x00180015, "CS"),
        "laterality": (0x00200060, "CS"),
        "manufacturer": (0x00080070, "LO"),
        "instance_number": (0x00200013, "IS"),
        "rows": (0x00280010, "US"),
        "columns": (0x00280011, "US"),
        "number_of_frames": (0x00280008, "IS"),
        "bits_allocated": (0x00280100, "US"),
        "samples_per_pixel": (0x00280002, "US"),
        "photometric_interpretation": (0x00280004, "CS"),
        "image_type": (0x00080008, "CS"),
        "content_label": (0x00700080, "CS"),
        "image_laterality": (0x00200062, "CS"),
        "performed_date": (0x00400244, "DA"),
        "performed_time": (0x00400245, "TM"),
    }
)
_PATIENT_AGE = 0x00101010
_PROCEDURES = (0x00081032, 0x00321064)  # Procedure Code Sequence; where it has none, Requested Procedure Code Sequence
_CODED = (0x00080102, 0x00080100, 0x00080104)  # Coding Scheme Designator, Code Value, Code Meaning
_REQUEST = (0x00401001, 0x00400009)  # Requested Procedure ID, Scheduled Procedure Step ID
_REQUESTS, _REGION = 0x00400275, 0x00082218  # Request Attributes Sequence, Anatomic Region Sequence
SEQUENCES = MappingProxyType({**dict.fromkeys((*_PROCEDURES, _REGION), _CODED), _REQUESTS: _REQUEST})
"""Sequences whose items are read, and what is read of one."""
OF_SERIES = frozenset({f"{_REGION:08X}"})
"""Those of its codes that an object says of its series; the others are of its study."""
MAX_ITEMS = 8  # of a sequence; a study has one or two
_INSIDE = frozenset({*_CODED, *_REQUEST})
_WANTED = frozenset({*UIDS.values(), *(tag for tag, _ in FIELDS.values()), _PATIENT_AGE, *_INSIDE})
Items = Mapping[ItemPath, Mapping[int, str]]

_DATE = re.compile(r"(\d{4})\.?(0[1-9]|1[0-2])\.?(0[1-9]|[12]\d|3[01])")
_TIME = re.compile(r"\d{2}(?:\d{2}(?:\d{2}(?:\.\d{1,6})?)?)?")
_INTEGER = re.compile(r"[+-]?\d{1,12}")
_AGE = re.compile(r"(\d{1,3})([DWMY])")  # PS3.5 6.2 has three digits, objects of the field fewer too
_PER_YEAR = MappingProxyType({"D": 365, "W": 52, "M": 12, "Y": 1})


def header_of(dataset: memoryview, transfer_syntax: str, events: Iterable[Event]) -> Header:
    """The header of a plain data set, from a walk of it, whose structure is checked on the way.

    Raises Unreadable: uid-missing before uid-illegal before structure-broken, as the deposit rules rank them.
    """
    raw: dict[int, bytes] = {}
    items: dict[ItemPath, dict[int, str]] = {}
    encodings = DEFAULT_ENCODINGS
    try:
        for tag, vr, start, stop, _, scope in events:
            if tag not in _WANTED or vr == "SQ":
                continue
            if not scope.path:
                raw[tag], encodings = bytes(dataset[start : min(stop, start + MAX_VALUE)]), scope.encodings
            elif tag in _INSIDE and _is_item(scope.path, tag):
                value = bytes(dataset[start : min(stop, start + MAX_VALUE)])
                items.setdefault(scope.path, {})[tag] = str(_value(value, "LO", scope.encodings, "<") or "")
    except Unreadable:
        # cut before a UID: nobody can say that it is missing; but one already read may be illegal, which ranks first
        _uids(raw, complete=False)
        raise
    uids = _uids(raw, complete=True)
    order = ">" if transfer_syntax == BIG_ENDIAN else "<"
    values = {field: _value(raw.get(tag, b""), vr, encodings, order) for field, (tag, vr) in FIELDS.items()}
    age = _age(raw.get(_PATIENT_AGE, b""), values["patient_birth_date"], values["study_date"])
    known = {"transfer_syntax": transfer_syntax, "age_years": age, **_of_items(items)}
    return Header(**known, **uids, **values)  # type: ignore[arg-type]


def _is_item(path: ItemPath, tag: int) -> bool:
    """Whether an item is one of those that are read of a sequence, and this is of what is read of it."""
    return len(path) == 1 and path[0][1] < MAX_ITEMS and tag in SEQUENCES.get(path[0][0], ())


def _of_items(items: Items) -> dict[str, tuple[tuple[str, ...], ...] | None]:
    """Procedures are the codes of the first of their sequences that has any."""
    said = {sequence: _items(items, sequence) for sequence in SEQUENCES}
    codes = tuple((f"{tag:08X}", *code) for tag in (*_PROCEDURES, _REGION) for code in said[tag])
    procedures = next(filter(None, (said[sequence] for sequence in _PROCEDURES)), None)
    return {"procedures": procedures, "requests": said[_REQUESTS] or None, "codes": codes or None}


def _items(items: Items, sequence: int) -> tuple[tuple[str, ...], ...]:
    rows = (item for path, item in items.items() if path[0][0] == sequence and any(item.values()))
    return tuple(tuple(item.get(tag, "") for tag in SEQUENCES[sequence]) for item in rows)


def _uids(raw: dict[int, bytes], *, complete: bool) -> dict[str, str]:
    uids = {field: raw.get(tag, b"").strip(b"\0 ").decode("ascii", "replace") for field, tag in UIDS.items()}
    for field, uid in uids.items():
        if complete and not uid:
            raise Unreadable("uid-missing", "an identifier is missing", where(UIDS[field]))
    for field, uid in uids.items():
        if uid and not legal_uid(uid):
            raise Unreadable("uid-illegal", "an identifier is not a legal UID", where(UIDS[field]))
    return uids


def _value(value: bytes, vr: str, encodings: Encodings, order: str) -> str | int | None:
    if vr == "US":
        return int.from_bytes(value[:2], "big" if order == ">" else "little") if len(value) >= 2 else None
    text = decode(value, vr, encodings).replace("\0", "").strip(" ")  # no database keeps a NUL
    if vr == "IS":
        return int(text) if _INTEGER.fullmatch(text) and abs(int(text)) < 2**31 else None  # PS3.5 §6.2: -2^31 to 2^31 - 1
    return _text(text, vr) or None


def _text(text: str, vr: str) -> str | None:
    if vr == "DA":
        date = _DATE.fullmatch(text)
        return "".join(date.groups()) if date else None
    if vr == "TM":
        time = text.replace(":", "")
        return time if _TIME.fullmatch(time) else None
    return text.rstrip("=") if vr == "PN" else text


def _age(stated: bytes, born: object, studied: object) -> int | None:
    """PatientAge (0010,1010) in whole years; else from the two dates, if they make sense."""
    age = _AGE.fullmatch(stated.decode("latin-1").strip(" \0"))
    if age:
        return int(age[1]) // _PER_YEAR[age[2]]
    if not isinstance(born, str) or not isinstance(studied, str):
        return None
    years = int(studied[:4]) - int(born[:4]) - (studied[4:] < born[4:])
    return years if 0 <= years <= 150 else None
