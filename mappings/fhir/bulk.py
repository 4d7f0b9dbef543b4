"""Bulk Data Access 2.0: what a kick-off request asks for, as conditions on each type, and the manifest of what it came to.

What is not known is refused by name, or passed over where the caller asks for lenient handling.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlencode

import msgspec

from consent.policy import NEVER_FOR_DIAGNOSIS
from mappings.failures import Invalid
from mappings.fhir import chains
from mappings.fhir.moments import parsed
from mappings.fhir.outcome import outcome
from mappings.fhir.parameters import Context
from mappings.fhir.resource_row import R4, Resource
from mappings.fhir.resources import RESOURCES, served_in
from mappings.fhir.search import MAX_VALUE, Arguments, Reader
from mappings.fhir.search import read as read_search
from mappings.fhir.serial import instant
from mappings.fhir.summaries import Cut, Subset, cutting
from mappings.query import EVERYTHING, AllOf, AnyOf, Condition, Not, check_size, check_values

NDJSON = "application/fhir+ndjson"
_FORMATS = (NDJSON, "application/ndjson", "ndjson")
_PROVENANCE = ("LatestProvenanceResources", "RelevantProvenanceResources")
_FILTER = re.compile(r",(?=[A-Z][A-Za-z]+\?)")
"""Between two queries of one `_typeFilter`: the commas of their values stay theirs."""
_ELEMENT = re.compile(r"(?:([A-Z][A-Za-z]+)\.)?([a-z][A-Za-z]*)")
"""Of surrogate pairs, which JSON can escape alone and UTF-8 can't say."""
MOST_ARGUMENTS = 1000

_EXPORTED = tuple(row for row in served_in(R4) if row.is_harvested)


@dataclass(frozen=True, slots=True)
class Kickoff:
    """What is asked for: of the whole system (`level` empty), of all patients ("Patient") or of a dataset's ("Group", by its id).

    `types` in their order, none for all, and those `associated` with them; queries and elements (those of "" are of every type)
    by type; `ignored` are parameters that were passed over.
    """

    level: str
    group: str
    types: tuple[str, ...]
    associated: tuple[str, ...] = ()
    since: str | None = None
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    elements: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    patients: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    def wanted(self) -> tuple[str, ...]:
        """The types asked for; where none was named, all of the level's; and what is associated with them."""
        every = (row.name for row in _EXPORTED if not self.level or of_patients(row))
        return tuple(dict.fromkeys((*(self.types or every), *self.associated)))

    def cut(self, kind: str) -> Cut | None:
        """How resources of a type are cut to the elements that are wanted; None where they stay whole."""
        return cutting(RESOURCES[kind], Subset(elements=frozenset((*self.elements.get("", ()), *self.elements.get(kind, ())))))


def of_patients(row: Resource) -> bool:
    """Whether resources of this type are a patient's, as R4's Patient compartment has it."""
    return row.name == "Patient" or row.is_of_patients


# --- reading


def read_kickoff(level: str, group: str, arguments: Arguments, *, lenient: bool = False) -> Kickoff:
    """Read what a request asks for. Raises Invalid, saying where."""
    if len(arguments) > MOST_ARGUMENTS or any(len(value) > MAX_VALUE or "\0" in value for _, value in arguments):
        raise Invalid("too-many", f"An export takes at most {MOST_ARGUMENTS} arguments of at most {MAX_VALUE} characters.")
    given: dict[str, list[str]] = {}
    for name, value in arguments:
        given.setdefault(name, []).append(value)
    check_values(sum(value.count(",") + 1 for values in given.values() for value in values))
    reading = _Reading(lenient)
    types = reading.types(_listed(given, "_type"))
    reading.formats(given.pop("_outputFormat", []))
    associated = reading.associated(_listed(given, "includeAssociatedData"))
    since, elements = _since(given.pop("_since", [])), _elements(_listed(given, "_elements"))
    filters = reading.filters([q for value in given.pop("_typeFilter", []) for q in _FILTER.split(value)], types)
    patients = tuple(given.pop("patient", []) if level else ())
    for name in given:
        reading.unknown(name, f"An export takes no parameter {name[:64]} here.", name)
    return Kickoff(level, group, types, associated, since, filters, elements, patients, tuple(reading.ignored))


def _listed(given: dict[str, list[str]], name: str) -> Sequence[str]:
    """The values of a parameter that is repeated or listed with commas."""
    return tuple(dict.fromkeys(word for value in given.pop(name, []) for word in value.split(",") if word))


