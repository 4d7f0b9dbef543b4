"""The feed's stamps, by which what is published, withdrawn, or comes in or out of sight is in the order of its commits.

A stamp is the time in microseconds, or one more than the last where that is not later; it is taken under a lock that is held
until the commit. So nothing is ever committed with a smaller stamp than one that could be read before.
"""

from datetime import datetime

from sqlalchemy import BigInteger, Connection, String, bindparam, case, insert, select, update

from adapters.sql import tables as t
from adapters.sql.store import stamp
from consent.stop import Cause

_f, _s, _g, _p = t.feed.c, t.study.c, t.tombstone.c, t.patient.c


def take_stamp(connection: Connection, now: datetime) -> int:
    """The stamp of what this transaction commits. The feed is locked until it ends: take it last, after every other lock."""
    return int(connection.execute(_TAKE, {"now": stamp(now)}).scalar_one())


_NOW = bindparam("now", type_=BigInteger)
_TAKE = update(t.feed).values(at=case((_f.at < _NOW, _NOW), else_=_f.at + 1)).returning(_f.at)


def newest(connection: Connection) -> int:
    """The newest stamp: all that has one up to it can be read, and what will be committed has a later one."""
    return int(connection.execute(select(_f.at)).scalar_one())


def bury(connection: Connection, study: int, cause: Cause) -> None:
    """Keep the name of a study that is going, and why."""
    going = bindparam("going", 0, type_=BigInteger), bindparam("cause", str(cause), type_=String(16))
    gone = select(_s.key, _p.key, _s.dataset, _s.published, *going)
    rows = gone.join(t.patient, _s.patient == _p.id).where(_s.id == study)
    connection.execute(insert(t.tombstone).from_select(["key", "patient", "dataset", "published", "at", "cause"], rows))


def tell_buried(connection: Connection, now: datetime) -> None:
    """Give what this transaction has buried its stamp."""
    connection.execute(update(t.tombstone).where(_g.at == 0).values(at=take_stamp(connection, now)))
