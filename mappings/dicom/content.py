"""Says when two encodings hold the same content: one digest over elements and values, whatever a sender re-encodes.

Left out: group lengths, trailing padding, VR and length forms, padding of values. One are the uncompressed little endian syntaxes
(implicit, explicit, deflated). Big endian counts as a syntax of its own, and so does each compressed one.
"""

import hashlib
import struct
from typing import Protocol

from mappings.dicom.dictionary import resolve
from mappings.dicom.elements import MAX_DEPTH, PIXEL_DATA, SEQUENCE_END, TRAILING_PADDING, Event, nested, walk
from mappings.dicom.part10 import DEFLATED, Unreadable
from mappings.dicom.transfer_syntax import EXPLICIT, IMPLICIT

_UNCOMPRESSED = frozenset({IMPLICIT, EXPLICIT, DEFLATED})
_TRIMMED = frozenset(["AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "SH", "TM", "UI"])
_TRIMMED_RIGHT = frozenset(["LT", "ST", "UC", "UR", "UT"])
_MARK = struct.Struct("<IQ").pack
_MAX_NESTED = _MAX_TRIMMED = 1 << 20  # beyond, a value is compared as it is: bytes that make a million parts are no text
_ITEM = b"\xfe\xff\x00\xe0"
_PRINTABLE = bytes(range(0x20, 0x7F))


class _Sink(Protocol):
    def update(self, data: bytes | memoryview, /) -> None: ...


def content_digest(dataset: memoryview, transfer_syntax: str) -> bytes:
    """SHA-256 of a plain data set's canonical content; equal when elements and values are. Raises Unreadable as the walk does.

    Text, numbers written as text included, is compared without the blanks around each value; binary is compared as it is, made
    even. Encapsulated pixel data is its fragments, byte for byte, in its exact syntax. The VR is always the dictionaries', since
    implicit VR carries none; a value that nobody knows is a sequence if it reads as one.
    """
    digest = hashlib.sha256(("little endian" if transfer_syntax in _UNCOMPRESSED else transfer_syntax).encode("utf-8", "replace"))
    for event in walk(dataset, transfer_syntax):
        _put(digest, dataset, event, 0)
    return digest.digest()


def _put(digest: _Sink, data: memoryview, event: Event, depth: int) -> None:
    """One event; the end of a sequence goes without saying, so that an empty one is like an empty value."""
    tag, vr, start, stop, creator, _ = event
    if vr == "SQ" or (not vr and tag != SEQUENCE_END):
        digest.update(_MARK(tag, 0))
    elif vr and tag & 0xFFFF and tag != TRAILING_PADDING:
        value = data[start:stop]
        standard_vr = "OW" if tag == PIXEL_DATA else resolve(tag, creator)
        if standard_vr not in ("UN", "SQ") or not _put_sequence(digest, value, tag, depth):
            canonical = _canonical(value, standard_vr)
            digest.update(_MARK(tag, len(canonical)))
            digest.update(canonical)


def _put_sequence(digest: _Sink, value: memoryview, tag: int, depth: int) -> bool:
    """A private sequence loses its VR when it is sent in implicit VR; whether `value` was one, and then its items."""
    if bytes(value[:4]) != _ITEM or depth >= MAX_DEPTH or len(value) > _MAX_NESTED:
        return False
    try:
        events = nested(value)
    except Unreadable:
        return False
    digest.update(_MARK(tag, 0))
    for event in events:
        _put(digest, value, event, depth + 1)
    return True


def _canonical(value: memoryview, vr: str) -> bytes | memoryview:
    if len(value) > _MAX_TRIMMED:
        return _even(value, vr)
    if vr == "PN":  # empty components and groups at the end may be left out (PS3.5 §6.2.1.1)
        return b"\\".join(name.strip(b" \0").rstrip(b" ^=") for name in bytes(value).split(b"\\"))
    if vr in _TRIMMED:
        return b"\\".join(part.strip(b" \0") for part in bytes(value).split(b"\\"))
    if vr in _TRIMMED_RIGHT:
        return bytes(value).rstrip(b" \0")
    return _even(value, vr)


def _even(value: memoryview, vr: str) -> bytes | memoryview:
    if len(value) % 2 == 0:
        return value
    text = vr in _TRIMMED | _TRIMMED_RIGHT or (vr == "UN" and not bytes(value).translate(None, _PRINTABLE))
    return bytes(value) + (b" " if text else b"\0")
