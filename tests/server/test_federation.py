"""EUCAIM's question through its door: the secret, what is counted, what is never told, what is recorded."""

import json
import logging
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import partial
from io import BytesIO

import pytest
from flask import Flask
from sqlalchemy import Connection, func, select
from werkzeug.serving import make_server

from adapters.doors import ask_search
from adapters.sql import index, tables
from adapters.sql.access import recent
from consent import disclosure
from consent.conditions import Action
from consent.disclosure import MOST_BARS, MOST_VALUES
from consent.subject import FEDERATION, Role, federation
from mappings.dicom.header import Header
from mappings.eucaim import MOST_SEARCH, STATED, read_recorded, recorded
from mappings.failures import Full
from server.usecases import federate
from server.usecases.access import note_access
from server.usecases.agreement import move_agreement
from server.usecases.dataset import set_dataset
from server.usecases.identify import identify
from server.usecases.node import move_node
from server.usecases.read import search_resources
from server.usecases.runtime import Caller, Runtime
from server.web import context, errors
from server.web import federation as federated
from server.web.bulkheads import Bulkhead, Bulkheads
from tests import builders

SECRET = "Secret s3cr3t"
ASK = "/api/datasets/eucaimSearch"
EVERYTHING = {"operand": "OR", "children": []}
SEX, AGE, MODALITY, PART, MAKER = "SNOMEDCT263495000", "SNOMEDCT423493009", "RID10311", "SNOMEDCT123037004", "C25392"
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
    errors.install(app, federated.door())
    return app.test_client()


def study(runtime: Runtime, alias: str, patient: str, *series: tuple[str, ...], **more: object) -> None:
    """A study in the index, straight to its rows: ingest has its own tests."""
    with runtime.store.write(durable=False) as connection:
        add_study(connection, runtime, alias, patient, *series, **more)


def add_study(
    connection: Connection,
    runtime: Runtime,
    alias: str,
    patient: str,
    *series: tuple[str, ...],
    sex: str | None = "F",
    age: int | None = 50,
) -> None:
    """The same in a transaction."""
    empty = dict.fromkeys(f.name for f in fields(Header))
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


BARS = tuple(leaf(AGE, "EQUALS", age) for age in range(MOST_BARS + 1))
"""Alternatives, one more than there may be."""


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
        (b'{"ast":{"key":"RID10311","type":"IN","value":[' + b"1," * MOST_VALUES + b"1]}}", "application/json", 422),
        (json.dumps({"ast": some(*map(every, BARS))}).encode(), "application/json", 422),
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


def test_the_doctors_question_is_answered_by_the_real_door_and_costs_nothing(made):
    runtime = made(min_subjects=10, federation_secret="Sécret")
    builders.seed(runtime)
    crowd(runtime)
    server = make_server("127.0.0.1", 0, client(runtime).application, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.port}"
    said = [ask_search(f"{url}{ASK}", "Sécret"), ask_search(f"{url}{ASK}", "Secret"), ask_search(f"{url}{ASK}/", "Sécret")]
    server.shutdown()
    server.server_close()
    assert said == [None, "it answers with status 401", "it answers with status 404"]
    assert spent(runtime) == {}


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
    makers = [leaf(MAKER, "NOT_EQUALS", "birnlex_12833")] * (MOST_VALUES - 1) + [leaf(MAKER, "EQUALS", "birnlex_12833")]
    one = every(some(*makers), some(leaf(MODALITY, "IN", ["RID10321"] * MOST_VALUES)))
    assert studies(runtime, some(*[one] * MOST_BARS)) == 1
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


# Diagnosis

DIAGNOSIS = "SNOMEDCT439401001"
BREAST = leaf(DIAGNOSIS, "EQUALS", "SNOMEDCT254837009")


@pytest.fixture
def told_conditions(runtime):
    for alias, provider, condition in (("BREAST", "a", "CLIN1000060"), ("LUNG", "b", "CLIN1000065"), ("MIXED", "c", None)):
        builders.seed(runtime, alias=alias, provider=f"hospital-{provider}")
        if condition:
            set_dataset(runtime, builders.ACTOR, alias, {"condition": condition, "description": f"The {alias} set."})
        study(runtime, alias, f"{alias}1", sex="F")
        study(runtime, alias, f"{alias}2", sex="M")
    return runtime


