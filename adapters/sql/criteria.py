"""The one compiler of conditions: a tree over named fields (`mappings.query`) becomes SQL, by the table its kind of row gives.

Rows nest, as series do in a study: a field stands at a depth, and what lies deeper than the statement's rows is reached by EXISTS
over one join. Parts of one `AllOf` that speak of one deeper depth hold on the same row there. Parts of one `AnyOf` share their
EXISTS as well, because some row meets one of them exactly where one of them is met by some row; and values asked of one field are
one IN, however many alternatives named them.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    FromClause,
    Result,
    Select,
    and_,
    bindparam,
    false,
    func,
    literal_column,
    or_,
    select,
    true,
)
from sqlalchemy import not_ as sql_not

from mappings.fields import Kind
from mappings.query import EVERYTHING, AllOf, AnyOf, Apart, Between, Condition, Level, Like, Linked, Not, OneOf, check_size, size


@dataclass(frozen=True, slots=True)
class Within(Linked):
    """A link that has found its rows: the field equals one of the keys that `keys` selects."""

    keys: Select[Any]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value that a statement is given by this name when it is executed, so that one statement asks for any."""

    name: str


Leaf = OneOf | Like | Between | Within
Links = Callable[[Linked], Select[Any]]
"""The keys that a link leads to, of what its asker may see."""
Asking = Callable[[Leaf], ColumnElement[bool]]
ESCAPE = "\\"
_KEPT_SIZE = 100
"""Conditions and values together."""
_UNKEPT = {"accord_kept": False}


