"""EUCAIM's question and the catalogue through their doors: the secret, what is counted, what is never told, what is recorded."""

import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import partial
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
from server.usecases.hall import Caller, Hall
from server.usecases.identify import identify
from server.usecases.node import move_node
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
def made(tmp_path) -> Iterator[Callable[..., Hall]]:
    halls: list[Hall] = []

    def make(**settings: object) -> Hall:
        halls.append(builders.hall(tmp_path, clock=builders.Clock(), **({"federation_secret": SECRET} | settings)))
        return halls[-1]

    yield make
    for built in halls:
        built.accesses.close()
        built.store.close()


@pytest.fixture
def hall(made) -> Hall:
    return made()


def client(hall: Hall):
    app = Flask("test")
    context.install(app, hall, partial(identify, hall), Bulkheads(dict.fromkeys(Bulkhead, 1)))
    errors.install(app, federation.door(), catalogue.door())
    return app.test_client()


def study(hall: Hall, alias: str, patient: str, *series: tuple[str, ...], sex: str | None = "F", age: int | None = 50) -> None:
    """A study in the index, straight to its rows: ingest has its own tests."""
    empty = dict.fromkeys(f.name for f in fields(Header))
    with hall.store.write() as connection:
        dataset, party = connection.execute(
            select(tables.dataset.c.id, tables.agreement.c.party).join(tables.agreement).where(tables.dataset.c.alias == alias)
        ).one()
        uid = f"1.2.{connection.execute(select(func.count()).select_from(tables.study)).scalar_one() + 1}"
        for number, (modality, part, maker) in enumerate(series or (SERIES,)):
            known = {"modality": modality, "body_part_examined": part, "manufacturer": maker, "patient_id": patient}
            ids = {"study_instance_uid": uid, "series_instance_uid": f"{uid}.{number}"}
            header = Header(**(empty | known | ids | {"patient_sex": sex, "age_years": age}))
            patient_row = index._patient(connection, header, party, "hospital-a", hall.clock())
            study_row = index._study(connection, header, dataset, patient_row, hall.clock())[0]
            index._series(connection, header, study_row)


def leaf(key: str, kind: str, value: object) -> dict[str, object]:
    return {"key": key, "type": kind, "value": value}


def every(*children: object) -> dict[str, object]:
    return {"operand": "AND", "children": list(children)}


def some(*children: object) -> dict[str, object]:
    return {"operand": "OR", "children": list(children)}


def found(hall: Hall, ast: object) -> list[dict[str, object]]:
    return federate.answer(hall, Caller(FEDERATION), ast)["collections"]  # type: ignore[return-value]


def studies(hall: Hall, ast: object) -> int:
    return sum(int(str(c["studies_count"])) for c in found(hall, ast))


# The secret, and what is no question