@pytest.mark.parametrize(
    ("ast", "counted"),
    [
        (BREAST, {"BREAST": 2}),
        (leaf(DIAGNOSIS, "NOT_EQUALS", "SNOMEDCT254837009"), {"LUNG": 2}),
        (leaf(DIAGNOSIS, "IN", ["SNOMEDCT254837009", "SNOMEDCT363358000"]), {"BREAST": 2, "LUNG": 2}),
        (every(some(BREAST), some(leaf(SEX, "EQUALS", "SNOMEDCT248152002"))), {"BREAST": 1}),
        (some(every(some(BREAST)), every(some(leaf(SEX, "EQUALS", "SNOMEDCT248152002")))), {"BREAST": 2, "LUNG": 1, "MIXED": 1}),
        (leaf(DIAGNOSIS, "EQUALS", "SNOMEDCT399068003"), {}),
    ],
)
def test_a_diagnosis_counts_all_of_a_dataset_for_which_it_is_stated_and_says_so(told_conditions, ast, counted):
    answered = found(told_conditions, ast)
    assert {c["id"]: c["subjects_count"] for c in answered} == counted
    assert all(str(c["description"]).startswith(STATED) for c in answered)


def test_a_question_without_a_diagnosis_is_answered_without_a_word_on_it(told_conditions):
    assert [c["description"] for c in found(told_conditions, EVERYTHING)] == [
        "The BREAST set.",
        "The LUNG set.",
        "Made for a test.",
    ]


@pytest.mark.usefixtures("quiet")
def test_a_diagnosis_is_made_safe_and_paid_for_as_any_count_is(made):
    runtime = made(min_subjects=10)
    builders.seed(runtime)
    builders.seed(runtime, alias="SMALL", provider="hospital-b")
    for alias in ("LUNG", "SMALL"):
        set_dataset(runtime, builders.ACTOR, alias, {"condition": "CLIN1000060"})
    crowd(runtime, count=47)
    crowd(runtime, "SMALL", start=100, count=9)
    assert told(runtime, BREAST) == {"LUNG": 40}
    assert told(runtime, every(BREAST, leaf(AGE, "EQUALS", 99))) == {}
    assert spent(runtime) == {"federation:eucaim": 2}


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


@pytest.fixture
def quiet(monkeypatch):
    """Counts are told without noise."""
    monkeypatch.setattr(disclosure, "noise", lambda *_: 0)


@pytest.mark.usefixtures("quiet")
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


def test_an_answered_question_is_recorded_as_it_was_asked(runtime):
    builders.seed(runtime)
    study(runtime, "LUNG", "p1")
    post(runtime)
    runtime.accesses.flush()
    with runtime.store.read() as connection:
        (row,) = recent(connection)
    said = ("federation:eucaim", "discover", recorded(EVERYTHING, "u"), 200, 1)
    assert (row.subject, row.action, row.target, row.status, row.count) == said
    assert row.request


def test_the_longest_question_that_is_recorded_is_recorded_whole(runtime):
    codes = some(*[leaf("K", "IN", ["x" * 170] * 20), leaf("L", "EQUALS", "é" * 40)])
    post(runtime, json.dumps({"ast": codes, "id": "\0" * MOST_SEARCH}).encode())
    runtime.accesses.flush()
    with runtime.store.read() as connection:
        (row,) = recent(connection)
    assert 3_500 < len(row.target) == len(recorded(codes, "\0" * MOST_SEARCH))
    assert read_recorded(row.target) == codes


