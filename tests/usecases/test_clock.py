"""A clock that was ahead for a while, as at a start before the time server answered, stops nothing once it is right again."""

from datetime import timedelta

from adapters.sql import ledger as rows
from server.usecases import document, ledger, reconcile
from server.usecases.take import take
from tests import builders
from tests.builders import made

AHEAD = timedelta(days=365).total_seconds()


def test_roots_documents_and_batches_go_on_when_the_clock_was_ahead(built, clock) -> None:
    clock.on(AHEAD)
    left_open = builders.batch(built)
    take(built, left_open, "a", made())
    ledger.sequence(built)
    ledger.checkpoint(built)
    clock.on(60 - AHEAD)
    assert document.rebuild(built) == 1
    assert reconcile.close_quiet(built) == 1
    ledger.sequence(built)
    size = ledger.checkpoint(built)
    with built.store.read() as connection:
        assert rows.newest_checkpoint(connection)[0] == size == len(list(rows.read_rows(connection)))
