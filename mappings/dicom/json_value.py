"""Writes one raw value as the members of its element in DICOM JSON (PS3.18 §F.2.3), each VR by its row in a table."""

import re
import struct
from array import array
from base64 import b64encode
from collections.abc import Callable
from json.encoder import encode_basestring as quoted
from math import isfinite
from types import MappingProxyType
from typing import TypeAlias

from mappings.dicom.charsets import Encodings, decode

_Write: TypeAlias = Callable[[str, bytes, Encodings, str], str]

_WIDTHS = MappingProxyType({"OW": "H", "OF": "I", "OL": "I", "OD": "Q", "OV": "Q"})
_NAME_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
_DECIMAL = rb"-?(?:0|[1-9][0-9]{0,15})(?:\.[0-9]{1,15})?"
_PLAIN_DECIMALS = re.compile(_DECIMAL + rb"(?:\\" + _DECIMAL + rb")*")  # most of a contour: no look at each number
_INTEGER = re.compile(r"[+-]?[0-9]{1,24}")
_MAX_DIGITS = 24


def json_value(vr: str, value: bytes, encodings: Encodings, order: str) -> str:
    """The Value or InlineBinary member with its leading comma, or nothing for a value of padding only."""
    return _WRITE.get(vr, _binary)(vr, value, encodings, order)


def json_array(values: list[str]) -> str:
    """The Value member of these, with its leading comma, or nothing where there is none."""
    if values == ["null"] or not values:
        return ""
    return f',"Value":[{",".join(values)}]'


def json_name(text: str) -> str:
    """One value of PN by its component groups (PS3.18 §F.2.2); null where all are empty."""
    groups = zip(_NAME_GROUPS, text.split("="), strict=False)
    members = [f'"{group}":{quoted(name.strip())}' for group, name in groups if name.strip()]
    return "{" + ",".join(members) + "}" if members else "null"


def _text(vr: str, value: bytes, encodings: Encodings, _order: str) -> str:
    text = decode(value, vr, encodings).rstrip(" \0")
    return json_array([quoted(text)]) if text else ""


def _strings(vr: str, value: bytes, encodings: Encodings, _order: str) -> str:
    return json_array([quoted(text) if text else "null" for text in _split(value, vr, encodings)])


def _names(vr: str, value: bytes, encodings: Encodings, _order: str) -> str:
    return json_array([json_name(text) for text in _split(value, vr, encodings)])


def _decimals(vr: str, value: bytes, encodings: Encodings, order: str) -> str:
    if _PLAIN_DECIMALS.fullmatch(plain := value.rstrip(b" ")):
        return json_array(plain.decode("ascii").split("\\"))
    return _as_numbers(vr, value, encodings, order)


def _as_numbers(vr: str, value: bytes, encodings: Encodings, _order: str) -> str:
    return json_array([_number(text) for text in _split(value, vr, encodings)])


def _split(value: bytes, vr: str, encodings: Encodings) -> list[str]:
    """Split after decoding: in GB18030 and Shift JIS the backslash's byte is half a character."""
    text = decode(value, vr, encodings).strip(" \0")
    return [part.strip(" \0") for part in text.split("\\")] if "\\" in text else [text]


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


def _numbers(code: str) -> _Write:
    """Integers, or fractions of which one that is not finite is null."""
    size = struct.calcsize("=" + code)

    def write(_vr: str, value: bytes, _encodings: Encodings, order: str) -> str:
        count = len(value) // size
        numbers = struct.unpack_from(f"{order}{count}{code}", value)
        return json_array([repr(number) if isfinite(number) else "null" for number in numbers])

    return write


def _tags(_vr: str, value: bytes, _encodings: Encodings, order: str) -> str:
    pairs = struct.iter_unpack(order + "HH", value[: len(value) // 4 * 4])
    return json_array([f'"{group:04X}{element:04X}"' for group, element in pairs])


def _binary(vr: str, value: bytes, _encodings: Encodings, order: str) -> str:
    return f',"InlineBinary":"{b64encode(_little(vr, value, order)).decode()}"'


def _little(vr: str, value: bytes, order: str) -> bytes:
    """Binary is little endian in JSON, whatever the file's order (PS3.18 §F.2.7)."""
    if order == "<" or vr not in _WIDTHS or len(value) % struct.calcsize("=" + _WIDTHS[vr]):
        return value
    words = array(_WIDTHS[vr], value)
    words.byteswap()
    return words.tobytes()


_WRITE: MappingProxyType[str, _Write] = MappingProxyType(
    {
        **dict.fromkeys(("LT", "ST", "UT", "UR"), _text),
        **dict.fromkeys(("AE", "AS", "CS", "DA", "DT", "LO", "SH", "TM", "UC", "UI"), _strings),
        "PN": _names,
        "DS": _decimals,
        "IS": _as_numbers,
        "AT": _tags,
        "US": _numbers("H"),
        "SS": _numbers("h"),
        "UL": _numbers("I"),
        "SL": _numbers("i"),
        "UV": _numbers("Q"),
        "SV": _numbers("q"),
        "FL": _numbers("f"),
        "FD": _numbers("d"),
    }
)
"""VR → how its value is written; all others are binary."""
