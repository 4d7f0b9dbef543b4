"""Questions of images whose statements are kept: by what is asked, of which datasets, in what shape; the rest are parameters."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Select

from adapters.sql.criteria import execute, is_kept, parametrised
from adapters.sql.prepared import Prepared
from adapters.sql.store import stamp
from consent.policy import VisibleDatasets
from mappings.query import Page, Query

_KEPT = 512
_NAMING = frozenset({"patient_key", "study_key", "study_uid", "series_uid", "sop_uid"})
"""Fields that name one thing: what is asked of one is asked of any by the same kept statement."""


class Questions:
    """The questions whose statements `make` makes of a query, what is visible, and their shape; large ones are not kept."""

    def __init__(self, make: Callable[..., Select[Any]]) -> None:
        self._make = make
        self._kept: Callable[..., _Asked] = lru_cache(maxsize=_KEPT)(self._new)

    def _new(self, *asked: Any) -> "_Asked":
        return _Asked(self._make(*asked))

    def told(
        self, connection: Connection, query: Query, visible: VisibleDatasets, now: datetime, *shape: object, **values: object
    ) -> Sequence[Any]:
        """The rows that answer one now; `values` are its parameters, those of its page among them."""
        named: dict[str, Any] = {}
        kept = is_kept(query.where)
        where = parametrised(query.where, _NAMING, named) if kept else query.where
        asked = replace(query, where=where, page=Page(order=query.page.order)), replace(visible, valid_until=None), *shape
        return (self._kept if kept else self._new)(*asked).told(connection, {"at": stamp(now), **values, **named})


class _Asked:
    """The statement of a question. Asked again it is prepared: SQLAlchemy keeps it for other values too, and is slower."""

    def __init__(self, rows: Select[Any]) -> None:
        self._rows, self._again = rows, False
        self._prepared = Prepared(rows)

    def told(self, connection: Connection, values: Mapping[str, Any]) -> Sequence[Any]:
        """Its rows, all at once: row by row costs half as much again."""
        if self._again and "few" not in values:  # a list has as many parameters as it has values
            return self._prepared.all(connection, values)
        self._again = True
        return execute(connection, self._rows, values).all()
