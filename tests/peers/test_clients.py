"""What foreign clients read, search, page through, sort, include and chain is what is served, and they show why they fail."""

from collections.abc import Callable, Mapping

import pytest
from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import OperationOutcome

from adapters.client_file import TOKEN_PATH, assertion, read_client
from server.wiring import now
from tests.peers.served import ROOT
from tests.running import Accord

PSEUDONYM = "OWN-1"
Seen = Mapping[str, list[str]]


@pytest.fixture(scope="module")
def served(site: Accord) -> Seen:
    """The same, asked for by plain HTTP."""
    with site.http("reader") as http:
        studies = http.get(f"{ROOT}/ImagingStudy?_count=100&_sort=-started").json()["entry"]
        own = http.get(f"{ROOT}/ImagingStudy?patient.identifier={PSEUDONYM}").json()["entry"][0]["resource"]
        paged = http.get(f"{ROOT}/ImagingStudy?_count=100").json()
        scanned = http.get(f"{ROOT}/ImagingStudy?_count=100&modality=CT").json()["entry"]
        refused = http.get(f"{ROOT}/ImagingStudy?colour=red").json()["issue"][0]["details"]["text"]
    assert len(scanned) > 1
    assert len(studies) == len(paged["entry"]) == paged["total"] > 14, "three pages of seven"
    return {
        "chained": [own["id"]],
        "read": [own["started"]],
        "found": ids(scanned),
        "paged": ids(paged["entry"]),
        "sorted": ids(studies),
        "included": [own["subject"]["reference"].removeprefix("Patient/")],
        "counted": [str(paged["total"])],
        "refused": [refused],
    }


def ids(entries: list) -> list[str]:
    return [entry["resource"]["id"] for entry in entries]


def said(printed: str) -> Seen:
    """What a client's program printed, by its words."""
    lines = [line.split("\t") for line in printed.splitlines()]
    return {what: seen for what, *seen in lines}


def proof(site: Accord) -> str:
    """An assertion of the reader's, for clients that prove themselves and make none."""
    return assertion(read_client(site.clients["reader"]), site.base + TOKEN_PATH, now())


def by_hapi(site: Accord, program: Callable, encoding: str = "JSON") -> Seen:
    return said(program("java")("Client", site.base + ROOT, site.token("reader"), PSEUDONYM, encoding))


def by_hapi_in_xml(site: Accord, program: Callable) -> Seen:
    return by_hapi(site, program, "XML")


def by_fhir_kit(site: Accord, program: Callable) -> Seen:
    return said(program("node")("fhir_kit", site.base + ROOT, site.token("reader"), PSEUDONYM))


def by_medplum(site: Accord, program: Callable) -> Seen:
    return said(program("node")("medplum", site.base + ROOT, proof(site), PSEUDONYM))


def by_smart(site: Accord, program: Callable) -> Seen:
    return said(program("python")("smart", site.base + ROOT, proof(site), PSEUDONYM))


def by_fhirpy(site: Accord, program: Callable) -> Seen:
    client = SyncFHIRClient(site.base + ROOT, authorization=f"Bearer {site.token('reader')}")
    studies = client.resources("ImagingStudy")
    (own,) = studies.search(patient__identifier=PSEUDONYM).fetch()
    including = studies.search(_id=own["id"]).include("ImagingStudy", "patient").fetch_raw()
    brought = [entry["resource"] for entry in including["entry"]]
    with pytest.raises(OperationOutcome) as refused:
        studies.search(colour="red").fetch()
    return {
        "chained": [own["id"]],
        "read": [client.reference("ImagingStudy", own["id"]).to_resource()["started"]],
        "found": [each["id"] for each in studies.search(modality="CT").fetch_all()],
        "paged": [each["id"] for each in studies.limit(7).fetch_all()],
        "sorted": [each["id"] for each in studies.sort("-started").fetch_all()],
        "included": [each["id"] for each in brought if each["resourceType"] == "Patient"],
        "counted": [str(studies.count())],
        "refused": [refused.value.resource["issue"][0]["diagnostics"]],
    }


@pytest.mark.parametrize("client", [by_hapi, by_hapi_in_xml, by_fhirpy, by_smart, by_fhir_kit, by_medplum])
def test_a_client_sees_what_is_served(site, served, request, client):
    assert client(site, request.getfixturevalue) == served
