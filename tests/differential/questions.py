"""Random questions to every searching route, from the tables of parameters, with values of all that the whole store holds."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from sqlalchemy import select

from adapters.sql import tables as t
from adapters.sql.criteria import Among, Column
from adapters.sql.images import IMAGES
from adapters.sql.store import moment
from consent.subject import Role
from mappings.eucaim import BODY_PARTS, MANUFACTURERS, MODALITIES, PATH, SEXES
from mappings.fhir.research_study import STATUS as SHARING
from mappings.fhir.resources import RESOURCES
from mappings.fhir.serial import instant
from mappings.fields import FIELDS, QIDO_KEYS, Kind
from mappings.study import patient_key
from tests.differential.oracle import Question
from tests.differential.world import PROVIDERS, Sight
from tests.house import House

Words = Mapping[str, Sequence[Any]]


def vocabulary(house: House) -> Words:
    """Every value of every field in the whole store, hidden or not; and the keys of its directory."""
    columns = {name: f.column for name, f in IMAGES.fields.items() if isinstance(f, Column)}
    columns |= {name: f.column.column for name, f in IMAGES.fields.items() if isinstance(f, Among)}
    columns |= {"alias": t.dataset.c.alias, "agreement": t.agreement.c.key, "party": t.party.c.key, "batch": t.batch.c.key}
    columns |= {"event": t.access.c.id, "entry": t.ledger_body.c.id, "at": t.ledger_body.c.at, "withheld": t.custody.c.sop_uid}
    with house.runtime.store.read() as connection:
        words = {
            name: [v for v in connection.execute(select(column).distinct().order_by(column)).scalars() if v not in (None, "")]
            for name, column in columns.items()
        }
        objects = connection.execute(_OBJECTS).all()
    return words | {"object": [tuple(row) for row in objects], "study_uid": sorted({row[0] for row in objects})}


_OBJECTS = (
    select(t.custody.c.study_uid, t.custody.c.series_uid, t.custody.c.sop_uid, t.dataset.c.alias)
    .join(t.dataset, t.custody.c.dataset == t.dataset.c.id)
    .order_by(t.custody.c.id)
)


def questions(house: House, sight: Sight, words: Words, chance: random.Random, number: int) -> Iterator[Question]:
    """What this caller asks: at random of what is asked by whom it is, and each thing that has a name once."""
    if sight.who.client is None:
        yield from _open(sight, words, chance, number)
        return
    for _ in range(number):
        yield chance.choice((_fhir, _fhir, _fhir, _qido, _qido, _history))(words, chance)
    yield from _named(sight, words, chance)


def _open(sight: Sight, words: Words, chance: random.Random, number: int) -> Iterator[Question]:
    """What needs no token: the catalogue, terms, discovery; and the federation's search."""
    if sight.who.role is Role.FEDERATION:
        for _ in range(number // 2):
            yield Question(PATH, "POST", {"json": {"ast": _ast(chance, 3), "id": "1"}})
        return
    for accept in ("text/turtle", "application/ld+json"):
        for path in ("/catalogue", *(f"/catalogue/datasets/{alias}" for alias in (*words["alias"], "NONE"))):
            yield Question(path, more={"headers": {"Accept": accept}})
    yield from map(
        Question, ("/terms", "/terms/1.0.0", "/terms/9.9.9", "/fhir/R4/metadata", "/fhir/R4/Patient", "/dicom-web/studies")
    )
    yield from (Question(path) for path in ("/fhir/R4/.well-known/smart-configuration", "/oauth/jwks", PATH))


# --- things that have a name


def _named(sight: Sight, words: Words, chance: random.Random) -> Iterator[Question]:
    datasets = [alias.replace("_", ".") for alias in words["alias"]]
    ids = {
        "ImagingStudy": words["study_key"],
        "Patient": words["patient_key"],
        "Consent": words["agreement"],
        "Endpoint": datasets,
        "ResearchStudy": datasets,
        "Group": datasets,
        "Organization": [*words["party"], "repository"],
    }
    for kind, known in ids.items():
        yield from (Question(f"/fhir/R4/{kind}/{identity}") for identity in (*known, "unknown"))
        yield from (Question(f"/fhir/R4/{kind}/{identity}/_history") for identity in (*known, "unknown"))
    for entry in chance.sample(words["entry"], min(12, len(words["entry"]))):
        yield Question(f"/fhir/R4/Provenance/{entry}", entry=f"Provenance/{entry}")
    for event in chance.sample(words["event"], min(12, len(words["event"]))):
        yield Question(f"/fhir/R4/AuditEvent/{event}", entry=f"AuditEvent/{event}")
    for study, series, sop, alias in chance.sample(words["object"], min(12, len(words["object"]))):
        root, one = f"/dicom-web/studies/{study}", f"/series/{series}/instances/{sop}"
        path = chance.choice(("", f"/series/{series}", one))
        yield Question(f"{root}{path}/metadata", dataset=alias)
        yield Question(f"{root}/{chance.choice(('series', 'instances', f'series/{series}/instances'))}")
        if alias in sight.queried or alias not in sight.discovered:  # else a picture may be granted where its rows are not
            yield Question(f"{root}{one}/rendered")
        if alias not in sight.discovered:  # what is granted leaves a use, which the next caller would read
            yield Question(f"{root}{one}")
    if sight.who.role is not Role.OPERATOR and not sight.own:
        yield from (Question(f"/api/batches/{key}") for key in words["batch"])


# --- FHIR


def _instants(words: Words) -> list[str]:
    return [instant(moment(at)) for at in (*words["updated"], *words["at"])]


def _dated(values: Sequence[str]) -> Callable[[random.Random], str]:
    return lambda chance: chance.choice(("", "ne", "gt", "lt", "ge", "le", "sa", "eb")) + chance.choice(values)


def _values(words: Words) -> dict[str, dict[str, Callable[[random.Random], str]]]:
    """Resource → parameter → how a value is made."""
    among: Callable[..., Callable[[random.Random], str]] = lambda *values: lambda chance: str(chance.choice(values or ("none",)))  # noqa: E731
    kept = _dated(_instants(words))
    people = [f"{{base}}/providers/{p}|{i}" for p in PROVIDERS for i in words["pseudonym"]]
    providers = [f"Organization/{party}" for party in words["party"]]
    endpoints = [alias.replace("_", ".") for alias in words["alias"]]
    patients = [f"Patient/{key}" for key in (*words["patient_key"], patient_key("hospital-a", "P9"))]
    uids = [f"urn:dicom:uid|urn:oid:{uid}" for uid in words["study_uid"]]
    targets = [f"ImagingStudy/{k}" for k in words["study_key"]] + [f"Endpoint/{e}" for e in endpoints]
    targets += [f"Consent/{k}" for k in words["agreement"]] + [f"Organization/{p}" for p in words["party"]]
    return {
        "ImagingStudy": {
            "_id": among(*words["study_key"]),
            "_lastUpdated": kept,
            "identifier": among(*uids, *words["accession_number"], "|A1"),
            "patient": among(*patients),
            "subject": among(*patients),
            "modality": among(*words["modality"], "http://dicom.nema.org/resources/ontology/DCM|"),
            "bodysite": among("51185008", "76752008", "CHEST", "http://snomed.info/sct|69536005"),
            "body-site": among("51185008", "http://snomed.info/sct|"),
            "instance": among(*words["sop_uid"]),
            "dicom-class": among(*(f"urn:oid:{uid}" for uid in words["sop_class"])),
            "endpoint": among(*(f"Endpoint/{e}" for e in endpoints)),
            "dataset": among(*(f"ResearchStudy/{e}" for e in endpoints)),
            "performer": among(*providers),
            "basedon": among("ServiceRequest/1"),
            "based-on": among("ServiceRequest/1"),
            "reason": among("Condition/1"),
            "referrer": among("Practitioner/1"),
            "age": lambda chance: chance.choice(("", "ne", "gt", "le", "ap")) + str(chance.randint(20, 80)),
            "series": among(*words["series_uid"]),
            "started": _dated(("2020", "2020-01-01", "2020-01-02", "2020-02")),
            "status": among("available", "cancelled"),
        },
        "Patient": {
            "_id": among(*words["patient_key"]),
            "_lastUpdated": kept,
            "identifier": among(*words["pseudonym"], *people),
            "gender": among("male", "female", "other", "unknown"),
            "organization": among(*providers),
        },
        "Consent": {
            "_id": among(*words["agreement"]),
            "_lastUpdated": kept,
            "identifier": among(*words["agreement"]),
            "organization": among("Organization/repository"),
            "consentor": among(*providers),
            "status": among("active", "inactive", "proposed"),
            "date": kept,
            "period": kept,
            "category": among("57017-6", "rsdid", "http://loinc.org|", "x"),
            "data": among(*(f"ResearchStudy/{e}" for e in endpoints)),
        },
        "Provenance": {
            "_lastUpdated": kept,
            "recorded": kept,
            "target": among(*targets, *patients),
            "patient": among(*patients),
            "agent": among(*(f"Organization/{p}" for p in (*words["party"], "repository"))),
            "entity": among(*(f"Consent/{k}" for k in words["agreement"])),
        },
        "AuditEvent": {
            "_lastUpdated": kept,
            "date": kept,
            "type": among("rest", "110106"),
            "subtype": among("search", "read", "query", "process", "export"),
            "action": among("E", "R"),
            "outcome": among("0", "4", "8"),
            "altid": among("researcher", "clinician", "compute", "pacs-a", "pacs-b", "centre"),
            "agent": among("Organization/repository", "Organization/hospital-a"),
            "source": among("Organization/repository"),
            "entity": among(*targets, *patients),
            "patient": among(*patients),
        },
        "Organization": {
            "_id": among(*words["party"], "repository"),
            "_lastUpdated": kept,
            "identifier": among(*words["party"]),
            "name": among("hosp", "uni", "clinic", "accord"),
        },
        "Endpoint": {
            "_id": among(*endpoints),
            "_lastUpdated": kept,
            "identifier": among(*words["alias"]),
            "status": among("active", "suspended"),
            "name": among("set", "set 1", "x"),
            "connection-type": among("dicom-wado-rs", "x"),
        },
        "ResearchStudy": {
            "_id": among(*endpoints),
            "_lastUpdated": kept,
            "identifier": among(*words["alias"]),
            "title": among("set", "set 1", "x"),
            "status": among(*SHARING.values()),
            "condition": among("CLIN1000065", "CLIN1000060"),
            "sponsor": among(*providers),
        },
        "Group": {
            "_id": among(*endpoints),
            "_lastUpdated": kept,
            "identifier": among(*words["alias"]),
            "managing-entity": among(*providers),
            "member": among(*patients),
            "type": among("person", "animal"),
            "actual": among("true", "false"),
        },
    }


NOT_ASKED = {
    ("Provenance", "_id"): "an entry's id is the store's own: each is read by it instead",
    ("AuditEvent", "_id"): "an event's id is the store's own: each is read by it instead",
} | {
    (row.name, name): "a canonical is no row of any store"
    for row in RESOURCES.values()
    if row.is_public
    for name in row.parameters
}
_KINDS = [name for name, row in RESOURCES.items() if not row.is_public]


def _fhir(words: Words, chance: random.Random) -> Question:
    values = _values(words)
    kind = chance.choice([*_KINDS, "ImagingStudy", "Patient", "Patient", "Provenance", "AuditEvent"])
    names = chance.sample(list(values[kind]), min(chance.choice((0, 1, 1, 1, 2, 3)), len(values[kind])))
    asked = [_argument(values, kind, name, chance) for name in names]
    asked += [make(values, kind, chance) for make in (_chain, _has) if chance.random() < 0.25]
    asked += _includes(kind, chance)
    shapes = (
        ("_count", "1"),
        ("_count", "2"),
        ("_count", "7"),
        ("_total", "accurate"),
        ("_total", "none"),
        ("_summary", "count"),
    )
    sorts = [name for name, parameter in RESOURCES[kind].parameters.items() if parameter.sort]
    order = ",".join(chance.choice(("", "-")) + name for name in chance.sample(sorts, chance.randint(1, min(2, len(sorts)))))
    shapes = (*shapes, ("_summary", "true"), ("_elements", "identifier"))
    asked += chance.sample(shapes[:3], chance.randint(0, 1)) + chance.sample(shapes[3:], chance.randint(0, 1))
    asked += [("_sort", order)] if chance.random() < 0.3 and kind != "Provenance" else []  # whose ids are each store's own
    if chance.random() < 0.1:
        return Question(f"/fhir/R4/{kind}/_search", "POST", {"data": dict(asked)})
    return Question(f"/fhir/R4/{kind}?{urlencode(asked)}")


Values = Mapping[str, Mapping[str, Callable[[random.Random], str]]]


def _argument(values: Values, kind: str, name: str, chance: random.Random) -> tuple[str, str]:
    if chance.random() < 0.1:
        return f"{name}:missing", chance.choice(("true", "false"))
    if name in ("basedon", "based-on") and chance.random() < 0.8:
        return f"{name}:identifier", values["ImagingStudy"]["identifier"](chance)
    denied = ":not" if RESOURCES[kind].parameters[name].type == "token" and chance.random() < 0.25 else ""
    alternatives = {values[kind][name](chance) for _ in range(chance.choice((1, 1, 2, 3)))}
    return name + denied, ",".join(sorted(alternatives)).replace("{base}", "http://127.0.0.1:8080")


def _chain(values: Values, kind: str, chance: random.Random) -> tuple[str, str]:
    """What is asked of what this refers to; one that leads nowhere is refused in both stores."""
    hops = [(name, target) for name, p in RESOURCES[kind].parameters.items() for target in p.targets]
    if not hops:
        return "_count", "3"
    name, target = chance.choice(hops)
    rest, value = _argument(values, target, chance.choice(list(values[target])), chance)
    return f"{name}:{target}.{rest}", value


def _has(values: Values, kind: str, chance: random.Random) -> tuple[str, str]:
    """What is asked of what refers to this."""
    hops = [(row.name, name) for row in RESOURCES.values() for name, p in row.parameters.items() if kind in p.targets]
    if not hops:
        return "_total", "accurate"
    source, name = chance.choice(hops)
    rest, value = _argument(values, source, chance.choice(list(values[source])), chance)
    return f"_has:{source}:{name}:{rest}", value


def _includes(kind: str, chance: random.Random) -> list[tuple[str, str]]:
    if chance.random() < 0.8:
        return []
    referring = [f"{row.name}:{name}" for row in RESOURCES.values() for name, p in row.parameters.items() if kind in p.targets]
    own = [f"{kind}:{name}" for name in RESOURCES[kind].references] + ["*"]
    asked = [("_include", chance.choice(own)), ("_include:iterate", "ImagingStudy:endpoint")]
    return chance.sample([*asked, ("_revinclude", chance.choice(referring or ["Provenance:target"]))], chance.randint(1, 2))


def _history(words: Words, chance: random.Random) -> Question:
    """A Provenance is left out: its name there is its store's own."""
    kind = chance.choice([kind for kind in RESOURCES if kind != "Provenance"])
    asked = chance.sample((("_since", chance.choice(_instants(words))), ("_count", chance.choice("127"))), chance.randint(0, 2))
    return Question(f"/fhir/R4/{kind}/_history?{urlencode(asked)}")


# --- QIDO-RS


def _qido(words: Words, chance: random.Random) -> Question:
    study, series, *_ = chance.choice(words["object"])
    rooms = ("studies", "series", "instances", f"studies/{study}/series", f"studies/{study}/instances")
    room = chance.choice((*rooms, "studies", f"studies/{study}/series/{series}/instances"))
    asked = [_key(words, chance) for _ in range(chance.choice((0, 1, 1, 2, 3)))]
    asked += chance.choice(((), (), (("limit", "2"),), (("limit", "3"), ("offset", "1")), (("offset", "2"),)))
    return Question(f"/dicom-web/{room}?{urlencode(asked, quote_via=quote)}")


def _key(words: Words, chance: random.Random) -> tuple[str, str]:
    name = chance.choice(list(QIDO_KEYS))
    field = FIELDS[QIDO_KEYS[name]]
    value = str(chance.choice([*words[field.name], "9"]))
    if field.kind in (Kind.DATE, Kind.TIME):
        value = chance.choice((value, f"{value}-", f"-{value}"))
    elif field.kind in (Kind.CODE, Kind.TEXT, Kind.NAME):
        value = chance.choice((value, f"{value[:2]}*", f"*{value[-2:]}", value))
    return name, value


# --- EUCAIM


def _ast(chance: random.Random, depth: int) -> dict[str, object]:
    if depth and chance.random() < 0.6:
        children = [_ast(chance, depth - 1) for _ in range(chance.randint(0, 3))]
        return {"operand": chance.choice(("AND", "OR")), "children": children}
    tables = {"SNOMEDCT263495000": SEXES, "RID10311": MODALITIES, "SNOMEDCT123037004": BODY_PARTS, "C25392": MANUFACTURERS}
    key = chance.choice((*tables, "SNOMEDCT423493009"))
    if key not in tables:
        low = chance.randint(20, 80)
        return {"key": key, "type": "BETWEEN", "value": {"min": low, "max": low + chance.randint(0, 30)}}
    return {"key": key, "type": chance.choice(("EQUALS", "NOT_EQUALS")), "value": chance.choice(list(tables[key]))}
