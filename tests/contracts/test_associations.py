"""Associations of late, on every database: alike ones are one row, and only the newest are kept."""

from datetime import UTC, datetime, timedelta

from adapters.sql import associations
from adapters.sql.associations import KEPT, AssociationRow
from tests.builders import runtime

NOW = datetime(2026, 11, 27, tzinfo=UTC)


def row(n: int, times: int = 1, at: datetime = NOW) -> AssociationRow:
    return AssociationRow(f"A{n}", "LUNG", "192.0.2.1", "", times, at)


def test_alike_ones_are_counted_and_the_newest_are_kept(tmp_path, database):
    built = runtime(tmp_path, url=database)
    with built.store.write() as connection:
        associations.note(connection, [row(n) for n in range(KEPT)])
        associations.note(connection, [row(7, 2, NOW + timedelta(seconds=1)), row(KEPT, 1, NOW + timedelta(seconds=2))])
        kept = associations.read_all(connection)
    built.close()
    assert len(kept) == KEPT
    assert kept[:2] == (row(KEPT, 1, NOW + timedelta(seconds=2)), row(7, 3, NOW + timedelta(seconds=1)))
