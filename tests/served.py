"""What a provider is served by a house of every sample, and the values by which each document of it is to be found."""

from collections.abc import Callable, Iterator
from pathlib import Path

from adapters.identity import Keys
from mappings.fhir import systems
from mappings.fhir.resources import RESOURCES
from server.usecases import document
from server.usecases.batch import close_batch
from server.usecases.take import take
from tests import builders
from tests.house import CALLERS, House, build

PROVIDER = CALLERS["provider"]
NAMES = sorted(path.relative_to(builders.DICOM).as_posix() for path in builders.DICOM.rglob("*") if path.is_file())
Read = Callable[[dict], Iterator[str]]


def tokens(*codings: dict) -> Iterator[str]:
    """A coding or an identifier in the four forms of R4 §3.1.1.4.10, as far as they are searched by."""
    for one in codings:
        code = one.get("code", one.get("value"))
        yield from (code, f"{one['system']}|{code}") if "system" in one else (code, f"|{code}")


def references(*given: dict) -> Iterator[str]:
    for one in given:
        yield from (one["reference"], one["reference"].partition("/")[2]) if "reference" in one else ()


def instances(resource: dict) -> list[dict]:
    return [instance for each in resource["series"] for instance in each["instance"]]


def typed(*given: dict) -> Iterator[str]:
    """References that may be to several types: an id alone is of none."""
    return (reference for reference in references(*given) if "/" in reference)


def shown(event: dict) -> list[dict]:
    return [each["what"] for each in event["entity"] if "reference" in each.get("what", ())]


def series(resource: dict, member: str) -> list[dict]:
    return [each[member] for each in resource.get("series", ()) if member in each]


def extensions(resource: dict, url: str, value: str) -> list[dict]:
    return [each[value] for each in resource["extension"] if each["url"] == url]


def provisions(consent: dict) -> list[dict]:
    return consent["provision"]["provision"]


EVERY: dict[str, Read] = {
    "_id": lambda r: iter([r["id"]]),
    "_lastUpdated": lambda r: iter([r["meta"]["lastUpdated"]] if "meta" in r else []),
    "identifier": lambda r: tokens(*r.get("identifier", ())),
}
SERVED: dict[tuple[str, str], Read] = {
    ("ImagingStudy", "patient"): lambda r: references(r["subject"]),
    ("ImagingStudy", "subject"): lambda r: references(r["subject"]),
    ("ImagingStudy", "modality"): lambda r: tokens(*series(r, "modality")),
    ("ImagingStudy", "bodysite"): lambda r: tokens(*series(r, "bodySite")),
    ("ImagingStudy", "body-site"): lambda r: tokens(*series(r, "bodySite")),
    ("ImagingStudy", "instance"): lambda r: (each["uid"] for each in instances(r)[:3]),
    ("ImagingStudy", "dicom-class"): lambda r: tokens(*(each["sopClass"] for each in instances(r)[:3])),
    ("ImagingStudy", "endpoint"): lambda r: references(*r["endpoint"]),
    ("ImagingStudy", "dataset"): lambda r: references(*extensions(r, systems.DATASET, "valueReference")),
    ("ImagingStudy", "performer"): lambda r: references(*(p["actor"] for each in series(r, "performer") for p in each)),
    ("ImagingStudy", "basedon"): lambda r: tokens(*(order["identifier"] for order in r.get("basedOn", ()))),
    ("ImagingStudy", "based-on"): lambda r: tokens(*(order["identifier"] for order in r.get("basedOn", ()))),
    ("ImagingStudy", "series"): lambda r: iter(series(r, "uid")),
    ("ImagingStudy", "started"): lambda r: iter([r["started"]] if "started" in r else []),
    ("ImagingStudy", "status"): lambda r: iter([r["status"]]),
    ("Patient", "gender"): lambda r: iter([r["gender"]] if "gender" in r else []),
    ("Patient", "organization"): lambda r: references(r["managingOrganization"]),
    ("Consent", "organization"): lambda r: references(*r["organization"]),
    ("Consent", "consentor"): lambda r: references(*r["performer"]),
    ("Consent", "status"): lambda r: iter([r["status"]]),
    ("Consent", "date"): lambda r: iter([r["dateTime"]]),
    ("Consent", "category"): lambda r: tokens(*(each for one in r["category"] for each in one["coding"])),
    ("Consent", "data"): lambda r: references(*(each["reference"] for one in provisions(r) for each in one["data"])),
    ("Consent", "period"): lambda r: (
        f"{prefix}{one['period'][end]}"
        for one in provisions(r)
        for end, prefix in (("start", "ge"), ("end", "le"))
        if end in one["period"]
    ),
    ("Provenance", "recorded"): lambda r: iter([r["recorded"]]),
    ("Provenance", "target"): lambda r: typed(*r["target"]),
    ("Provenance", "patient"): lambda r: references(*(each for each in r["target"] if "Patient/" in each.get("reference", ""))),
    ("Provenance", "agent"): lambda r: references(*(agent["who"] for agent in r["agent"])),
    ("Provenance", "entity"): lambda r: references(*(each["what"] for each in r["entity"])),
    ("AuditEvent", "date"): lambda r: iter([r["recorded"]]),
    ("AuditEvent", "type"): lambda r: tokens(r["type"]),
    ("AuditEvent", "subtype"): lambda r: tokens(*r["subtype"]),
    ("AuditEvent", "action"): lambda r: iter([r["action"]]),
    ("AuditEvent", "outcome"): lambda r: iter([r["outcome"]]),
    ("AuditEvent", "altid"): lambda r: iter([agent["altId"] for agent in r["agent"] if "altId" in agent]),
    ("AuditEvent", "agent"): lambda r: references(*(agent["who"] for agent in r["agent"])),
    ("AuditEvent", "source"): lambda r: references(r["source"]["observer"]),
    ("AuditEvent", "entity"): lambda r: typed(*shown(r)),
    ("AuditEvent", "patient"): lambda r: references(*(each for each in shown(r) if "Patient/" in each["reference"])),
    ("Organization", "name"): lambda r: iter([r["name"]]),
    ("Endpoint", "status"): lambda r: iter([r["status"]]),
    ("Endpoint", "name"): lambda r: iter([r["name"]]),
    ("Endpoint", "connection-type"): lambda r: tokens(r["connectionType"]),
    ("ResearchStudy", "title"): lambda r: iter([r["title"]]),
    ("ResearchStudy", "status"): lambda r: iter([r["status"]]),
    ("ResearchStudy", "condition"): lambda r: tokens(*(each for one in r.get("condition", ()) for each in one["coding"])),
    ("ResearchStudy", "sponsor"): lambda r: references(r["sponsor"]),
    ("Group", "managing-entity"): lambda r: references(r["managingEntity"]),
    ("Group", "member"): lambda r: references(*(m["entity"] for m in r.get("member", ()))),
    ("Group", "type"): lambda r: iter([r["type"]]),
    ("Group", "actual"): lambda r: iter([str(r["actual"]).lower()]),
}
CANONICALS = [row.name for row in RESOURCES.values() if row.is_public]
SERVED |= {(kind, name): lambda r, name=name: iter([r[name]]) for kind in CANONICALS for name in ("name", "status", "url")} | {
    ("NamingSystem", "value"): lambda r: iter([r["uniqueId"][0]["value"]])
}
BY_IDENTIFIER = {("ImagingStudy", "basedon"), ("ImagingStudy", "based-on")}
"""References to what is not served, which are named by an identifier."""
UNSAID = {
    ("ImagingStudy", "age"): "no document says it: R4's ImagingStudy has no place for it",
    ("ImagingStudy", "reason"): "no study says why it was made",
    ("ImagingStudy", "referrer"): "who referred a pseudonymous patient is not told",
}
IDENTIFIED = {("Provenance", "target"), ("Provenance", "entity"), ("AuditEvent", "entity")}
"""References where what is no resource is named by an identifier: no document is without."""
PARAMETERS = [(row.name, name) for row in RESOURCES.values() for name in row.parameters if (row.name, name) not in UNSAID]


