"""The rules by which counts are made safe, each as a table of cases; and what is known of the noise."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import fmean, pstdev

import pytest

from consent.disclosure import Budget, People, SafeCounts, exact, noise, safe_age, safe_ages, safe_count, safe_counts, safe_size

KEY, BUDGET = b"k" * 32, Budget(100, 90)
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("count", "minimum", "told"),
    [
        (0, 10, None),
        (9, 10, None),
        (10, 10, 10),
        (19, 10, 10),
        (20, 10, 20),
        (101, 10, 100),
        (24, 25, None),
        (25, 25, 25),
        (29, 25, 25),
        (7, 5, 5),
        (0, 1, None),
        (1, 1, 1),
        (17, 1, 17),
        (0, 0, None),
        (3, 0, 3),
    ],
)
def test_a_count_is_left_out_rounded_down_or_exact(count, minimum, told):
    assert safe_count(count, minimum) == told


@pytest.mark.parametrize("minimum", [2, 5, 10, 25])
def test_one_subject_more_is_told_at_a_ten_or_at_the_minimum_only(minimum):
    """Who asks twice, with and without one person's value, learns nothing but at a boundary."""
    changes = {n for n in range(1, 200) if safe_count(n, minimum) != safe_count(n - 1, minimum)}
    assert changes == {n for n in range(1, 200) if n >= minimum and (n % 10 == 0 or n == minimum)}


@pytest.mark.parametrize(
    ("years", "minimum", "told"),
    [(None, 10, None), (0, 10, 0), (9, 10, 0), (59, 10, 50), (60, 10, 60), (59, 1, 59), (None, 1, None)],
)
def test_an_age_is_told_as_its_decade_unless_counts_are_exact(years, minimum, told):
    assert safe_age(years, minimum) == told


@pytest.mark.parametrize(
    ("count", "off", "told"),
    [
        (9, 40, None),
        (10, -1, None),
        (10, 0, 10),
        (10, 10, 20),
        (30, -21, None),
        (30, -20, 10),
        (30, -12, 10),
        (30, -1, 20),
        (30, 9, 30),
    ],
)
def test_few_are_not_told_in_truth_nor_as_they_would_be_told(count, off, told):
    assert safe_count(count, 10, off) == told


@pytest.mark.parametrize("minimum", [1, 0])
def test_a_minimum_of_one_makes_all_of_it_exact(minimum):
    assert exact(minimum)
    assert safe_ages(43, 57, minimum) == (43, 57)
    assert safe_counts(ASKED, People(3, 6, 14), 4, minimum, KEY, BUDGET) == SafeCounts(3, 4)
    assert not exact(2)


@pytest.mark.parametrize(
    ("asked", "decades"),
    [
        ((43, 57), (40, 59)),
        ((40, 49), (40, 49)),
        ((45, 45), (40, 49)),
        ((None, 45), (None, 49)),
        ((45, None), (40, None)),
        ((-5, 3), (-10, 9)),
        ((46, 45), (46, 45)),
        ((None, None), (None, None)),
    ],
)
def test_ages_are_asked_for_in_decades_and_none_are_none(asked, decades):
    assert safe_ages(*asked, 10) == decades


ASKED = "0" * 64


def some_people(count=4000):
    """Sets that differ in one person or more."""
    return [People(n, 3 * n + k, n * n) for n in range(count // 4) for k in range(4)]


def test_noise_sticks_to_who_they_are_and_how_they_were_asked_for_and_one_person_more_has_other_noise():
    assert noise(KEY, ASKED, People(10, 55, 385), "subjects", BUDGET) == noise(
        KEY, ASKED, People(10, 55, 385), "subjects", BUDGET
    )
    crowd = range(1, 41)
    without = [[n for n in crowd if n != left] for left in crowd]
    drawn = [noise(KEY, ASKED, People(39, sum(set_), sum(n * n for n in set_)), "subjects", BUDGET) for set_ in without]
    assert len(set(drawn)) > 20


@pytest.mark.parametrize(
    "varied",
    [
        lambda n: (KEY, ASKED, People(10 + n, 55, 385), "subjects"),
        lambda n: (KEY, ASKED, People(10, 55 + n, 385), "subjects"),
        lambda n: (KEY, ASKED, People(10, 55, 385 + n), "subjects"),
        lambda n: (KEY, ASKED, People(10, 55, 385), f"subjects{n}"),
        lambda n: (KEY, f"{n:064x}", People(10, 55, 385), "subjects"),
        lambda n: (KEY + bytes([n]), ASKED, People(10, 55, 385), "subjects"),
    ],
)
def test_noise_depends_on_every_part_of_who_they_are_on_the_question_on_what_is_counted_and_on_the_key(varied):
    assert len({noise(*varied(n), BUDGET) for n in range(40)}) > 20


@pytest.mark.parametrize("questions", [1, 10, 100, 1000, 10_000])
def test_noise_is_about_nothing_as_wide_as_the_budget_needs_and_bounded(questions):
    budget = Budget(questions, 90)
    drawn = [noise(KEY, ASKED, p, "subjects", budget) for p in some_people()]
    assert abs(fmean(drawn)) < 0.1 * budget.width
    assert 1.1 * budget.width < pstdev(drawn) < 1.7 * budget.width
    assert 2.2 < pstdev(drawn) / questions**0.5 < 3
    assert max(map(abs, drawn)) <= 4 * budget.width


def test_noise_of_two_sets_tells_nothing_of_each_other():
    drawn = [noise(KEY, ASKED, p, "subjects", BUDGET) for p in some_people()]
    neighbours = list(pairwise(drawn))
    mean, deviation = fmean(drawn), pstdev(drawn)
    assert abs(fmean((a - mean) * (b - mean) for a, b in neighbours)) < 0.06 * deviation**2


def test_studies_of_people_with_one_each_are_no_second_look_at_them():
    """The studies' noise is the subjects' and more: their difference is noise alone, whoever they are."""
    for people in some_people(400)[200:]:
        own = noise(KEY, ASKED, people, "studies", BUDGET)
        told = safe_counts(ASKED, people, people.count, 10, KEY, BUDGET)
        common = noise(KEY, ASKED, people, "subjects", BUDGET)
        if told is not None:
            raw = people.count + common
            assert told.subjects == max(raw // 10 * 10, 10)
            assert told.studies == max((raw + own) // 10 * 10, told.subjects)


def test_studies_are_never_fewer_than_subjects():
    for people, more in zip(some_people(), range(4000), strict=True):
        told = safe_counts(ASKED, people, people.count + more % 50, 10, KEY, BUDGET)
        assert told is None or told.studies >= told.subjects >= 10


def test_a_period_is_so_many_days_and_has_an_end():
    period = BUDGET.period(NOW)
    assert BUDGET.ends(period - 1) <= NOW < BUDGET.ends(period)
    assert BUDGET.ends(period) - BUDGET.ends(period - 1) == timedelta(days=90)
    assert BUDGET.period(BUDGET.ends(period)) == period + 1
    assert BUDGET.period(BUDGET.ends(period) - timedelta(microseconds=1)) == period


@pytest.mark.parametrize(
    ("size", "minimum", "told"),
    [
        (0, 5, 0),
        (7, 5, 7),
        (99, 5, 90),
        (1_234_567, 5, 1_000_000),
        (9_999_999_999_999_999_999, 5, 9 * 10**18),
        (1_234_567, 1, 1_234_567),
    ],
)
def test_a_size_is_rounded_down_to_its_first_digit_unless_counts_are_exact(size, minimum, told):
    assert safe_size(size, minimum) == told
