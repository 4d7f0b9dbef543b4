"""EUCAIM's question and the catalogue through their doors: the secret, what is counted, what is never told, what is recorded."""

import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import partial
from hashlib import sha256
from io import BytesIO

import pytest
from flask import Flask
from rdflib import RDF, Graph, URIRef
from sqlalchemy import func, select

from adapters.sql import index, tables
from adapters.sql.access import recent
from consent.policy import NEVER_FOR_DIAGNOSIS
from consent.subject import ANONYMOUS, FEDERATION
from mappings.dicom.header import Header
from mappings.eucaim import MAX_NODES
from server.usecases import federate
from server.usecases.agreement import move_agreement
from server.usecases.dataset import set_dataset
from server.usecases.identify import identify
from server.usecases.node import move_node
from server.usecases.runtime import Caller, Runtime
from server.web import catalogue, context, errors, federation
from server.web.bulkheads import Bulkhead, Bulkheads
from tests import builders

SECRET = "Secret s3cr3t"
ASK, CATALOGUE = "/api/datasets/eucaimSearch", "/catalogue"
EVERYTHING = {"operand": "OR", "children": []}
SEX, AGE, MODALITY, PART, MAKER = "SNOMEDCT263495000", "SNOMEDCT423493009", "RID10311", "SNOMEDCT123037004", "C25392"
DETAILS = {
    "version": "1.0.0",
    "interoperability": "SPEC1000011",
    "health_category": "EHRS",
    "type": "SPEC1000020",
    "condition": "CLIN1000065",
    "collection_method": "SPEC1000004",
    "keyword": "lung",
    "provenance": "Collected in clinical routine.",
    "contact": "data@hospital.example.org",
}
SERIES = ("CT", "LUNG", "SIEMENS")


@pytest.fixture
def made(tmp_path) -> Iterator[Callable[..., Runtime]]:
    runtimes: list[Runtime] = []

    def make(**settings: object) -> Runtime:
        runtimes.append(builders.runtime(tmp_path, clock=builders.Clock(), **({"federation_secret": SECRET} | settings)))
        return runtimes[-1]

    yield make
    for built in runtimes:
        built.close()


@pytest.fixture
def runtime(made) -> Runtime:
    return made()


def client(runtime: Runtime):
    app = Flask("test")
    context.install(app, runtime, partial(identify, runtime), Bulkheads(dict.fromkeys(Bulkhead, 1)))
    errors.install(app, federation.door(), catalogue.door())
    return app.test_client()


def study(
    runtime: Runtime, alias: str, patient: str, *series: tuple[str, ...], sex: str | None = "F", age: int | None = 50
) -> None:
    """A study in the index, straight to its rows: ingest has its own tests."""
    empty = dict.fromkeys(f.name for f in fields(Header))
    with runtime.store.write() as connection:
        dataset, party = connection.execute(
            select(tables.dataset.c.id, tables.agreement.c.party).join(tables.agreement).where(tables.dataset.c.alias == alias)
        ).one()
        uid = f"1.2.{connection.execute(select(func.count()).select_from(tables.study)).scalar_one() + 1}"
        for number, (modality, part, maker) in enumerate(series or (SERIES,)):
            known = {"modality": modality, "body_part_examined": part, "manufacturer": maker, "patient_id": patient}
            ids = {"study_instance_uid": uid, "series_instance_uid": f"{uid}.{number}"}
            header = Header(**(empty | known | ids | {"patient_sex": sex, "age_years": age}))
            patient_row = index._patient(connection, header, party, "hospital-a")
            study_row = index._study(connection, header, dataset, patient_row, runtime.clock())[0]
            index._series(connection, header, study_row)


def leaf(key: str, kind: str, value: object) -> dict[str, object]:
    return {"key": key, "type": kind, "value": value}


def every(*children: object) -> dict[str, object]:
    return {"operand": "AND", "children": list(children)}


def some(*children: object) -> dict[str, object]:
    return {"operand": "OR", "children": list(children)}


