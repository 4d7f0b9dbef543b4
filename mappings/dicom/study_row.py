"""A study as QIDO-RS answers it (PS3.18 table 10.6.3-3), as the row that a person reads."""

import re
from collections.abc import Mapping
from typing import Any

from mappings.dicom.uid import legal_uid

_TAGS = {
    "study": "0020000D",
    "date": "00080020",
    "modalities": "00080061",
    "description": "00081030",
    "series": "00201206",
    "instances": "00201208",
    "patient": "00100020",
}
COLUMNS = tuple(_TAGS)
_ISSUER = "00100021"


def study_row(found: Mapping[str, Any]) -> dict[str, str]:
    """Column → what is said in it: one line, empty where nothing is. Values that could move a terminal's cursor lose that."""
    row = {column: _said(found, tag) for column, tag in _TAGS.items()}
    return row | {"date": re.sub(r"(\d{4})(\d\d)(\d\d)", r"\1-\2-\3", row["date"])}


def study_uid(found: Mapping[str, Any]) -> str | None:
    """The study's UID, where it is a legal one."""
    uid = _said(found, _TAGS["study"])
    return uid if legal_uid(uid) else None


def subject(found: Mapping[str, Any]) -> tuple[str, str]:
    """Whose study it is: a Patient ID, and who issued it (two providers' may be alike)."""
    return _said(found, _TAGS["patient"]), _said(found, _ISSUER)


def counts(found: Mapping[str, Any]) -> tuple[int, int]:
    """How many series and instances it has; 0 where that is not said."""
    series, instances = (_said(found, _TAGS[name]) for name in ("series", "instances"))
    return _number(series), _number(instances)


def _said(found: Mapping[str, Any], tag: str) -> str:
    element = found.get(tag)
    values = element.get("Value") if isinstance(element, Mapping) else None
    texts = map(str, values) if isinstance(values, list) else ()
    return "".join(c if c.isprintable() else "?" for c in " ".join(texts))


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0
