"""Where in the body a series was taken: its part, its side, and the regions of a study."""

import re
from collections.abc import Collection, Iterable

from mappings.fhir.body_parts import BODY_PARTS, REGIONS
from mappings.fhir.systems import BODY_PART, SNOMED, coding

_CODE = re.compile(r"\S+( \S+)*")
LATERALITY = {"L": ("7771000", "Left"), "R": ("24028007", "Right"), "B": ("51440002", "Bilateral")}
"""Laterality (0020,0060) and Image Laterality (0020,0062) → SNOMED CT (PS3.16 CID 244).

U is an unpaired part, which has no side; the group's Unilateral would say that it has two.
"""


def body_site(text: str) -> dict[str, object]:
    """A Coding: SNOMED CT where table L-1 has the part, else the object's own word in Accord's system.

    Words that are no code (R4 2.24.0.1: one blank between them) are said, and not coded.
    """
    if part := BODY_PARTS.get(text):
        return coding(SNOMED, part.code, part.meaning)
    return coding(BODY_PART, text) if _CODE.fullmatch(text) else {"display": text}


def parts_coded(code: str) -> tuple[str, ...]:
    """The words of Body Part Examined that a SNOMED CT code stands for."""
    return tuple(text for text, part in BODY_PARTS.items() if part.code == code)


def regions(texts: Iterable[str]) -> list[dict[str, object]]:
    """Codings of the regions that these words of Body Part Examined lie in, each once."""
    found = {region for text in texts if text in BODY_PARTS for region in BODY_PARTS[text].regions}
    return [coding(SNOMED, code, name) for code, name in REGIONS.items() if code in found]


def laterality(series: str | None, images: Collection[str]) -> dict[str, object] | None:
    """A Coding of the side of a series: its own word, else that of all its images together; None where none is said."""
    sides = {"B"} if {"L", "R"} <= set(images) else set(images)
    word = series or (next(iter(sides)) if len(sides) == 1 else "")
    return coding(SNOMED, *LATERALITY[word]) if word in LATERALITY else None