def found(runtime: Runtime, ast: object) -> list[dict[str, object]]:
    return federate.answer(runtime, Caller(FEDERATION), ast)["collections"]  # type: ignore[return-value]


def studies(runtime: Runtime, ast: object) -> int:
    return sum(int(str(c["studies_count"])) for c in found(runtime, ast))


# The secret, and what is no question


def post(runtime: Runtime, body: object = b'{"ast":{"operand":"OR","children":[]},"id":"u"}', **headers: str):
    sent = {"Authorization": SECRET, "Content-Type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()}
    return client(runtime).post(ASK, data=body, headers=sent)


def test_without_a_configured_secret_there_is_no_such_door(made):
    runtime = made(federation_secret="")
    assert post(runtime, Authorization="").status_code == 404
    assert post(runtime).status_code == 404


@pytest.mark.parametrize("header", ["", "s3cr3t", "secret s3cr3t", "Secret s3cr3", "Sécret", "Basic czpz"])
def test_any_other_authorization_is_refused_before_the_body_is_read(runtime, header):
    assert post(runtime, b"no json", Authorization=header).status_code == 401


def test_a_secret_is_compared_as_bytes(made):
    runtime = made(federation_secret="Sécret")
    assert post(runtime, Authorization="Sécret".encode().decode("latin-1")).status_code == 200
    assert post(runtime, Authorization="Sécret").status_code == 401


@pytest.mark.parametrize(
    ("body", "media_type", "status"),
    [
        (b'{"ast":{"operand":"OR","children":[]}}', "text/plain", 400),
        (b"", "application/json", 400),
        (b"{", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b'{"ast":' + b"9" * 10_000 + b"}", "application/json", 400),
        (b" " * 1_000_001, "application/json", 413),
        (b"[]", "application/json", 422),
        (b"{}", "application/json", 422),
        (b'{"ast":null}', "application/json", 422),
        (b'{"ast":{"operand":"OR"}}', "application/json", 422),
        (b'{"ast":' + b'{"operand":"OR","children":[' * 40 + b"]}" * 40 + b"}", "application/json", 422),
    ],
)
def test_what_is_no_question_has_its_own_status(runtime, body, media_type, status):
    answer = post(runtime, body, Content_Type=media_type)
    assert answer.status_code == status
    assert json.loads(answer.data)["status"] == status


def test_a_body_of_unstated_length_is_bounded_too(runtime):
    environ = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    headers = {"Authorization": SECRET, "Content-Type": "application/json"}
    answer = client(runtime).post(ASK, input_stream=BytesIO(b" " * 1_000_001), headers=headers, environ_overrides=environ)
    assert answer.status_code == 413


def test_an_answer_is_exactly_200_in_ascii_json(runtime):
    builders.seed(runtime)
    set_dataset(runtime, builders.ACTOR, "LUNG", {"title": "Lunge É"})
    study(runtime, "LUNG", "p1")
    answer = post(runtime)
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert answer.data.isascii()
    assert json.loads(answer.data)["collections"][0]["name"] == "Lunge É"


def test_nothing_found_is_an_answer_with_a_member(runtime):
    assert json.loads(post(runtime).data) == {"collections": []}


# What is counted


def test_a_reply_tells_a_dataset_with_its_words(runtime):
    builders.seed(runtime)
    study(runtime, "LUNG", "p1", SERIES, ("PT", "CHEST", "GE MEDICAL SYSTEMS"), age=41)
    study(runtime, "LUNG", "p1", age=43)
    study(runtime, "LUNG", "p2", sex="M", age=None)
    assert found(runtime, EVERYTHING) == [
        {
            "id": "LUNG",
            "name": "Dataset LUNG",
            "description": "Made for a test.",
            "studies_count": 3,
            "subjects_count": 2,
            "age_range": {"min": 41, "max": 43},
            "gender": ["Female", "Male"],
            "modality": ["CT", "PT"],
            "body_parts": ["CHEST", "LUNG"],
        }
    ]


def test_modality_and_body_part_must_hold_on_the_same_series(runtime):
    builders.seed(runtime)
    study(runtime, "LUNG", "p1", ("CT", "LUNG", "SIEMENS"), ("MR", "BREAST", "Philips"))
    ct, mr = leaf(MODALITY, "EQUALS", "RID10321"), leaf(MODALITY, "EQUALS", "RID10312")
    lung, breast = leaf(PART, "EQUALS", "SNOMEDCT39607008"), leaf(PART, "EQUALS", "SNOMEDCT76752008")
    assert studies(runtime, some(every(some(ct), some(lung)))) == 1
    assert studies(runtime, some(every(some(ct), some(breast)))) == 0
    assert studies(runtime, some(every(some(ct, mr), some(breast), some(leaf(MAKER, "EQUALS", "birnlex_3065"))))) == 1
    assert studies(runtime, some(every(some(ct), some(leaf(MAKER, "EQUALS", "birnlex_3065"))))) == 0


def test_two_bars_are_alternatives(runtime):
    builders.seed(runtime)
    study(runtime, "LUNG", "p1", sex="F", age=30)
    study(runtime, "LUNG", "p2", sex="M", age=70)
    study(runtime, "LUNG", "p3", sex="M", age=30)
    women, old = leaf(SEX, "EQUALS", "SNOMEDCT248152002"), leaf(AGE, "BETWEEN", {"min": 60, "max": 0})
    assert studies(runtime, some(every(some(women)), every(some(old)))) == 2
    assert studies(runtime, some(every(some(women), some(old)))) == 0


def test_the_largest_question_is_answered(runtime):
    builders.seed(runtime)
    study(runtime, "LUNG", "p1", ("CT", "LUNG", "GE MEDICAL SYSTEMS"))
    makers = [leaf(MAKER, "NOT_EQUALS", "birnlex_12833")] * (MAX_NODES - 2) + [leaf(MAKER, "EQUALS", "birnlex_12833")]
    assert studies(runtime, some(*makers)) == 1
    assert studies(runtime, every(*makers)) == 0


def test_an_age_nobody_knows_lies_in_no_range(runtime):
    builders.seed(runtime)
    study(runtime, "LUNG", "p1", age=None)
    study(runtime, "LUNG", "p2", age=0)
    assert studies(runtime, leaf(AGE, "BETWEEN", {"min": 0, "max": 120})) == 1
    assert studies(runtime, leaf(AGE, "NOT_EQUALS", 0)) == 1


def test_an_unknown_sex_can_be_asked_for(runtime):
    builders.seed(runtime)
    study(runtime, "LUNG", "p1", sex=None)
    study(runtime, "LUNG", "p2")
    assert studies(runtime, leaf(SEX, "EQUALS", "SNOMEDCT261665006")) == 1


def test_what_is_not_known_narrows_and_never_widens(runtime):
    builders.seed(runtime)
    study(runtime, "LUNG", "p1")
    ct = leaf(MODALITY, "EQUALS", "RID10321")
    unknown = leaf("EUCAIM_Hyper-Ontology_V1.0.CLIN1033410", "BETWEEN", {"min": 4, "max": 0})
    assert studies(runtime, some(every(some(ct), some(unknown)))) == 0
    assert studies(runtime, some(every(some(ct)), every(some(unknown)))) == 1
    assert studies(runtime, {"operand": "NOT", "children": [ct]}) == 0
    assert studies(runtime, leaf(MODALITY, "NOT_EQUALS", "RID99999")) == 0


def test_what_is_not_known_is_logged_as_codes_only(runtime, caplog):
    with caplog.at_level(logging.WARNING, logger="accord.federation"):
        found(runtime, some(leaf("RID99999", "EQUALS", "Jane Doe"), leaf(MODALITY, "EQUALS", "Jane Doe")))
    assert [r.levelname for r in caplog.records if r.name == "accord.federation"] == ["WARNING"]
    assert "RID99999" in caplog.text
    assert "Jane" not in caplog.text


# Who is told


def test_only_what_is_listed_active_and_linked_is_told(runtime):
    builders.seed(runtime)
    builders.seed(runtime, alias="SECRET", provider="hospital-b", listed=False)
    study(runtime, "LUNG", "p1")
    study(runtime, "SECRET", "p2")
    assert [c["id"] for c in found(runtime, EVERYTHING)] == ["LUNG"]
    move_node(runtime, builders.ACTOR, "central", "suspend")
    assert found(runtime, EVERYTHING) == []
    move_node(runtime, builders.ACTOR, "central", "link")
    move_agreement(runtime, builders.ACTOR, "DSA-LUNG", "suspend")
    assert found(runtime, EVERYTHING) == []


@pytest.mark.parametrize(("subjects", "told"), [(9, None), (10, 10), (19, 10), (20, 20)])
def test_few_subjects_are_not_told_and_counts_round_down_to_tens(made, subjects, told):
    runtime = made(min_subjects=10)
    builders.seed(runtime)
    for number in range(subjects):
        study(runtime, "LUNG", f"p{number}", age=44)
    study(runtime, "LUNG", "p0", age=59)
    counted = [(c["subjects_count"], c["studies_count"], c["age_range"]) for c in found(runtime, EVERYTHING)]
    assert counted == ([] if told is None else [(told, (subjects + 1) // 10 * 10, {"min": 40, "max": 40})])


def test_many_studies_of_few_subjects_are_not_told(made):
    runtime = made(min_subjects=10)
    builders.seed(runtime)
    for number in range(20):
        study(runtime, "LUNG", f"p{number % 5}")
    assert found(runtime, EVERYTHING) == []


def test_a_dataset_is_called_as_in_the_central_catalogue(runtime):
    builders.seed(runtime)
    set_dataset(runtime, builders.ACTOR, "LUNG", {"identifier": "https://catalogue.example.org/#/dataset/1a1a"})
    study(runtime, "LUNG", "p1")
    assert [c["id"] for c in found(runtime, EVERYTHING)] == ["1a1a"]


def test_an_answered_question_is_recorded(runtime):
    builders.seed(runtime)
    study(runtime, "LUNG", "p1")
    post(runtime)
    runtime.accesses.flush()
    with runtime.store.read() as connection:
        (row,) = recent(connection)
    assert (row.subject, row.action, row.target, row.status, row.count) == ("federation", "discover", "eucaimSearch", 200, 1)
    assert row.request


# The catalogue


def described(runtime: Runtime, **details: str) -> None:
    builders.seed(runtime)
    set_dataset(runtime, builders.ACTOR, "LUNG", DETAILS | details)
    study(runtime, "LUNG", "p1")


def get(runtime: Runtime, path: str = CATALOGUE, **headers: str):
    return client(runtime).get(path, headers=headers)


def datasets(data: bytes) -> set[str]:
    graph = Graph().parse(data=data, format="turtle")
    return {str(s) for s in graph.subjects(RDF.type, URIRef("http://www.w3.org/ns/dcat#Dataset"))}


def test_a_complete_dataset_stands_in_the_catalogue_and_at_its_own_address(runtime):
    described(runtime)
    iri = f"{runtime.settings.base_url}/catalogue/datasets/LUNG"
    answer = get(runtime)
    assert (answer.status_code, answer.content_type) == (200, "text/turtle")
    assert datasets(answer.data) == {iri}
    assert NEVER_FOR_DIAGNOSIS in answer.text
    assert datasets(get(runtime, iri.removeprefix(runtime.settings.base_url)).data) == {iri}
    assert federate.incomplete(runtime) == {}


def test_a_dataset_that_lacks_a_property_stays_out_and_the_operator_is_told_which(runtime):
    described(runtime, condition="")
    assert datasets(get(runtime).data) == set()
    assert get(runtime, "/catalogue/datasets/LUNG").status_code == 404
    assert federate.incomplete(runtime) == {"LUNG": ["eucaim:hasCondition (condition)"]}


def test_a_dataset_without_studies_lacks_its_numbers(runtime):
    builders.seed(runtime)
    set_dataset(runtime, builders.ACTOR, "LUNG", DETAILS)
    assert "eucaim:hasImageModality (no series)" in federate.incomplete(runtime)["LUNG"]


def test_an_unlisted_dataset_is_neither_told_nor_missed(runtime):
    builders.seed(runtime, listed=False)
    set_dataset(runtime, builders.ACTOR, "LUNG", DETAILS)
    study(runtime, "LUNG", "p1")
    assert datasets(get(runtime).data) == set()
    assert federate.incomplete(runtime) == {}


def test_the_catalogue_s_numbers_are_safe(made):
    runtime = made(min_subjects=10)
    described(runtime)
    (lacking,) = federate.incomplete(runtime).values()
    assert lacking[0] == "healthdcatap:numberOfUniqueIndividuals (too few subjects to tell)"
    for number in range(13):
        study(runtime, "LUNG", f"more{number}", age=57)
    (listing,) = federate.catalogue(runtime, Caller(ANONYMOUS))
    assert (listing.subjects, listing.studies, listing.youngest, listing.oldest) == (10, 10, 50, 50)


@pytest.mark.parametrize(
    ("accept", "status", "media_type"),
    [
        ("*/*", 200, "text/turtle"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", 200, "text/turtle"),
        ("application/ld+json", 200, "application/ld+json"),
        ("application/ld+json;q=0.5, text/turtle", 200, "text/turtle"),
        ("application/rdf+xml", 406, None),
        ("text/turtle;q=0", 406, None),
    ],
)
def test_the_catalogue_is_served_as_the_caller_accepts(runtime, accept, status, media_type):
    answer = get(runtime, Accept=accept)
    assert answer.status_code == status
    assert media_type is None or answer.content_type == media_type


@pytest.mark.parametrize("path", [CATALOGUE, f"{CATALOGUE}/datasets/LUNG"])
@pytest.mark.parametrize("media_type", ["text/turtle", "application/ld+json"])
def test_a_harvester_is_not_sent_what_it_has(runtime, path, media_type):
    described(runtime)
    first = get(runtime, path, Accept=media_type)
    tag = first.headers["ETag"]
    assert (first.status_code, tag) == (200, f'"{sha256(first.data).hexdigest()}"')
    runtime.clock.on(86400)
    again = get(runtime, path, Accept=media_type, **{"If-None-Match": tag})
    assert (again.status_code, again.data, again.headers["ETag"], again.headers["Vary"]) == (304, b"", tag, "Accept")
    other = "text/turtle" if media_type != "text/turtle" else "application/ld+json"
    assert get(runtime, path, Accept=other, **{"If-None-Match": tag}).status_code == 200
    set_dataset(runtime, builders.ACTOR, "LUNG", {"provenance": "Collected once more."})
    assert get(runtime, path, Accept=media_type, **{"If-None-Match": tag}).status_code == 200


def test_a_harvest_is_recorded(runtime):
    described(runtime)
    get(runtime)
    runtime.accesses.flush()
    with runtime.store.read() as connection:
        (row,) = recent(connection)
    assert (row.subject, row.action, row.target, row.count) == ("anonymous", "discover", "catalogue", 1)


def test_doors_load_without_the_rdf_library():
    code = "import sys, server.web.catalogue, server.web.federation; sys.exit('rdflib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_one_subject_joined_to_a_crowd_is_not_read_off_its_words_or_age(made):
    runtime = made(min_subjects=10)
    builders.seed(runtime)
    for number in range(12):
        study(runtime, "LUNG", f"p{number}", ("MR", "HEAD", "SIEMENS"), sex="M", age=45)
    study(runtime, "LUNG", "alone", ("CT", "LUNG", "GE"), sex="F", age=83)
    alone = leaf("SNOMEDCT423493009", "EQUALS", 83)
    assert found(runtime, alone) == []
    (told,) = found(runtime, some(leaf("RID10311", "EQUALS", "RID10312"), alone))
    assert (told["gender"], told["modality"], told["body_parts"]) == (["Male"], ["MR"], ["HEAD"])
    assert told["age_range"] == {"min": 40, "max": 40}