def test_the_operator_reads_what_was_asked_and_what_of_it_nobody_knows(made):
    runtime = made(federation_callers="biobank Secret b")
    asked = some(leaf("RID99999", "EQUALS", "Jane Doe"), leaf("RID99999", "EQUALS", "x"), leaf(MODALITY, "EQUALS", "RID1"))
    assert federate.unknown(runtime) == []
    for secret in (SECRET, "Secret b"):
        post(runtime, json.dumps({"ast": asked, "id": "u"}).encode(), Authorization=secret)
    post(runtime, json.dumps({"ast": {"key": "x", "type": "EQUALS", "value": "y" * 5000}}).encode())
    note_access(runtime, Caller(FEDERATION), Action.DISCOVER, recorded({"operand": 1}, "of another release"), 200, 0)
    runtime.accesses.flush()
    (said,) = federate.unknown(runtime)
    assert said.endswith("matched by nothing: key RID99999 (2 times), value RID1 (2 times).")
    found = json.loads(search_resources(runtime, builders.caller(Role.OPERATOR), "AuditEvent", []))
    queries = [entity["query"] for each in found["entry"] for entity in each["resource"]["entity"] if "query" in entity]
    assert b64encode(recorded(asked, "u").encode()).decode() in queries


@pytest.mark.usefixtures("quiet")
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


# What may be asked, and how often


def crowd(runtime: Runtime, alias: str = "LUNG", start: int = 0, count: int = 40, modality: str = "CT") -> None:
    with runtime.store.write(durable=False) as connection:
        for number in range(start, start + count):
            of = {"sex": "FM"[number % 2], "age": 40 + number % 20}
            add_study(connection, runtime, alias, f"p{number}", (modality, "LUNG", "SIEMENS"), **of)


def told(runtime: Runtime, ast: object, who: str = "eucaim") -> dict[str, object]:
    """Dataset → how many subjects, as one caller is told."""
    answered = federate.answer(runtime, Caller(federation(who)), ast)["collections"]
    return {c["id"]: c["subjects_count"] for c in answered}


def full(**_: object):
    """For a store that can't write, and so shows that nothing was counted anew: what is counted is kept."""
    raise Full("storage-full", "The disk is full.")


def spent(runtime: Runtime) -> dict[str, int]:
    with runtime.store.read() as connection:
        b = tables.question_budget.c
        return dict(connection.execute(select(b.caller, func.sum(b.spent)).group_by(b.caller)).all())


WOMEN, MEN = leaf(SEX, "EQUALS", "SNOMEDCT248152002"), leaf(SEX, "EQUALS", "SNOMEDCT248153007")
FORTIES, FIFTIES = (leaf(AGE, "BETWEEN", {"min": low, "max": low + 9}) for low in (40, 50))


def test_a_question_asked_again_is_answered_as_before_and_costs_nothing(made, monkeypatch):
    runtime = made(min_subjects=10)
    builders.seed(runtime)
    crowd(runtime, count=100)
    first = found(runtime, some(WOMEN, every(MEN, FORTIES)))
    crowd(runtime, start=100, count=100)
    again = leaf(AGE, "BETWEEN", {"min": 42, "max": 47})
    monkeypatch.setattr(runtime.store, "write", full)
    for same in (some(WOMEN, every(MEN, FORTIES)), some(every(again, MEN), some(WOMEN), WOMEN)):
        assert found(runtime, same) == first
    assert spent(runtime) == {"federation:eucaim": 1}


@pytest.mark.usefixtures("quiet")
def test_above_the_budget_a_dataset_is_left_out_until_the_period_is_over_whatever_comes(made, caplog, monkeypatch):
    runtime = made(min_subjects=10, budget_questions=2, budget_days=30)
    builders.seed(runtime)
    crowd(runtime)
    assert [told(runtime, ast) for ast in (WOMEN, MEN)] == [{"LUNG": 20}] * 2
    assert "question budget spent" not in caplog.text
    with monkeypatch.context() as patched:
        patched.setattr(runtime.store, "write", full)
        assert told(runtime, FORTIES) == {}
    said = [json.loads(line) for line in caplog.text.splitlines()]
    assert [line["caller"] for line in said if line["message"] == "question budget spent"] == ["federation:eucaim"]
    crowd(runtime, start=40)
    assert (told(runtime, FORTIES), told(runtime, WOMEN)) == ({}, {"LUNG": 20})
    said, left_out = federate.budget(runtime)
    assert said.startswith("Each caller of eucaimSearch has 2 distinct questions about a dataset until 20")
    assert "most asked: 2 by federation:eucaim" in said
    assert left_out.startswith("federation:eucaim has asked all it may about LUNG, which is left out until ")
    runtime.clock.on(30 * 86400)
    assert (told(runtime, FORTIES), told(runtime, WOMEN)) == ({"LUNG": 40}, {"LUNG": 40})
    assert spent(runtime) == {"federation:eucaim": 4}


