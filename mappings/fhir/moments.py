"""FHIR date search (R4 3.1.1.4.7): a value with prefix and precision as conditions on instants or on calendar days."""

import re
from calendar import monthrange
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from mappings.failures import Invalid
from mappings.query import NOTHING, AnyOf, Between, Condition

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
_MICROSECOND = timedelta(microseconds=1)
_VALUE = re.compile(
    r"(eq|ne|gt|lt|ge|le|sa|eb)?([12]\d{3})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?(Z|[+-]\d\d:\d\d)?)?)?)?",
    re.ASCII,
)


def parsed(text: str, where: str) -> tuple[str, datetime, datetime]:
    """(prefix, start, end) of a date value: the UTC interval its precision spans, end exclusive. Raises Invalid('date')."""
    match = _VALUE.fullmatch(text)
    try:
        if match:
            prefix, *parts = match.groups()
            return prefix or "eq", *_interval(*parts)
    except (ValueError, OverflowError):
        pass
    raise Invalid("date", f"{where} takes a date such as 2021, ge2021-03 or lt2021-03-04T10:00:00Z (a + is written %2B).", where)


def _interval(
    year: str,
    month: str | None,
    day: str | None,
    hour: str | None,
    minute: str | None,
    second: str | None,
    fraction: str | None,
    zone: str | None,
) -> tuple[datetime, datetime]:
    clock = f"{hour or '00'}:{minute or '00'}:{second or '00'}.{(fraction or '').ljust(6, '0')}"
    start = datetime.fromisoformat(f"{year}-{month or '01'}-{day or '01'}T{clock}{zone or 'Z'}").astimezone(UTC)
    if hour:
        width = _MICROSECOND * 10 ** (6 - len(fraction)) if fraction else timedelta(seconds=1) if second else timedelta(minutes=1)
    elif month:
        width = _DAY if day else _DAY * monthrange(int(year), int(month))[1]
    else:
        width = datetime(int(year) + 1, 1, 1, tzinfo=UTC) - start
    return start, start + width


def _stamp(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


def instants(field: str, text: str, where: str) -> Condition:
    """A condition on a field of whole microseconds since 1970 UTC."""
    prefix, start, end = parsed(text, where)
    low, high = _stamp(start), _stamp(end)
    return _compared(field, prefix, (low, high - 1), (low - 1, high), lambda n: n)


def days(field: str, text: str, where: str) -> Condition:
    """A condition on a field of calendar days (YYYYMMDD): the value is the whole day, in its own zone.

    A parameter finer than a day spans no whole day, so nothing equals it; the other prefixes compare the edges.
    """
    prefix, start, end = parsed(text, where)
    (first, inside), (last, cut) = divmod(start - _EPOCH, _DAY), divmod(end - _EPOCH, _DAY)
    begun, ended = first + bool(inside), last - 1
    before, after = (
        {"lt": begun - 1, "le": begun - 1}.get(prefix, first - 1),
        {"gt": last, "ge": last}.get(prefix, last + bool(cut)),
    )
    return _compared(field, prefix, (begun, ended), (before, after), _day)


def _day(number: int) -> str:
    return f"{_EPOCH + number * _DAY:%Y%m%d}"


def _compared(
    field: str, prefix: str, equal: tuple[int, int], sides: tuple[int, int], shown: Callable[[int], str | int]
) -> Condition:
    """`equal`: first and last value within the parameter; `sides`: the last value below and the first above it."""
    spans = equal[0] <= equal[1]
    same: Condition = Between(field, shown(equal[0]), shown(equal[1])) if spans else NOTHING
    other = AnyOf((Between(field, None, shown(equal[0] - 1)), Between(field, shown(equal[1] + 1), None)))
    below, above = Between(field, None, shown(sides[0])), Between(field, shown(sides[1]), None)
    return {
        "eq": same,
        "ne": other if spans else Between(field, None, None),
        "lt": below,
        "eb": below,
        "le": AnyOf((below, same)),
        "gt": above,
        "sa": above,
        "ge": AnyOf((above, same)),
    }[prefix]
