"""Says a place in a data set to a person: the attribute's name beside its tag path, which alone few can read."""

import re
from collections.abc import Mapping
from types import MappingProxyType

from mappings.dicom.dictionary import name

_LAST = re.compile(r"\(([0-9a-f]{4}),([0-9a-f]{4})\)$")
_NONE: Mapping[str, str] = MappingProxyType({})


def attribute_name(place: str, creators: Mapping[str, str] = _NONE) -> str:
    """PS3.6's name of the attribute at a place; of a private one its creator, where that is known. Empty for what is no tag."""
    found = _LAST.search(place)
    if not found:
        return ""
    tag, creator = int(found[1] + found[2], 16), creators.get(place)
    if not tag & 0x10000:
        return name(tag)
    return f"{name(tag, creator) or 'private'} ({creator})" if creator else "private"


def said(place: str, creators: Mapping[str, str] = _NONE) -> str:
    """A place and its attribute's name: (0010,0010) Patient's Name."""
    return f"{place} {attribute_name(place, creators)}".rstrip()


def attribute(place: str, creators: Mapping[str, str] = _NONE) -> str:
    """The same without the items it lies in, so that files can be counted by it."""
    return f"{place.rpartition('.')[2]} {attribute_name(place, creators)}".rstrip()
