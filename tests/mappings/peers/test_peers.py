"""The question in each dialect, and every answer: what can't be asked is not left out, and what is no answer is no zero."""

import json
from functools import partial
from itertools import product

import pytest

from consent.disclosure import MOST_VALUES
from mappings.eucaim import read_ast
from mappings.failures import Invalid
from mappings.peers import eucaim, fhir
from mappings.peers.answer import MOST_COUNT, MOST_DATASETS, PeerAnswer, State, by_dataset, total
from mappings.peers.exchange import KINDS, Sent, compiled, read_answer
from mappings.peers.question import DIAGNOSES, MAKERS, Question, read_question
from mappings.query import AllOf, AnyOf, Between, OneOf, canonical
from mappings.vocabulary import BODY_PARTS, coded

EXAMPLE = read_question(modality=["mr"], body_part=["PROSTATE"], sex=["m"], age="40-70")
ASKED = "http://a.example"


def test_a_question_is_the_condition_of_a_query():
    assert EXAMPLE.where == AllOf(
        (OneOf("modality", ("MR",)), OneOf("body_part", ("PROSTATE",)), OneOf("patient_sex", ("M",)), Between("age", 40, 70))
    )
    assert EXAMPLE.text == '{"age":[40,70],"body_part":["PROSTATE"],"modality":["MR"],"sex":["M"]}'


@pytest.mark.parametrize(("text", "years"), [("40-70", (40, 70)), ("40-", (40, 150)), ("-70", (0, 70)), ("40", (40, 40))])
def test_an_age_is_a_range_with_two_ends(text, years):
    assert read_question(age=text).age == years


@pytest.mark.parametrize(
    ("asked", "where"),
    [
        ({"age": "70-40"}, "age"),
        ({"age": "-"}, "age"),
        ({"age": "4x"}, "age"),
        ({"age": "40-400"}, "age"),
        ({"sex": ["X"]}, "sex"),
        ({"modality": ["M" * 17]}, "modality"),
        ({"modality": ["MR,CT"]}, "modality"),
        ({"body_part": ["x\n"]}, "body_part"),
        ({"manufacturer": ["acme"]}, "manufacturer"),
        ({"diagnosis": ["flu"]}, "diagnosis"),
        ({"modality": [f"M{n}" for n in range(MOST_VALUES + 1)]}, "modality"),
    ],
)
def test_what_is_no_criterion_is_refused_by_its_name(asked, where):
    with pytest.raises(Invalid) as refused:
        read_question(**asked)
    assert refused.value.where == where


# --- EUCAIM's dialect

ASKABLE = {
    "modality": (["MR"], ["CT", "PT", "NM"]),
    "body_part": (["PROSTATE"], ["BREAST", "COLON", "LUNG", "PELVIS", "ABDOMEN", "HEAD"]),
    "sex": (["M"], ["F", "O"]),
    "age": ("40-70", "40-"),
    "manufacturer": (["siemens"], list(MAKERS)),
    "diagnosis": (["prostate"], list(DIAGNOSES)),
}


def spread(where: AllOf) -> AllOf:
    """The same with each value as an alternative of its own, as an AST has it, and a body part in every word for it."""
    return AllOf(tuple(AnyOf(tuple(map(partial(_read, p.field), p.values))) if isinstance(p, OneOf) else p for p in where.parts))


def _read(field: str, value: str) -> OneOf:
    (meaning,) = coded(BODY_PARTS, [value]) if field == "body_part" else (None,)
    return OneOf(field, meaning.words if meaning else (value,))


@pytest.mark.parametrize("criteria", list(product((0, 1, 2), repeat=3)), ids=str)
def test_what_is_written_in_eucaims_dialect_is_read_back_as_the_same_question(criteria):
    """By the reader that answers others: all six criteria, two by two, absent, with one value and with several."""
    first, second = list(ASKABLE)[:3], list(ASKABLE)[3:]
    for names in (first, second):
        chosen = {name: ASKABLE[name][n - 1] for name, n in zip(names, criteria, strict=True) if n}
        where = read_question(**chosen).where
        ast, missing = eucaim.to_ast(where)
        read, unknown = read_ast(ast)
        assert (missing, unknown) == ((), ())
        assert canonical(read.where) == canonical(spread(where))


