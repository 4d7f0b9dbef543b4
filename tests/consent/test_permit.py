from datetime import UTC, datetime, timedelta

import pytest

from consent.permit import Permit, holding

NOW = datetime(2026, 11, 22, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("why", "permit", "party"),
    [
        ("another organisation's", Permit("b", NOW - DAY, None), "a"),
        ("not begun", Permit("a", NOW + DAY, None), "a"),
        ("ended", Permit("a", NOW - 2 * DAY, NOW - DAY), "a"),
        ("ending now: the end is exclusive", Permit("a", NOW - DAY, NOW), "a"),
        ("nobody's organisation", Permit("a", NOW - DAY, None), None),
    ],
)
def test_no_permit_is_held(why, permit, party):
    assert holding([permit], party, NOW) is None, why


@pytest.mark.parametrize("permit", [Permit("a", NOW, None), Permit("a", NOW - DAY, NOW + DAY)])
def test_a_permit_in_its_period_is_held(permit):
    assert holding([permit], "a", NOW) == permit


def test_of_several_the_one_that_lasts_longest_is_held():
    short, longer, open_end = (Permit("a", NOW, ends) for ends in (NOW + DAY, NOW + 2 * DAY, None))
    assert holding([short, longer], "a", NOW) == longer
    assert holding([longer, open_end, short], "a", NOW) == open_end


def test_a_permit_gives_export_where_it_names_it_though_another_lasts_longer():
    longer, naming = Permit("a", NOW, None), Permit("a", NOW, NOW + DAY, export=True)
    assert holding([longer, naming], "a", NOW) == longer
    assert holding([longer, naming], "a", NOW, export=True) == naming
    assert holding([longer], "a", NOW, export=True) is None


def test_without_permits_none_is_held():
    assert holding([], "a", NOW) is None
