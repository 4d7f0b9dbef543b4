"""Bringing a database to the newest schema, by Alembic; safe to run by several processes at once and again."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from adapters.sql.store import Store

MIGRATIONS = Path(__file__).parent / "migrations"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


def upgrade(store: Store) -> None:
    """Run every migration the database lacks, in one transaction that others wait for."""
    config = _config()
    if current(store) == newest():
        return
    with store.alter() as connection:
        if not store.is_sqlite:
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(4711)")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def current(store: Store) -> str | None:
    """The revision the database is at; None before the first."""
    with store.read() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def newest() -> str | None:
    """The revision this code needs."""
    return ScriptDirectory.from_config(_config()).get_current_head()
