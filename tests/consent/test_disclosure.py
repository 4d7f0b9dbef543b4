import pytest

from consent.disclosure import safe_age, safe_count


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
