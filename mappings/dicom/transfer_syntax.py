"""The transfer syntaxes that are plain, and those that objects are sent in other ones of without loss (PS3.5 Annex A)."""

from mappings.dicom.part10 import DEFLATED

IMPLICIT, EXPLICIT, BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
PLAIN = frozenset({IMPLICIT, BIG_ENDIAN, DEFLATED})
"""What differs from Explicit VR Little Endian in its encoding alone."""
LOSSLESS = frozenset({"1.2.840.10008.1.2.5", *(f"1.2.840.10008.1.2.4.{number}" for number in (57, 70, 80, 90, 201, 202))})
"""Whose pixel data is decoded to what was encoded."""


def syntaxes(stored: str) -> tuple[str, ...]:
    """The transfer syntaxes that what is stored in this one can be sent in, the nearest first."""
    return tuple(dict.fromkeys((stored, EXPLICIT, IMPLICIT))) if stored in {EXPLICIT, *PLAIN, *LOSSLESS} else (stored,)
