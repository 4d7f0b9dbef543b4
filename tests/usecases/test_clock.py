"""A clock that was ahead for a while, as at a start before the time server answered, stops nothing once it is right again."""

from datetime import timedelta

from adapters.sql import ledger
from server.usecases import document, ingest, reconcile, seal
from tests import builders
from tests.builders import made

AHEAD = timedelta(days=365).total_seconds()


def test_roots_documents_and_batches_go_on_when_the_clock_was_ahead(built, clock) -> None:
    clock.on(AHEAD)
    left_open = builders.batch(built)
    ingest.take(built, left_open, "a", made())
    seal.order(built)
    seal.keep_root(built)
    clock.on(60 - AHEAD)
    assert document.rebuild(built) == 1
    assert reconcile.close_quiet(built) == 1
    seal.order(built)
    size = seal.keep_root(built)
    with built.store.read() as connection:
        assert ledger.newest_checkpoint(connection)[0] == size == len(list(ledger.all_entries(connection)))
