"""What a stranger may ask of the FHIR doors: as many requests as are wanted, each made of a seed and its number alone.

Every route; good, odd and broken values of every parameter in the table of resources, with modifiers, chains and includes; what
shapes an answer; headers; and all of it spelled as no client of the field would.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from urllib.parse import quote, quote_plus

from mappings.fhir.concept_maps import CONCEPT_MAPS
from mappings.fhir.parameters import Parameter
from mappings.fhir.resource_row import R5, Resource
from mappings.fhir.resources import RESOURCES, served_in
from mappings.fhir.search import RESULT_PARAMETERS
from tests.fuzz_words import CODES, DATES, HEADERS, LONG, METHODS, MODIFIERS, NUMBERS, ODD, PATHS, PREFIXES, SHAPES
from tests.house import CALLERS, House, Who

R4_ROOT, R5_ROOT = "/fhir/R4", "/fhir/R5"
_NARROW = (
    "system/Patient.rs system/Group.rs",
    "system/ImagingStudy.rs?modality=CT",
    "system/Consent.r",
    "system/*.s?status=active",
)
ASKERS: Mapping[str, Who] = CALLERS | {f"user of {scope}": replace(CALLERS["user"], scope=scope) for scope in _NARROW}
"""Who asks: every kind of caller, and a user with less than every scope."""
_OFTEN = {"provider": 8, "user": 8, "operator": 4, "inside": 2}
FORM, JSON = "application/x-www-form-urlencoded", "application/fhir+json"
WILD = 0.4
"""Of all cases, those with odd values, headers and bytes; the others ask for what there may be."""
Pairs = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Case:
    """One request: whose, its method, path and query as they are spelled, its headers, and its body, if any."""

    number: int
    caller: str
    method: str
    path: str
    query: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What a house has to ask about: ids of each type, cursors of each path, exports (with a file 1) of hospital-a's."""

    ids: Mapping[str, Sequence[str]]
    cursors: Mapping[str, Sequence[str]]
    exports: Sequence[str]


def known(house: House) -> Known:
    """What this house has, as its provider and its operator find it."""
    ids, cursors = {kind: [one] for kind, one in house.ids.items() if kind != "export"}, dict[str, list[str]]()
    for path in (*RESOURCES, "_history", "ImagingStudy/_history", "Patient/_history"):
        for who in ("provider", "user"):
            bundle = house.ask("GET", f"{R4_ROOT}/{path}?_count=1", CALLERS[who]).json
            following = [link["url"] for link in bundle.get("link", ()) if link["relation"] == "next"]
            cursors.setdefault(path, []).extend(url.partition("_cursor=")[2] for url in following)
            kinds = [entry["resource"] for entry in bundle.get("entry", ()) if "resource" in entry]
            for told in kinds:
                ids.setdefault(told["resourceType"], []).append(told["id"])
    return Known(ids, cursors, [house.export()])


def case(known: Known, seed: int, number: int) -> Case:
    """The request of this number."""
    return _Making(known, number, Random(f"{seed} {number}")).made()


