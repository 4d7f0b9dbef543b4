"""How often what can be guessed may be tried: counted in the database, since processes share no memory.

`server.throttle` counts in each process what nobody can guess (keys, secrets of machines), to save work; passwords and codes can
be guessed, and whoever guesses asks every process. The pair of whom and where is stopped first, so a stranger locks nobody out
before `MOST_OF_ONE` failures in a day (NIST SP 800-63B section 5.2.2: at most 100).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from adapters.sql import attempts as rows
from mappings.failures import Throttled, Unauthenticated
from mappings.network import counted
from server.usecases.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Limit:
    """So many failures in so long."""

    most: int
    period: timedelta


OF_PAIR = Limit(10, timedelta(minutes=15))
OF_ADDRESS = Limit(50, timedelta(minutes=15))
MOST_OF_ONE = Limit(100, timedelta(days=1))


@contextmanager
def attempt(runtime: Runtime, what: str, whom: str, address: str) -> Iterator[None]:
    """Count it where the block raises Unauthenticated; forget the pair's where it does not.

    Raises Throttled, before anything is looked at, where there were too many. The failure is kept before it is told.
    """
    place = counted(address)
    limits = {
        _key(what, whom, place): OF_PAIR,
        _key("address", place): OF_ADDRESS,
        _key(what, whom): MOST_OF_ONE,
    }
    _check(runtime, limits)
    try:
        yield
    except Unauthenticated:
        now = runtime.clock()
        with runtime.store.write() as connection:
            for key, limit in limits.items():
                rows.count(connection, key, now, now + limit.period)
        raise
    with runtime.store.write(durable=False) as connection:
        rows.clear(connection, (_key(what, whom, place), _key(what, whom)))


def _check(runtime: Runtime, limits: dict[str, Limit]) -> None:
    now = runtime.clock()
    with runtime.store.read() as connection:
        known = rows.counted(connection, limits, now)
    over = [until for key, (failures, until) in known.items() if failures >= limits[key].most]
    if over:
        seconds = max(1, round((max(over) - now).total_seconds()))
        raise Throttled("throttled", f"Too many failed attempts; wait {-(-seconds // 60)} minutes.", seconds)


def _key(*parts: str) -> str:
    """No name or address is kept."""
    return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
