"""What every act of governance shares: names that are known or free, and words among a closed list.

Each verb of `agree`, `register` and `withdraw` is one durable transaction: the change, the moved counter (so it binds the next
statement everywhere) and its ledger entry. Illegal moves and unknown names raise; nothing is half done.
"""

import re
from collections.abc import Sequence

from sqlalchemy import Connection

from adapters.sql import governance
from adapters.sql.ledger import About
from mappings.failures import Conflict, Invalid, NotFound

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")


def known(connection: Connection, noun: str, name: str) -> int:
    """The id of what is called so. Raises NotFound."""
    found = governance.id_of(connection, noun, name)
    if found is None:
        raise NotFound(f"{noun}-unknown", f"There is no {noun} called {name}.", noun)
    return found


def new(connection: Connection, noun: str, name: str, pattern: re.Pattern[str] = NAME) -> None:
    """Check a name for something new. Raises Invalid, or Conflict where it is taken."""
    if not pattern.fullmatch(name):
        raise Invalid(f"{noun}-name", f"A {noun} is called by {pattern.pattern}.", noun)
    if governance.id_of(connection, noun, name) is not None:
        raise Conflict(f"{noun}-exists", f"There is a {noun} called {name} already.", noun)


def among(words: Sequence[str], allowed: Sequence[str], what: str) -> str:
    """The words as a row keeps them. Raises Invalid for one that is not allowed."""
    for word in words:
        if word not in allowed:
            raise Invalid(f"{what}-unknown", f"{what} must be among: {', '.join(allowed)}.", what)
    return " ".join(sorted(set(words)))


def about(connection: Connection, alias: str) -> About:
    """Whom an act on a dataset concerns."""
    dataset = next(d for d in governance.datasets(connection) if d.alias == alias)
    return About(governance.id_of(connection, "party", dataset.provider), dataset.id)
