"""A Parameters resource says what a URL would."""

import pytest

from mappings.failures import Invalid
from mappings.fhir.operation import arguments_of

CODING = {"system": "s", "code": "c", "display": "d"}


def read(*given):
    return arguments_of({"resourceType": "Parameters", "parameter": list(given)})


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"valueInstant": "2026"}, [("x", "2026")]),
        ({"valueBoolean": True}, [("x", "true")]),
        ({"valueReference": {"reference": "Patient/1"}}, [("x", "Patient/1")]),
        ({"valueCoding": CODING}, [("system", "s"), ("code", "c")]),
        ({"valueCodeableConcept": {"coding": [CODING, {"code": "other"}]}}, [("system", "s"), ("code", "c")]),
    ],
    ids=lambda each: next(iter(each)) if isinstance(each, dict) else None,
)
def test_a_parameter_says_its_value_whatever_its_type(sent, said):
    assert read({"name": "x"} | sent) == said


def test_without_parameters_nothing_is_said():
    assert read() == arguments_of({"resourceType": "Parameters"}) == []


@pytest.mark.parametrize(
    "sent",
    [
        7,
        {},
        {"name": "x"},
        {"valueString": "x"},
        {"name": "x", "valueString": "a", "valueCode": "b"},
        {"name": "x", "valueInteger": 7},
        {"name": "x", "valueCoding": {"code": 7}},
        {"name": "x", "valueCodeableConcept": {"coding": []}},
        {"name": "x", "valueReference": {}},
        {"name": "\ud800", "valueString": "x"},
        {"name": "x", "valueString": "\udfff"},
    ],
    ids=ascii,
)
def test_what_says_no_text_is_refused(sent):
    with pytest.raises(Invalid):
        read(sent)


@pytest.mark.parametrize("sent", [{}, {"resourceType": "Patient"}, {"resourceType": "Parameters", "parameter": {}}], ids=str)
def test_what_is_no_parameters_is_refused(sent):
    with pytest.raises(Invalid):
        arguments_of(sent)
