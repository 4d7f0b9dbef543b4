"""What a caller accepts is read as real clients write it, and what is offered is chosen as RFC 9110 weighs it."""

import time

import pytest

from mappings.failures import Invalid, NotAcceptable
from mappings.negotiation import by_name, choose, preferences, read_media_type

OFFERS = by_name("text/turtle", "application/ld+json")


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", "text/turtle"),
        ("*/*", "text/turtle"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/turtle"),
        ("application/ld+json", "application/ld+json"),
        ("application/ld+json; profile=x", "application/ld+json"),
        ("application/ld+json, text/turtle", "application/ld+json"),
        ("text/turtle;q=0.1, application/ld+json;q=0.2", "application/ld+json"),
        ("application/*", "application/ld+json"),
        ("*/*, text/turtle;q=0", "application/ld+json"),
        ("text/turtle;q=x", "text/turtle"),
        ("@@@, , application/ld json", "application/ld+json"),
    ],
)
def test_the_offer_of_most_weight_is_chosen_then_the_one_named_first(accept, chosen):
    assert choose(accept, OFFERS, "No.") == chosen


@pytest.mark.parametrize("accept", ["application/rdf+xml", "text/turtle;q=0", "*/*;q=0", "turtle", ","])
def test_where_nothing_offered_is_accepted_the_offers_sentence_is_said(accept):
    with pytest.raises(NotAcceptable, match=r"^Turtle only\.$") as refusal:
        choose(accept, OFFERS, "Turtle only.", "_format")
    assert refusal.value.where == "_format"


def test_a_media_type_keeps_its_parameters_in_order_and_unquoted():
    media = read_media_type('Multipart/Related ; Boundary="a \\"b\\"" ;type=x/y;;TYPE="z"')
    assert media.name == "multipart/related"
    assert media.parameters == (("boundary", 'a "b"'), ("type", "x/y"), ("type", "z"))
    assert media.get("type") == "x/y"
    assert media.all("type") == ("x/y", "z")


@pytest.mark.parametrize("accept", ["a/b," * 2000, "*/*," * 65, '"' * 5000])
def test_a_header_without_end_is_refused(accept):
    with pytest.raises(Invalid):
        choose(accept, OFFERS, "No.")


@pytest.mark.parametrize(
    "accept",
    [
        '"' + '\\"' * 2040,
        "a/b;" * 1000,
        ";" + " " * 4000,
        "a/b; " + "c" * 4000,
        "a/b" + '; c="' * 700,
    ],
)
def test_a_header_made_to_be_slow_is_read_quickly(accept):
    start = time.perf_counter()
    with pytest.raises(NotAcceptable):
        choose(accept, OFFERS, "No.")
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize(
    ("prefer", "read"),
    [
        ("", {}),
        ("handling=lenient", {"handling": "lenient"}),
        ('respond-async, Handling = "LENIENT"; foo=bar', {"respond-async": "", "handling": "lenient"}),
        ("handling=strict, handling=lenient", {"handling": "strict"}),
        ("xhandling=lenient", {"xhandling": "lenient"}),
        ('note="handling=lenient"', {"note": "handling=lenient"}),
        ('note="a, handling=lenient"', {"note": "a, handling=lenient"}),
        ("return=representation;handling=lenient", {"return": "representation"}),
        ("=lenient, handling lenient, é=1", {}),
    ],
)
def test_preferences_are_read_as_rfc_7240_says(prefer, read):
    assert preferences(prefer) == read


def test_a_preference_without_end_is_refused():
    with pytest.raises(Invalid):
        preferences("a" * 5000)
