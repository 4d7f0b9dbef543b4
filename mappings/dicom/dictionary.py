"""Says which VR an element has where the wire does not: the standard's dictionary (PS3.6), or a private creator's.

All that this product leans on inside pydicom for it stands here: its tables themselves, because a look-up through its functions
costs more than the rest of the walk.
"""

from collections.abc import Mapping
from functools import cache, lru_cache
from types import MappingProxyType

from pydicom._dicom_dict import DicomDictionary
from pydicom._private_dict import private_dictionaries
from pydicom.datadict import dictionary_description, dictionary_VR, tag_for_keyword

_ONE_OF = {"US or SS": "xs", "US or SS or OW": "OW", "OB or OW": "OW", "OB_OW": "OW", "US or OW": "OW", "NONE": "UN"}
_DOCUMENTED: Mapping[str, Mapping[int, str]] = MappingProxyType(
    {
        # RSNA's Clinical Trial Processor, as TCIA publishes with it (Posda, (0013,"CTP",xx)); its Site Name (xx12) names an
        # institution, so it stays unknown
        "CTP": {0x001310: "Project Name", 0x001311: "Trial Name", 0x001313: "Site ID"},
        # Siemens, conformance statement of Biograph
        "SIEMENS MED PT": {0x007121: "Registration Matrix UID", 0x007122: "Decay Correction DateTime"},
    }
)
"""Creators that pydicom's dictionary lacks → their elements that say nothing about a person, as group and last byte, by name.

Not here, for what they keep: DCMTK_ANONYMIZER (the patient IDs that were replaced), PixelMed Publishing (file names).
"""


def resolve(tag: int, creator: str | None, *, signed: bool = False) -> str:
    """The VR that the dictionaries give: the standard's, or a private creator's; UN when neither knows the element."""
    if tag & 0x10000:
        return private_vr(tag, creator)
    vr = _dictionary().get(tag) or _repeating(tag)
    return vr if vr != "xs" else "SS" if signed else "US"


def known_private(tag: int, creator: str | None) -> bool:
    """Whether pydicom's private dictionary has the creator, or what is documented beside it this very element."""
    return creator in private_dictionaries or _folded(tag) in _DOCUMENTED.get(creator or "", ())


@lru_cache(maxsize=4096)
def private_vr(tag: int, creator: str | None) -> str:
    """The VR of a private element by its creator, from pydicom's private dictionary; LO for a creator itself (PS3.5 §7.8.1)."""
    element = tag & 0xFFFF
    if element <= 0xFF:
        return "LO" if element >= 0x10 else "UL" if element == 0 else "UN"
    entry = _private_entry(tag, creator)
    return _ONE_OF.get(entry[0], entry[0]).replace("xs", "US") if entry else "UN"


def tag_of(keyword: str) -> str | None:
    """The tag, as eight hex digits, of what PS3.6 calls by this keyword."""
    tag = tag_for_keyword(keyword)
    return None if tag is None else f"{tag:08X}"


@lru_cache(maxsize=4096)
def name(tag: int, creator: str | None = None) -> str:
    """What PS3.6 calls an attribute, or its creator a private one, of the creators that are known; else empty."""
    if tag & 0x10000:
        entry = _private_entry(tag, creator)
        return entry[2] if entry else _DOCUMENTED.get(creator or "", {}).get(_folded(tag), "")
    try:
        return dictionary_description(tag)
    except KeyError:
        return ""


def _private_entry(tag: int, creator: str | None) -> tuple[str, str, str, str] | None:
    group, element, entries = tag >> 16, tag & 0xFFFF, private_dictionaries.get(creator or "", {})
    return entries.get(f"{group:04X}{element:04X}") or entries.get(f"{group:04X}xx{element & 0xFF:02X}")


def _folded(tag: int) -> int:
    """A private tag without the block its creator reserved: group and last byte."""
    return tag >> 16 << 8 | tag & 0xFF


@cache
def _dictionary() -> dict[int, str]:
    return {tag: _ONE_OF.get(entry[0], entry[0]) for tag, entry in DicomDictionary.items()}


def _repeating(tag: int) -> str:
    """For group lengths and the groups that repeat (50xx, 60xx, 7Fxx), folded into one, so that a stranger can't fill a cache."""
    if tag & 0xFFFF == 0:
        return "UL"
    return _repeated(tag & 0xFF00FFFF) if tag >> 24 in (0x50, 0x60, 0x7F) else "UN"


@cache
def _repeated(tag: int) -> str:
    try:
        vr = dictionary_VR(tag)
    except KeyError:
        return "UN"
    return _ONE_OF.get(vr, vr)
