"""What Accord's own codes and extensions mean is served by every Accord, to anybody; and codes are translated by it."""

import json
import re
from collections.abc import Iterator
from urllib.parse import urlencode, urlsplit

import pytest

from adapters.identity import Keys
from mappings.fhir import systems
from mappings.fhir.canonicals import canonicals
from mappings.fhir.concept_maps import CONCEPT_MAPS, MAX_BODY
from tests.house import CALLERS, House, build
from tests.mappings.fhir.rules import held

TYPES = ("CodeSystem", "ValueSet", "ConceptMap", "StructureDefinition", "NamingSystem")
PURPOSE, REASON = systems.PURPOSE, systems.ACT_REASON


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    made = build(folder, Keys.load_or_make(folder / "keys.json"))
    yield made
    made.runtime.close()


@pytest.fixture
def client(house):
    return house.flask.test_client()


def asked(client, path, status=200, **headers):
    answer = client.get(f"/fhir/R4/{path}", headers=headers)
    assert answer.status_code == status, answer.data
    return json.loads(answer.data)


@pytest.mark.parametrize("kind", TYPES)
def test_anybody_reads_and_finds_each_of_them(client, kind):
    found = held(client.get(f"/fhir/R4/{kind}").data)
    assert found["total"] == len(found["entry"]) == len(canonicals(kind)) > 0
    by = "value" if kind == "NamingSystem" else "url"
    for canonical in canonicals(kind):
        assert asked(client, f"{kind}/{canonical.id}") == held(canonical.body)
        for query in ({by: canonical.url}, {"name": canonical.name}, {"_id": canonical.id}, {"name:exact": canonical.name}):
            answer = asked(client, f"{kind}?{urlencode(query)}&status=active&_sort=-name")
            assert canonical.id in [entry["resource"]["id"] for entry in answer["entry"]], query
    assert asked(client, f"{kind}?status=draft")["total"] == asked(client, f"{kind}?name:missing=true")["total"] == 0
    asked(client, f"{kind}/nothing", 404)


def test_a_system_of_others_words_holds_those_that_are_known_and_claims_no_more(client):
    for system, word in ((systems.BODY_PART, "ABDOMEN"), (systems.MODALITY, "ANN")):
        told = asked(client, f"CodeSystem/{system.rpartition('/')[2]}")
        assert (told["content"], word in [concept["code"] for concept in told["concept"]]) == ("fragment", True)
        assert told.keys().isdisjoint({"valueSet", "count"})


def test_a_summary_of_an_extension_says_what_it_extends(client):
    for entry in asked(client, "StructureDefinition?_summary=true")["entry"]:
        assert {"baseDefinition", "derivation", "context", "fhirVersion"} <= entry["resource"].keys()


def test_pages_of_them_are_followed_to_the_end(client):
    url, seen = "/fhir/R4/CodeSystem?_count=2&_sort=-name,_id", []
    while url:
        page = json.loads(client.get(url).data)
        seen += [entry["resource"]["name"] for entry in page["entry"]]
        url = next((link["url"].partition("8080")[2] for link in page["link"] if link["relation"] == "next"), "")
    assert seen == sorted((c.name for c in canonicals("CodeSystem")), reverse=True)


def test_every_address_of_ours_in_what_is_served_is_served(house, client):
    told = json.dumps(
        [house.ask("GET", f"/fhir/R4/{kind}", CALLERS["operator"]).json for kind in ("ImagingStudy", "Consent", "Provenance")]
    )
    addresses = set(re.findall(rf'"({systems.PROJECT}/[^"]+)"', told))
    assert len(addresses) > 5
    for address in addresses:
        kind, identity = address.removeprefix(f"{systems.PROJECT}/").split("/")
        answer = asked(client, f"{kind}/{identity}")
        assert address in (answer.get("url"), answer.get("uniqueId", [{}])[0].get("value"))


def posted_to(client, body):
    return client.post("/fhir/R4/ConceptMap/$translate", data=body, content_type="application/fhir+json")


def parameters(answer):
    said = {each["name"]: each.get("valueBoolean", each.get("valueString")) for each in answer["parameter"] if "part" not in each}
    matches = [{part["name"]: part for part in each["part"]} for each in answer["parameter"] if each["name"] == "match"]
    return said, [(m["equivalence"]["valueCode"], m["concept"]["valueCoding"]["code"]) for m in matches]