def sampled(folder: Path) -> House:
    """A house with every sample that is taken from a sender whose de-identification is attested."""
    made = build(folder, Keys.load_or_make(folder / "keys.json"))
    batch = builders.batch(made.runtime, attested=True)
    for name in NAMES:
        take(made.runtime, batch, name, builders.sample(name))
    close_batch(made.runtime, batch.id)
    made.runtime.clock.on(10)
    while document.rebuild(made.runtime):
        made.runtime.clock.on(0.37)
    return made


def filled(folder: Path) -> House:
    """The same, of which something was asked already."""
    made = sampled(folder)
    for path in ("ImagingStudy?_count=3", "Patient", "Consent", "Endpoint", "Organization", "Provenance", "ImagingStudy/none"):
        made.runtime.clock.on(1.01)
        made.ask("GET", f"/fhir/R4/{path}", PROVIDER)
    made.runtime.accesses.flush()
    made.ask("GET", "/fhir/R4/AuditEvent", PROVIDER)
    made.ask("GET", f"/dicom-web/studies/{made.study}", PROVIDER)
    made.runtime.accesses.flush()
    made.runtime.clock.on(60)
    return made


def only(kind: str) -> str:
    """Of the record, what was there when this began: every question adds to it."""
    return "&date=lt2026-11-22T12:01:00Z" if kind == "AuditEvent" else ""


def served(house: House, kind: str) -> list[dict]:
    found, url = [], f"/fhir/R4/{kind}?_count=1000{only(kind)}"
    while url:
        page = house.ask("GET", url, PROVIDER).json
        found += [entry["resource"] for entry in page.get("entry", ())]
        url = next((link["url"].partition("8080")[2] for link in page["link"] if link["relation"] == "next"), "")
    return found


def found(house: House, kind: str, asked: str) -> set[str]:
    answer = house.ask("GET", f"/fhir/R4/{kind}?{asked}&_count=1000{only(kind)}", PROVIDER)
    assert answer.status_code == 200, (asked, answer.json)
    return {entry["resource"]["id"] for entry in answer.json.get("entry", ())}


def values(house: House, kind: str, name: str) -> dict[str, set[str]]:
    """The values that documents of this type serve for a parameter → the ids of the documents."""
    read, served_by = SERVED.get((kind, name)) or EVERY[name], dict[str, set[str]]()
    for resource in served(house, kind):
        for value in read(resource):
            served_by.setdefault(value, set()).add(resource["id"])
    return served_by


def spelled(kind: str, name: str) -> str:
    """The parameter as it is asked by such values."""
    return f"{name}:identifier" if (kind, name) in BY_IDENTIFIER else name