def test_the_example_in_eucaims_dialect_is_as_the_explorer_sends_it():
    def leaf(key: str, value: object, kind: str = "EQUALS") -> dict[str, object]:
        return {"operand": "OR", "children": [{"key": key, "type": kind, "value": value}]}

    bar = [
        leaf("RID10311", "RID10312"),
        leaf("SNOMEDCT123037004", "SNOMEDCT41216001"),
        leaf("SNOMEDCT263495000", "SNOMEDCT248153007"),
        leaf("SNOMEDCT423493009", {"min": 40, "max": 70}, "BETWEEN"),
    ]
    told = eucaim.to_ast(EXAMPLE.where)
    assert told == ({"operand": "OR", "children": [{"operand": "AND", "children": bar}]}, ())
    assert eucaim.to_ast(AllOf()) == ({"operand": "OR", "children": []}, ())


# --- FHIR


def test_a_question_in_fhir_is_a_count_of_imaging_studies():
    search, missing = fhir.to_search(read_question(body_part=["PROSTATE"], sex=["M", "F"]).where)
    assert (search, missing) == ([("bodysite", "http://snomed.info/sct|41216001"), ("patient.gender", "female,male")], ())
    assert fhir.to_path(search).endswith("&_summary=count")


@pytest.mark.parametrize(
    ("asked", "missing"),
    [
        ({"age": "40-70", "sex": ["M"]}, ("age",)),
        ({"manufacturer": ["ge"]}, ("manufacturer",)),
        ({"diagnosis": ["lung"]}, ("diagnosis",)),
        ({"body_part": ["ELSEWHERE"]}, ("body part",)),
        ({"body_part": ["LUNG", "ELSEWHERE"]}, ("body part",)),
        ({"modality": ["MR"], "body_part": ["LUNG"]}, ("modality and body part of the same series",)),
    ],
)
def test_what_fhir_can_not_ask_is_said_and_not_left_out(asked, missing):
    question = read_question(**asked)
    assert fhir.to_search(question.where)[1] == missing
    told = compiled("b", "fhir", ASKED, question.where, "1")
    assert isinstance(told, PeerAnswer)
    assert (told.state, told.studies) == (State.CANNOT_EXPRESS, None)
    assert missing[0] in told.said


def test_what_eucaim_has_no_code_for_is_said_and_not_left_out_though_others_of_the_same_criterion_have_one():
    told = compiled("a", "accord", ASKED, read_question(modality=["MR", "MG"]).where, "1")
    assert (told.state, told.said) == (State.CANNOT_EXPRESS, "It can't be asked for modality MG.")


# --- answers


def sent(kind: str) -> Sent:
    made = compiled("a", kind, ASKED, Question(sex=("M",)).where, "1")
    assert isinstance(made, Sent)
    return made


def read(kind: str, body: object, status: int = 200, probed: int = 200) -> PeerAnswer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_answer("a", kind, sent(kind), status, raw, 0.5, probed)


def dataset(id_: str = "D", studies: object = 12, subjects: object = 7) -> dict[str, object]:
    return {"id": id_, "name": "Set", "studies_count": studies, "subjects_count": subjects, "gender": ["Male"], "more": [1]}


def searchset(total: object = 5, asked: str = "patient.gender=male", **more: object) -> dict[str, object]:
    link = [{"relation": "self", "url": f"http://b.example/ImagingStudy?{asked}&_summary=count"}]
    return {"resourceType": "Bundle", "type": "searchset", "total": total, "link": link} | more


def test_where_each_kind_is_asked():
    assert {kind: sent(kind).url.partition("?")[0] for kind in KINDS} == {
        "accord": f"{ASKED}/api/datasets/eucaimSearch",
        "eucaim": ASKED,
        "fhir": f"{ASKED}/ImagingStudy",
    }


