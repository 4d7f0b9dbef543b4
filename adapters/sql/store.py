"""The database as the rest of the house meets it: one engine, reading and writing transactions, and how durable a commit is.

SQLite (WAL) and PostgreSQL run the same statements. A writing transaction takes SQLite's one write lock when it begins, so that
it never fails half-way because another process wrote first. `durable=False` is for what need not survive a crash (a claim, a
search's access rows): the commit is ordered but not flushed. Others see a commit before it is durable; who made it does not
return from it.
"""

import logging
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, bindparam, create_engine, event, exc, insert, make_url, select, text
from sqlalchemy.dialects import postgresql, sqlite

from adapters.sql import deadline
from adapters.sql.flush import SharedFlush
from adapters.sql.prepared import Prepared
from mappings.failures import Failure, Full, Invalid, Unavailable

log = logging.getLogger("accord.store")

LOCK_SECONDS = 20
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def stamp(at: datetime) -> int:
    """An aware datetime as the tables keep it: whole microseconds since 1970 UTC."""
    return (at - _EPOCH) // _MICROSECOND


def moment(at: int) -> datetime:
    """The aware UTC datetime of a stamp."""
    return _EPOCH + at * _MICROSECOND


class Store:
    """An open database. One for each process; connections are pooled and belong to one thread at a time.

    `read_seconds`: how long reading may take in this process, unless it says otherwise; None: as long as it does.
    `lock_seconds`: how long a write waits for another.
    """

    def __init__(
        self, url: str, *, connections: int = 40, read_seconds: float | None = None, lock_seconds: int = LOCK_SECONDS
    ) -> None:
        self.engine = _engine(url, connections, lock_seconds)
        self.read_seconds = read_seconds
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        self._limit = deadline.limit_sqlite if self.is_sqlite else deadline.limit_postgresql
        self._flush = SharedFlush(Path(f"{(self.engine.url.database or '').removeprefix('file:')}-wal"))
        own = {} if self.is_sqlite else {"isolation_level": "READ COMMITTED"}
        self._writing = self.engine.execution_options(accord_write="writing", **own)
        self._altering = self.engine.execution_options(accord_write="altering", **own)

    def read(self, seconds: float | None = None, *, always: bool = False) -> "Reading":
        """A connection that only reads, each statement on the newest commits.

        Raises TooBroad after this process's `read_seconds`; or after as many as are said here, where it has such a limit or
        `always`.
        """
        limit = seconds if always else self.read_seconds and (seconds or self.read_seconds)
        return Reading(self.engine, self._limit, limit)

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A connection whose statements all see one moment, for what is checked as a whole."""
        with _translated(), self.engine.connect() as connection:
            if self.is_sqlite:
                self._limit(connection, None)
                connection.exec_driver_sql("BEGIN")
            else:
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                deadline.unlimit(connection)
            yield connection
            connection.rollback()

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[Connection]:
        """A transaction: committed when the block ends, rolled back when it raises. Raises Full or Unavailable."""
        with _translated(), self._writing.begin() as connection:
            if not self.is_sqlite:
                deadline.unlimit(connection)
                if not durable:
                    connection.execute(text("SET LOCAL synchronous_commit = off"))
            yield connection
        if durable and self.is_sqlite:
            self._flush()

    @contextmanager
    def alter(self) -> Iterator[Connection]:
        """A writing transaction that may make tables anew. Raises Full or Unavailable.

        SQLite changes a column by making its table again, which needs references unchecked from before the transaction begins
        (its documentation, "Making Other Kinds Of Table Schema Changes"); they are checked as a whole before it ends.
        """
        with _translated(), self._altering.begin() as connection:
            if not self.is_sqlite:
                deadline.unlimit(connection)
            yield connection
            if self.is_sqlite and connection.exec_driver_sql("PRAGMA foreign_key_check").first():
                raise RuntimeError("the migration left a reference to a row that is not there")
        if self.is_sqlite:
            self._flush()
        self.engine.dispose()

    def answers(self) -> bool:
        """Whether the database answers a question now."""
        try:
            with self.read() as connection:
                return bool(connection.execute(select(1)).scalar_one() == 1)
        except Unavailable:
            return False

    def close(self) -> None:
        """Return every connection."""
        self.engine.dispose()


class Reading:
    """`with store.read() as connection`: as small as it can be, since every request does it twice."""

    __slots__ = ("_connection", "_engine", "_limit", "_seconds")

    def __init__(self, engine: Engine, limit: deadline.Limit, seconds: float | None) -> None:
        self._engine, self._limit, self._seconds = engine, limit, seconds

    def __enter__(self) -> Connection:
        try:
            self._connection = self._limited()
        except exc.SQLAlchemyError as error:
            raise _translation(error) from error
        return self._connection

    def _limited(self) -> Connection:
        connection = self._engine.connect()
        try:
            self._limit(connection, self._seconds)
        except exc.SQLAlchemyError:
            connection.close()
            raise
        return connection

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self._connection.close()
        if isinstance(error, exc.SQLAlchemyError) and (failure := _translation(error)) is not error:
            raise failure from error


def insert_one(connection: Connection, table: Table, **values: object) -> int:
    """Insert one row and return its id."""
    return int(_adding(table, tuple(values)).first(connection, values).id)


@cache
def _adding(table: Table, names: tuple[str, ...]) -> Prepared:
    return Prepared(insert(table).values({name: bindparam(name) for name in names if name in table.c}).returning(table.c.id))


def insert_of(connection: Connection) -> Any:
    """The INSERT of this connection's dialect, which knows ON CONFLICT."""
    return (sqlite if connection.dialect.name == "sqlite" else postgresql).insert


