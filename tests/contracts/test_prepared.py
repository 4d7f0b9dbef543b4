"""Statements that go to the driver as they are: they give and raise what SQLAlchemy would, on every database."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import bindparam, select, update
from sqlalchemy.exc import IntegrityError, ProgrammingError

from adapters.sql import governance
from adapters.sql import tables as t
from adapters.sql.prepared import Prepared
from adapters.sql.store import Store, insert_one

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
_p = t.party.c
FOUND = Prepared(select(_p.key, _p.approved).where(_p.key == bindparam("wanted"), _p.role.in_(["provider", "user"])))
RENAME = Prepared(update(t.party).where(_p.role == bindparam("of")).values(name=bindparam("to")))


@pytest.fixture
def store(database):
    opened = Store(database)
    with opened.write() as connection:
        for key, role in (("a", "provider"), ("b", "operator")):
            governance.insert_row(connection, t.party, NOW, key=key, name=key, role=role, approved=role == "provider")
    yield opened
    opened.close()


def test_a_row_has_its_columns_names_and_types(store):
    with store.read() as connection:
        row = FOUND.first(connection, {"wanted": "a"})
        assert (row.key, row.approved) == ("a", True)
        assert row.approved is True
        assert FOUND.first(connection, {"wanted": "b"}) is None  # the list of roles is the statement's own
        assert FOUND.all(connection, {"wanted": "a' OR '1'='1"}) == []


def test_what_it_changed_is_counted_and_undone_with_its_transaction(store):
    with store.write() as connection:
        assert RENAME.count(connection, {"of": "provider", "to": "new"}) == 1
        assert RENAME.count(connection, {"of": "nobody", "to": "new"}) == 0
        connection.rollback()
    with store.read() as connection:
        assert connection.execute(select(_p.name).where(_p.key == "a")).scalar_one() == "a"


def test_a_value_that_is_missing_is_a_fault_and_not_null(store):
    with store.read() as connection, pytest.raises((KeyError, ProgrammingError)):
        FOUND.first(connection, {})


def test_a_second_row_of_a_key_is_an_integrity_error_that_tells_no_value(store):
    with store.write() as connection:
        first = insert_one(connection, t.terms, version="secret-1", sha256="", text=b"", at=0)
    assert first
    with pytest.raises(IntegrityError) as said, store.write() as connection:
        insert_one(connection, t.terms, version="secret-1", sha256="", text=b"", at=0)
    assert "secret" not in str(said.value.statement)
    assert said.value.params is None
