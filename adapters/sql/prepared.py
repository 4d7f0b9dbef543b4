"""Statements of the receiving path, compiled once for each dialect and handed to the driver as they are.

SQLAlchemy's own way from a statement to its rows costs ten times what SQLite takes for the row of a key: an object that arrives
asks some fifteen of them. Both drivers keep what they have prepared of a text, so it is always the same text.
"""

from collections import namedtuple
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, LargeBinary, exc
from sqlalchemy.sql import visitors

from adapters.sql import deadline

Values = Mapping[str, object]


def columns(noun: Any) -> dict[str, object]:
    """The fields of a flat dataclass, without the copies that `asdict` makes."""
    return {name: getattr(noun, name) for name in noun.__dataclass_fields__}


class Prepared:
    """One statement of Core, whose bound parameters are given by name at each running. Raises what SQLAlchemy raises."""

    def __init__(self, statement: Any) -> None:
        self._statement = statement
        self._compiled: dict[str, _Compiled] = {}

    def first(self, connection: Connection, values: Values) -> Any:
        """Its first row, by names, or None."""
        rows = self.all(connection, values)
        return rows[0] if rows else None

    def all(self, connection: Connection, values: Values) -> list[Any]:
        """Its rows, by names."""
        compiled = self._in(connection)
        return compiled.rows(compiled.run(connection, values).fetchall())

    def count(self, connection: Connection, values: Values) -> int:
        """How many rows it changed."""
        return int(self._in(connection).run(connection, values).rowcount)

    def _in(self, connection: Connection) -> "_Compiled":
        name = connection.dialect.name
        if name not in self._compiled:
            self._compiled[name] = _Compiled(self._statement, connection.dialect)
        return self._compiled[name]


class _Compiled:
    """A statement as one driver takes it."""

    def __init__(self, statement: Any, dialect: Any) -> None:
        visitors.traverse(statement, {}, {"bindparam": _may_come_later})
        compiled = statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
        self._dialect, self._text, self._order = dialect, str(compiled), compiled.positiontup
        self._fixed = {name: value for name, value in compiled.params.items() if value is not None}
        given = compiled.statement.exported_columns
        self._row = _rows_of([str(column.key) for column in given])
        self._read = [_reader(column.type, dialect) for column in given]
        self._is_plain = not any(self._read)

    def run(self, connection: Connection, values: Values) -> Any:
        driver: Any = connection.connection.driver_connection
        named = {**self._fixed, **values}
        try:
            if self._order is None:
                deadline.remind_postgresql(connection, driver)
                return driver.execute(self._text, named)
            return driver.execute(self._text, [named[name] for name in self._order])
        except self._dialect.loaded_dbapi.Error as error:
            if self._dialect.is_disconnect(error, driver, None):
                connection.invalidate(error)  # as SQLAlchemy does: the next who asks has a connection that lives
            raise exc.DBAPIError.instance(
                self._text, None, error, self._dialect.loaded_dbapi.Error, hide_parameters=True, dialect=self._dialect
            ) from error

    def rows(self, found: list[tuple[Any, ...]]) -> list[Any]:
        """By names, their values as SQLAlchemy reads them."""
        if self._is_plain:
            return list(map(self._row, found))
        return [self._row([read(value) if read else value for read, value in zip(self._read, row, strict=True)]) for row in found]


def _reader(kind: Any, dialect: Any) -> Callable[[Any], Any] | None:
    """What SQLAlchemy reads a value by, where it is not as the driver gives it: both give bytes."""
    return None if isinstance(kind, LargeBinary) else kind.dialect_impl(dialect).result_processor(dialect, None)


def _rows_of(names: list[str]) -> Callable[..., Any]:
    row = namedtuple("row", names, rename=True)  # type: ignore[misc]  # noqa: PYI024 - its names are the statement's
    return row._make


def _may_come_later(parameter: Any) -> None:
    """What is compiled with a list of fixed values asks for all values at once."""
    parameter.required = False
