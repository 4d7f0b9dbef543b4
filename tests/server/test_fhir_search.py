"""What clients of HAPI and Blaze ask of a FHIR server, through the whole application: chains, includes, order, subsets."""

import gzip
import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.house import CALLERS, House, Who
from tests.served import sampled

FHIR = "/fhir/R4"
PROVIDER = CALLERS["provider"]


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> Iterator[House]:
    """Every sample, the provider's own."""
    made = sampled(tmp_path_factory.mktemp("house"))
    yield made
    made.runtime.close()


def ask(house: House, path: str, who: Who = PROVIDER, **more):
    return house.ask("GET", f"{FHIR}/{path}", who, **more)


def entries(house: House, path: str, mode: str = "match", who: Who = PROVIDER) -> list[dict]:
    answer = ask(house, path, who)
    assert answer.status_code == 200, answer.json
    return [e["resource"] for e in answer.json.get("entry", ()) if e["search"]["mode"] == mode]


def everything(house: House, kind: str) -> list[dict]:
    return entries(house, f"{kind}?_count=1000")


def ids(resources: list[dict]) -> set[str]:
    return {resource["id"] for resource in resources}


def pages(house: House, path: str, who: Who = PROVIDER) -> Iterator[dict]:
    url = f"{FHIR}/{path}"
    while url:
        page = house.ask("GET", url, who).json
        yield page
        url = next((link["url"].partition("8080")[2] for link in page["link"] if link["relation"] == "next"), "")


def modalities(study: dict) -> set[str]:
    return {series["modality"]["code"] for series in study["series"] if "code" in series["modality"]}


def person(study: dict) -> str:
    return study["subject"]["reference"].partition("/")[2]


# --- chains


def test_a_chain_finds_the_studies_of_patients_who_match(house):
    women = ids(everything(house, "Patient")) & ids(entries(house, "Patient?gender=female&_count=1000"))
    assert women
    expected = {study["id"] for study in everything(house, "ImagingStudy") if person(study) in women}
    for spelled in ("patient.gender", "subject.gender", "patient:Patient.gender"):
        assert ids(entries(house, f"ImagingStudy?{spelled}=female&_count=1000")) == expected


def test_a_chain_s_modifier_is_its_last_parameter_s(house):
    men = ids(entries(house, "ImagingStudy?patient.gender:not=female&_count=1000"))
    women = ids(entries(house, "ImagingStudy?patient.gender=female&_count=1000"))
    assert men | women == ids(everything(house, "ImagingStudy"))
    assert not men & women


def test_a_chain_goes_to_another_source(house):
    assert ids(entries(house, "ImagingStudy?endpoint.identifier=LUNG&_count=1000")) == ids(everything(house, "ImagingStudy"))
    assert not entries(house, "ImagingStudy?endpoint.identifier=BREAST")
    assert not entries(house, "ImagingStudy?endpoint.status=suspended")


def test_a_reverse_chain_finds_the_patients_of_studies_that_match(house):
    every = everything(house, "ImagingStudy")
    for word in ("CT", "MR", "SEG"):
        expected = {person(study) for study in every if word in modalities(study)}
        assert ids(entries(house, f"Patient?_has:ImagingStudy:patient:modality={word}&_count=1000")) == expected
    without = {person(study) for study in every if "CT" not in modalities(study)}
    assert ids(entries(house, "Patient?_has:ImagingStudy:patient:modality:not=CT&_count=1000")) == without


def test_two_reverse_chains_may_hold_of_two_studies(house):
    every = everything(house, "ImagingStudy")
    own = {who: set().union(*(modalities(s) for s in every if person(s) == who)) for who in map(person, every)}
    pairs = sorted({(a, b) for words in own.values() for a in words for b in words if a < b})
    assert pairs
    for a, b in pairs:
        has = "_has:ImagingStudy:patient:modality"
        found = ids(entries(house, f"Patient?{has}={a}&{has}={b}&_count=1000"))
        assert found == {who for who, words in own.items() if {a, b} <= words}


def test_a_reverse_chain_goes_over_other_sources(house):
    assert ids(entries(house, "Endpoint?_has:ImagingStudy:endpoint:modality=CT")) == {"LUNG"}
    assert not entries(house, "Endpoint?_has:ImagingStudy:endpoint:modality=NONE")
    assert ids(entries(house, "Organization?_has:Consent:consentor:status=active")) == {"hospital-a"}


