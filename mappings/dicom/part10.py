"""Opens a DICOM file: preamble, file meta and where the data set starts (PS3.10 §7.1), and writes the file meta of our own.

Nothing of the data set is decoded here. A deflated one is inflated under a bound: a megabyte can hold a gigabyte of zeros.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

DEFLATED = "1.2.840.10008.1.2.1.99"
_DEFLATED = frozenset({DEFLATED, "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"})  # the JPIP ones too (PS3.5 §A.5, §A.6)
IMPLEMENTATION_CLASS_UID = "2.25.330769827058921057410105363830733148689"  # a UUID (PS3.5 §B.2), for ever
IMPLEMENTATION_VERSION_NAME = "ACCORD"

MAX_META = 64 * 1024
MAX_INFLATED = 512 * 1024 * 1024
FREE_INFLATED = 16 * 1024 * 1024
MAX_RATIO = 20
_CHUNK = 1024 * 1024

_HEAD = struct.Struct("<HH2sH").unpack_from
_U32 = struct.Struct("<I").unpack_from
_TRANSFER_SYNTAX = re.compile(r"[0-9]+(?:\.[0-9]+)+")
LONG = frozenset({b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"SQ", b"UC", b"UR", b"UT", b"UN", b"SV", b"UV"})
"""VRs whose length has 32 bits in explicit VR (PS3.5 §7.1.2)."""


class Unreadable(Exception):
    """Bytes that are no acceptable DICOM object: the rule they break, a part of a sentence without a value, a tag if known."""

    def __init__(self, rule: str, detail: str, where: str | None = None) -> None:
        super().__init__(f"{rule}: {detail}" + (f" at {where}" if where else ""))
        self.rule = rule
        self.detail = detail
        self.where = where


@dataclass(frozen=True, slots=True)
class Part10:
    """A DICOM file opened: what its file meta says, and its data set as encoded (still deflated if it came so)."""

    preamble_zero: bool
    transfer_syntax: str
    media_sop_class: str
    media_sop_instance: str
    dataset_start: int
    dataset: memoryview


def read_part10(file: memoryview) -> Part10:
    """A whole file held in memory, opened. Raises Unreadable('not-dicom') without preamble, DICM and file meta (PS3.10 §7.1)."""
    if len(file) < 132 or bytes(file[128:132]) != b"DICM":
        raise Unreadable("not-dicom", "it has no preamble with the letters DICM")
    meta, start = _file_meta(file)
    syntax = _uid(meta.get(0x0010, b""))
    if len(syntax) > 64 or not _TRANSFER_SYNTAX.fullmatch(syntax):
        raise Unreadable("not-dicom", "its file meta names no transfer syntax", "(0002,0010)")
    return Part10(not any(file[:128]), syntax, _uid(meta.get(0x0002, b"")), _uid(meta.get(0x0003, b"")), start, file[start:])


def file_meta(sop_class: str, sop_instance: str, transfer_syntax: str) -> bytes:
    """Preamble, DICM and file meta for a data set that came over DIMSE; the same bytes for the same arguments, for ever."""
    group = b"".join(
        (
            _element(0x0001, b"OB", b"\0\1"),
            _element(0x0002, b"UI", sop_class.encode("ascii")),
            _element(0x0003, b"UI", sop_instance.encode("ascii")),
            _element(0x0010, b"UI", transfer_syntax.encode("ascii")),
            _element(0x0012, b"UI", IMPLEMENTATION_CLASS_UID.encode("ascii")),
            _element(0x0013, b"SH", IMPLEMENTATION_VERSION_NAME.encode("ascii")),
        )
    )
    return bytes(128) + b"DICM" + _element(0x0000, b"UL", struct.pack("<I", len(group))) + group


def is_deflated(transfer_syntax: str) -> bool:
    """Whether a data set is deflated, so that nothing of it can be read without all before."""
    return transfer_syntax in _DEFLATED


def plain(dataset: memoryview, transfer_syntax: str) -> memoryview:
    """The data set, inflated. Raises Unreadable as inflate."""
    if not is_deflated(transfer_syntax):
        return dataset
    out = bytearray()
    for piece in inflate((bytes(dataset[at : at + _CHUNK]) for at in range(0, len(dataset), _CHUNK)), len(dataset)):
        out += piece
    return memoryview(out).toreadonly()


def inflate(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    """A deflated data set of `size` bytes, piece by piece.

    Raises Unreadable('structure-broken') past 512 MB, past 20:1 above 16 MB, or on bad bytes.
    """
    limit = min(MAX_INFLATED, max(FREE_INFLATED, MAX_RATIO * size))
    stream, inflated = zlib.decompressobj(-zlib.MAX_WBITS), 0
    while not stream.eof:
        out = _inflate(stream, stream.unconsumed_tail or next(pieces, b""))
        inflated += len(out)
        if inflated > limit:
            raise Unreadable("structure-broken", "it inflates beyond any plausible size")
        yield out


def _inflate(stream: "zlib._Decompress", source: bytes) -> bytes:
    try:
        out = stream.decompress(source, _CHUNK)
    except zlib.error as broken:
        raise Unreadable("structure-broken", "its deflated data set can't be inflated") from broken
    if not source and not out and not stream.eof:
        raise Unreadable("structure-broken", "its deflated data set ends early")
    return out


def _file_meta(file: memoryview) -> tuple[dict[int, bytes], int]:
    """Group 2 by element number, and where it ends; by its tags, not by its group length, which real files get wrong."""
    elements: dict[int, bytes] = {}
    position = 132
    while position + 8 <= len(file):
        group, element, vr, length = _HEAD(file, position)
        if group != 2:
            break
        start = position + 8
        if vr in LONG:
            if start + 4 > len(file):
                raise Unreadable("not-dicom", "its file meta is cut short", f"(0002,{element:04X})")
            length, start = _U32(file, start)[0], start + 4
        position = start + length
        if position > len(file) or position > MAX_META:
            raise Unreadable("not-dicom", "its file meta is cut short or too long", f"(0002,{element:04X})")
        elements[element] = bytes(file[start:position])
    if not elements:
        raise Unreadable("not-dicom", "it has no file meta information")
    return elements, position


def _uid(value: bytes) -> str:
    return value.rstrip(b"\0 ").decode("ascii", "replace")


def _element(element: int, vr: bytes, value: bytes) -> bytes:
    value += (b" " if vr == b"SH" else b"\0") * (len(value) % 2)
    size = struct.pack("<HI", 0, len(value)) if vr in LONG else struct.pack("<H", len(value))
    return struct.pack("<HH2s", 2, element, vr) + size + value