def post(hall: Hall, body: object = b'{"ast":{"operand":"OR","children":[]},"id":"u"}', **headers: str):
    sent = {"Authorization": SECRET, "Content-Type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()}
    return client(hall).post(ASK, data=body, headers=sent)


def test_without_a_configured_secret_there_is_no_such_door(made):
    hall = made(federation_secret="")
    assert post(hall, Authorization="").status_code == 404
    assert post(hall).status_code == 404


@pytest.mark.parametrize("header", ["", "s3cr3t", "secret s3cr3t", "Secret s3cr3", "Sécret", "Basic czpz"])
def test_any_other_authorization_is_refused_before_the_body_is_read(hall, header):
    assert post(hall, b"no json", Authorization=header).status_code == 401


def test_a_secret_is_compared_as_bytes(made):
    hall = made(federation_secret="Sécret")
    assert post(hall, Authorization="Sécret".encode().decode("latin-1")).status_code == 200
    assert post(hall, Authorization="Sécret").status_code == 401


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
def test_what_is_no_question_has_its_own_status(hall, body, media_type, status):
    answer = post(hall, body, Content_Type=media_type)
    assert answer.status_code == status
    assert json.loads(answer.data)["status"] == status


def test_a_body_of_unstated_length_is_bounded_too(hall):
    environ = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    headers = {"Authorization": SECRET, "Content-Type": "application/json"}
    answer = client(hall).post(ASK, input_stream=BytesIO(b" " * 1_000_001), headers=headers, environ_overrides=environ)
    assert answer.status_code == 413


def test_an_answer_is_exactly_200_in_ascii_json(hall):
    builders.seed(hall)
    set_dataset(hall, builders.ACTOR, "LUNG", {"title": "Lunge É"})
    study(hall, "LUNG", "p1")
    answer = post(hall)
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert answer.data.isascii()
    assert json.loads(answer.data)["collections"][0]["name"] == "Lunge É"


def test_nothing_found_is_an_answer_with_a_member(hall):
    assert json.loads(post(hall).data) == {"collections": []}


# What is counted


def test_a_reply_tells_a_dataset_with_its_words(hall):
    builders.seed(hall)
    study(hall, "LUNG", "p1", SERIES, ("PT", "CHEST", "GE MEDICAL SYSTEMS"), age=41)
    study(hall, "LUNG", "p1", age=43)
    study(hall, "LUNG", "p2", sex="M", age=None)
    assert found(hall, EVERYTHING) == [
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


def test_modality_and_body_part_must_hold_on_the_same_series(hall):
    builders.seed(hall)
    study(hall, "LUNG", "p1", ("CT", "LUNG", "SIEMENS"), ("MR", "BREAST", "Philips"))
    ct, mr = leaf(MODALITY, "EQUALS", "RID10321"), leaf(MODALITY, "EQUALS", "RID10312")
    lung, breast = leaf(PART, "EQUALS", "SNOMEDCT39607008"), leaf(PART, "EQUALS", "SNOMEDCT76752008")
    assert studies(hall, some(every(some(ct), some(lung)))) == 1
    assert studies(hall, some(every(some(ct), some(breast)))) == 0
    assert studies(hall, some(every(some(ct, mr), some(breast), some(leaf(MAKER, "EQUALS", "birnlex_3065"))))) == 1
    assert studies(hall, some(every(some(ct), some(leaf(MAKER, "EQUALS", "birnlex_3065"))))) == 0


def test_two_bars_are_alternatives(hall):
    builders.seed(hall)
    study(hall, "LUNG", "p1", sex="F", age=30)
    study(hall, "LUNG", "p2", sex="M", age=70)
    study(hall, "LUNG", "p3", sex="M", age=30)
    women, old = leaf(SEX, "EQUALS", "SNOMEDCT248152002"), leaf(AGE, "BETWEEN", {"min": 60, "max": 0})
    assert studies(hall, some(every(some(women)), every(some(old)))) == 2
    assert studies(hall, some(every(some(women), some(old)))) == 0


def test_the_largest_question_is_answered(hall):
    builders.seed(hall)
    study(hall, "LUNG", "p1", ("CT", "LUNG", "GE MEDICAL SYSTEMS"))
    makers = [leaf(MAKER, "NOT_EQUALS", "birnlex_12833")] * (MAX_NODES - 2) + [leaf(MAKER, "EQUALS", "birnlex_12833")]
    assert studies(hall, some(*makers)) == 1
    assert studies(hall, every(*makers)) == 0


def test_an_age_nobody_knows_lies_in_no_range(hall):
    builders.seed(hall)
    study(hall, "LUNG", "p1", age=None)
    study(hall, "LUNG", "p2", age=0)
    assert studies(hall, leaf(AGE, "BETWEEN", {"min": 0, "max": 120})) == 1
    assert studies(hall, leaf(AGE, "NOT_EQUALS", 0)) == 1


def test_an_unknown_sex_can_be_asked_for(hall):
    builders.seed(hall)
    study(hall, "LUNG", "p1", sex=None)
    study(hall, "LUNG", "p2")
    assert studies(hall, leaf(SEX, "EQUALS", "SNOMEDCT261665006")) == 1


def test_what_is_not_known_narrows_and_never_widens(hall):
    builders.seed(hall)
    study(hall, "LUNG", "p1")
    ct = leaf(MODALITY, "EQUALS", "RID10321")
    unknown = leaf("EUCAIM_Hyper-Ontology_V1.0.CLIN1033410", "BETWEEN", {"min": 4, "max": 0})
    assert studies(hall, some(every(some(ct), some(unknown)))) == 0
    assert studies(hall, some(every(some(ct)), every(some(unknown)))) == 1
    assert studies(hall, {"operand": "NOT", "children": [ct]}) == 0
    assert studies(hall, leaf(MODALITY, "NOT_EQUALS", "RID99999")) == 0


def test_what_is_not_known_is_logged_as_codes_only(hall, caplog):
    with caplog.at_level(logging.WARNING, logger="accord.federation"):
        found(hall, some(leaf("RID99999", "EQUALS", "Jane Doe"), leaf(MODALITY, "EQUALS", "Jane Doe")))
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("accord.federation", "WARNING")
    assert "RID99999" in caplog.text
    assert "Jane" not in caplog.text


# Who is told


def test_only_what_is_listed_active_and_linked_is_told(hall):
    builders.seed(hall)
    builders.seed(hall, alias="SECRET", provider="hospital-b", listed=False)
    study(hall, "LUNG", "p1")
    study(hall, "SECRET", "p2")
    assert [c["id"] for c in found(hall, EVERYTHING)] == ["LUNG"]
    move_node(hall, builders.ACTOR, "central", "suspend")
    assert found(hall, EVERYTHING) == []
    move_node(hall, builders.ACTOR, "central", "link")
    move_agreement(hall, builders.ACTOR, "DSA-LUNG", "suspend")
    assert found(hall, EVERYTHING) == []


@pytest.mark.parametrize(("subjects", "told"), [(9, None), (10, 10), (19, 10), (20, 20)])
def test_few_subjects_are_not_told_and_counts_round_down_to_tens(made, subjects, told):
    hall = made(min_subjects=10)
    builders.seed(hall)
    for number in range(subjects):
        study(hall, "LUNG", f"p{number}", age=44)
    study(hall, "LUNG", "p0", age=59)
    counted = [(c["subjects_count"], c["studies_count"], c["age_range"]) for c in found(hall, EVERYTHING)]
    assert counted == ([] if told is None else [(told, (subjects + 1) // 10 * 10, {"min": 40, "max": 40})])


def test_many_studies_of_few_subjects_are_not_told(made):
    hall = made(min_subjects=10)
    builders.seed(hall)
    for number in range(20):
        study(hall, "LUNG", f"p{number % 5}")
    assert found(hall, EVERYTHING) == []


def test_a_dataset_is_called_as_in_the_central_catalogue(hall):
    builders.seed(hall)
    set_dataset(hall, builders.ACTOR, "LUNG", {"identifier": "https://catalogue.example.org/#/dataset/1a1a"})
    study(hall, "LUNG", "p1")
    assert [c["id"] for c in found(hall, EVERYTHING)] == ["1a1a"]


def test_an_answered_question_is_recorded(hall):
    builders.seed(hall)
    study(hall, "LUNG", "p1")
    post(hall)
    hall.accesses.flush()
    with hall.store.read() as connection:
        (row,) = recent(connection)
    assert (row.subject, row.action, row.target, row.status, row.count) == ("federation", "discover", "eucaimSearch", 200, 1)
    assert row.request


# The catalogue


def described(hall: Hall, **details: str) -> None:
    builders.seed(hall)
    set_dataset(hall, builders.ACTOR, "LUNG", DETAILS | details)
    study(hall, "LUNG", "p1")


def get(hall: Hall, path: str = CATALOGUE, **headers: str):
    return client(hall).get(path, headers=headers)


def datasets(data: bytes) -> set[str]:
    graph = Graph().parse(data=data, format="turtle")
    return {str(s) for s in graph.subjects(RDF.type, URIRef("http://www.w3.org/ns/dcat#Dataset"))}


def test_a_complete_dataset_stands_in_the_catalogue_and_at_its_own_address(hall):
    described(hall)
    iri = f"{hall.settings.base_url}/catalogue/datasets/LUNG"
    answer = get(hall)
    assert (answer.status_code, answer.content_type) == (200, "text/turtle")
    assert datasets(answer.data) == {iri}
    assert NEVER_FOR_DIAGNOSIS in answer.text
    assert datasets(get(hall, iri.removeprefix(hall.settings.base_url)).data) == {iri}
    assert federate.incomplete(hall) == {}


def test_a_dataset_that_lacks_a_property_stays_out_and_the_operator_is_told_which(hall):
    described(hall, condition="")
    assert datasets(get(hall).data) == set()
    assert get(hall, "/catalogue/datasets/LUNG").status_code == 404
    assert federate.incomplete(hall) == {"LUNG": ["eucaim:hasCondition (condition)"]}


def test_a_dataset_without_studies_lacks_its_numbers(hall):
    builders.seed(hall)
    set_dataset(hall, builders.ACTOR, "LUNG", DETAILS)
    assert "eucaim:hasImageModality (no series)" in federate.incomplete(hall)["LUNG"]


def test_an_unlisted_dataset_is_neither_told_nor_missed(hall):
    builders.seed(hall, listed=False)
    set_dataset(hall, builders.ACTOR, "LUNG", DETAILS)
    study(hall, "LUNG", "p1")
    assert datasets(get(hall).data) == set()
    assert federate.incomplete(hall) == {}


def test_the_catalogue_s_numbers_are_safe(made):
    hall = made(min_subjects=10)
    described(hall)
    (lacking,) = federate.incomplete(hall).values()
    assert lacking[0] == "healthdcatap:numberOfUniqueIndividuals (too few subjects to tell)"
    for number in range(13):
        study(hall, "LUNG", f"more{number}", age=57)
    (listing,) = federate.catalogue(hall, Caller(ANONYMOUS))
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
def test_the_catalogue_is_served_as_the_caller_accepts(hall, accept, status, media_type):
    answer = get(hall, Accept=accept)
    assert answer.status_code == status
    assert media_type is None or answer.content_type == media_type


def test_a_harvest_is_recorded(hall):
    described(hall)
    get(hall)
    hall.accesses.flush()
    with hall.store.read() as connection:
        (row,) = recent(connection)
    assert (row.subject, row.action, row.target, row.count) == ("anonymous", "discover", "catalogue", 1)


def test_doors_load_without_the_rdf_library():
    code = "import sys, server.web.catalogue, server.web.federation; sys.exit('rdflib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_one_subject_joined_to_a_crowd_is_not_read_off_its_words_or_age(made):
    hall = made(min_subjects=10)
    builders.seed(hall)
    for number in range(12):
        study(hall, "LUNG", f"p{number}", ("MR", "HEAD", "SIEMENS"), sex="M", age=45)
    study(hall, "LUNG", "alone", ("CT", "LUNG", "GE"), sex="F", age=83)
    alone = leaf("SNOMEDCT423493009", "EQUALS", 83)
    assert found(hall, alone) == []
    (told,) = found(hall, some(leaf("RID10311", "EQUALS", "RID10312"), alone))
    assert (told["gender"], told["modality"], told["body_parts"]) == (["Male"], ["MR"], ["HEAD"])
    assert told["age_range"] == {"min": 40, "max": 40}