def test_a_reverse_chain_goes_over_what_was_done(house):
    """What a Provenance names is what it finds by `_has`, for every type that it may name."""
    every = [entry for entry in everything(house, "Provenance") if "entity" in entry]
    named = {target.get("reference", "") for entry in every for target in entry["target"]}
    for kind in ("ImagingStudy", "Patient", "Endpoint"):
        expected = {who.partition("/")[2] for who in named if who.startswith(f"{kind}/")}
        has = "_has:Provenance:target:recorded=gt2000&_has:Provenance:target:entity:missing=false"
        assert ids(entries(house, f"{kind}?{has}&_count=1000")) == expected, kind
        assert not entries(house, f"{kind}?_has:Provenance:target:recorded=lt2000")
    under = {entity["what"].get("reference", "").partition("/")[2] for entry in every for entity in entry["entity"]}
    assert ids(entries(house, "Consent?_has:Provenance:entity:recorded=gt2000")) == under - {""}


@pytest.mark.parametrize(
    "path",
    [
        "Group?member.gender:not=other&member.organization:missing=false",
        "Organization?_has:Patient:organization:gender=female&_has:Patient:organization:gender=male",
        "Patient?_has:Group:member:member.gender=female",
    ],
)
def test_several_chains_may_lead_to_patients(house, path):
    assert len(entries(house, f"{path}&_count=1000")) > 0


def test_studies_patients_and_agreements_are_found_over_their_datasets_and_providers(house):
    every = {"ImagingStudy": ids(everything(house, "ImagingStudy")), "Patient": ids(everything(house, "Patient"))}
    for query in ("dataset.title=dataset lung", "dataset.sponsor.name=hosp", "performer.name:contains=SPITAL-A,pital a"):
        assert ids(entries(house, f"ImagingStudy?{query}&_count=1000")) == every["ImagingStudy"]
    assert ids(entries(house, "Patient?organization.name=hosp&_count=1000")) == every["Patient"]
    assert ids(entries(house, "Consent?data.title=dataset")) == {"DSA-LUNG"}
    for query in ("ImagingStudy?dataset.title=breast", "ImagingStudy?performer.name=clinic", "Patient?organization.name=clinic"):
        assert not entries(house, query)
    assert not entries(house, "Consent?data.status=administratively-completed")


def test_datasets_and_providers_are_found_by_what_is_of_them(house):
    for query in ("ImagingStudy:dataset:modality=CT", "Consent:data:status=active"):
        assert ids(entries(house, f"ResearchStudy?_has:{query}")) == {"LUNG"}
    for query in ("ImagingStudy:performer:modality=CT", "Patient:organization:gender=female"):
        assert ids(entries(house, f"Organization?_has:{query}")) == {"hospital-a"}
    for query in ("ImagingStudy:performer:performer", "Patient:organization:organization"):  # one table within and without
        assert ids(entries(house, f"Organization?_has:{query}=Organization/hospital-a")) == {"hospital-a"}
    for query in (
        "ResearchStudy?_has:ImagingStudy:dataset:modality=NONE",
        "Organization?_has:ImagingStudy:performer:modality=NONE",
    ):
        assert not entries(house, query)


def test_a_dataset_s_patients_are_found_by_its_group(house):
    every = ids(everything(house, "Patient"))
    assert ids(entries(house, "Patient?_has:Group:member:_id=LUNG&_count=1000")) == every
    assert not entries(house, "Patient?_has:Group:member:_id=BREAST")
    assert ids(entries(house, "Group?member.gender=female")) == {"LUNG"}
    assert not entries(house, "Group?member.gender=unknown")
    assert ids(entries(house, "Group?_include=Group:member", "include")) == every


def test_a_dataset_brings_its_studies_its_agreement_and_its_provider(house):
    brought = entries(house, "ResearchStudy?_revinclude=ImagingStudy:dataset&_revinclude=Consent:data&_include=*", "include")
    told = {kind: {r["id"] for r in brought if r["resourceType"] == kind} for kind in ("ImagingStudy", "Consent", "Organization")}
    assert told == {
        "ImagingStudy": ids(everything(house, "ImagingStudy")),
        "Consent": {"DSA-LUNG"},
        "Organization": {"hospital-a"},
    }