def _engine(url: str, connections: int, lock_seconds: int) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        engine = create_engine(parsed, pool_size=connections, max_overflow=0, connect_args={"timeout": lock_seconds})
        event.listen(engine, "connect", partial(_sqlite_connect, lock_seconds))
        event.listen(engine, "begin", _sqlite_begin)
        return engine
    if parsed.get_backend_name() != "postgresql":
        raise ValueError("ACCORD_DATABASE_URL names neither sqlite nor postgresql.")
    parsed = parsed.set(drivername="postgresql+psycopg")
    asked = _PATIENCE | {"options": f"{_NO_JIT} -c lock_timeout={lock_seconds}s {parsed.query.get('options', '')}"}
    reading = {"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True}  # of most; a write says otherwise
    engine = create_engine(parsed, pool_size=connections, max_overflow=0, connect_args=asked, **reading)
    event.listen(engine, "checkin", _rest)
    event.listen(engine, "checkout", partial(_greet, engine.dialect))
    event.listen(engine, "before_cursor_execute", deadline.remind_postgresql)
    return engine


def _rest(_raw: Any, record: Any) -> None:
    record.info["rests"] = time.monotonic()


def _greet(dialect: Any, raw: Any, record: Any, _proxy: Any) -> None:
    """Whether the server is still there is asked of a connection that rested: at each use it was a fifth of a read's time."""
    rested = record.info.get("rests")
    if rested is None or time.monotonic() - rested < _REST_SECONDS:
        return
    try:
        dialect.do_ping(raw)
    except dialect.loaded_dbapi.Error:
        raise exc.DisconnectionError from None  # the pool takes another


_REST_SECONDS = 1


_PATIENCE = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
"""libpq's: seconds until a server that does not greet, and one whose machine is gone, is called unavailable (the last in ms)."""
_NO_JIT = "-c jit=off"
"""Compiling a statement took 0.2 s where running it takes 0.01: what it would cost whole is guessed, and pages end early."""


def _sqlite_connect(lock_seconds: int, raw: Any, _record: object) -> None:
    raw.isolation_level = None  # BEGIN is ours: the driver would begin late, and a late write lock can fail half-way
    cursor = raw.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",  # what is to be durable is flushed after its commit, by `SharedFlush`
        "foreign_keys=ON",
        "case_sensitive_like=ON",
        "cache_size=-16384",
        f"busy_timeout={lock_seconds * 1000}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _sqlite_begin(connection: Connection) -> None:
    mode = connection.get_execution_options().get("accord_write")
    if mode is None:
        return  # reads run without a transaction: each statement sees the newest commit
    deadline.limit_sqlite(connection, None)
    if mode == "altering":
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
    connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except exc.SQLAlchemyError as error:
        if (failure := _translation(error)) is error:
            raise
        raise failure from error


def _translation(error: exc.SQLAlchemyError) -> Exception:
    """The failure that a database error is; itself where it is ours, which callers know or the doors call a fault."""
    if isinstance(error, exc.DataError):
        return Invalid("value-unkeepable", "A value holds a character or number that can't be kept, such as NUL.")
    if isinstance(error, _OURS) or not isinstance(error, exc.DatabaseError | exc.InterfaceError | exc.TimeoutError):
        return error
    if deadline.is_over(error):
        return deadline.too_broad()
    log.error("database", extra={"cause": cause(error)})
    if is_damaged(error):
        return Unavailable("database-damaged", "The database can't be read. Nothing was stored; ask the operator.")
    return next((failure() for word, failure in _CAUSES.items() if word in cause(error).lower()), _silent())


def _silent() -> Failure:
    return Unavailable("database-unavailable", "The database does not answer. Nothing was stored; try again.")


def _full() -> Failure:
    return Full("storage-full", "The database can't be written: its disk is full. Nothing was stored.")


def _locked() -> Failure:
    return Unavailable("database-locked", "Another process holds the database. Nothing was stored; try again.")


_CAUSES: dict[str, Callable[[], Failure]] = {
    "full": _full,
    "no space": _full,
    "disk i/o": _full,
    "is locked": _locked,
    "lock timeout": _locked,
}
"""A driver's words, and what they mean."""

_OURS = (exc.IntegrityError, exc.ProgrammingError, exc.InternalError)


def cause(error: BaseException) -> str:
    """The driver's own first line, for the operator: never the statement nor its values."""
    driver = getattr(error, "orig", None) or error
    return f"{type(driver).__name__}: {(str(driver).splitlines() or [''])[0]}"


def is_missing(url: str) -> bool:
    """Whether this is a SQLite database whose file is not there: opening it would make one."""
    parsed = make_url(url)
    return parsed.get_backend_name() == "sqlite" and bool(parsed.database) and not Path(parsed.database or "").exists()


def is_damaged(error: BaseException) -> bool:
    """Whether this is SQLite's word for a file that is none of its own, or broken (its other errors are of a kind each)."""
    driver = getattr(error, "orig", None)
    return type(driver) is sqlite3.DatabaseError


def wait_for(store: Store, seconds: float = 30) -> None:
    """Wait until the database answers, as at a start beside it.

    Raises Unavailable after `seconds`, and at once where the file is damaged, which no time mends.
    """
    until = time.monotonic() + seconds
    while True:
        try:
            with store.engine.connect() as connection:  # not `read`, which logs: one line at the end says all
                connection.execute(select(text("name")).select_from(text("sqlite_schema")) if store.is_sqlite else select(1))
        except exc.SQLAlchemyError as error:
            if is_damaged(error):
                said = f"The database can't be read: {cause(error)}. Put it back from a backup."
                raise Unavailable("database-damaged", said) from error
            if time.monotonic() > until:
                raise Unavailable("database-unavailable", f"The database does not answer: {cause(error)}") from error
            time.sleep(0.2)
        else:
            return
