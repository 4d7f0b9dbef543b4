"""Bulk Data Access on a private runtime: asked for, polled, fetched and deleted as a client of the field does."""

import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier, Event
from urllib.parse import urlencode

import httpx
import pytest
from msgspec import structs
from sqlalchemy import delete, func, select
from werkzeug.http import http_date

from adapters.client_file import ClientFile, assertion
from adapters.identity import Keys
from adapters.sql import tables as t
from consent.policy import NEVER_FOR_DIAGNOSIS, SENTENCES
from mappings.failures import Full
from mappings.fhir.resource_row import R4
from mappings.fhir.resources import served_in
from mappings.fhir.serial import instant
from server.usecases import document, export, give_export
from server.usecases.agreement import move_agreement
from server.usecases.batch import close_batch
from server.usecases.take import take
from server.web.app import create
from server.worker.jobs import KINDS, work_off
from tests import builders
from tests.house import CALLERS, House, build
from tests.mappings.fhir.rules import held
from tests.wire import Wire

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
START = {"Prefer": "respond-async", "Accept": "application/fhir+json"}
USER = CALLERS["user"]


@pytest.fixture(scope="module")
def signing(tmp_path_factory) -> Keys:
    return Keys.load_or_make(tmp_path_factory.mktemp("keys") / "keys.json")


@pytest.fixture(scope="module")
def shared(tmp_path_factory, signing):
    made = build(tmp_path_factory.mktemp("house"), signing)
    yield made
    made.runtime.close()


@pytest.fixture
def house(shared):
    """A house that all tests share, without any export at their end."""
    yield shared
    with shared.runtime.store.write() as connection:
        connection.execute(delete(t.export))
        connection.execute(delete(t.job).where(t.job.c.kind == export.KIND))


@pytest.fixture
def fresh(tmp_path, signing):
    """A house of one's own, to stop things in."""
    made = build(tmp_path, signing)
    yield made
    made.runtime.close()


def path(url: str) -> str:
    return "/fhir/R4/" + url.partition("/fhir/R4/")[2]


def start(house: House, asked: str = "$export", who=USER, method="GET", **more):
    return house.ask(method, f"/fhir/R4/{asked}", who, headers=START | more.pop("headers", {}), **more)


def write(house: House) -> None:
    work_off(house.runtime, export.KIND, KINDS[export.KIND], Event())


def exported(house: House, asked: str = "$export", who=USER, **more):
    """(manifest, type → the lines of its files) of an export."""
    begun = start(house, asked, who, **more)
    assert begun.status_code == 202, begun.data
    write(house)
    manifest = house.ask("GET", path(begun.headers["Content-Location"]), who).json
    lines: dict[str, list[bytes]] = {}
    for file in manifest["output"] + manifest["error"]:
        body = house.ask("GET", path(file["url"]), who).data
        assert body.count(b"\n") == file["count"]
        lines.setdefault(file["type"], []).extend(body.splitlines())
    return manifest, lines


def test_what_is_exported_is_to_the_byte_what_single_reads_give(house):
    manifest, lines = exported(house)
    assert set(lines) >= {"ImagingStudy", "Patient", "Consent", "Endpoint", "Organization"}
    assert b"BREAST is not in this export" in lines.pop("OperationOutcome")[0]
    for kind, documents in lines.items():
        for told in documents:
            single = house.ask("GET", f"/fhir/R4/{kind}/{json.loads(told)['id']}", USER)
            assert (single.status_code, single.data) == (200, told)
    assert manifest["requiresAccessToken"] is True
    assert len(lines["ImagingStudy"]) == len(lines["Patient"]) == 1