@pytest.mark.parametrize(
    ("kind", "body", "told"),
    [
        ("eucaim", {"collections": [dataset(), dataset("E", 3, 2)]}, (State.ANSWERED, 15, 9)),
        ("accord", {"collections": [dataset()]}, (State.AT_LEAST, 12, 7)),
        ("accord", {"collections": []}, (State.AT_LEAST, 0, 0)),
        ("eucaim", {"collections": [dataset(), dataset("D", 9, 8)]}, (State.ANSWERED, 12, 8)),
        ("eucaim", {"collections": [dataset("D", "<5", None)]}, (State.AT_LEAST, 0, 0)),
        *(
            ("eucaim", {"collections": [dataset(studies=count)]}, (State.AT_LEAST, 0, 7))
            for count in (-1, True, 1.5, MOST_COUNT + 1, [], 1e300)
        ),
        ("fhir", searchset(), (State.ANSWERED, 5, None)),
        ("fhir", searchset(0), (State.ANSWERED, 0, None)),
    ],
)
def test_a_count_is_told_as_what_it_is(kind, body, told):
    answer = read(kind, body)
    assert (answer.state, answer.studies, answer.subjects) == told


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nothing",
        b"\xff",
        b"[" * 100_000,
        b'{"collections":' + b"[" * 100_000,
        {},
        {"collections": {}},
        {"collections": [{"name": "x"}]},
        {"collections": [dataset("x" * 201)]},
        {"collections": [dataset(str(n)) for n in range(MOST_DATASETS + 1)]},
        searchset(-1),
        searchset(None),
        searchset(MOST_COUNT + 1),
        searchset(type="history"),
        searchset(link=[{"relation": "self", "url": "http://[x"}]),
    ],
    ids=lambda body: str(body)[:30],
)
@pytest.mark.parametrize("kind", KINDS)
def test_what_can_not_be_read_is_no_answer_and_no_zero(kind, body):
    answer = read(kind, body)
    assert (answer.state, answer.studies, answer.subjects) == (State.NO_ANSWER, None, None)


@pytest.mark.parametrize("more", [{"asked": "x=1"}, {"asked": "patient.gender="}, {"link": []}])
def test_a_server_that_does_not_say_that_it_searched_by_a_criterion_counts_nothing(more):
    answer = read("fhir", searchset(**more))
    assert (answer.state, answer.studies) == (State.CANNOT_EXPRESS, None)


def test_a_server_that_refuses_what_nobody_knows_need_not_say_what_it_searched_by():
    """As HAPI does: with a count it says no link."""
    assert sent("fhir").probe == f"{ASKED}/ImagingStudy?accord-unknown=1&_summary=count"
    answer = read("fhir", searchset(link=[]), probed=400)
    assert (answer.state, answer.studies) == (State.ANSWERED, 5)
    assert read("fhir", searchset(asked="x=1"), probed=400).state is State.CANNOT_EXPRESS, "but what it says counts"


@pytest.mark.parametrize(
    ("status", "kind", "state"),
    [
        (401, "accord", State.REFUSED),
        (403, "eucaim", State.REFUSED),
        (404, "accord", State.REFUSED),
        (429, "accord", State.REFUSED),
        (418, "fhir", State.REFUSED),
        (400, "fhir", State.CANNOT_EXPRESS),
        (400, "eucaim", State.REFUSED),
        (307, "accord", State.NO_ANSWER),
        (201, "accord", State.NO_ANSWER),
        (503, "fhir", State.NO_ANSWER),
    ],
)
def test_a_status_is_a_state(status, kind, state):
    answer = read(kind, {"collections": [dataset()]}, status)
    assert (answer.state, answer.studies) == (state, None)
    assert answer.said


def test_datasets_that_two_name_count_once_with_the_most_that_either_told():
    one = read("accord", {"collections": [dataset("D", 12, 7), dataset("E", 3, 3)]})
    other = read("accord", {"collections": [dataset("D", 20, 6), dataset("F", None, 1)]})
    fhirs = read("fhir", searchset(5))
    failed = read("accord", b"")
    told = total([one, other, fhirs, failed])
    assert (told.studies, told.subjects, told.datasets) == (20 + 3 + 0 + 5, 7 + 3 + 1, 3)
    assert [(each.counted.id, len(each.peers)) for each in by_dataset([one, other])] == [("D", 2), ("E", 1), ("F", 1)]