@pytest.mark.parametrize(
    ("query", "matches"),
    [
        ({"system": PURPOSE, "code": "AITRAIN"}, [("wider", "HRESCH")]),
        ({"system": PURPOSE, "code": "AITRAIN", "targetsystem": REASON}, [("wider", "HRESCH")]),
        ({"system": PURPOSE, "code": "AITRAIN", "targetsystem": systems.SNOMED}, []),
        ({"system": PURPOSE, "code": "TREAT"}, []),
        ({"system": systems.ACTION, "code": "export"}, [("wider", "disclose")]),
        ({"system": systems.BODY_PART, "code": "BREAST"}, [("equivalent", "76752008"), ("equivalent", "BP1000136")]),
        ({"system": systems.BODY_PART, "code": "BRUST", "targetsystem": systems.EUCAIM}, [("equivalent", "BP1000136")]),
        ({"system": systems.EUCAIM, "code": "COM1001370", "reverse": "true"}, [("equivalent", "female")]),
        ({"system": systems.DCM, "code": "CT"}, [("equivalent", "IMG1000042")]),
        ({"system": systems.MANUFACTURER, "code": "siemens"}, [("equivalent", "IMG1000044")]),
        ({"system": systems.SNOMED, "code": "76752008", "reverse": "true"}, [("equivalent", "BREAST")]),
        ({"system": systems.CONSENT_ACTION, "code": "use", "reverse": "true"}, [("narrower", "process")]),
        ({"system": systems.SNOMED, "code": "76752008"}, []),
    ],
)
def test_codes_are_translated(client, query, matches):
    answer = asked(client, f"ConceptMap/$translate?{urlencode(query)}")
    held(json.dumps(answer).encode())
    said, found = parameters(answer)
    assert (said["result"], found) == (bool(matches), matches)
    posted = [{"name": name, "valueUri": value} for name, value in query.items() if name not in ("code", "system", "reverse")]
    posted += [{"name": "reverse", "valueBoolean": True}] if "reverse" in query else []
    posted += [{"name": "coding", "valueCoding": {"system": query["system"], "code": query["code"]}}]
    body = json.dumps({"resourceType": "Parameters", "parameter": posted})
    assert json.loads(posted_to(client, body).data) == answer


def test_one_map_alone_translates(client):
    for url in CONCEPT_MAPS:
        identity = url.rpartition("/")[2]
        query = urlencode({"system": systems.BODY_PART, "code": "BREAST"})
        _, found = parameters(asked(client, f"ConceptMap/{identity}/$translate?{query}"))
        assert bool(found) == ("body-part" in identity)
        assert parameters(asked(client, f"ConceptMap/$translate?{query}&{urlencode({'url': url})}"))[1] == found
    asked(client, "ConceptMap/nothing/$translate?system=a&code=b", 404)


@pytest.mark.parametrize("query", ["", "code=a", "system=a", "code=a&system=b&colour=red", "code=a&system=b&reverse=perhaps"])
def test_what_is_no_translation_is_refused(client, query):
    assert asked(client, f"ConceptMap/$translate?{query}", 400)["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"resourceType":"Patient"}', b"\xff", b'{"resourceType":"Parameters","parameter":[1]}']
)
def test_what_is_no_parameters_is_refused(client, body):
    answer = posted_to(client, body)
    assert (answer.status_code, answer.json["resourceType"]) == (400, "OperationOutcome")


@pytest.mark.parametrize("coding", [{"code": "BREAST"}, 7, None, "BREAST", [7]], ids=repr)
def test_a_concept_without_a_list_of_codings_says_no_code(client, coding):
    sent = {"resourceType": "Parameters", "parameter": [{"name": "concept", "valueCodeableConcept": {"coding": coding}}]}
    answer = posted_to(client, json.dumps(sent))
    assert (answer.status_code, answer.json["resourceType"]) == (400, "OperationOutcome")


def test_parameters_that_nest_deeper_than_can_be_read_are_refused(client):
    deep = b"[" * 5_000 + b"]" * 5_000
    answer = posted_to(client, b'{"resourceType":"Parameters","parameter":[{"name":"code","valueCode":%b}]}' % deep)
    assert (answer.status_code, answer.json["resourceType"]) == (400, "OperationOutcome")


def test_a_body_larger_than_a_translation_takes_is_refused(client):
    answer = posted_to(client, b" " * (MAX_BODY + 1))
    assert (answer.status_code, answer.json["resourceType"]) == (413, "OperationOutcome")


def test_a_provenance_leads_to_its_commitment_and_to_nothing_more(house, client):
    provenance = house.ask("GET", "/fhir/R4/Provenance?_sort=-_id&_count=1", CALLERS["operator"]).json["entry"][0]["resource"]
    (url,) = [each["valueUrl"] for each in provenance["extension"] if each["url"] == systems.LEDGER_ENTRY]
    told = client.get(urlsplit(url).path).json
    assert told["leaf"] == provenance["entity"][-1]["what"]["identifier"]["value"]
    assert told.keys() == {"entry", "leaf", "index", "checkpoint"}
    assert client.get("/ledger/entries/999999").status_code == client.get(f"/ledger/entries/{10**30}").status_code == 404
    assert client.get("/ledger/entries/x").status_code == 404
