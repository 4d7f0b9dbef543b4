"""How long reading may take where strangers ask: it ends at a deadline whether or not they still wait.

All statements of one reading share its time: PostgreSQL ends them by its `statement_timeout`, SQLite by its progress handler.
What a process does of its own accord (a job, a verb of the operator's) takes the time it needs, and so does every write.
"""

import sqlite3
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, exc, text

from mappings.failures import TooBroad

_INSTRUCTIONS = 20_000
"""Of SQLite's virtual machine between two looks at the clock: about a millisecond's."""
_UNTIL, _TIMEOUT = "until", "statement_timeout"
_STALE_SECONDS = 0.2
"""By so much may PostgreSQL's limit be later than the reading's."""
Limit = Callable[[Connection, float | None], None]
"""Lets a connection read for so many seconds from now. It keeps its limit: whoever uses it next says its own."""


def limit_sqlite(connection: Connection, seconds: float | None) -> None:
    """SQLite asks back every so many instructions, and stops when the answer is yes."""
    driver: Any = connection.connection.driver_connection
    if seconds is None:
        driver.set_progress_handler(None, 0)
    else:
        clock, until = time.monotonic, time.monotonic() + seconds
        driver.set_progress_handler(lambda: clock() > until, _INSTRUCTIONS)


def limit_postgresql(connection: Connection, seconds: float | None) -> None:
    """PostgreSQL is told where the limit differs from what it was told last, so that reading seldom pays for it."""
    info, wanted = connection.info, 0 if seconds is None else _milliseconds(seconds)
    info[_UNTIL] = None
    if info.setdefault(_TIMEOUT, 0) != wanted:
        connection.exec_driver_sql(f"SET {_TIMEOUT} = {wanted}")
        info[_TIMEOUT] = wanted
    info[_UNTIL] = None if seconds is None else time.monotonic() + seconds


def remind_postgresql(connection: Connection, cursor: Any, *_statement: object) -> None:
    """What is left of a reading's time is said before a later statement of it, where an earlier one took some of it."""
    until = connection.info.get(_UNTIL)
    if until is None:
        return
    left = until - time.monotonic()
    if left <= 0:
        raise too_broad()
    if connection.info[_TIMEOUT] > _milliseconds(left + _STALE_SECONDS):
        cursor.execute(f"SET {_TIMEOUT} = {_milliseconds(left)}")
        connection.info[_TIMEOUT] = _milliseconds(left)


def _milliseconds(seconds: float) -> int:
    return max(1, int(seconds * 1000))  # 0 would be no limit


def unlimit(connection: Connection) -> None:
    """Let this PostgreSQL transaction take the time it needs; how long it waits for a lock is its connection's."""
    connection.info[_UNTIL] = None
    connection.execute(_UNLIMITED)


_UNLIMITED = text("SELECT set_config('statement_timeout', '0', true)")


def too_broad() -> TooBroad:
    """What a caller is told whose question was over its time."""
    return TooBroad("too-broad", "This asks for more than can be found in the time that a question has. Narrow it.")


def is_over(error: exc.SQLAlchemyError) -> bool:
    """Whether this is SQLite's interrupt or PostgreSQL's `query_canceled`, which nothing but our deadlines causes."""
    driver = getattr(error, "orig", None)
    return getattr(driver, "sqlstate", None) == "57014" or getattr(driver, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT
