"""Any value that a document serves finds that document, by every search parameter of its type."""

from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest

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
    ("Provenance", "target"): lambda r: (ref for ref in references(*r["target"]) if "/" in ref),  # an id alone is of no type
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
PARAMETERS = [(row.name, name) for row in RESOURCES.values() for name in row.parameters if (row.name, name) not in UNSAID]


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> Iterator[House]:
    """A house with every sample that is taken from a sender whose de-identification is attested."""
    folder = tmp_path_factory.mktemp("house")
    made = build(folder, Keys.load_or_make(folder / "keys.json"))
    batch = builders.batch(made.runtime, attested=True)
    for name in NAMES:
        take(made.runtime, batch, name, builders.sample(name))
    close_batch(made.runtime, batch.id)
    made.runtime.clock.on(10)
    while document.rebuild(made.runtime):
        made.runtime.clock.on(0.37)
    yield made
    made.runtime.close()


def served(house: House, kind: str) -> list[dict]:
    found, url = [], f"/fhir/R4/{kind}?_count=1000"
    while url:
        page = house.ask("GET", url, PROVIDER).json
        found += [entry["resource"] for entry in page.get("entry", ())]
        url = next((link["url"].partition("8080")[2] for link in page["link"] if link["relation"] == "next"), "")
    return found


@pytest.mark.parametrize(("kind", "name"), PARAMETERS)
def test_any_value_that_is_served_finds_its_document(house, kind, name):
    read = SERVED.get((kind, name)) or EVERY[name]
    asked = set()
    for resource in served(house, kind):
        for value in set(read(resource)):
            spelled = f"{name}:identifier" if (kind, name) in BY_IDENTIFIER else name
            answer = house.ask("GET", f"/fhir/R4/{kind}?{spelled}={quote(value, safe='')}&_count=1000", PROVIDER)
            assert answer.status_code == 200, (value, answer.json)
            assert resource["id"] in {entry["resource"]["id"] for entry in answer.json.get("entry", ())}, value
            asked.add(value)
    assert asked


@pytest.mark.parametrize(("kind", "name"), PARAMETERS)
def test_what_is_missing_is_what_no_document_says(house, kind, name):
    read = SERVED.get((kind, name)) or EVERY[name]
    always = (kind, name) == ("Provenance", "target")  # what is no resource is named by an identifier
    said = {resource["id"]: always or bool(set(read(resource))) for resource in served(house, kind)}
    for missing in (True, False):
        answer = house.ask("GET", f"/fhir/R4/{kind}?{name}:missing={str(missing).lower()}&_count=1000", PROVIDER).json
        found = {entry["resource"]["id"] for entry in answer.get("entry", ())}
        assert found == {identity for identity, says in said.items() if says is not missing}


@pytest.mark.parametrize("kind", RESOURCES)
def test_a_sorted_search_pages_through_every_row_once(house, kind):
    every = {resource["id"] for resource in served(house, kind)}
    names = [name for name, parameter in RESOURCES[kind].parameters.items() if parameter.sort]
    orders = [
        *names,
        *(f"-{name}" for name in names),
        ",".join(names[:2]),
        f"{names[0]},-{names[-1]}",
        f"-{names[-1]},{names[0]}",
    ]
    for order in orders:
        found, url = [], f"/fhir/R4/{kind}?_sort={order}&_count=3"
        while url:
            page = house.ask("GET", url, PROVIDER).json
            found += [entry["resource"] for entry in page.get("entry", ())]
            url = next((link["url"].partition("8080")[2] for link in page["link"] if link["relation"] == "next"), "")
        assert (len(found), {resource["id"] for resource in found}) == (len(every), every), order
