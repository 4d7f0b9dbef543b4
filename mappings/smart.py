"""SMART App Launch 2.2 scopes of backend services: read, compared and cut down to what is registered, never widened.

Only `system/` scopes exist here (no user logs in). A granular scope (`?param=value`) is refused: serving it as if it had no
condition would widen it.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from mappings.failures import Invalid

LETTERS = "cruds"
MOST_CHARACTERS = 2048
_V1 = {"read": "rs", "write": "cud", "*": "cruds", "search": "s"}
"""SMART v1 permissions and what v2 says they are (scopes and launch context, "Scopes for requesting FHIR resources").

The last is what HL7 Europe's imaging actors ask for.
"""

_TYPE_AND_LETTERS = r"(\*|[A-Z][A-Za-z]{1,63})\.(read|write|search|\*|(?=[cruds])c?r?u?d?s?)"
_SHAPE = re.compile(f"system/{_TYPE_AND_LETTERS}")
_UNSERVED = re.compile(
    rf"(patient|user)/{_TYPE_AND_LETTERS}(\?[!-~]*)?|system/{_TYPE_AND_LETTERS}\?[!-~]+|(?!system/|user/|patient/)[!#-\[\]-~]+"
)
"""Well-formed scopes (RFC 6749 section 3.3) that nothing here is under: a person's, a granular one, a launch's, OpenID's."""

SUPPORTED = (
    "system/*.rs",
    "system/Consent.rs",
    "system/Endpoint.rs",
    "system/ImagingStudy.crds",
    "system/Organization.rs",
    "system/Patient.rs",
    "system/Provenance.rs",
)
"""The scopes our routes ask for, as the discovery documents list them."""


@dataclass(frozen=True, slots=True)
class Scope:
    """One v2 scope: a FHIR resource type or `*`, and its letters in the standard's order."""

    type: str
    letters: str

    def __str__(self) -> str:
        return f"system/{self.type}.{self.letters}"


def parse(text: str) -> tuple[Scope, ...]:
    """The scopes of a space-separated list, v1 ones as v2. Raises Invalid (`where` is `scope`) for the first it can't serve."""
    return tuple(_known(word) for word in _within(text).split())


def _within(text: str) -> str:
    if len(text) > MOST_CHARACTERS:
        raise Invalid("scope-too-long", f"The scope parameter is longer than {MOST_CHARACTERS} characters.", "scope")
    return text


def allows(scopes: Sequence[str], needed: str) -> bool:
    """Whether these scopes together cover `needed`, such as `ImagingStudy.s` or `Consent.rs`; unreadable ones cover nothing."""
    kind, _, letters = needed.partition(".")
    held = "".join(s.letters for s in map(_read, scopes) if s is not None and s.type in (kind, "*"))
    return bool(letters) and set(letters) <= set(held)


def grant_scopes(requested: str | None, registered: Iterable[str]) -> tuple[str, ...]:
    """What a client gets: what is requested *and* registered (RFC 6749 section 3.3); nothing requested means all registered.

    What is well-formed and not served or not registered is left out. What is registered whole is granted in the words it was
    asked in; of the rest as much as is registered. Raises Invalid (`where` is `scope`) for a malformed scope, an empty request,
    and where nothing is left.
    """
    own = parse(" ".join(registered))
    if requested is None:
        return tuple(map(str, _united(own)))
    granted = dict.fromkeys(word for asked in _asked(requested) for word in _granted(asked, own))
    if not granted:
        raise Invalid("scope-not-registered", "None of the scopes asked for is served and registered for this client.", "scope")
    return tuple(granted)


def _asked(requested: str) -> list[str]:
    """The scopes of a request that are of the kind served here, in the words they were asked in."""
    words = _within(requested).split()
    if not words:
        raise Invalid("scope-empty", "The scope parameter names no scope: leave it out for all that are registered.", "scope")
    return [word for word in words if not _UNSERVED.fullmatch(word) and _known(word)]


def _granted(asked: str, own: Sequence[Scope]) -> Iterator[str]:
    wanted = _known(asked)
    met = _united(m for m in (_meet(wanted, scope) for scope in own) if m is not None)
    if wanted in met:
        yield asked
    else:
        yield from map(str, met)


@lru_cache(maxsize=1024)
def still_granted(granted: str, registered: tuple[str, ...]) -> tuple[str, ...]:
    """What of a token's scopes its client has by now; none where nothing is left."""
    try:
        return grant_scopes(granted, registered)
    except Invalid:
        return ()


@lru_cache(maxsize=1024)
def _read(word: str) -> Scope | None:
    match = _SHAPE.fullmatch(word)
    return Scope(match[1], _V1.get(match[2], match[2])) if match else None


def _known(word: str) -> Scope:
    if scope := _read(word):
        return scope
    if not word.startswith("system/"):
        raise Invalid("scope-unknown", "Only system scopes are served, such as system/ImagingStudy.rs.", "scope")
    if "?" in word:
        raise Invalid("scope-granular", "Scopes with a condition (?parameter=value) are not served: leave it out.", "scope")
    raise Invalid("scope-malformed", "A scope is system/Type.letters, its letters some of c r u d s in that order.", "scope")


def _meet(one: Scope, other: Scope) -> Scope | None:
    if one.type != other.type and "*" not in (one.type, other.type):
        return None
    letters = _ordered(set(one.letters) & set(other.letters))
    return Scope(other.type if one.type == "*" else one.type, letters) if letters else None


def _ordered(letters: set[str]) -> str:
    return "".join(letter for letter in LETTERS if letter in letters)


def _united(scopes: Iterable[Scope]) -> list[Scope]:
    """One scope for each type, without those that `*` covers already."""
    held: dict[str, set[str]] = {}
    for scope in scopes:
        held.setdefault(scope.type, set()).update(scope.letters)
    every = held.get("*", set())
    return [Scope(kind, _ordered(letters)) for kind, letters in sorted(held.items()) if kind == "*" or not letters <= every]
