"""All that an Accord serves of FHIR to one caller, as texts: pages, subsets, histories, exports, and errors."""

from collections.abc import Iterator

import httpx

from mappings.fhir.resource_row import R5, Resource
from mappings.fhir.resources import RESOURCES, served_in
from tests.running import Accord, eventually

ROOT, ROOT_R5 = "/fhir/R4", "/fhir/R5"
LENIENT = {"Prefer": "handling=lenient"}
SUBSETS = ("_summary=true", "_summary=data", "_summary=text", "_summary=count", "_elements=id")
WRONG = (
    "/ImagingStudy?colour=red",
    "/ImagingStudy?started=soon",
    "/ImagingStudy?_count=x",
    "/ImagingStudy/nothing",
    "/ImagingStudy?_format=text/turtle",
    "/Observation",
    "/Patient?_sort=gender",
    "/_history?_since=never",
    "/ConceptMap/$translate",
)
Text = tuple[str, str]
"""Where it was asked for, and the JSON that was answered."""


def everything(accord: Accord, name: str) -> Iterator[Text]:
    """Of all types and questions, what this client is shown."""
    with accord.http(name) as http:
        yield _asked(http, "/metadata")
        for row in RESOURCES.values():
            yield from _of_type(http, row)
        yield from pages(http, "/_history?_count=50")
        yield from (_asked(http, path) for path in WRONG)
        yield _asked(http, "/ImagingStudy?colour=red&_count=1", LENIENT)
    with accord.http() as stranger:
        yield _asked(stranger, "/ImagingStudy")


def everything_as_r5(accord: Accord, name: str) -> Iterator[Text]:
    """The same of the face that answers in R5, which is searched and read."""
    with accord.http(name) as http:
        for row in served_in(R5):
            yield from pages(http, f"/{row.name}?_count=20", ROOT_R5)
        yield from (_asked(http, path, root=ROOT_R5) for path in ("/metadata", "/ImagingStudy?colour=red", "/Consent/nothing"))


def _of_type(http: httpx.Client, row: Resource) -> Iterator[Text]:
    """A subset of a canonical leaves out what it defines (R4 3.1.1.5.9), which validators miss: it is not among these."""
    yield from pages(http, f"/{row.name}?_count=20")
    if not row.is_public:
        yield from (_asked(http, f"/{row.name}?_count=5&{subset}") for subset in SUBSETS)
    if row.is_harvested:
        yield from pages(http, f"/{row.name}/_history?_count=50")


def pages(http: httpx.Client, path: str, root: str = ROOT) -> Iterator[Text]:
    """The pages of a search or history, to the last."""
    url: str | None = f"{root}{path}"
    while url:
        answer = http.get(url)
        assert answer.status_code == 200, (url, answer.text)
        yield url, answer.text
        url = next((link["url"] for link in answer.json()["link"] if link["relation"] == "next"), None)


def _asked(http: httpx.Client, path: str, headers: dict[str, str] | None = None, root: str = ROOT) -> Text:
    return path, http.get(root + path, headers=headers).text


def exported(accord: Accord, name: str, question: str = "") -> Iterator[Text]:
    """Every line of a system export."""
    with accord.http(name) as http:
        begun = http.get(f"{ROOT}/$export{question}", headers={"Prefer": "respond-async"})
        assert begun.status_code == 202, begun.text
        where = begun.headers["Content-Location"]
        assert eventually(lambda: http.get(where).status_code == 200, 60)
        manifest = http.get(where).json()
        for file in (file for part in ("output", "deleted", "error") for file in manifest.get(part, [])):
            yield from ((file["url"], line) for line in http.get(file["url"]).text.splitlines())
