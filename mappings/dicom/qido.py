"""Reads a QIDO-RS search (PS3.18 §8.3.4, §10.6) into a Query: keys as keyword or tag, wildcards, lists, ranges and the page.

A key that can't be matched is ignored, as the standard says, and named in a warning, so that nobody takes everything for an
answer; so is what `includefield` asks for and can't be given at this level. What is wrong names its attribute, never its value.
"""

import re
from collections.abc import Callable, Iterable
from datetime import date
from types import MappingProxyType

from mappings.dicom.included import levels_above, read_include
from mappings.dicom.uid import legal_uid
from mappings.failures import Invalid
from mappings.fields import FIELDS, QIDO_KEYS, Kind, fold
from mappings.query import REMAINING, AllOf, AnyOf, Between, Condition, Level, Like, Not, OneOf, Page, Query

LIMIT = 1000
LIMIT_WITHIN_STUDY = 10_000
"""The page of a caller who names no limit, and the largest. Viewers read a study's series and instances without limit, whole."""
LIMIT_INCLUDING = 200
"""The largest page of answers that each have something read from an instance's metadata."""
MAX_OFFSET = 10_000_000
MAX_KEYS = 64
MAX_TEXT = 256
MAX_LIST = 32_768
MOST_NAMED = 20
"""Names in one warning: it is a header, which proxies bound by a few kilobytes."""

# Patient's name under the keyword some viewers ask with, (0040,A123) (Slim's study list).
_ALIASES = MappingProxyType({"PersonName": "patient_name", "0040A123": "patient_name"})
_LISTED = frozenset({"modality", "modalities", "body_part", "patient_sex"})  # CS: a comma is no part of a value (PS3.5 §6.2)
_IGNORED = frozenset({"accept", "charset"})

_NAMED = re.compile(r"[A-Za-z0-9.]{1,64}")
_RANGE = re.compile(r"([0-9:.]*)(-?)([0-9:.]*)")
_TIME = re.compile(r"([01]\d|2[0-3])(?:[0-5]\d(?:(?:[0-5]\d|60)(?:\.\d{1,6})?)?)?")
_LAST_TIME = "995959.999999"


def read_query(
    level: Level, args: Iterable[tuple[str, str]], study_uid: str | None = None, series_uid: str | None = None
) -> tuple[Query, list[str]]:
    """The question that a search at this level asks below these path UIDs, and the sentences for `Warning: 299`.

    Values of a repeated key are alternatives. Raises Invalid, which names the attribute, for what its kind can't be: a UID,
    date, time or number that is none, too many keys or too long a value.
    """
    given = list(args)
    path = {Level.STUDY: ("study_uid", study_uid), Level.SERIES: ("series_uid", series_uid)}
    asked, ignored = _keys(level, given)
    fuzzy = dict(given).get("fuzzymatching", "false").lower() == "true"
    conditions = [*(OneOf(field, (uid,)) for field, uid in path.values() if uid is not None), *_matched(asked, fuzzy=fuzzy)]
    unnamed = [above for above in levels_above(level) if path[above][1] is None]
    included = read_include(level, unnamed, (value for name, value in given if name == "includefield"))
    most = LIMIT_INCLUDING if included.tags else LIMIT if study_uid is None else LIMIT_WITHIN_STUDY
    page, warnings = _page(dict(given), most)
    if ignored:
        warnings.append(f"These attributes can't be matched and were ignored: {_names(ignored)}.")
    if included.missing:
        warnings.append(f"These attributes can't be given at this level: {_names(included.missing)}.")
    return Query(level, AllOf(tuple(conditions)), page, above=included.above, include=included.tags), warnings


def _names(given: Iterable[str]) -> str:
    """The first names as they may stand in a header, and how many more; of what is none, that it is none."""
    names = list(dict.fromkeys(name if _NAMED.fullmatch(name) else "one that is no attribute" for name in given))
    rest = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def remaining(page: Page, given: int, total: int | None) -> list[str]:
    """The sentence that more than a page remains (PS3.18 §8.3.4.4), and how much, where the total (None: many) is known."""
    if total is None:
        return [f"There are {REMAINING}."]
    rest = total - page.offset - given
    return [f"There are {rest} {REMAINING}."] if rest > 0 else []