def test_what_no_study_says_is_missing_of_every_study(house):
    every = ids(everything(house, "ImagingStudy"))
    for name, value in (
        ("reason", "Condition/1"),
        ("reason:identifier", "1"),
        ("referrer", "Practitioner/1"),
        ("basedon", "x/1"),
    ):
        assert not entries(house, f"ImagingStudy?{name}={value}")
    for name in ("reason", "referrer"):
        assert ids(entries(house, f"ImagingStudy?{name}:missing=true&_count=1000")) == every


def test_two_hops_are_followed_and_not_three(house):
    found = entries(house, "Endpoint?_has:ImagingStudy:endpoint:patient.gender=female")
    assert ids(found) == {"LUNG"}
    refused = ask(house, "Endpoint?_has:ImagingStudy:endpoint:patient.organization.name=x")
    assert (refused.status_code, refused.json["issue"][0]["expression"]) == (400, ["organization.name"])


@pytest.mark.parametrize(
    "query",
    [
        "ImagingStudy?patient.colour=red",
        "ImagingStudy?modality.code=CT",
        "ImagingStudy?patient:Device.gender=male",
        "ImagingStudy?patient._has:ImagingStudy:patient:modality=CT",
        "Patient?_has:ImagingStudy:modality:status=x",
        "Patient?_has:Nothing:patient:status=x",
        "Patient?_has:ImagingStudy:patient=x",
        "Patient?_has=x",
        "ImagingStudy?_include=Patient:organization",
        "ImagingStudy?_include=ImagingStudy:modality",
        "ImagingStudy?_include=nothing",
        "ImagingStudy?_revinclude=Patient:organization",
        "ImagingStudy?_sort=-",
        "ImagingStudy?_elements=",
    ],
)
def test_what_leads_nowhere_is_refused_with_a_sentence(house, query):
    answer = ask(house, query)
    assert answer.status_code == 400
    assert answer.json["issue"][0]["expression"]


# --- parameters hold apart


def test_parameters_of_series_need_not_hold_of_one_series(house):
    every = everything(house, "ImagingStudy")
    mixed = next(study for study in every if len(modalities(study)) > 1)
    first, second = sorted(modalities(mixed))[:2]
    assert mixed["id"] in ids(entries(house, f"ImagingStudy?modality={first}&modality={second}&_count=1000"))


def test_a_token_s_system_alone_asks_for_any_of_its_codes(house):
    found = ids(entries(house, f"ImagingStudy?modality={quote('http://dicom.nema.org/resources/ontology/DCM|')}&_count=1000"))
    assert found == {s["id"] for s in everything(house, "ImagingStudy") if modalities(s)}


def test_an_accession_number_is_asked_by_its_type(house):
    kind = "http://terminology.hl7.org/CodeSystem/v2-0203|ACSN"
    for study in everything(house, "ImagingStudy"):
        for number in (i["value"] for i in study["identifier"] if i.get("type")):
            assert study["id"] in ids(entries(house, f"ImagingStudy?identifier:of-type={quote(f'{kind}|{number}')}&_count=1000"))
    assert not entries(house, f"ImagingStudy?identifier:of-type={quote('http://x|ACSN|1')}")


def test_names_are_asked_whole_and_in_part(house):
    assert ids(entries(house, "Organization?name:contains=PITAL")) == {"hospital-a", "hospital-b"}
    name = next(o["name"] for o in everything(house, "Organization") if o["id"] == "hospital-a")
    assert ids(entries(house, f"Organization?name:exact={quote(name)}")) == {"hospital-a"}
    assert not entries(house, f"Organization?name:exact={quote(name.swapcase())}")


def test_ages_are_compared_as_numbers(house):
    every = ids(everything(house, "ImagingStudy"))
    told = ids(entries(house, "ImagingStudy?age:missing=false&_count=1000"))
    assert told
    for number in (30, 45, 60):
        parts = [ids(entries(house, f"ImagingStudy?age={prefix}{number}&_count=1000")) for prefix in ("lt", "", "gt", "ne", "ge")]
        below, same, above, other, from_it = parts
        assert below | same | above == told
        assert (other, from_it) == (below | above, same | above)
    assert ids(entries(house, "ImagingStudy?age=ap45&_count=1000")) <= told < every | {""}


