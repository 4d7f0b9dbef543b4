"""What `includefield` (PS3.18 §8.3.4.3) may add to an answer: of which level an attribute is, and where it is read.

What an answer always says is in its fragment. More of its patient, study and series stands in its first instance, since all of
them say the same; what only instances say can't be given for a study.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from types import MappingProxyType

from mappings.dicom.dictionary import tag_of
from mappings.dicom.fragment import always_answered
from mappings.query import Level

ALL = "all"
_TAG = re.compile("[0-9A-Fa-f]{8}")

_OF_STUDY = """
00100010 00100020 00100021 00100022 00100024 00100030 00100032 00100033 00100034 00100035 00100040 00101001 00101002 00102160
00104000 00102201 00102202 00102292 00102293 00102294 00120010 00120020 00120021 00120030 00120031 00120040 00120042 00120062
00120063 00120064 00120081 00120082 00080020 00080030 00080050 00080051 00080090 00080096 0008009C 0008009D 00080201 00081030
00081032 00081048 00081049 00081060 00081062 00081080 00081084 00081110 00101010 00101020 00101022 00101023 00101024 00101030
00102000 00102110 00102180 001021A0 001021B0 001021C0 001021D0 00102203 00120050 00120051 00120052 00120053 00120083 00200010
0020000D 00321033 00321034 00321060 00321064 00380010 00380014 00380060 00380062 00380064 00380500 00401012
"""
"""Patient, its study and its trial: PS3.3 C.7.1.1, C.7.1.3, C.7.2.1, C.7.2.2, C.7.2.3."""
_OF_SERIES = """
00080021 00080031 00080060 00080064 00080068 00080070 00080080 00080081 0008103E 0008103F 00081010 00081040 00081050 00081052
00081070 00081072 00081090 00081111 00081250 00082218 00120060 00120071 00120072 00180015 00181000 00181020 00181030 00181050
00181200 00181201 00185100 0020000E 00200011 00200052 00200060 00201040 00400244 00400245 00400250 00400251 00400253 00400254
00400260 00400275 00400280
"""
"""General Series, its trial, Frame of Reference and General Equipment: PS3.3 C.7.3.1, C.7.3.2, C.7.4.1, C.7.5.1."""
_STUDY = frozenset(_OF_STUDY.split())
_SERIES = frozenset(_OF_SERIES.split())
_OF = MappingProxyType({Level.STUDY: _STUDY, Level.SERIES: _STUDY | _SERIES})
_ABOVE = MappingProxyType({Level.STUDY: (), Level.SERIES: (Level.STUDY,), Level.INSTANCE: (Level.SERIES, Level.STUDY)})


@dataclass(frozen=True, slots=True)
class Included:
    """The levels above whose attributes an answer carries, the nearest first; what its first instance says; what nothing can."""

    above: tuple[Level, ...]
    tags: frozenset[str]
    missing: tuple[str, ...]


def levels_above(level: Level) -> tuple[Level, ...]:
    """Study and series, as far as they are above this level, the nearest first."""
    return _ABOVE[level]


def read_include(level: Level, unnamed: Collection[Level], values: Iterable[str]) -> Included:
    """What an answer carries beside its own: all that is said at the levels that its path leaves `unnamed`, and what is asked.

    `values` are those of every `includefield`: keywords, tags, paths into a sequence (all of it is given) or `all`.
    """
    names = [name for value in values for name in value.replace(" ", "").split(",") if name]
    above, tags, missing = set(unnamed), set[str](), dict[str, None]()
    for name in names:
        tag, own = _tag(name), _OF.get(level)
        if name.lower() == ALL:
            above |= set(_ABOVE[level])
            tags |= own or {ALL}
        elif tag in always_answered(level):
            continue
        elif (upper := next((each for each in _ABOVE[level] if tag in always_answered(each)), None)) is not None:
            above.add(upper)
        elif tag is not None and (own is None or tag in own):
            tags.add(tag)
        else:
            missing[name] = None
    return Included(tuple(each for each in _ABOVE[level] if each in above), frozenset(tags), tuple(missing))


def _tag(name: str) -> str | None:
    """The tag of the attribute, or of the outermost sequence of a path."""
    head = name.partition(".")[0]
    return head.upper() if _TAG.fullmatch(head) else tag_of(head)
