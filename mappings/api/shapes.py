"""What bodies and answers of `/api/…` are made of; one that can't be read is refused by where it is wrong, never by its value."""

import re
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct

from mappings.failures import Invalid

MOST_WHERE = 120
"""Characters of a place that are repeated to who wrote it."""
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$", description="1 to 63 letters, digits, - and _.")]
Line = Annotated[str, Meta(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$", description="One line of text.")]


class Asked(Struct, kw_only=True, forbid_unknown_fields=True):
    """A body: what it does not know, it refuses."""


class Told(Struct, kw_only=True, forbid_unknown_fields=True):
    """An answer: a JSON object with these members and no others."""


class Problem(Struct, kw_only=True, forbid_unknown_fields=True):
    """Problem details (RFC 9457): `title` is a stable code, `detail` a sentence that helps, `where` the place at fault."""

    type: str
    title: str
    status: int
    detail: str
    where: str | None = None
    instance: str | None = None


A = TypeVar("A", bound=Struct)


def read_body(body: bytes, shape: type[A]) -> A:
    """The body as its type. Raises Invalid `not-json`, or `body-invalid` with the place (`$.conditions[2]`)."""
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.ValidationError as error:
        raise _invalid("body-invalid", str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Invalid("not-json", "The body must be a JSON object, sent as application/json.") from None


def read_query(arguments: dict[str, str], shape: type[A]) -> A:
    """The query's parameters as their type, each from its text. Raises Invalid `parameter-invalid` with its name."""
    try:
        return msgspec.convert(arguments, shape, strict=False)
    except msgspec.ValidationError as error:
        raise _invalid("parameter-invalid", str(error)) from None


_PLACE = re.compile(r" - at `(?:key in )?(?P<where>.*?)`$", re.DOTALL)
_REPEATED = re.compile(r"^(Invalid [a-z ]+?) ('.*'|-?\d+)$|^Object contains unknown field.*$", re.DOTALL)


def _invalid(code: str, said: str) -> Invalid:
    """Msgspec's sentence without any value of the body's; an unknown member is where it stands."""
    place = _PLACE.search(said)
    what = said[: place.start()] if place else said
    repeated = _REPEATED.match(what)
    if repeated:
        what = repeated[1] or "It has a member that is not known here"
    return Invalid(code, f"{what}.", (place["where"] if place else "$")[:MOST_WHERE])
