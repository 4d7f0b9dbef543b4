"""Databases of the newest schema with nothing in them: migrated once, then copied or emptied, since each test asks for one."""

import tempfile
from functools import cache
from pathlib import Path

from sqlalchemy import Connection, MetaData, create_engine, select, text

from adapters.sql import migrate
from adapters.sql.store import Store


@cache
def _migrated() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "accord.db"
        store = Store(f"sqlite:///{path}")
        migrate.upgrade(store)
        store.close()
        return path.read_bytes()


def sqlite(path: Path) -> None:
    """Put one at this path."""
    path.write_bytes(_migrated())


class Postgresql:
    """One PostgreSQL database; call it for its URL, empty again whatever the guards of its tables say.

    What migrations put into it stays, and ids are counted from their beginning. A test that changes the schema takes another.
    """

    def __init__(self, url: str) -> None:
        store = Store(url)
        migrate.upgrade(store)
        store.close()
        self._url, self._engine = url, create_engine(url)
        schema = MetaData()
        schema.reflect(self._engine)
        self._tables = list(schema.tables.values())
        with self._engine.connect() as connection:
            rows = ((table, connection.execute(select(table)).mappings().all()) for table in self._tables)
            self._kept = [(table, [dict(row) for row in found]) for table, found in rows if found]
            self._numbers = connection.execute(text("SELECT sequencename, last_value FROM pg_sequences")).all()

    def __call__(self) -> str:
        with self._engine.begin() as connection:
            self._empty(connection)
        return self._url

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def _empty(self, connection: Connection) -> None:
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")  # no trigger, no foreign key
        connection.exec_driver_sql(";".join(str(table.delete()) for table in self._tables))
        for table, rows in self._kept:
            connection.execute(table.insert(), rows)
        for name, last in self._numbers:
            connection.execute(
                text("SELECT setval(:name, :last, :used)"), {"name": name, "last": last or 1, "used": last is not None}
            )