def _keys(level: Level, given: list[tuple[str, str]]) -> tuple[dict[str, list[tuple[str, str]]], list[str]]:
    """Field → its (attribute as named, value)s, and the names of what no field answers."""
    if len(given) > MAX_KEYS:
        raise Invalid("qido-too-many-keys", f"A search may have {MAX_KEYS} parameters.")
    asked: dict[str, list[tuple[str, str]]] = {}
    ignored: dict[str, None] = {}
    for name, value in given:
        if name in _PARAMETERS:
            continue
        field = _field(level, name)
        if field is None:
            ignored[name] = None
        elif value.strip().strip("*"):  # else universal matching (PS3.4 §C.2.2.2.3)
            asked.setdefault(field, []).append((name, value.strip()))
    return asked, list(ignored)


def _field(level: Level, name: str) -> str | None:
    key = ".".join(part.upper() if part[:1].isdigit() else part for part in name.split("."))
    alias = _ALIASES.get(key) if level is Level.STUDY else None
    return alias or QIDO_KEYS.get(key)


def _matched(asked: dict[str, list[tuple[str, str]]], *, fuzzy: bool) -> list[Condition]:
    conditions = {field: _any([_read(field, *each, fuzzy=fuzzy) for each in values]) for field, values in asked.items()}
    for day, time in _MOMENTS:
        joined = _combined(day, time, conditions.get(day), conditions.get(time))
        if joined is not None:
            conditions = {f: c for f, c in conditions.items() if f not in {day, time}} | {day: joined}
    return list(conditions.values())


def _any(conditions: list[Condition]) -> Condition:
    return conditions[0] if len(conditions) == 1 else AnyOf(tuple(conditions))


def _read(field: str, name: str, value: str, *, fuzzy: bool) -> Condition:
    kind = FIELDS[field].kind
    if len(value) > (MAX_LIST if kind is Kind.UID or field in _LISTED else MAX_TEXT):
        raise Invalid("qido-value-too-long", "The value of this attribute is too long to be matched.", name)
    if fuzzy and kind is Kind.NAME and not _wild(value):
        return _beginnings(field, value)
    return _READERS[kind](field, name, value)


def _uids(field: str, name: str, value: str) -> Condition:
    uids = _split(r"[,\\]", name, value)
    if not all(legal_uid(uid) for uid in uids):
        raise Invalid("qido-uid", "This attribute takes UIDs (PS3.5 §9.1), several with a comma between, and no wildcards.", name)
    return OneOf(field, uids)


def _codes(field: str, name: str, value: str) -> Condition:
    values = _split(r"[,\\]" if field in _LISTED else r"\\", name, value)
    plain = tuple(v for v in values if not _wild(v))
    patterns: list[Condition] = [Like(field, v) for v in values if _wild(v)]
    return _any([OneOf(field, plain), *patterns] if plain else patterns)


def _text(field: str, _name: str, value: str) -> Condition:
    text = fold(value)
    return Like(field, text) if _wild(text) else OneOf(field, (text,))


def _person(field: str, _name: str, value: str) -> Condition:
    """A name without wildcards is a whole component group, the first of several too (PS3.4 §C.2.2.2.1)."""
    text = fold(value).rstrip("=^")
    return Like(field, text) if text.endswith("*") else AnyOf((Like(field, text), Like(field, f"{text}=*")))


def _beginnings(field: str, value: str) -> Condition:
    """Fuzzy matching of a name: each word asked begins a word of it, in whatever order (PS3.4 §C.2.2.2.1.1 leaves how to us)."""
    words = dict.fromkeys(re.split(r"[ ^=]+", fold(value).strip(" ^=")))
    return AllOf(tuple(AnyOf((Like(field, f"{word}*"), *(Like(field, f"*{mark}{word}*") for mark in " ^"))) for word in words))


def _dates(field: str, name: str, value: str) -> Condition:
    low, high = _bounds(name, value, "qido-date", "YYYYMMDD", _is_date)
    return OneOf(field, (low,)) if low is not None and low == high else Between(field, low, high)


