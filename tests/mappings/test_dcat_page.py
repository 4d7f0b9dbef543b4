"""A dataset's article in a page: what people read of it, and nothing where nothing is known."""

import re
from dataclasses import replace
from html import unescape

import pytest

from consent.conditions import Action
from mappings.dcat.page import article
from tests.mappings.test_dcat import AGREED, BREAST, HERE


def rows(listing) -> dict[str, str]:
    """Name → what is told, as it is read."""
    found = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", article(HERE, listing).decode())
    return {name: unescape(re.sub(r"<br>", "\n", told)) for name, told in found}


@pytest.mark.parametrize(
    ("size", "told"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1_052_676, "1.05 MB"),
        (40_000_000_000, "40 GB"),
        (999_999, "1,000 kB"),
        (123_456_000_000_000_000_000, "123,000 PB"),
    ],
)
def test_a_size_is_told_in_units(size, told):
    assert rows(replace(BREAST, size=size))["Size"] == told


def test_each_access_is_told_with_what_it_is_for():
    assert rows(AGREED)["Access"].split("\n") == [
        "Download access: research with artificial intelligence",
        "In-situ processing: research with artificial intelligence, training of artificial intelligence",
    ]
    assert rows(BREAST)["Access"] == "In-situ processing: for no purpose"


def test_conditions_and_what_was_agreed_besides_are_told_as_text():
    told = rows(AGREED)
    assert told["Conditions of use"].split("\n") == [
        "With an ethics approval.",
        "Research on the named diseases only: MONDO:0007254.",
    ]
    assert told["Agreed besides"] == 'No <script>weekends</script> "please".'
    assert b"<script>" not in article(HERE, AGREED)


def test_one_age_is_told_once():
    assert rows(replace(BREAST, youngest=60, oldest=60))["Age in years"] == "60"
    assert rows(BREAST)["Age in years"] == "40 to 70"


def test_what_is_not_known_has_no_row():
    bare = replace(
        BREAST, issued=None, modified=None, size=None, subjects=None, studies=None, youngest=None, oldest=None,
        sexes=(), modalities=(), body_parts=(), manufacturers=(), actions=frozenset({Action.QUERY}), details={},
    )  # fmt: skip
    assert set(rows(bare)) == {"Provider", "Name", "Terms of use", "DICOMweb", "FHIR R4", "Hosting"}