def test_kick_off_says_where_to_look_and_the_status_how_far_it_is_and_until_when_it_is_kept(house):
    begun = start(house, "$export?_type=Organization")
    where = begun.headers["Content-Location"]
    assert (begun.status_code, begun.data, where.startswith(house.runtime.settings.base_url)) == (202, b"", True)
    waiting = house.ask("GET", path(where), USER)
    assert (waiting.status_code, waiting.headers["X-Progress"], waiting.headers["Retry-After"]) == (
        202,
        "waiting for its turn",
        "1",
    )
    house.runtime.clock.on(60)
    assert house.ask("GET", path(where), USER).headers["Retry-After"] == "10"
    write(house)
    done = house.ask("GET", path(where), USER)
    assert (done.status_code, done.headers["Content-Type"]) == (200, "application/json")
    assert done.headers["Expires"] == http_date(house.runtime.clock() + timedelta(hours=24))
    assert done.json == {
        "transactionTime": instant(house.runtime.clock()),
        "request": f"{house.runtime.settings.base_url}/fhir/R4/$export?_type=Organization",
        "requiresAccessToken": True,
        "output": [{"type": "Organization", "url": f"{where}/1", "count": 4}],
        "deleted": [],
        "error": [],
        "extension": {"notice": NEVER_FOR_DIAGNOSIS},
    }


def test_an_answer_without_a_body_claims_no_media_type_that_clients_would_read_it_as(house):
    begun = start(house)
    where = path(begun.headers["Content-Location"])
    answers = [begun, *(house.ask(method, where, USER) for method in ("GET", "DELETE"))]
    assert [(a.status_code, a.data, a.headers.get("Content-Type")) for a in answers] == [(202, b"", None)] * 3


def test_files_are_given_in_gzip_where_that_is_accepted_and_always_with_their_length(house):
    manifest, _ = exported(house, "$export?_type=ImagingStudy")
    file = path(manifest["output"][0]["url"])
    plain = house.ask("GET", file, USER)
    packed = house.ask("GET", file, USER, headers={"Accept-Encoding": "gzip"})
    assert (plain.headers["Content-Type"], "Content-Encoding" in plain.headers) == ("application/fhir+ndjson", False)
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert [int(r.headers["Content-Length"]) for r in (plain, packed)] == [len(plain.data), len(packed.data)]
    refused = house.ask("GET", file, USER, headers={"Accept-Encoding": "gzip;q=0"})
    assert refused.data == plain.data


def test_how_much_a_file_is_can_be_asked_and_is_no_use(house):
    manifest, _ = exported(house, "$export?_type=Patient")
    file, before = path(manifest["output"][0]["url"]), given(house)
    head = house.ask("HEAD", file, USER)
    assert (head.status_code, head.data) == (200, b"")
    assert int(head.headers["Content-Length"]) == len(house.ask("GET", file, USER).data)
    assert given(house) == before + 1


def given(house: House) -> int:
    with house.runtime.store.read() as connection:
        return connection.execute(select(func.count()).where(t.access.c.target.like("$export/%/%"))).scalar_one()


def test_an_export_is_not_asked_for_by_head(house):
    assert house.ask("HEAD", "/fhir/R4/$export", USER, headers=START).status_code == 405


@pytest.mark.parametrize(
    "other",
    [
        CALLERS["provider"],
        replace(USER, client="compute"),
        replace(USER, purpose="AITRAIN"),
        replace(CALLERS["inside"], client="compute"),
        CALLERS["operator"],
    ],
    ids=["provider", "colleague", "purpose", "inside", "operator"],
)
def test_nobody_but_its_client_finds_it_and_not_for_another_purpose(house, other):
    manifest, _ = exported(house)
    file = path(manifest["output"][0]["url"])
    for method, asked in (("GET", file), ("GET", file.rpartition("/")[0]), ("DELETE", file.rpartition("/")[0])):
        answer = house.ask(method, asked, other)
        assert (answer.status_code, answer.json["issue"][0]["code"]) == (404, "not-found")
    assert house.ask("GET", file, USER).status_code == 200


def test_what_was_asked_for_inside_is_given_inside_only(house):
    manifest, _ = exported(house, who=CALLERS["inside"])
    file = path(manifest["output"][0]["url"])
    assert house.ask("GET", file, CALLERS["inside"]).status_code == 200
    assert house.ask("GET", file, CALLERS["inside-from-elsewhere"]).status_code == 404


