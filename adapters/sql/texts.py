"""Texts found by their trigrams: which studies have a name or description that holds what a pattern spells out.

SQLite keeps them in FTS5 tables, which triggers fill; PostgreSQL in indexes of its extension pg_trgm, which its planner finds by
itself. Where that extension is not there, the same rows are found by reading all of them.
"""

import re
from collections.abc import Iterator
from typing import Any

from sqlalchemy import CompoundSelect, Connection, Select, TableClause, column, literal_column, or_, select, table, union_all

from adapters.sql import tables as t
from adapters.sql.criteria import Column, Searchable, compared, narrow
from adapters.sql.images import IMAGES
from mappings.fields import FIELDS, Kind
from mappings.query import AnyOf, Condition, Like, OneOf

SHORTEST = 3
"""Characters of which a trigram is made: of a pattern that spells out fewer together, no index tells anything."""
COLUMNS = {"study": ("patient_name", "referring", "description"), "series": ("description",)}
_TEXTS: dict[str, TableClause] = {
    name: table(f"{name}_text", column("rowid"), *map(column, columns)) for name, columns in COLUMNS.items()
}
_FIELDS = {
    "patient_name": ("study", "patient_name"),
    "referring": ("study", "referring"),
    "description": ("study", "description"),
    "series_description": ("series", "description"),
}
"""Field → its table, and its column there."""
_STUDY_OF = {"study": t.study.c.id, "series": t.series.c.study}
_SEARCHABLE = Searchable({name: Column(_TEXTS[of].c[own], FIELDS[name].kind) for name, (of, own) in _FIELDS.items()})
_LAST = "\U0010ffff"
_DEPTH = {"study": 1, "series": 2}


def are_tables(_what: object, name: str | None, *_more: object) -> bool:
    """For who compares a database with the tables: whether something is of those, and not made beside them for the texts."""
    return re.fullmatch(r"(study|series)_text(_\w+)?|trgm_\w+", name or "") is None


def studies_with(connection: Connection, condition: Condition) -> Select[Any] | CompoundSelect[Any] | None:
    """The studies of whose texts this holds, by trigrams; None where it is not of one table's texts, or too short."""
    of = {_FIELDS.get(leaf.field, ("", ""))[0] if isinstance(leaf, OneOf | Like) else "" for leaf in _leaves(condition)}
    words, heads = _match(condition), _heads(condition)
    if len(of) != 1 or "" in of or (words is None and heads is None):
        return None
    name = of.pop()
    is_sqlite = connection.dialect.name == "sqlite"
    if heads is not None:
        return _beginning(heads) if is_sqlite else _beginning_by_pattern(heads)
    if not is_sqlite:
        return narrow(select(_STUDY_OF[name]), condition, IMAGES, _DEPTH[name])
    texts = _TEXTS[name]
    rows = narrow(select(texts.c.rowid), condition, _SEARCHABLE).where(literal_column(texts.name).match(words))
    if name == "study":
        return rows
    return rows.with_only_columns(_STUDY_OF[name]).join(t.series, t.series.c.id == texts.c.rowid)


def _heads(condition: Condition) -> list[str] | None:
    """How the patient's name begins that is asked for, each way that it may; None where one way is to begin with anything."""
    leaves = list(_leaves(condition))
    heads = [re.split(r"[*?]", leaf.pattern)[0] for leaf in leaves if isinstance(leaf, Like) and leaf.field == "patient_name"]
    if not heads or len(heads) < len(leaves) or min(map(len, heads)) < SHORTEST - 1 or any("\0" in head for head in heads):
        return None
    return heads


def _beginning(heads: list[str]) -> CompoundSelect[Any]:
    """Whose name begins so, by the index of names; or a further group of it, by trigrams (PS3.5 6.2.1)."""
    name, texts = t.study.c.patient_name, _TEXTS["study"]
    ranges = (select(t.study.c.id).where(name >= head, name < head + _LAST) for head in heads)
    groups = _joined(" OR ", [_phrases("patient_name", f"={head}") for head in heads])
    return union_all(*ranges, select(texts.c.rowid).where(literal_column(texts.name).match(groups)))


def _beginning_by_pattern(heads: list[str]) -> CompoundSelect[Any]:
    """The same where patterns find their indexes: one of the names, and one of those alone that have groups."""
    name = Column(t.study.c.patient_name, Kind.TEXT)
    ranges = (select(t.study.c.id).where(compared(name, Like("", f"{head}*"))) for head in heads)
    groups = or_(*(compared(name, Like("", f"*={head}*")) for head in heads))
    return union_all(*ranges, select(t.study.c.id).where(name.column.like(literal_column("'%=%'")), groups))


def _leaves(condition: Condition) -> Iterator[Condition]:
    if isinstance(condition, AnyOf):
        for part in condition.parts:
            yield from _leaves(part)
    else:
        yield condition


def _match(condition: Condition) -> str | None:
    """What a row must hold, as FTS5 is asked (its documentation, section 3); None where that is nothing."""
    if isinstance(condition, AnyOf):
        return _joined(" OR ", [_match(part) for part in condition.parts])
    if isinstance(condition, OneOf):
        return _joined(" OR ", [_phrases(condition.field, str(value)) for value in condition.values])
    return _phrases(condition.field, condition.pattern) if isinstance(condition, Like) else None


def _phrases(field: str, pattern: str) -> str | None:
    own = _FIELDS.get(field, ("", ""))[1]
    spelled = [piece for piece in re.split(r"[*?]+", pattern) if len(piece) >= SHORTEST]
    if not own or not spelled or "\0" in pattern:
        return None
    quoted = (piece.replace('"', '""') for piece in spelled)
    return " AND ".join(f'{own} : "{piece}"' for piece in quoted)


def _joined(word: str, parts: list[str | None]) -> str | None:
    told = [f"({part})" for part in parts if part is not None]
    return word.join(told) if told and len(told) == len(parts) else None