@dataclass(frozen=True, slots=True)
class Column:
    """A field that is a column: how it compares, and the depth of the rows it stands on."""

    column: ColumnElement[Any]
    kind: Kind
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A field that is a column of another table, a row of which `row` names by its `key`; it stands where `row` does.

    `joined` is how the tables of the key and of the column are, where they are two.
    """

    row: ColumnElement[Any]
    column: Column
    key: ColumnElement[Any]
    depth: int = 0
    joined: FromClause | None = None


@dataclass(frozen=True, slots=True)
class Below:
    """How rows of a deeper depth are reached from a row of the table `outer`."""

    outer: FromClause
    join: ColumnElement[bool]


@dataclass(frozen=True, slots=True)
class Among:
    """A field of several values: each that a column has on the rows reached by `way`; it stands where those are reached from.

    Every leaf asks for a value of its own: rows that have one value and rows that have another are in one study.
    """

    column: Column
    way: Below
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Searchable:
    """What a condition may ask of one kind of row, and how rows below are reached, by (depth of the row, depth below).

    A field is a column, here or elsewhere, or several values; or, where it is special, a function from its leaf to SQL, which
    stands at depth 0 and takes the values of a `OneOf` as alternatives. Of a `whole` answer all rows are wanted, and not the
    first that fill a page.
    """

    fields: Mapping[str, Column | Elsewhere | Among | Asking]
    below: Mapping[tuple[int, int], Below] = field(default_factory=dict)
    levels: Mapping[Level, int] = field(default_factory=dict)
    whole: bool = False

    def depth(self, name: str) -> int:
        """The depth at which this field stands."""
        asked = self.fields[name]
        return asked.depth if isinstance(asked, Column | Elsewhere | Among) else 0


def linked(condition: Condition, links: Links) -> Condition:
    """The condition with every link led to its keys."""
    if isinstance(condition, AllOf | AnyOf):
        return type(condition)(tuple(linked(part, links) for part in condition.parts))
    if isinstance(condition, Not):
        return Not(linked(condition.part, links))
    if isinstance(condition, Apart):
        return Apart(linked(condition.part, links), condition.level)
    if isinstance(condition, Linked):
        return Within(condition.field, condition.source, condition.key, EVERYTHING, links(condition))
    return condition


def narrow(statement: Select[Any], condition: Condition, rows: Searchable, depth: int = 0) -> Select[Any]:
    """The statement, whose rows stand at `depth`, with a condition added. Raises Invalid (`too-many`) for too large a one."""
    simple = _simplified(condition)
    check_size(simple)
    narrowed = statement.where(_compiled(simple, rows, depth))
    return narrowed if is_kept(simple) else narrowed.execution_options(**_UNKEPT)


def is_kept(condition: Condition) -> bool:
    """Whether statements with this condition are kept for the next time: one of two thousand ranges takes eleven megabytes."""
    weighed = size(condition)
    return weighed.conditions + weighed.values <= _KEPT_SIZE


def counting(rows: Select[Any], ceiling: int | None = None) -> Select[Any]:
    """How many rows a statement has; at most `ceiling` of them are counted."""
    counted = select(func.count()).select_from((rows.limit(ceiling) if ceiling else rows).subquery())
    return counted.execution_options(**rows.get_execution_options())


def execute(
    connection: Connection, narrowed: Select[Any] | CompoundSelect[Any], parameters: Mapping[str, object] | None = None
) -> Result[Any]:
    """What a narrowed statement answers; the compiled form of one that is not kept is forgotten as well."""
    if narrowed.get_execution_options().get("accord_kept", True):
        return connection.execute(narrowed, parameters)
    return connection.execute(narrowed, parameters, execution_options={"compiled_cache": None})


def parametrised(condition: Condition, names: Collection[str], given: dict[str, str | int]) -> Condition:
    """The condition with a parameter in place of each single value of these fields; the values are added to `given`."""
    if isinstance(condition, AllOf | AnyOf):
        return type(condition)(tuple(parametrised(part, names, given) for part in condition.parts))
    if isinstance(condition, Not):
        return Not(parametrised(condition.part, names, given))
    if isinstance(condition, Apart):
        return Apart(parametrised(condition.part, names, given), condition.level)
    if not isinstance(condition, OneOf) or condition.field not in names or len(condition.values) != 1:
        return condition
    parameter: Any = Parameter(f"value{len(given)}")
    (given[parameter.name],) = condition.values
    return OneOf(condition.field, (parameter,))


def depths(condition: Condition, rows: Searchable) -> frozenset[int]:
    """The depths of all fields that a condition names."""
    if isinstance(condition, AllOf | AnyOf):
        return frozenset(chain.from_iterable(depths(part, rows) for part in condition.parts))
    if isinstance(condition, Not | Apart):
        return depths(condition.part, rows)
    return frozenset({rows.depth(condition.field)})


# --- the same condition in fewer parts


def _simplified(condition: Condition) -> Condition:
    """Alternatives within alternatives as one list, values of one field as one `OneOf`, no part that says nothing, none twice."""
    if isinstance(condition, Not):
        return Not(_simplified(condition.part))
    if isinstance(condition, Apart):
        part = _simplified(condition.part)
        return EVERYTHING if part == EVERYTHING and condition.level is None else Apart(part, condition.level)
    if isinstance(condition, AllOf):
        parts = tuple(dict.fromkeys(part for part in map(_simplified, condition.parts) if part != EVERYTHING))
        return parts[0] if len(parts) == 1 else AllOf(parts)
    if isinstance(condition, AnyOf):
        alternatives = _merged(_alternatives(condition.parts))
        return alternatives[0] if len(alternatives) == 1 else AnyOf(alternatives)
    return condition


def _alternatives(parts: Iterable[Condition]) -> Iterator[Condition]:
    for part in map(_simplified, parts):
        yield from part.parts if isinstance(part, AnyOf) else (part,)


def _merged(alternatives: Iterable[Condition]) -> tuple[Condition, ...]:
    values: dict[str, dict[str | int, None]] = {}  # an ordered set
    others: dict[Condition, None] = {}
    for part in alternatives:
        if isinstance(part, OneOf):
            values.setdefault(part.field, {}).update(dict.fromkeys(part.values))
        else:
            others[part] = None
    return (*(OneOf(name, tuple(asked)) for name, asked in values.items()), *others)


# --- SQL


def _compiled(condition: Condition, rows: Searchable, depth: int) -> ColumnElement[bool]:
    if isinstance(condition, AllOf):
        return and_(true(), *_parts(condition.parts, and_, rows, depth))
    if isinstance(condition, AnyOf):
        return or_(false(), *_parts(condition.parts, or_, rows, depth))
    if isinstance(condition, Not):  # what is empty is not equal; NULL would be neither
        return sql_not(func.coalesce(_compiled(condition.part, rows, depth), false()))
    if isinstance(condition, Apart):
        return _apart(condition, rows, depth)
    return _asked(condition, rows, depth)


def _asked(condition: Leaf | Linked, rows: Searchable, depth: int) -> ColumnElement[bool]:
    if rows.depth(condition.field) > depth:
        return and_(*_parts((condition,), and_, rows, depth))
    if isinstance(condition, Linked) and not isinstance(condition, Within):
        raise TypeError(condition)  # a link is led to its keys before
    asked = rows.fields[condition.field]
    if isinstance(asked, Elsewhere):
        keys = select(asked.key) if asked.joined is None else select(asked.key).select_from(asked.joined)
        return asked.row.in_(keys.where(compared(asked.column, condition)).correlate(None))
    if isinstance(asked, Among):
        return _some(asked.way, compared(asked.column, condition), whole=rows.whole)
    return compared(asked, condition) if isinstance(asked, Column) else asked(condition)


def _apart(condition: Apart, rows: Searchable, depth: int) -> ColumnElement[bool]:
    deeper = depth if condition.level is None else rows.levels[condition.level]
    if deeper <= depth:
        return _compiled(condition.part, rows, depth)
    way = rows.below[depth, deeper]
    return _some(way, _compiled(condition.part, rows, deeper), whole=rows.whole)


def _parts(
    parts: Sequence[Condition], joined: Callable[..., ColumnElement[bool]], rows: Searchable, depth: int
) -> Iterator[ColumnElement[bool]]:
    """Each part on its own, but those that speak of one deeper row together, inside one EXISTS."""
    below: dict[int, list[ColumnElement[bool]]] = {}
    for part in parts:
        deeper = _only_depth(part, rows)
        if deeper is not None and deeper > depth:
            below.setdefault(deeper, []).append(_compiled(part, rows, deeper))
        else:
            yield _compiled(part, rows, depth)
    for deeper, group in below.items():
        way = rows.below[depth, deeper]
        yield _some(way, joined(*group), whole=rows.whole)


def _some(way: Below, holds: ColumnElement[bool], *, whole: bool) -> ColumnElement[bool]:
    rows: Select[Any] = select(literal_column("1")).where(way.join, holds).correlate(way.outer)
    return rows.exists() if whole else looked_for(rows)


def looked_for(rows: Select[Any]) -> ColumnElement[bool]:
    """Whether there is such a row, looked for from each row above until a page is full.

    PostgreSQL joins nothing into which an OFFSET is written: it takes a page for most of what there is, and would join all of it.
    """
    return rows.offset(literal_column("0")).exists()


def _only_depth(condition: Condition, rows: Searchable) -> int | None:
    """The one depth a condition speaks of; None where it speaks of several or none, apart, or of what is not there: of no row."""
    spoken = frozenset() if _denies(condition) else depths(condition, rows)
    return next(iter(spoken)) if len(spoken) == 1 else None


def _denies(condition: Condition) -> bool:
    return isinstance(condition, Not | Apart) or (isinstance(condition, AllOf | AnyOf) and any(map(_denies, condition.parts)))


def compared(asked: Column, leaf: Leaf) -> ColumnElement[bool]:
    """A column as it is asked for."""
    if isinstance(leaf, OneOf):  # of one value no list: a list is written anew for each execution
        values = [_value(asked, value) for value in leaf.values]
        return asked.column == values[0] if len(values) == 1 else asked.column.in_(values)
    if isinstance(leaf, Within):
        return asked.column.in_(leaf.keys)
    if isinstance(leaf, Like):
        return _text(asked, leaf.pattern)
    present = asked.column.is_not(None) if asked.kind in (Kind.NUMBER, Kind.MOMENT) else asked.column > ""
    low = [asked.column >= leaf.low] if leaf.low is not None else []
    return and_(present, *low, *([asked.column <= leaf.high] if leaf.high is not None else []))


def _value(asked: Column, value: Any) -> Any:
    return bindparam(value.name, type_=asked.column.type) if isinstance(value, Parameter) else value


def _text(asked: Column, pattern: str) -> ColumnElement[bool]:
    """`*` and `?` as LIKE (PS3.4 C.2.2.2.4); a name matches from its start or that of a component group."""
    like = "".join(f"{ESCAPE}{c}" if c in f"%_{ESCAPE}" else {"*": "%", "?": "_"}.get(c, c) for c in pattern)
    matches = asked.column.like(like, escape=ESCAPE)
    return or_(matches, asked.column.like(f"%={like}", escape=ESCAPE)) if asked.kind is Kind.NAME else matches
