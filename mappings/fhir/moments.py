"""FHIR date search (R4 3.1.1.4.7): a value with prefix and precision as conditions on instants or on spans of time."""

import re
from calendar import monthrange
from datetime import UTC, datetime, timedelta

from mappings.failures import Invalid
from mappings.query import AllOf, AnyOf, Between, Condition

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
_MICROSECOND = timedelta(microseconds=1)
_VALUE = re.compile(
    r"(eq|ne|gt|lt|ge|le|sa|eb|ap)?([12]\d{3})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?(Z|[+-]\d\d:\d\d)?)?)?)?",
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


def stamp(at: datetime) -> int:
    """A moment in whole microseconds since 1970 UTC."""
    return (at - _EPOCH) // _MICROSECOND


def _about(start: datetime, end: datetime, now: datetime) -> tuple[int, int]:
    """What is approximately this: a tenth of the way from now more on either side (R4 3.1.1.4.6)."""
    near = abs(stamp(now) - stamp(start)) // 10
    return stamp(start) - near, stamp(end) + near


def instants(field: str, text: str, where: str, now: datetime) -> Condition:
    """A condition on a field of whole microseconds since 1970 UTC, asked `now`."""
    prefix, start, end = parsed(text, where)
    low, high = _about(start, end, now) if prefix == "ap" else (stamp(start), stamp(end))
    same, below, above = Between(field, low, high - 1), Between(field, None, low - 1), Between(field, high, None)
    told: dict[str, Condition] = {
        "eq": same,
        "ap": same,
        "ne": AnyOf((below, above)),
        "lt": below,
        "eb": below,
        "le": AnyOf((below, same)),
        "gt": above,
        "sa": above,
        "ge": AnyOf((above, same)),
    }
    return told[prefix]


def spans(fields: tuple[str, str], text: str, where: str, now: datetime) -> Condition:
    """A condition on a span of time, kept as two fields of microseconds: when it starts, and when it has ended; asked `now`.

    Without a zone a value is in UTC, as what is kept without one is.
    """
    (begins, ends), (prefix, start, end) = fields, parsed(text, where)
    low, high = _about(start, end, now) if prefix == "ap" else (stamp(start), stamp(end))
    within = AllOf((Between(begins, low, high - 1), Between(ends, None, high)))
    earlier, later = Between(begins, None, low - 1), Between(ends, high + 1, None)
    told: dict[str, Condition] = {
        "eq": within,
        "ap": AllOf((Between(begins, None, high - 1), Between(ends, low + 1, None))),
        "ne": AnyOf((earlier, later)),
        "lt": earlier,
        "le": AnyOf((earlier, within)),
        "gt": later,
        "ge": AnyOf((later, within)),
        "sa": Between(begins, high, None),
        "eb": Between(ends, None, low),
    }
    return told[prefix]


def span(text: str | None) -> tuple[int | None, int | None]:
    """The span of a FHIR date or dateTime as `spans` compares it; (None, None) for none."""
    if text is None:
        return None, None
    _, start, end = parsed(text, "dateTime")
    return stamp(start), stamp(end)