def test_a_deleted_one_is_gone_at_once_and_deleting_it_again_finds_nothing(house):
    manifest, _ = exported(house)
    file = path(manifest["output"][0]["url"])
    one = file.rpartition("/")[0]
    assert house.ask("DELETE", one, USER).status_code == 202
    assert [house.ask(m, p, USER).status_code for m, p in (("GET", one), ("GET", file), ("DELETE", one))] == [404] * 3


def test_no_byte_is_given_that_can_not_be_recorded(house, monkeypatch):
    manifest, _ = exported(house)

    def fails(*_arguments):
        raise Full("storage-full", "The disk is full.")

    monkeypatch.setattr(give_export.access, "preview", fails)
    answer = house.ask("GET", path(manifest["output"][0]["url"]), USER)
    assert (answer.status_code, answer.json["issue"][0]["code"]) == (507, "no-store")


def test_who_took_it_and_whose_data_it_was_find_the_export_in_the_record(fresh):
    exported(fresh, "$export?_type=ImagingStudy")
    fresh.runtime.accesses.flush()
    for who, told in ((USER, True), (CALLERS["provider"], True), (CALLERS["operator"], True), (CALLERS["other-provider"], False)):
        entries = fresh.ask("GET", "/fhir/R4/AuditEvent?subtype=disclose&agent:identifier=researcher", who).json.get("entry", [])
        assert bool(entries) is told
        assert all(held(json.dumps(one["resource"]).encode()) for one in entries)


# --- what may leave


def test_who_may_take_nothing_is_told_why(tmp_path, signing):
    house = build(tmp_path, signing, permitted=False)
    for asked in ("$export", "Patient/$export", "Group/LUNG/$export"):
        answer = start(house, asked)
        assert (answer.status_code, answer.json["issue"][0]["code"]) == (403, "forbidden")
        assert answer.json["issue"][0]["diagnostics"].startswith(SENTENCES["permit-needed"])
    assert start(house, "$export?_type=Organization").status_code == 202
    house.runtime.close()


def test_a_dataset_that_nobody_may_know_of_is_not_named(fresh):
    move_agreement(fresh.runtime, builders.ACTOR, "DSA-BREAST", "suspend")
    manifest, _ = exported(fresh, "$export?_type=ImagingStudy")
    assert manifest["error"] == []


def test_a_dataset_s_export_holds_that_dataset_alone(house):
    _, lines = exported(house, "Group/BREAST/$export?_type=Endpoint,Consent,ImagingStudy", CALLERS["other-provider"])
    assert set(lines) == {"Endpoint", "Consent"}
    _, mine = exported(house, "Group/LUNG/$export?_type=Endpoint,ImagingStudy,Patient")
    assert {kind: len(found) for kind, found in mine.items()} == {"Endpoint": 1, "ImagingStudy": 1, "Patient": 1}
    assert b"LUNG" in mine["Endpoint"][0]
    absent = start(house, "Group/NONE/$export")
    assert (absent.status_code, absent.json["issue"][0]["code"]) == (404, "not-found")
    assert start(house, "Group/LUNG/$export", CALLERS["other-provider"]).json == absent.json


def test_patients_are_exported_with_what_is_theirs(house):
    _, lines = exported(house, "Patient/$export")
    assert set(lines) == {"Patient", "ImagingStudy", "Provenance", "OperationOutcome"}


def test_a_token_for_one_type_takes_that_and_is_told_so_of_another(house):
    own = replace(USER, scope="system/ImagingStudy.rs")
    manifest, lines = exported(house, who=own)
    assert set(lines) == {"ImagingStudy", "OperationOutcome"}
    refused = start(house, "$export?_type=Patient,ImagingStudy", own)
    assert refused.status_code == 403
    assert 'scope="system/Patient.rs"' in refused.headers["WWW-Authenticate"]
    file = path(manifest["output"][0]["url"])
    assert house.ask("GET", file, replace(USER, scope="system/Patient.rs")).status_code == 403
    none = start(house, who=replace(USER, scope="system/ImagingStudy.c"))
    assert (none.status_code, 'scope="system/*.rs"' in none.headers["WWW-Authenticate"]) == (403, True)