class _Making:
    """One request in the making, by its own chance."""

    def __init__(self, known: Known, number: int, chance: Random) -> None:
        self.known, self.number, self.chance = known, number, chance
        self.wild = chance.random() < WILD

    def made(self) -> Case:
        makers: Mapping[Callable[[], tuple[str, str, Pairs, bytes | None]], int] = {
            self._search: 40, self._posted: 8, self._compartment: 6, self._read: 8, self._history: 10, self._kick_off: 8,
            self._export: 5, self._translate: 6, self._r5: 7, self._elsewhere: 4,
        }  # fmt: skip
        method, path, pairs, body = self.chance.choices(list(makers), list(makers.values()))[0]()
        if self._wildly(0.06):
            method = self.chance.choice(METHODS)
        headers = self._headers() | ({} if body is None else {"Content-Type": self._kind(body)})
        return Case(self.number, self._asker(), method, path, self._spelled(pairs), headers, body)

    def _asker(self) -> str:
        return self.chance.choices(list(ASKERS), [_OFTEN.get(name, 1) for name in ASKERS])[0]

    # routes

    def _search(self) -> tuple[str, str, Pairs, None]:
        row = self._row()
        return "GET", f"{R4_ROOT}/{row.name}", self._arguments(row), None

    def _posted(self) -> tuple[str, str, Pairs, bytes]:
        row = self._row()
        body = self._spelled(self._arguments(row)).encode("utf-8", "replace")
        return "POST", f"{R4_ROOT}/{row.name}/_search", self._arguments(row) if self._now_and_then(0.3) else [], body

    def _compartment(self) -> tuple[str, str, Pairs, None]:
        row = self._row() if self.wild else self.chance.choice([each for each in RESOURCES.values() if each.is_of_patients])
        return "GET", f"{R4_ROOT}/Patient/{self._identity('Patient')}/{row.name}", self._arguments(row), None

    def _read(self) -> tuple[str, str, Pairs, None]:
        row = self._row()
        return "GET", f"{R4_ROOT}/{row.name}/{self._identity(row.name)}", self._shapes(0.5), None

    def _history(self) -> tuple[str, str, Pairs, None]:
        row = self._row() if self.wild else self.chance.choice([each for each in RESOURCES.values() if each.is_harvested])
        path = self.chance.choice(("_history", f"{row.name}/_history", f"{row.name}/{self._identity(row.name)}/_history"))
        shapes = [pair for pair in self._shapes(0.6) if pair[0] in ("_since", "_count", "_pretty", "_format", "_at")]
        return "GET", f"{R4_ROOT}/{path}", [*shapes, *self._since(), *self._cursor(path)], None

    def _kick_off(self) -> tuple[str, str, Pairs, bytes | None]:
        path = self.chance.choice(("$export", "Patient/$export", f"Group/{self._identity('Group')}/$export"))
        names = ("_type", "_typeFilter", "_since", "_elements", "_outputFormat", "includeAssociatedData", "patient")
        pairs = [(name, self._word(SHAPES[name])) for name in names if self._now_and_then(0.25)]
        if self._now_and_then(0.7):
            return "GET", f"{R4_ROOT}/{path}", pairs, None
        told: list[object] = [
            {"name": name, self.chance.choice(("valueString", "valueInstant", "value")): value} for name, value in pairs
        ]
        return "POST", f"{R4_ROOT}/{path}", [], self._parameters([*told, *self._wrong()])

    def _export(self) -> tuple[str, str, Pairs, None]:
        key = self.chance.choice((*self.known.exports, "0" * 32, self._word(ODD)))
        number = self.chance.choice(("", "", "/1", "/2", "/0", "/-1", "/" + "9" * 40, "/" + "9" * LONG, "/x"))
        return self.chance.choice(("GET", "GET", "GET", "HEAD")), f"{R4_ROOT}/$export/{quote(key, safe='')}{number}", [], None

    def _translate(self) -> tuple[str, str, Pairs, bytes | None]:
        one = self.chance.choice(list(CONCEPT_MAPS.values()))
        path = self.chance.choice(("ConceptMap/$translate", f"ConceptMap/{self._identity('ConceptMap')}/$translate"))
        said = {"system": one.source, "code": next(iter(one.targets)), "targetsystem": one.target, "url": "", "reverse": "true"}
        pairs = [(name, self._word((value,))) for name, value in said.items() if self._now_and_then(0.6)]
        if self._now_and_then(0.5):
            return "GET", f"{R4_ROOT}/{path}", pairs, None
        coding = {"system": one.source, "code": self._word((next(iter(one.targets)),))}
        told = self.chance.choice(([{"name": n, "valueUri": v} for n, v in pairs], [{"name": "coding", "valueCoding": coding}]))
        return "POST", f"{R4_ROOT}/{path}", [], self._parameters([*told, *self._wrong()])

    def _r5(self) -> tuple[str, str, Pairs, None]:
        row = self.chance.choice(served_in(R5))
        path = self.chance.choice(
            (row.name, row.name, f"{row.name}/{self._identity(row.name)}", "metadata", f"{row.name}/_history")
        )
        return "GET", f"{R5_ROOT}/{path}", self._arguments(row) if path == row.name else self._shapes(0.3), None

    def _elsewhere(self) -> tuple[str, str, Pairs, None]:
        if self._now_and_then(0.4):
            return "GET", f"{R4_ROOT}/metadata", self._shapes(0.5), None
        return "GET", f"/fhir{self.chance.choice(PATHS)}", self._shapes(0.2), None

    # arguments

    def _arguments(self, row: Resource) -> Pairs:
        if self._wildly(0.02):
            return [self._argument(row) for _ in range(45)]
        if self.known.cursors.get(row.name) and self._now_and_then(0.05):
            return [("_count", "1"), ("_cursor", self.chance.choice(self.known.cursors[row.name]))]
        asked = [self._argument(row) for _ in range(self.chance.choice((0, 1, 1, 1, 2, 2, 3, 5)))]
        return [*asked, *self._shapes(0.35), *self._includes(row), *self._cursor(row.name)]

    def _argument(self, row: Resource) -> tuple[str, str]:
        name = self._chain(row) if self._now_and_then(0.3) else self._modified(row)
        parameter = self._parameter(row) if self._wildly(0.3) else self._asked(row, name)
        if name.endswith(":missing") and not self._wildly(0.5):
            return name, self.chance.choice(("true", "false"))
        return name, ",".join(self._value(parameter) for _ in range(self.chance.choice((1, 1, 1, 2, 20))))

    def _modified(self, row: Resource) -> str:
        asked = self._parameter(row)
        own = ("", "", "", "missing", *asked.modifiers, *asked.targets, *(["not"] if asked.type == "token" else []))
        modifier = self.chance.choice(MODIFIERS if self._wildly(0.5) else own)
        name = self._word((asked.name,))
        return f"{name}:{modifier}" if modifier else name

    def _asked(self, row: Resource, name: str) -> Parameter:
        """The parameter that is asked in the end, as far as its name tells."""
        last = name.rpartition(".")[2].split(":")
        named = (
            each.parameters[part] for part in reversed(last) for each in (row, *RESOURCES.values()) if part in each.parameters
        )
        return next(named, None) or self._parameter(row)

    def _parameter(self, row: Resource) -> Parameter:
        return self.chance.choice(list(row.parameters.values()))

    def _chain(self, row: Resource) -> str:
        if self._wildly(0.1):
            return self.chance.choice(("patient.", "_has:ImagingStudy:patient:", "a:b.", ".", ":")) * self.chance.choice(
                (9, 2_000)
            )
        if self._now_and_then(0.4):
            other, reference = self.chance.choice(
                [(r, p) for r in RESOURCES.values() for p in r.references.values() if row.name in p.targets]
                or [(row, self._parameter(row))]
            )
            return f"_has:{other.name}:{reference.name}:{self._end(other)}"
        references = list(row.references.values()) or list(RESOURCES["ImagingStudy"].references.values())
        reference = self.chance.choice(references)
        target = self.chance.choice((*reference.targets, "Patient") if self.wild else tuple(reference.targets))
        kind = f":{target}" if self._now_and_then(0.4) else ""
        return f"{reference.name}{kind}.{self._end(RESOURCES[target])}"

    def _end(self, row: Resource) -> str:
        return self._chain(row) if self._wildly(0.3) else self._modified(row)

    def _value(self, parameter: Parameter) -> str:
        good: Mapping[str, Callable[[], str]] = {
            "date": lambda: self._good(PREFIXES, 10) + self._good(DATES, 5),
            "number": lambda: self._good(PREFIXES, 10) + self._good(NUMBERS, 4),
            "reference": lambda: self._reference(parameter),
            "token": lambda: self.chance.choice((*CODES, "true", "false")),
        }
        return self.chance.choice(ODD) if self._wildly(0.3) else good.get(parameter.type, lambda: self.chance.choice(CODES))()

    def _reference(self, parameter: Parameter) -> str:
        kind = self._good((*parameter.targets, "Patient", "Nobody"), max(1, len(parameter.targets)))
        fronts = (f"{kind}/", f"{kind}/", f"http://127.0.0.1:8080/fhir/R4/{kind}/", "http://elsewhere/Patient/", "")
        return self._good(fronts, 4) + self._identity(kind)

    def _good(self, words: Sequence[str], good: int) -> str:
        """One of these, of which the first so many are good."""
        return self.chance.choice(words if self.wild else words[:good])

    def _includes(self, row: Resource) -> Pairs:
        if not self._now_and_then(0.15):
            return []
        other = self.chance.choice((row, row, self._row()))
        name = self._good(("_include", "_revinclude", "_include:iterate", "_revinclude:iterate", "_include:x"), 4)
        reference = self.chance.choice([*other.references, "patient"])
        value = self._good(("*", f"{other.name}:*", f"{other.name}:{reference}", f"{other.name}:patient:Group", ":"), 3)
        return [(name, value)] * self.chance.choice((1, 1, 2, 13) if self.wild else (1,))

    def _shapes(self, often: float) -> Pairs:
        """What R4 has of them; only now and then what is another operation's, or has no meaning."""
        names = [name for name in SHAPES if self._now_and_then(often / 6) and (name in RESULT_PARAMETERS or self.wild)]
        return [(name, self._good(SHAPES[name], 4)) if not self._wildly(0.2) else (name, self._word(ODD)) for name in names]

    def _since(self) -> Pairs:
        return [("_since", self._good(DATES, 5))] if self._now_and_then(0.3) else []

    def _cursor(self, path: str) -> Pairs:
        """One of this path or of another's, whole, cut, changed or forged."""
        if not self._now_and_then(0.12 if self.wild else 0.0):
            return []
        own, every = self.known.cursors.get(path, ()), [c for each in self.known.cursors.values() for c in each]
        cursor = self.chance.choice((*own, *every))
        at = self.chance.randrange(len(cursor))
        changed = cursor[:at] + self.chance.choice("AZaz09-_=") + cursor[at + 1 :]
        return [
            ("_count", "1"),
            ("_cursor", self.chance.choice((cursor, cursor, cursor[:at], changed, cursor * 2, self._word(ODD)))),
        ]

    # spelling

    def _identity(self, kind: str) -> str:
        ids = self.known.ids.get(kind) or self.known.ids["ImagingStudy"]
        return quote(self.chance.choice(ODD), safe="") if self._wildly(0.3) else self.chance.choice(ids)

    def _word(self, good: Sequence[str]) -> str:
        return self.chance.choice(ODD) if self._wildly(0.2) else self.chance.choice(good)

    def _parameters(self, told: Sequence[object]) -> bytes:
        body = json.dumps({"resourceType": "Parameters", "parameter": told}).encode()
        if self._wildly(0.3):
            return self.chance.choice(
                (body[:-3], b"", b"[]", b"null", b"[" * 9_000, b"\xff\xfe", b'{"resourceType":"Patient"}', body * 2)
            )
        return body

    def _wrong(self) -> list[object]:
        shapes: tuple[object, ...] = (
            {},
            7,
            None,
            {"name": "\ud800", "valueString": "\udfff"},
            {"name": ["x"]},
            {"name": "x", "valueX": {}},
        )
        concept = {"name": "c", "valueCodeableConcept": {"coding": self.chance.choice((None, 7, {}, [7], [{"code": []}], "x"))}}
        return [self.chance.choice((*shapes, concept))] if self._wildly(0.4) else []

    def _kind(self, body: bytes) -> str:
        right = JSON if body[:1] in (b"{", b"[") else FORM
        return (
            right
            if not self._wildly(0.3)
            else self.chance.choice((FORM, JSON, "text/plain", "multipart/form-data; boundary=b", f"{right}; charset=utf-32", ""))
        )

    def _spelled(self, pairs: Pairs) -> str:
        """A query as most write it, or raw, encoded twice, or with bytes put in or taken out."""
        spell = self.chance.choice((lambda text: text, lambda text: quote(quote(text)))) if self._wildly(0.2) else quote_plus
        text = "&".join(f"{quote(name, safe=':.$')}={spell(value)}" for name, value in pairs)
        if self._wildly(0.15):
            at, put = (
                self.chance.randrange(len(text) + 1),
                self.chance.choice(("%", "%zz", "%ED%A0%80", "%FF", "&", "&&=", "=", "#", ";", "%00")),
            )
            text = text[:at] + put + text[at + self.chance.randrange(3) :]
        return text

    def _headers(self) -> dict[str, str]:
        names = [name for name in HEADERS if self._wildly(0.07)]
        told = {name: self.chance.choice(HEADERS[name]) for name in names}
        return told | ({"Prefer": "respond-async"} if "Prefer" not in told and self._now_and_then(0.6) else {})

    def _row(self) -> Resource:
        return self.chance.choice(list(RESOURCES.values()))

    def _now_and_then(self, often: float) -> bool:
        return self.chance.random() < often

    def _wildly(self, often: float) -> bool:
        return self.wild and self._now_and_then(often)
