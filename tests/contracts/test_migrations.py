"""Migrations on both databases: they make what the tables say, once, whoever runs them and how often."""

import subprocess
import sys

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import func, select

from adapters.sql import migrate, texts
from adapters.sql import tables as t
from adapters.sql.store import Store

UPGRADE = (
    "import sys; from adapters.sql import migrate; from adapters.sql.store import Store; migrate.upgrade(Store(sys.argv[1]))"
)


@pytest.fixture
def store(fresh):
    opened = Store(fresh)
    yield opened
    opened.close()


def differences(store):
    with store.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_object": texts.are_tables})
        return compare_metadata(context, t.metadata)


def test_a_fresh_database_is_at_no_revision_and_differs(store):
    assert migrate.current(store) is None
    assert differences(store)


def test_the_newest_revision_makes_what_the_tables_say(store):
    migrate.upgrade(store)
    assert migrate.current(store) == migrate.newest() is not None
    assert differences(store) == []


def test_migrating_again_changes_nothing(store):
    migrate.upgrade(store)
    migrate.upgrade(store)
    with store.read() as connection:
        assert connection.execute(select(func.count()).select_from(t.governance)).scalar_one() == 1


def test_several_processes_may_migrate_at_once(store, fresh):
    running = [subprocess.Popen([sys.executable, "-c", UPGRADE, fresh], stderr=subprocess.PIPE) for _ in range(3)]
    assert [(p.communicate(timeout=60)[1], p.returncode) for p in running] == [(b"", 0)] * 3
    assert differences(store) == []
    with store.read() as connection:
        assert connection.execute(select(t.governance.c.id, t.governance.c.counter)).all() == [(1, 0)]