def test_a_granular_scope_narrows_an_export_and_holds_for_its_files(house):
    narrow, wide = (f"system/ImagingStudy.rs?modality={modality}" for modality in ("MR", "CT"))
    manifest, lines = exported(house, who=replace(USER, scope=narrow))
    assert {kind: len(found) for kind, found in lines.items() if kind != "OperationOutcome"} == {"ImagingStudy": 1}
    _, none = exported(house, who=replace(USER, scope=wide))
    assert "ImagingStudy" not in none
    file = path(manifest["output"][0]["url"])
    for scope, status in ((narrow, 200), ("system/*.rs", 200), (wide, 403), ("system/ImagingStudy.s", 403)):
        assert house.ask("GET", file, replace(USER, scope=scope)).status_code == status, scope


# --- what is asked for


def test_types_of_which_there_are_none_give_no_file(house):
    manifest, _ = exported(house, "$export?_type=Patient,ImagingStudy&_since=2999-01-01T00:00:00Z")
    assert manifest["output"] == []


def test_queries_choose_among_a_type_s_resources_and_any_of_them_is_enough(house):
    for queries, count in (
        (["ImagingStudy?modality=MR"], 1),
        (["ImagingStudy?modality=CT"], 0),
        (["ImagingStudy?modality=CT", "ImagingStudy?modality=MR&started=ge1990"], 1),
        (["ImagingStudy?modality=CT,ImagingStudy?modality=PT,MR"], 1),
        (["ImagingStudy?modality=CT&modality=MR"], 0),
    ):
        asked = urlencode([("_type", "ImagingStudy"), *(("_typeFilter", query) for query in queries)])
        _, lines = exported(house, f"$export?{asked}")
        assert len(lines.get("ImagingStudy", [])) == count, queries


def test_elements_are_cut_out_and_tagged_and_what_stays_is_as_it_was(house):
    _, lines = exported(house, "$export?_type=ImagingStudy,Patient&_elements=ImagingStudy.started,gender")
    (study,), (patient,) = (list(map(json.loads, lines[kind])) for kind in ("ImagingStudy", "Patient"))
    assert set(study) == {"resourceType", "id", "meta", "status", "subject", "started"}
    assert set(patient) - {"gender"} == {"resourceType", "id", "meta"}
    for one in (study, patient):
        whole = house.ask("GET", f"/fhir/R4/{one['resourceType']}/{one['id']}", USER).json
        tag = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}
        assert one["meta"].pop("tag") == [*whole["meta"].pop("tag", []), tag]
        assert one == {name: whole[name] for name in one}


def test_what_is_cut_is_a_whole_resource_still(house):
    _, lines = exported(house, "$export?_elements=id", CALLERS["provider"])
    assert set(lines) == {row.name for row in served_in(R4) if row.is_harvested}
    assert all(held(line) for documents in lines.values() for line in documents)


def test_patients_are_chosen_by_reference_in_parameters_a_form_or_a_url(house):
    patient, other = f"Patient/{house.ids['Patient']}", f"Patient/{'0' * 32}"
    types = "Patient,ImagingStudy"
    for reference, count in ((patient, 1), (other, 0)):
        given = [
            {"name": "patient", "valueReference": {"reference": reference}},
            {"name": "_type", "valueString": types},
        ]
        body = json.dumps({"resourceType": "Parameters", "parameter": given})
        for asked in (
            {"method": "POST", "data": body, "content_type": "application/fhir+json"},
            {"method": "POST", "data": {"patient": reference, "_type": types}},
            {"query_string": {"patient": reference, "_type": types}},
        ):
            _, lines = exported(house, "Patient/$export", **asked)
            assert [len(lines.get(kind, [])) for kind in ("Patient", "ImagingStudy")] == [count, count]


