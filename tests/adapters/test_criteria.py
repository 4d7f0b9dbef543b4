"""The compiler of conditions: how few statements within the statement a question needs, whatever its alternatives."""

import pytest
from sqlalchemy import select

from adapters.sql import tables as t
from adapters.sql.criteria import narrow, parametrised
from adapters.sql.images import IMAGES
from mappings.fhir import search
from mappings.query import EVERYTHING, NOTHING, AllOf, AnyOf, Between, Like, Not, OneOf
from tests.builders import READER

STUDIES, SERIES, INSTANCES = 1, 2, 3
CT, MR = OneOf("modality", ("CT",)), OneOf("modality", ("MR",))
HEAD, CHEST = OneOf("body_part", ("HEAD",)), OneOf("body_part", ("CHEST",))
DAY = OneOf("study_date", ("20200101",))
SOP = OneOf("sop_class", ("1.2.3",))


def sql(condition, depth=STUDIES) -> str:
    return str(narrow(select(t.study.c.id), condition, IMAGES, depth))


def values(condition) -> list[list[str | int]]:
    """What each IN is asked."""
    bound = narrow(select(t.study.c.id), condition, IMAGES, STUDIES).compile().params
    return [v for v in bound.values() if isinstance(v, list)]


def asked(*arguments: tuple[str, str]):
    return search.read("ImagingStudy", arguments, READER).where


@pytest.mark.parametrize("spelled", ["modality", "modality:not", "series", "bodysite"])
def test_two_hundred_alternatives_of_one_field_are_one_exists_with_one_in(spelled):
    words = [f"X{n}" for n in range(200)]
    question = asked((spelled, ",".join(words)))
    assert (sql(question).count("EXISTS"), sql(question).count(" IN ")) == (1, 1)
    assert values(question) == [words]


def test_two_hundred_alternatives_of_a_fields_own_row_are_one_in():
    question = asked(("identifier", ",".join(f"urn:dicom:uid|urn:oid:1.2.{n}" for n in range(100))))
    assert (sql(question).count("EXISTS"), sql(question).count(" IN "), sql(question).count(" OR ")) == (0, 1, 0)


def test_a_value_asked_twice_is_asked_once_and_in_its_place():
    assert values(AnyOf((MR, AnyOf((CT, NOTHING)), OneOf("modality", ("MR", "PT"))))) == [["MR", "CT", "PT"]]


@pytest.mark.parametrize(
    ("condition", "exists", "within"),
    [
        (AnyOf((CT, HEAD)), 1, 2),
        (AnyOf((CT, HEAD, MR, CHEST)), 1, 2),
        (AnyOf((AllOf((CT, HEAD)), AllOf((MR, CHEST)))), 1, 4),
        (AnyOf((CT, Like("manufacturer", "ge*"), Between("series_number", 1, 2))), 1, 1),
        (AllOf((CT, HEAD)), 1, 2),
        (AllOf((AnyOf((CT, MR)), AnyOf((HEAD, CHEST)))), 1, 2),
        (AllOf((CT, AnyOf((HEAD, NOTHING)), EVERYTHING)), 1, 2),
        (AllOf((CT, AnyOf((SOP,)))), 2, 2),
        (AnyOf((CT, SOP)), 2, 2),
        (AllOf((CT, Not(Not(HEAD)))), 2, 2),
        (AllOf((CT, AnyOf((HEAD, DAY)))), 2, 3),
        (AnyOf((CT, Not(HEAD))), 2, 2),
    ],
)
def test_parts_that_speak_of_one_deeper_row_share_their_exists_and_others_do_not(condition, exists, within):
    written = sql(condition)
    assert (written.count("EXISTS"), written.count(" IN ") + written.count(" = :")) == (exists, within)


@pytest.mark.parametrize(("depth", "exists"), [(STUDIES, 1), (SERIES, 0), (INSTANCES, 0)])
def test_what_stands_on_the_row_or_above_it_needs_no_exists(depth, exists):
    assert sql(AllOf((DAY, CT)), depth).count("EXISTS") == exists


def test_what_is_asked_of_one_thing_is_asked_of_any_by_the_same_statement():
    names, statements, all_given = {"study_uid"}, [], []
    for uid in ("1.2.3", "1.2.4"):
        given: dict[str, str | int] = {}
        statements.append(sql(parametrised(AllOf((OneOf("study_uid", (uid,)), Not(AnyOf((CT, MR))))), names, given)))
        all_given.append(given)
    assert statements[0] == statements[1]
    assert all_given == [{"value0": "1.2.3"}, {"value0": "1.2.4"}]


def test_two_alternatives_of_one_field_keep_a_parameter_each():
    given: dict[str, str | int] = {}
    condition = parametrised(AnyOf((OneOf("study_uid", ("1",)), OneOf("study_uid", ("2",)))), {"study_uid"}, given)
    assert (sql(condition).count(" IN "), given) == (1, {"value0": "1", "value1": "2"})
