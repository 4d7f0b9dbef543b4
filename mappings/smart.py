"""SMART App Launch 2.2 scopes of backend services: read, compared and cut down to what is registered, never widened.

Only `system/` scopes exist here (no user logs in). A granular scope (`?parameter=value`) narrows what is read and searched as
FHIR by its condition; it opens nothing else, since nothing else could hold to that.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import parse_qsl

from mappings.failures import Invalid
from mappings.fhir import chains
from mappings.fhir.chains import Asking
from mappings.fhir.parameters import Context
from mappings.fhir.resources import RESOURCES

LETTERS = "cruds"
ANY = "{type}"
"""Of a needed scope: whichever type the caller's scopes are of."""
MOST_CHARACTERS = 2048
_V1 = {"read": "rs", "write": "cud", "*": "cruds", "search": "s"}
"""SMART v1 permissions and what v2 says they are (scopes and launch context, "Scopes for requesting FHIR resources").

The last is what HL7 Europe's imaging actors ask for.
"""

_TYPE_AND_LETTERS = r"(\*|[A-Z][A-Za-z]{1,63})\.(read|write|search|\*|(?=[cruds])c?r?u?d?s?)"
_QUERY = r"(?:\?([!-~]+))?"
_SHAPE = re.compile(f"system/{_TYPE_AND_LETTERS}{_QUERY}")
_UNSERVED = re.compile(rf"(patient|user)/{_TYPE_AND_LETTERS}(\?[!-~]*)?|(?!system/|user/|patient/)[!#-\[\]-~]+")
"""Well-formed scopes (RFC 6749 section 3.3) that nothing here is under: a person's, a launch's, OpenID's."""
_CONTEXT = Context("", datetime(2000, 1, 1, tzinfo=UTC))

SUPPORTED = (
    "system/*.rs",
    "system/AuditEvent.rs",
    "system/Consent.rs",
    "system/Endpoint.rs",
    "system/Group.rs",
    "system/ImagingStudy.crds",
    "system/Organization.rs",
    "system/Patient.rs",
    "system/Provenance.rs",
    "system/ResearchStudy.rs",
)
"""The scopes our routes ask for, as the discovery documents list them."""

Narrowings = tuple[tuple[tuple[str, str], ...], ...]


@dataclass(frozen=True, slots=True)
class Scope:
    """One v2 scope: a FHIR resource type or `*`, its letters in the standard's order, and a condition (a query, or empty)."""

    type: str
    letters: str
    query: str = ""

    def __str__(self) -> str:
        return f"system/{self.type}.{self.letters}" + (f"?{self.query}" if self.query else "")


def parse(text: str) -> tuple[Scope, ...]:
    """The scopes of a space-separated list, v1 ones as v2. Raises Invalid (`where` is `scope`) for the first it can't serve."""
    return tuple(_known(word) for word in _within(text).split())


def _within(text: str) -> str:
    if len(text) > MOST_CHARACTERS:
        raise Invalid("scope-too-long", f"The scope parameter is longer than {MOST_CHARACTERS} characters.", "scope")
    return text


def allows(scopes: Sequence[str], needed: str) -> bool:
    """Whether these scopes together cover `needed`, such as `ImagingStudy.s` or `Consent.rs`, without a condition.

    What is needed of `ANY` type is covered by that of each. Unreadable ones cover nothing.
    """
    kind, _, letters = needed.partition(".")
    held = "".join(
        s.letters for s in map(_read, scopes) if s is not None and (kind == ANY or s.type in (kind, "*")) and not s.query
    )
    return bool(letters) and set(letters) <= set(held)


def narrowings(scopes: Sequence[str], needed: str) -> Narrowings | None:
    """The conditions, any of which must hold of what is read under `needed` (a type and one letter), as search arguments.

    None of them: there is no condition. None: nothing covers it.
    """
    if allows(scopes, needed):
        return ()
    kind, _, letter = needed.partition(".")
    held = (s for s in map(_read, scopes) if s is not None and kind in (ANY, s.type) and letter in s.letters)
    return tuple(tuple(parse_qsl(s.query)) for s in held) or None


def covers(scopes: Sequence[str], needed: str) -> bool:
    """Whether something is covered of what is `needed`, with or without a condition; of `{type}`: of some type that is served."""
    kind, _, letters = needed.partition(".")
    kinds = [served.type for served in map(_known, SUPPORTED)] if kind == ANY else [kind]
    return any(all(narrowings(scopes, f"{each}.{letter}") is not None for letter in letters) for each in kinds)


def holds(scopes: Sequence[str], earlier: Sequence[str], kind: str) -> bool:
    """Whether these scopes let read and find all resources of a type that those `earlier` ones did."""
    for needed in (f"{kind}.r", f"{kind}.s"):
        now, then = narrowings(scopes, needed), narrowings(earlier, needed)
        if now is None or then is None or (now and not (then and set(then) <= set(now))):
            return False
    return True


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
    return [word for word in words if not _UNSERVED.fullmatch(word) and _is_served(_known(word))]


def _is_served(scope: Scope) -> bool:
    """Whether its type is served, and its condition can be held to: by plain search parameters of it."""
    row, arguments = RESOURCES.get(scope.type), parse_qsl(scope.query)
    if not scope.query:
        return scope.type == "*" or row is not None
    if row is None or not arguments or any(name.startswith("_has") or "." in name for name, _ in arguments):
        return False
    try:
        for name, value in arguments:
            chains.asked(row, name, value.split(","), Asking(_CONTEXT, chains.everything))
    except Invalid:
        return False
    return True


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
    return Scope(match[1], _V1.get(match[2], match[2]), match[3] or "") if match else None


def _known(word: str) -> Scope:
    if scope := _read(word):
        return scope
    if not word.startswith("system/"):
        raise Invalid("scope-unknown", "Only system scopes are served, such as system/ImagingStudy.rs.", "scope")
    raise Invalid("scope-malformed", "A scope is system/Type.letters, its letters some of c r u d s in that order.", "scope")


def _meet(one: Scope, other: Scope) -> Scope | None:
    if one.type != other.type and "*" not in (one.type, other.type):
        return None
    letters = _ordered(set(one.letters) & set(other.letters))
    query = "&".join(dict.fromkeys(q for q in (one.query, other.query) if q))
    return Scope(other.type if one.type == "*" else one.type, letters, query) if letters else None


def _ordered(letters: set[str]) -> str:
    return "".join(letter for letter in LETTERS if letter in letters)


def _united(scopes: Iterable[Scope]) -> list[Scope]:
    """One scope for each type and condition, without those that one without a condition or `*` covers already."""
    held: dict[tuple[str, str], set[str]] = {}
    for scope in scopes:
        held.setdefault((scope.type, scope.query), set()).update(scope.letters)
    wider = {key: _wider(key, held) for key in held}
    return [
        Scope(kind, _ordered(held[kind, query]), query)
        for kind, query in sorted(held)
        if not held[kind, query] <= wider[kind, query]
    ]


def _wider(key: tuple[str, str], held: dict[tuple[str, str], set[str]]) -> set[str]:
    kind, query = key
    others = {("*", ""), (kind, "")} if query else {("*", "")}
    return set().union(*(held.get(other, set()) for other in others - {key}))