BAD = {
    "_type=Observation": "_type",
    "_type=ImagingStudy,Nonsense": "_type",
    "_outputFormat=application/parquet": "_outputFormat",
    "_since=soon": "_since",
    "_since=gt2020": "_since",
    "_since=2020&_since=2021": "_since",
    "_elements=Patient.name.family": "_elements",
    "_typeFilter=Patient": "_typeFilter",
    "_typeFilter=Nonsense?a=b": "_typeFilter",
    "_type=Patient&_typeFilter=ImagingStudy?modality=CT": "_typeFilter",
    "_typeFilter=ImagingStudy?_sort=started": "_typeFilter",
    "_typeFilter=ImagingStudy?_count=5": "_typeFilter",
    "_typeFilter=ImagingStudy?nonsense=5": "_typeFilter",
    "includeAssociatedData=everything": "includeAssociatedData",
    "organizeOutputBy=Patient": "organizeOutputBy",
    "patient=Patient/1": "patient",
}


@pytest.mark.parametrize("asked", BAD)
def test_what_can_not_be_read_is_refused_by_name(house, asked):
    answer = start(house, f"$export?{asked}")
    assert (answer.status_code, answer.json["issue"][0]["expression"]) == (400, [BAD[asked]])


def test_what_is_not_known_is_passed_over_where_that_is_asked_for_and_told(house):
    lenient = {"Prefer": "respond-async, handling=lenient"}
    _, lines = exported(house, "$export?_type=Organization,Observation&organizeOutputBy=Patient", headers=lenient)
    told = [json.loads(line)["issue"][0]["expression"] for line in lines["OperationOutcome"]]
    assert told == [["Observation"], ["organizeOutputBy"]]


def test_of_a_query_what_is_not_known_is_passed_over_as_a_search_does(house):
    lenient = {"Prefer": "respond-async, handling=lenient"}
    for query, count in (("modality=MR&nonsense=1", 1), ("modality=CT&nonsense=1", 0), ("nonsense=1&_count=5", 1)):
        asked = urlencode([("_type", "ImagingStudy"), ("_typeFilter", f"ImagingStudy?{query}")])
        _, lines = exported(house, f"$export?{asked}", headers=lenient)
        assert len(lines.get("ImagingStudy", [])) == count
        told = [json.loads(line)["issue"][0].get("expression") for line in lines["OperationOutcome"]]
        assert ["_typeFilter=ImagingStudy?nonsense"] in told


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"Prefer": ""}, 400), ({"Prefer": "return=minimal"}, 400), ({"Accept": "text/html"}, 406)],
)
def test_an_export_is_answered_later_and_in_fhir(house, headers, status):
    assert start(house, headers=headers).status_code == status


def test_a_refusal_is_told_in_xml_to_who_takes_that(house):
    answer = start(house, "$export?_type=Observation", headers=START | {"Accept": "application/fhir+xml"})
    assert (answer.status_code, answer.mimetype) == (400, "application/fhir+xml")


_PARAMETERS = '{"resourceType":"Parameters","parameter":%s}'


@pytest.mark.parametrize("body", ["{", "[]", "{}", *(_PARAMETERS % given for given in ("{}", "[1]", '[{"name":"_type"}]'))])
def test_a_body_that_is_no_parameters_is_refused(house, body):
    answer = start(house, method="POST", data=body, content_type="application/fhir+json")
    assert (answer.status_code, answer.json["issue"][0]["code"]) == (400, "invalid")


def test_a_body_of_another_type_is_refused(house):
    assert start(house, method="POST", data="<a/>", content_type="application/xml").status_code == 415


@pytest.mark.parametrize("asked", [f"_type={','.join(['Patient'] * 5000)}", "&".join(["_type=Patient"] * 1001), "_type=a%00"])
def test_what_is_asked_has_a_size(house, asked):
    assert start(house, method="POST", data=asked, content_type="application/x-www-form-urlencoded").status_code == 400


# --- how much


def small(house: House, **settings: int) -> House:
    runtime = replace(house.runtime, settings=structs.replace(house.runtime.settings, **settings))
    return replace(house, runtime=runtime, flask=create(runtime, house.keys))