# --- includes


def test_an_include_brings_what_the_matches_refer_to_once(house):
    studies = everything(house, "ImagingStudy")
    brought = entries(house, "ImagingStudy?_include=ImagingStudy:patient&_include=ImagingStudy:endpoint&_count=1000", "include")
    assert sorted(r["id"] for r in brought) == sorted({person(s) for s in studies} | {"LUNG"})
    assert entries(house, "ImagingStudy?_include=ImagingStudy:subject:Patient&_count=2", "include")
    every = {r["resourceType"] for r in entries(house, "ImagingStudy?_include=*&_count=1", "include")}
    assert {"Patient", "Endpoint"} <= every


def test_a_reverse_include_brings_what_refers_to_the_matches(house):
    patient = everything(house, "Patient")[0]["id"]
    brought = entries(house, f"Patient?_id={patient}&_revinclude=ImagingStudy:patient", "include")
    assert ids(brought) == {s["id"] for s in everything(house, "ImagingStudy") if person(s) == patient}
    study = brought[0]["id"]
    told = entries(house, f"ImagingStudy?_id={study}&_revinclude=Provenance:target", "include")
    assert told
    assert all(f"ImagingStudy/{study}" in json.dumps(provenance["target"]) for provenance in told)


def test_includes_iterate_where_they_are_asked_to(house):
    patient = everything(house, "Patient")[0]["id"]
    asked = f"Patient?_id={patient}&_revinclude=ImagingStudy:patient&_include:iterate=ImagingStudy:endpoint"
    assert {r["resourceType"] for r in entries(house, asked, "include")} == {"ImagingStudy", "Endpoint"}


@pytest.mark.parametrize("most", [1, 2, 3, 7])
def test_what_is_brought_along_is_capped_and_goes_on_by_the_next_link(house, monkeypatch, most):
    """Every match once and in order, and everything it brings along, however little fits a page."""
    asked = "Patient?_revinclude=ImagingStudy:patient&_revinclude=ImagingStudy:subject&_count=4"
    whole = entries(house, asked.replace("_count=4", "_count=1000"), "include")
    patients = [p["id"] for p in entries(house, "Patient?_count=1000")]
    monkeypatch.setattr("server.usecases.include.MOST_INCLUDED", most)
    matches, brought = [], []
    for page in pages(house, asked):
        found = page.get("entry", ())
        assert sum(e["search"]["mode"] == "include" for e in found) <= most
        matches += [e["resource"]["id"] for e in found if e["search"]["mode"] == "match"]
        brought += [e["resource"]["id"] for e in found if e["search"]["mode"] == "include"]
    assert matches == patients
    assert (len(brought), set(brought)) == (len(whole), ids(whole))


def test_more_forward_references_than_fit_go_on_too(house, monkeypatch):
    deposit = next(p for p in everything(house, "Provenance") if len(p["target"]) > 5)
    studies = {t["reference"].partition("/")[2] for t in deposit["target"] if t.get("reference", "").startswith("ImagingStudy")}
    monkeypatch.setattr("server.usecases.include.MOST_INCLUDED", 3)
    brought = [
        e["resource"]["id"]
        for page in pages(house, f"Provenance?_id={deposit['id']}&_include=Provenance:target:ImagingStudy")
        for e in page.get("entry", ())
        if e["search"]["mode"] == "include"
    ]
    assert (len(brought), set(brought)) == (len(studies), studies)


# --- order and shape


def test_studies_are_sorted_by_when_they_started(house):
    told = [study.get("started", "") for study in entries(house, "ImagingStudy?_sort=started&_count=1000")]
    assert [day[:10] for day in told] == sorted(day[:10] for day in told)
    back = [study.get("started", "")[:10] for study in entries(house, "ImagingStudy?_sort=-started&_count=1000")]
    assert back == sorted(back, reverse=True)


def test_a_summary_has_series_without_their_instances_and_says_so(house):
    for whole, short in zip(
        everything(house, "ImagingStudy"), entries(house, "ImagingStudy?_summary=true&_count=1000"), strict=True
    ):
        assert short["meta"]["tag"][-1]["code"] == "SUBSETTED"
        assert [s["uid"] for s in short["series"]] == [s["uid"] for s in whole["series"]]
        assert not any("instance" in series for series in short["series"])
        assert short["series"][0]["numberOfInstances"] == whole["series"][0]["numberOfInstances"]


