"""What was told before the catalogue had many forms is described anew, and keeps since when it was told."""

import pytest
from alembic import command
from sqlalchemy import select, text

from adapters.sql import migrate
from adapters.sql import tables as t
from adapters.sql.store import Store
from server.usecases import describe
from tests import builders
from tests.upgrade.freeze import thaw
from tests.upgrade.test_upgrade import FROZEN

OLD = (
    "INSERT INTO description (dataset, basis, turtle, json_ld, digest, lacking, at) "
    "VALUES (:dataset, 'form 1', :turtle, :turtle, :digest, :lacking, :at)"
)


@pytest.fixture
def before(fresh, tmp_path):
    """A database of revision 0028, and the ids of its datasets."""
    thaw(FROZEN[0], fresh, tmp_path / "data")
    store = Store(fresh)
    config = migrate._config()
    with store.alter() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0028")
    yield store
    store.close()


def test_a_description_that_was_told_keeps_since_when(before, fresh, tmp_path):
    with before.write() as connection:
        told, lacking, *_ = connection.execute(select(t.dataset.c.id).order_by(t.dataset.c.id)).scalars()
        whole = {"dataset": told, "turtle": b"<x> a <y> .", "digest": b"1", "lacking": "[]", "at": 1_700_000_000_000_000}
        connection.execute(text(OLD), whole)
        connection.execute(text(OLD), whole | {"dataset": lacking, "turtle": None, "lacking": '["dct:title (title)"]'})
    migrate.upgrade(before)
    with before.read() as connection:
        rows = connection.execute(select(t.description.c.dataset, t.description.c.issued, t.description.c.at)).all()
    assert sorted(rows) == [(told, 1_700_000_000_000_000, 1_700_000_000_000_000), (lacking, None, 1_700_000_000_000_000)]
    runtime = builders.runtime(tmp_path, url=fresh)
    assert describe.harvest_names(runtime, builders.caller(), "text/turtle").body.count(b"/catalogue/datasets/") == 0
    assert describe.ask_missing(runtime) >= 2
    runtime.close()