def test_a_client_has_so_many_at_once_and_may_ask_again_when_one_is_deleted(house):
    house = small(house, exports=2)
    first, _ = (start(house) for _ in range(2))
    refused = start(house)
    assert (refused.status_code, refused.json["issue"][0]["code"], refused.headers["Retry-After"]) == (429, "throttled", "60")
    assert start(house, who=CALLERS["provider"]).status_code == 202
    house.ask("DELETE", path(first.headers["Content-Location"]), USER)
    assert start(house).status_code == 202


def test_who_asks_many_times_at_once_has_no_more(house, monkeypatch):
    house, real, together = small(house, exports=1), export._check_share, Barrier(3)

    def looked(*arguments, **more):
        real(*arguments, **more)
        if not more:  # each has found that there is room, and none has begun
            together.wait(20)

    monkeypatch.setattr(export, "_check_share", looked)
    with ThreadPoolExecutor(3) as pool:
        assert sorted(answer.status_code for answer in pool.map(lambda _: start(house), range(3))) == [202, 429, 429]


def test_where_exports_hold_all_they_may_nobody_has_another(house, monkeypatch):
    exported(house)
    monkeypatch.setattr(export, "MEGABYTE", 1)
    for most, who, status in ((1, USER, 507), (1, CALLERS["provider"], 507), (10**6, USER, 202)):
        assert start(small(house, export_mb=most), who=who).status_code == status


# --- who serves it


def test_the_capability_statement_says_what_is_exported(house):
    said = house.ask("GET", "/fhir/R4/metadata").json
    definitions = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition"
    assert said["instantiates"] == ["http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data"]
    assert said["rest"][0]["operation"] == [{"name": "export", "definition": f"{definitions}/export"}]
    (patient,) = [r for r in said["rest"][0]["resource"] if r["type"] == "Patient"]
    assert patient["operation"] == [{"name": "export", "definition": f"{definitions}/patient-export"}]


def test_a_bulk_client_with_backend_services_takes_everything_and_deletes_it(tmp_path, monkeypatch):
    """As the field's clients go about it: a token for the scopes, kick-off, polling, streaming, deletion."""
    wire = Wire(tmp_path)
    batch = builders.batch(wire.runtime)
    for number in range(3):
        take(wire.runtime, batch, f"{number}", builders.made(f"1.2.{number}.1.1", study=f"1.2.{number}"))
    close_batch(wire.runtime, batch.id)
    monkeypatch.setattr(document, "QUIET", timedelta())
    document.rebuild(wire.runtime)
    client = wire.file("bulk", "hospital-a", ["system/*.rs"])
    with httpx.Client(transport=wire.transport, base_url=client.base_url) as http:
        taken = take_all(http, wire, client)
    assert {kind: len(lines) for kind, lines in taken.items()} == {"ImagingStudy": 3, "Patient": 1}
    assert all(json.loads(line)["resourceType"] == kind for kind, lines in taken.items() for line in lines)
    wire.close()


def take_all(http: httpx.Client, wire: Wire, client: ClientFile) -> dict[str, list[str]]:
    smart = http.get("/fhir/R4/.well-known/smart-configuration").json()
    proof = assertion(client, smart["token_endpoint"], datetime.now(UTC))
    asked = {"grant_type": "client_credentials", "scope": "system/*.read"}
    asked |= {"client_assertion": proof, "client_assertion_type": _ASSERTION_TYPE}
    token = http.post(smart["token_endpoint"], data=asked).json()
    http.headers["Authorization"] = f"Bearer {token['access_token']}"
    begun = http.get("/fhir/R4/$export", params={"_type": "ImagingStudy,Patient"}, headers=START)
    where = begun.headers["content-location"]
    while (answer := http.get(where, headers={"Accept": "application/json"})).status_code == 202:
        assert int(answer.headers["retry-after"]) > 0
        work_off(wire.runtime, export.KIND, KINDS[export.KIND], Event())
    taken: dict[str, list[str]] = {}
    for file in answer.json()["output"]:
        with http.stream("GET", file["url"]) as body:
            taken.setdefault(file["type"], []).extend(body.iter_lines())
    assert (http.delete(where).status_code, http.get(where).status_code) == (202, 404)
    return taken