def test_elements_are_those_asked_for_and_the_mandatory_ones(house):
    found = entries(house, "ImagingStudy?_elements=started,numberOfSeries&_count=3")
    for study in found:
        assert set(study) - {"started"} == {"resourceType", "id", "meta", "status", "subject", "numberOfSeries"}
    text = entries(house, "ImagingStudy?_summary=text&_count=1")[0]
    assert set(text) == {"resourceType", "id", "meta", "status", "subject"}
    assert all("name" in each for each in entries(house, "Organization?_summary=text")), "org-1 asks for one"


def test_a_read_is_cut_as_a_search_is(house):
    study = everything(house, "ImagingStudy")[0]["id"]
    assert "series" not in ask(house, f"ImagingStudy/{study}?_elements=started").json
    assert "instance" not in ask(house, f"ImagingStudy/{study}?_summary=true").json["series"][0]
    assert ask(house, f"ImagingStudy/{study}?_summary=count").status_code == 400
    whole, part = ask(house, f"ImagingStudy/{study}"), ask(house, f"ImagingStudy/{study}?_summary=true")
    assert whole.headers["ETag"] != part.headers["ETag"]


def test_pretty_is_the_same_in_more_lines(house):
    plain, pretty = ask(house, "Endpoint"), ask(house, "Endpoint?_pretty=true")
    assert plain.data.count(b"\n") == 0 < pretty.data.count(b"\n")
    assert [e["resource"] for e in plain.json["entry"]] == [e["resource"] for e in pretty.json["entry"]]
    assert ask(house, "Endpoint?_pretty=perhaps").status_code == 400
    assert ask(house, "metadata?_pretty=true").data.count(b"\n") > 100


