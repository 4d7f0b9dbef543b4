"""Making counts safe: what may be said about a dataset to somebody who may not see its rows."""

DECADE = 10


def safe_count(count: int, minimum: int) -> int | None:
    """None where fewer than `minimum` would be told (the dataset is left out); else rounded down to tens, not below the minimum.

    With a minimum of 1 counts are exact: for repositories whose providers agreed to that, and for the demo.
    """
    if count < max(minimum, 1):
        return None
    return count if minimum <= 1 else max(count - count % DECADE, minimum)


def safe_age(years: int | None, minimum: int) -> int | None:
    """An age in years, rounded down to its decade unless counts are exact."""
    return years if years is None or minimum <= 1 else years - years % DECADE