class _Reading:
    """What is passed over on the way, if anything may be."""

    def __init__(self, lenient: bool) -> None:
        self._lenient = lenient
        self.ignored: list[str] = []

    def unknown(self, told: str, sentence: str, where: str) -> None:
        """Pass over what is not known. Raises Invalid unless handling is lenient."""
        if not self._lenient:
            raise Invalid("unknown-parameter", sentence, where[:64])
        self.ignored.append(told[:64])

    def types(self, named: Sequence[str]) -> tuple[str, ...]:
        served = {row.name for row in _EXPORTED}
        for name in [name for name in named if name not in served]:
            self.unknown(name, f"There is no {name[:64]} here.", "_type")
        asked = tuple(name for name in named if name in served)
        if named and not asked:
            raise Invalid("type-unknown", "None of the types asked for is served here.", "_type")
        return asked

    def formats(self, named: Sequence[str]) -> None:
        for name in named:
            if name.partition(";")[0].strip().replace(" ", "+") not in _FORMATS:
                raise Invalid("output-format", f"An export is {NDJSON}.", "_outputFormat")

    def associated(self, named: Sequence[str]) -> tuple[str, ...]:
        for name in set(named) - set(_PROVENANCE):
            self.unknown(name, f"includeAssociatedData takes one of: {', '.join(_PROVENANCE)}.", "includeAssociatedData")
        return ("Provenance",) if set(named) & set(_PROVENANCE) else ()

    def filters(self, queries: Sequence[str], types: Sequence[str]) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for query in filter(None, queries):
            kind, _, search = query.partition("?")
            if search and kind in RESOURCES and (not types or kind in types):
                found[kind] = (*found.get(kind, ()), self._known(RESOURCES[kind], search))
            else:
                self.unknown(query, "A _typeFilter is a search of a type that is exported: Type?parameter=value.", "_typeFilter")
        return found

    def _known(self, row: Resource, search: str) -> str:
        """Of a query the parameters that say which, as a search knows them. Where none is left, it asks for all of the type."""
        arguments = parse_qsl(search, keep_blank_values=True)
        known = [(name, value) for name, value in arguments if chains.is_known(row, name)]
        for name in dict.fromkeys(name for name, _ in arguments if not chains.is_known(row, name)):
            told = f"A _typeFilter of {row.name} takes no {name[:64]}: it says which, by the parameters in metadata."
            self.unknown(f"_typeFilter={row.name}?{name}", told, "_typeFilter")
        return search if len(known) == len(arguments) else urlencode(known)


def _since(values: Sequence[str]) -> str | None:
    if len(values) > 1 or (values and not values[0][:1].isdigit()):
        raise Invalid("since", "_since is one instant, such as 2026-01-31T12:00:00Z.", "_since")
    for value in values:
        parsed(value.replace(" ", "+"), "_since")
    return values[0].replace(" ", "+") if values else None


def _elements(named: Iterable[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name in named:
        match = _ELEMENT.fullmatch(name)
        if match is None:
            raise Invalid("element", "_elements are names of elements at the root of a resource, as Patient.gender.", "_elements")
        found[match[1] or ""] = (*found.get(match[1] or "", ()), match[2])
    return found


# --- conditions


def narrowed(kickoff: Kickoff, kind: str, reader: Reader) -> Condition:
    """What is asked of one type, of what scopes leave of it. Raises Invalid, Forbidden."""
    row, context = RESOURCES[kind], Context(reader.base, reader.now)
    parts = [reader.granted(kind, letter) for letter in "rs"]
    if queries := kickoff.filters.get(kind):
        parts.append(AnyOf(tuple(_searched(row, query, reader) for query in queries)))
    if kickoff.since:
        parts.append(row.parameters["_lastUpdated"].read(f"gt{kickoff.since}", context))
    if kickoff.patients and of_patients(row):
        parts.append(AnyOf(tuple(_of(row, patient, context) for patient in kickoff.patients)))
    asked = AllOf(tuple(dict.fromkeys(part for part in parts if part != EVERYTHING)))
    check_size(asked)
    return asked


def _searched(row: Resource, query: str, reader: Reader) -> Condition:
    return read_search(row.name, parse_qsl(query, keep_blank_values=True), reader).where


def _of(row: Resource, patient: str, context: Context) -> Condition:
    kind, _, key = patient.removeprefix(f"{context.base}/fhir/R4/").rpartition("/")
    if kind != "Patient" or not key:
        raise Invalid("value", "patient is a reference: Patient/id.", "patient")
    return row.identity(key) if row.name == "Patient" else row.parameters["patient"].read(patient, context)


def published_by(kind: str, at: datetime) -> Condition:
    """What has not changed since a moment, to the microsecond; also what has none of its own."""
    moment = at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return Not(RESOURCES[kind].parameters["_lastUpdated"].read(f"gt{moment}", Context("", at)))


def since(kickoff: Kickoff) -> datetime:
    """The moment since which is asked, where it is."""
    return parsed(kickoff.since or "", "_since")[1]


# --- answers


def manifest(at: datetime, request: str, files: Iterable[tuple[str, str, str, int]]) -> bytes:
    """The manifest of what was there `at` a moment, of (array, type, URL, number of lines)."""
    arrays: dict[str, list[dict[str, object]]] = {"output": [], "deleted": [], "error": []}
    for array, kind, url, count in files:
        arrays[array].append({"type": "Bundle" if array == "deleted" else kind, "url": url, "count": count})
    head = {"transactionTime": instant(at), "request": request, "requiresAccessToken": True}
    return msgspec.json.encode(head | arrays | {"extension": {"notice": NEVER_FOR_DIAGNOSIS}})


def deletions(kind: str, ids: Iterable[str]) -> bytes:
    """The Bundle that says of resources of a type that they are to be deleted."""
    entries = [{"request": {"method": "DELETE", "url": f"{kind}/{identity}"}} for identity in ids]
    return msgspec.json.encode({"resourceType": "Bundle", "type": "transaction", "entry": entries})


def left_out(refusals: Iterable[tuple[str, str]], ignored: Iterable[str]) -> list[bytes]:
    """What an export tells beside its resources: datasets (alias, why) that are not in it, and what was passed over.

    Each a warning, since the export is whole as far as it may be: clients call one with an error failed.
    """
    kept_back = (f"Dataset {alias} is not in this export. {sentence}" for alias, sentence in refusals)
    said = [outcome("forbidden", sentence, severity="warning") for sentence in kept_back]
    return said + [outcome("not-supported", "This was passed over.", name, "warning") for name in ignored]