@pytest.mark.usefixtures("quiet")
def test_a_dataset_has_a_budget_of_its_own(made):
    runtime = made(min_subjects=10, budget_questions=1)
    builders.seed(runtime)
    crowd(runtime)
    assert told(runtime, WOMEN) == {"LUNG": 20}
    builders.seed(runtime, alias="BREAST", provider="hospital-b")
    crowd(runtime, "BREAST", start=40)
    assert told(runtime, MEN) == {"BREAST": 20}
    assert told(runtime, WOMEN) == {"LUNG": 20}


@pytest.mark.usefixtures("quiet")
def test_no_caller_spends_anothers_budget(made):
    runtime = made(min_subjects=10, budget_questions=1, federation_callers="biobank Secret b")
    builders.seed(runtime)
    crowd(runtime)

    def ask(secret: str, ast: object) -> int:
        answer = post(runtime, json.dumps({"ast": ast}).encode(), Authorization=secret)
        return len(answer.json["collections"])

    assert [ask(SECRET, ast) for ast in (WOMEN, MEN, WOMEN)] == [1, 0, 1]
    assert [ask("Secret b", ast) for ast in (MEN, WOMEN, MEN)] == [1, 0, 1]
    assert spent(runtime) == {"federation:eucaim": 1, "federation:biobank": 1}
    runtime.accesses.flush()
    with runtime.store.read() as connection:
        assert {row.subject for row in recent(connection)} == {"federation:eucaim", "federation:biobank"}


@pytest.mark.usefixtures("quiet")
def test_a_stop_binds_answers_that_are_kept_too(made):
    runtime = made(min_subjects=10)
    builders.seed(runtime)
    crowd(runtime)
    assert told(runtime, WOMEN) == {"LUNG": 20}
    move_agreement(runtime, builders.ACTOR, "DSA-LUNG", "suspend")
    assert told(runtime, WOMEN) == {}
    move_agreement(runtime, builders.ACTOR, "DSA-LUNG", "resume")
    assert told(runtime, WOMEN) == {"LUNG": 20}
    assert spent(runtime) == {"federation:eucaim": 1}


def test_what_can_not_be_paid_is_not_told(made, monkeypatch):
    runtime = made(min_subjects=10)
    builders.seed(runtime)
    crowd(runtime)

    monkeypatch.setattr(runtime.store, "write", full)
    answer = post(runtime)
    assert answer.status_code == 507
    assert b"subjects_count" not in answer.data
    assert spent(runtime) == {}


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize(
    "ast",
    [
        leaf("RID99999", "EQUALS", "x"),
        every(some(leaf(MODALITY, "EQUALS", "RID10321")), some(leaf("PSA", "BETWEEN", {"min": 4, "max": 0}))),
        leaf(AGE, "BETWEEN", {"min": 2, "max": 1}),
    ],
)
def test_what_can_match_nothing_whatever_is_held_costs_nothing(made, ast):
    runtime = made(min_subjects=10)
    builders.seed(runtime)
    crowd(runtime)
    assert (found(runtime, ast), spent(runtime)) == ([], {})
    assert found(runtime, some(WOMEN, ast))
    assert spent(runtime) == {"federation:eucaim": 1}


def test_each_caller_asks_so_often_in_a_minute_and_no_other_pays_for_it(made):
    runtime = made(federation_minute=2, federation_callers="biobank Secret b")
    answers = [post(runtime, Authorization=secret) for secret in (SECRET, SECRET, SECRET, "Secret b", SECRET)]
    assert [each.status_code for each in answers] == [200, 200, 429, 200, 429]
    assert (answers[2].headers["Retry-After"], answers[2].content_type) == ("60", "application/problem+json")
    runtime.clock.on(60)
    assert post(runtime).status_code == 200
    runtime.clock.on(-3600)
    assert post(runtime).status_code == 200