def _times(field: str, name: str, value: str) -> Condition:
    """A time stands for all that its precision leaves open: 10 from 10:00 until before 11:00 (PS3.4 §C.2.2.2.5)."""
    low, high = _bounds(name, value.replace(":", ""), "qido-time", "HHMMSS.FFFFFF", lambda t: _TIME.fullmatch(t) is not None)
    bounds = Between(field, low and re.sub(r"(?<=\d\d)(?:0000|00)$", "", low), high and high + _LAST_TIME[len(high) :])
    return bounds if "-" in value else AllOf((bounds,))  # one time is no range, so dates leave it alone


def _numbers(field: str, name: str, value: str) -> Condition:
    values = _split(r"[,\\]", name, value)
    if not all(re.fullmatch(r"[+-]?\d{1,10}", v) and abs(int(v)) < 2**31 for v in values):
        raise Invalid("qido-number", "This attribute takes whole numbers, several with a comma between, and no wildcards.", name)
    return OneOf(field, tuple(int(v) for v in values))


_Reader = Callable[[str, str, str], Condition]
_READERS: MappingProxyType[Kind, _Reader] = MappingProxyType(
    {
        Kind.UID: _uids,
        Kind.CODE: _codes,
        Kind.TEXT: _text,
        Kind.NAME: _person,
        Kind.DATE: _dates,
        Kind.TIME: _times,
        Kind.NUMBER: _numbers,
    }
)


def _wild(value: str) -> bool:
    return "*" in value or "?" in value


def _split(separator: str, name: str, value: str) -> tuple[str, ...]:
    values = tuple(dict.fromkeys(v.strip() for v in re.split(separator, value) if v.strip()))
    if not values:
        raise Invalid("qido-list", "This attribute takes one or several values.", name)
    return values


def _bounds(name: str, value: str, code: str, shape: str, legal: Callable[[str], bool]) -> tuple[str | None, str | None]:
    """(low, high) of `a`, `a-b`, `a-` or `-b`, None for an open end."""
    read = _RANGE.fullmatch(value.replace(" ", ""))
    low, dash, high = read.groups() if read else ("", "", "")
    if not (low or high) or not all(legal(end) for end in (low, high) if end):
        raise Invalid(code, f"This attribute takes {shape}, or a range: a dash and one or two of them.", name)
    return low or None, (high or None) if dash else low


def _is_date(text: str) -> bool:
    try:
        return len(text) == 8 and text.isdigit() and bool(date.fromisoformat(text))
    except ValueError:
        return False


_MOMENTS = (("study_date", "study_time"), ("performed_date", "performed_time"))


def _combined(day_field: str, time_field: str, days: Condition | None, times: Condition | None) -> Condition | None:
    """Ranges of one form, of dates and of times, are one range of moments (PS3.4 §C.2.2.2.5.4)."""
    if not isinstance(days, Between) or not isinstance(times, Between):
        return None
    if (days.low is None, days.high is None) != (times.low is None, times.high is None):
        return None
    ends = ((days.low, times.low, None), (days.high, None, times.high))
    first_and_last = tuple(day for day, _, _ in ends if day is not None)
    between = AllOf((days, Not(OneOf(day_field, first_and_last))))
    on = (AllOf((OneOf(day_field, (day,)), Between(time_field, low, high))) for day, low, high in ends if day is not None)
    return AnyOf((between, *on))


def _page(given: dict[str, str], most: int) -> tuple[Page, list[str]]:
    limit, offset = _count(given, "limit", most), _count(given, "offset", 0)
    if offset > MAX_OFFSET:
        raise Invalid("qido-offset", f"The offset may be {MAX_OFFSET} at most; narrow the search.", "offset")
    warnings = [f"The limit was lowered to {most}, the largest page."] if limit > most else []
    return Page(limit=min(limit, most), offset=offset), warnings


def _count(given: dict[str, str], name: str, default: int) -> int:
    text = given.get(name, "").strip()
    if not re.fullmatch(r"\d{0,12}", text, re.ASCII):
        raise Invalid(f"qido-{name}", "This parameter takes a whole number from 0.", name)
    return int(text) if text else default


_PARAMETERS = _IGNORED | {"includefield", "limit", "offset", "fuzzymatching", "emptyvaluematching", "multiplevaluematching"}
