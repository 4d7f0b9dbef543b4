"""One table of meanings, of which descriptions, searches and maps are made: what one finds, the others do."""

from fnmatch import fnmatchcase
from itertools import chain

import pytest

from mappings import eucaim
from mappings.dcat.codes import body_part_codes, manufacturer_codes
from mappings.vocabulary import BODY_PARTS, MANUFACTURERS, MODALITIES, SEXES, coded, first_word, makers, patterns, uncoded

TABLES = {"sexes": SEXES, "modalities": MODALITIES, "body_parts": BODY_PARTS, "manufacturers": MANUFACTURERS}


@pytest.mark.parametrize("name", TABLES)
def test_no_word_and_no_code_means_two_things(name):
    table = TABLES[name]
    for said in (lambda m: m.words, lambda m: (m.code,), lambda m: m.asked):
        every = list(chain.from_iterable(map(said, table)))
        assert len(every) == len(set(every))
    assert all(meaning.words for meaning in table)


@pytest.mark.parametrize("meaning", [m for m in BODY_PARTS if len(m.words) > 1 and m.asked], ids=lambda m: m.code)
def test_a_body_part_in_other_words_is_described_and_found(meaning):
    for word in meaning.words:
        assert body_part_codes([word]) == [(meaning.code, meaning.label)]
        assert all(word in eucaim.BODY_PARTS[code] for code in meaning.asked)
        assert first_word(BODY_PARTS, word) == meaning.words[0]


def test_what_means_something_else_is_of_no_row():
    assert body_part_codes(["TDM ABDOMEN / PE", "LEFT BREAST", "breast", ""]) == []
    assert coded(SEXES, ["", "U"]) == []
    assert first_word(BODY_PARTS, "ELSEWHERE") == "ELSEWHERE"


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("ge medical systems", ["IMG1000047"]),
        ("ge", ["IMG1000047"]),
        ("siemens healthineers", ["IMG1000044"]),
        ("agfa-gevaert", ["IMG1000051"]),
        ("general electric and philips", ["IMG1000046", "IMG1000047"]),
        ("geometric imaging", []),
        ("imaging ge", []),
        ("", []),
    ],
)
def test_a_manufacturer_is_described_where_a_search_finds_it(text, codes):
    assert sorted(code for code, _ in manufacturer_codes([text])) == codes
    assert sorted(m.code for m in MANUFACTURERS if any(fnmatchcase(text, each) for each in patterns(m))) == codes
    assert sorted(m.code for m in makers([text])) == codes


def test_the_explorer_asks_by_every_code_that_a_row_has():
    asked = (eucaim.SEXES, eucaim.MODALITIES, eucaim.BODY_PARTS, eucaim.MANUFACTURERS)
    for table, criteria in zip(TABLES.values(), asked, strict=True):
        assert criteria.keys() - {eucaim.UNKNOWN} == {code for meaning in table for code in meaning.asked}


@pytest.mark.parametrize(
    ("body_part", "manufacturer", "places"),
    [
        ("", "", []),
        ("BREAST", "siemens", []),
        ("BRUST", "", []),
        ("NECK", "", []),
        ("TDM ABDOMEN / PE", "", ["(0018,0015)"]),
        ("breast", "acme", ["(0018,0015)", "(0008,0070)"]),
    ],
    ids=["nothing", "coded", "another language", "a defined term without code", "free text", "both"],
)
def test_words_without_code_are_named_by_their_place(body_part, manufacturer, places):
    assert list(uncoded(body_part, manufacturer)) == places