def test_that_nothing_is_told_costs_as_much_as_a_count(made):
    runtime = made(min_subjects=10)
    builders.seed(runtime)
    crowd(runtime)
    assert told(runtime, leaf(AGE, "EQUALS", 99)) == {}
    study(runtime, "LUNG", "alone", age=12)
    assert told(runtime, leaf(AGE, "EQUALS", 12)) == {}
    assert spent(runtime) == {"federation:eucaim": 2}


@pytest.mark.usefixtures("quiet")
def test_a_dataset_too_small_to_tell_of_is_not_asked_and_is_told_of_once_it_has_grown(made, caplog):
    runtime = made(min_subjects=10)
    builders.seed(runtime)
    assert told(runtime, EVERYTHING) == {}
    crowd(runtime, count=9)
    assert (told(runtime, EVERYTHING), spent(runtime)) == ({}, {})
    assert "question budget spent" not in caplog.text
    crowd(runtime, start=9, count=31)
    assert told(runtime, EVERYTHING) == {"LUNG": 40}


def test_exact_counts_have_no_noise_no_decades_and_no_budget(made):
    runtime = made(min_subjects=1, budget_questions=1)
    builders.seed(runtime)
    crowd(runtime)
    assert told(runtime, leaf(AGE, "EQUALS", 43)) == {"LUNG": 2}
    crowd(runtime, start=40)
    assert [told(runtime, ast) for ast in (leaf(AGE, "EQUALS", 43), WOMEN, MEN)] == [{"LUNG": 4}, {"LUNG": 40}, {"LUNG": 40}]
    assert (spent(runtime), federate.budget(runtime)) == ({}, [])


def test_the_same_people_have_other_noise_in_other_words_and_each_question_is_paid(made):
    """Or equal answers would prove that nobody is in what one question has and another lacks."""
    runtime = made(min_subjects=10)
    builders.seed(runtime)
    crowd(runtime, count=200)
    said = (
        WOMEN,
        leaf(SEX, "NOT_EQUALS", "SNOMEDCT248153007"),
        every(WOMEN, some(FORTIES, FIFTIES)),
        some(WOMEN, every(WOMEN, FORTIES)),
    )
    counted = [told(runtime, ast) for ast in said]
    assert len({counts["LUNG"] for counts in counted}) > 1
    assert [told(runtime, ast) for ast in said] == counted
    assert spent(runtime) == {"federation:eucaim": len(said)}


def test_each_installation_has_a_key_of_its_own_and_keeps_it(tmp_path):
    one, other, again = (builders.runtime(tmp_path / name) for name in ("a", "b", "a"))
    assert one.noise_key == again.noise_key != other.noise_key
    assert len(one.noise_key) == 32
    assert (one.settings.data_dir / "noise.key").stat().st_mode & 0o077 == 0
    assert one.noise_key.hex() not in repr(one)
    for runtime in (one, other, again):
        runtime.close()


def test_an_answer_describes_the_dataset_and_not_who_was_asked_for(made):
    runtime = made(min_subjects=10)
    builders.seed(runtime)
    crowd(runtime, count=200)
    study(runtime, "LUNG", "alone", ("MR", "HEAD", "GE"), sex="O", age=12)
    (told_of,) = found(runtime, WOMEN)
    assert (told_of["gender"], told_of["modality"], told_of["body_parts"]) == (["Female", "Male"], ["CT"], ["LUNG"])
    assert told_of["age_range"] == {"min": 40, "max": 50}
    crowd(runtime, "LUNG", 200, 40, modality="MR")
    (later,) = found(runtime, FORTIES)
    assert {k: later[k] for k in ("gender", "modality", "age_range")} == {
        k: told_of[k] for k in ("gender", "modality", "age_range")
    }
    runtime.clock.on(90 * 86400)
    assert found(runtime, FORTIES)[0]["modality"] == ["CT", "MR"]