def test_gzip_is_sent_to_who_accepts_it(house):
    plain = ask(house, "ImagingStudy")
    packed = ask(house, "ImagingStudy", headers={"Accept-Encoding": "gzip, deflate"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert len(packed.data) * 4 < len(plain.data)
    assert "Accept-Encoding" in packed.headers["Vary"]
    for refused in ("identity", "gzip;q=0", "br"):
        assert "Content-Encoding" not in ask(house, "ImagingStudy", headers={"Accept-Encoding": refused}).headers


def test_head_says_what_get_says_without_its_body(house):
    study = everything(house, "ImagingStudy")[0]["id"]
    for path in ("ImagingStudy?modality=CT", f"ImagingStudy/{study}", "metadata"):
        whole, head = ask(house, path), house.ask("HEAD", f"{FHIR}/{path}", PROVIDER)
        assert (head.status_code, head.data) == (whole.status_code, b"")
        for name in ("Content-Type", "ETag", "Last-Modified", "Content-Length"):
            assert head.headers.get(name) == whole.headers.get(name)


def test_a_study_that_has_not_changed_since_is_not_sent_again(house):
    study = everything(house, "ImagingStudy")[0]["id"]
    first = ask(house, f"ImagingStudy/{study}")
    again = ask(house, f"ImagingStudy/{study}", headers={"If-Modified-Since": first.headers["Last-Modified"]})
    assert (again.status_code, again.data) == (304, b"")
    assert ask(house, f"ImagingStudy/{study}", headers={"If-Modified-Since": "Mon, 01 Jan 2018 00:00:00 GMT"}).status_code == 200


# --- compartments


def test_a_patient_s_compartment_is_what_is_about_that_patient(house):
    patient = everything(house, "Patient")[0]["id"]
    expected = {s["id"] for s in everything(house, "ImagingStudy") if person(s) == patient}
    assert ids(entries(house, f"Patient/{patient}/ImagingStudy?_count=1000")) == expected
    posted = house.ask("POST", f"{FHIR}/Patient/{patient}/ImagingStudy/_search", PROVIDER, data={"_count": "1000"})
    assert {e["resource"]["id"] for e in posted.json["entry"]} == expected
    assert not entries(house, "Patient/unknown/ImagingStudy")


def test_a_patient_s_compartment_has_its_deposits_and_who_was_shown_it(house):
    study = everything(house, "ImagingStudy")[0]
    ask(house, f"Patient/{person(study)}/ImagingStudy")
    house.runtime.accesses.flush()
    for kind in ("Provenance", "AuditEvent"):
        told = ids(entries(house, f"Patient/{person(study)}/{kind}?_count=1000"))
        assert told == {e["id"] for e in everything(house, kind) if study["subject"]["reference"] in str(e)}
        assert told
        assert not entries(house, f"Patient/unknown/{kind}")


def test_a_compartment_and_a_head_are_in_the_record_as_what_they_showed(house):
    study = everything(house, "ImagingStudy")[-1]
    for method, path, interaction in (
        ("GET", f"Patient/{person(study)}/ImagingStudy", "search"),
        ("HEAD", f"ImagingStudy/{study['id']}", "read"),
        ("HEAD", f"Patient/{person(study)}/ImagingStudy", "search"),
    ):
        house.ask(method, f"{FHIR}/{path}", PROVIDER)
        house.runtime.accesses.flush()
        (last,) = entries(house, f"AuditEvent?entity=ImagingStudy/{study['id']}&_sort=-_id&_count=1")
        assert last["subtype"][0]["code"] == interaction
        assert study["subject"] in [each.get("what") for each in last["entity"]]


# --- scopes


def scoped(scope: str, who: str = "provider") -> Who:
    kind = CALLERS[who]
    return Who(kind.role, kind.party, kind.client, kind.address, kind.purpose, scope)


def test_a_granular_scope_narrows_searches_reads_chains_and_includes(house):
    ct = scoped("system/ImagingStudy.rs?modality=CT system/Patient.rs")
    every = everything(house, "ImagingStudy")
    expected = {s["id"] for s in every if "CT" in modalities(s)}
    assert ids(entries(house, "ImagingStudy?_count=1000", who=ct)) == expected
    other = next(s for s in every if s["id"] not in expected)
    assert ask(house, f"ImagingStudy/{other['id']}", ct).status_code == 404
    assert ask(house, f"ImagingStudy/{min(expected)}", ct).status_code == 200
    has = ids(entries(house, "Patient?_has:ImagingStudy:patient:status=available&_count=1000", who=ct))
    assert has == {person(s) for s in every if s["id"] in expected}
    brought = ids(entries(house, "Patient?_revinclude=ImagingStudy:patient&_count=1000", "include", who=ct))
    assert brought == expected
    total = ask(house, "ImagingStudy?_summary=count", ct).json["total"]
    assert total == len(expected)


def test_several_granular_scopes_are_alternatives_and_one_without_condition_is_all(house):
    every = everything(house, "ImagingStudy")
    either = scoped("system/ImagingStudy.rs?modality=CT system/ImagingStudy.rs?modality=MR")
    assert ids(entries(house, "ImagingStudy?_count=1000", who=either)) == {s["id"] for s in every if modalities(s) & {"CT", "MR"}}
    all_of_it = scoped("system/ImagingStudy.rs?modality=CT system/ImagingStudy.s")
    assert ids(entries(house, "ImagingStudy?_count=1000", who=all_of_it)) == ids(every)


def test_a_granular_scope_opens_nothing_but_fhir(house):
    ct = scoped("system/ImagingStudy.rs?modality=CT")
    assert house.ask("GET", "/dicom-web/studies", ct).status_code == 403
    assert house.ask("GET", f"/dicom-web/studies/{house.study}/metadata", ct).status_code == 403


@pytest.mark.parametrize(
    "query",
    [
        "ImagingStudy?patient.gender=female",
        "ImagingStudy?_include=ImagingStudy:patient",
        "ImagingStudy?_revinclude=Provenance:target",
        "ImagingStudy?endpoint.status=active",
    ],
)
def test_what_no_scope_covers_is_not_reached_by_another_type(house, query):
    answer = ask(house, query, scoped("system/ImagingStudy.rs"))
    assert (answer.status_code, 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]) == (403, True)


def test_everything_is_included_that_a_scope_covers(house):
    brought = entries(house, "ImagingStudy?_include=*", "include", who=scoped("system/ImagingStudy.rs system/Endpoint.rs"))
    assert {r["resourceType"] for r in brought} == {"Endpoint"}
