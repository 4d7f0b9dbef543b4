"""Decodes text by the character sets that a data set names (PS3.5 §6.1, PS3.3 §C.12.1.1.2)."""

import re
from functools import lru_cache
from typing import TypeAlias

from pydicom.charset import CODES_TO_ENCODINGS, default_encoding, handled_encodings, python_encoding

Encodings: TypeAlias = tuple[str, ...]
DEFAULT_ENCODINGS: Encodings = (default_encoding,)
CHARSET = 0x00080005
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
