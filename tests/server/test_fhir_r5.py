"""What is served as R5 is valid R5, and is what R4 says in other words."""

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from fhir.resources import get_fhir_model_class

from mappings.fhir.r5 import AS_R5
from mappings.fhir.resource_row import R5
from mappings.fhir.resources import served_in
from tests.house import CALLERS, House
from tests.served import sampled

PROVIDER = CALLERS["provider"]


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> Iterator[House]:
    made = sampled(tmp_path_factory.mktemp("house"))
    yield made
    made.runtime.close()


def ask(house: House, path: str, **more):
    return house.ask("GET", path, PROVIDER, **more)


def pages(house: House, path: str) -> Iterator[dict]:
    while path:
        answer = ask(house, path)
        assert answer.status_code == 200, answer.json
        yield answer.json
        following = next((link["url"] for link in answer.json["link"] if link["relation"] == "next"), "")
        path = following.partition("8080")[2]


def found(house: House, version: str, kind: str) -> dict[str, dict]:
    entries = [entry for page in pages(house, f"/fhir/{version}/{kind}?_count=7") for entry in page.get("entry", ())]
    return {entry["fullUrl"]: entry["resource"] for entry in entries}


def test_these_types_are_served():
    assert {row.name for row in served_in(R5)} == set(AS_R5)


@pytest.mark.parametrize("kind", AS_R5)
def test_every_page_and_resource_is_valid_r5_and_there_are_as_many(house, kind):
    bundle = get_fhir_model_class("Bundle")
    for page in pages(house, f"/fhir/R5/{kind}?_count=7"):
        bundle.model_validate_json(json.dumps(page))
    served = found(house, "R5", kind)
    assert [url.replace("/R5/", "/R4/") for url in served] == list(found(house, "R4", kind))
    for url, resource in served.items():
        read = ask(house, urlsplit(url).path)
        assert (read.status_code, read.json) == (200, resource)
        get_fhir_model_class(kind).model_validate_json(read.data)
        assert ask(house, urlsplit(url).path, headers={"If-None-Match": read.headers["ETag"]}).status_code == 304


def test_a_study_says_in_r5_what_it_says_in_r4(house):
    old, new = (found(house, version, "ImagingStudy").values() for version in ("R4", "R5"))
    for told, said in zip(old, new, strict=True):
        assert [code["coding"][0] for code in said.get("modality", ())] == told.get("modality", [])
        assert [one["concept"] for one in said.get("procedure", ())] == told.get("procedureCode", [])
        for one, other in zip(told["series"], said["series"], strict=True):
            assert other["modality"].get("coding", [other["modality"]]) == [one["modality"]]
            part = [one["bodySite"]] if "bodySite" in one else []
            assert other.get("bodySite", {"concept": {"coding": []}})["concept"]["coding"] == part
            assert other["instance"] == one["instance"]
        assert said["subject"]["reference"] == f"http://127.0.0.1:8080/fhir/R4/{told['subject']['reference']}"


def test_an_agreement_denies_but_for_what_it_permits(house):
    (told,) = found(house, "R4", "Consent").values()
    (said,) = found(house, "R5", "Consent").values()
    assert (said["decision"], len(said["provision"])) == ("deny", len(told["provision"]["provision"]))
    assert all("type" not in one for one in said["provision"])
    assert said["provision"][0]["purpose"] == told["provision"]["provision"][0]["purpose"]
    assert said["policyBasis"]["url"] == told["policy"][0]["uri"]
    assert said["date"] == told["dateTime"][:10]


def test_searching_is_that_of_r4(house):
    study = next(iter(found(house, "R4", "ImagingStudy").values()))
    answer = ask(house, f"/fhir/R5/ImagingStudy?_id={study['id']}&_total=accurate&_sort=-started").json
    assert (answer["total"], answer["entry"][0]["resource"]["id"]) == (1, study["id"])
    for query, status in (
        ("_include=ImagingStudy:subject", 400),
        ("_revinclude:iterate=Provenance:target", 400),
        ("_elements=status", 400),
        ("colour=red", 400),
        ("_format=xml", 406),
        ("_format=json", 200),
    ):
        answer = ask(house, f"/fhir/R5/ImagingStudy?{query}")
        assert answer.status_code == status, query
        assert status == 200 or answer.json["resourceType"] == "OperationOutcome"
    assert ask(house, f"/fhir/R5/ImagingStudy/{study['id']}?_pretty=true").status_code == 400
    for path in ("ImagingStudy/none", "Patient", "Nothing/x"):
        answer = ask(house, f"/fhir/R5/{path}")
        assert (answer.status_code, answer.json["resourceType"]) == (404, "OperationOutcome")
    accept = {"Accept": "application/fhir+json; fhirVersion=5.0"}
    assert ask(house, "/fhir/R5/ImagingStudy", headers=accept).status_code == 200
    assert ask(house, "/fhir/R5/ImagingStudy", headers={"Accept": "application/fhir+json; fhirVersion=4.0"}).status_code == 406


def test_what_it_can_do_is_said(house):
    statement = house.ask("GET", "/fhir/R5/metadata").json
    get_fhir_model_class("CapabilityStatement").model_validate_json(json.dumps(statement))
    assert statement["fhirVersion"] == "5.0.0"
    assert {resource["type"] for resource in statement["rest"][0]["resource"]} == set(AS_R5)
