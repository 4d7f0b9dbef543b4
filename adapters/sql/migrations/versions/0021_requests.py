"""Series say when they were performed and what was requested; codes of procedures and regions can be searched."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import sqlalchemy as sa
from alembic import op

from adapters.sql.index import insert_items
from mappings.dicom.fragment import series_fragment, study_fragment
from mappings.dicom.header import Header

revision = "0021"
down_revision = "0020"
TOGETHER = 50  # metadata of an object with many frames takes megabytes
Json = Mapping[str, Any]
_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_CODED = ("00080102", "00080100", "00080104")
_REQUEST = ("00401001", "00400009")
_DATE = re.compile(r"\d{8}")
_TIME = re.compile(r"\d{2}(?:\d{2}(?:\d{2}(?:\.\d{1,6})?)?)?")


class _Said(
    msgspec.Struct,
    rename={
        "date": "00400244",
        "time": "00400245",
        "requests": "00400275",
        "done": "00081032",
        "asked": "00321064",
        "region": "00082218",
    },
):
    """What is read of an instance's metadata; the rest is passed over."""

    date: Json = {}
    time: Json = {}
    requests: Json = {}
    done: Json = {}
    asked: Json = {}
    region: Json = {}


def upgrade() -> None:
    """Add the columns and tables; fill them, and what is kept as bytes, from the metadata of the first object of each."""
    op.add_column("series", sa.Column("performed_date", sa.String(8), server_default=sa.text("''"), nullable=False))
    op.add_column("series", sa.Column("performed_time", sa.String(16), server_default=sa.text("''"), nullable=False))
    _add_items("coded", False, sequence=sa.String(8), scheme=sa.String(16), code=sa.String(64), meaning=sa.Text())
    op.create_index("ix_coded_code", "coded", ["code", "study"])
    op.create_index("ix_coded_study", "coded", ["study", "sequence"])
    op.create_index("ix_coded_series", "coded", ["series"])
    _add_items("request", True, procedure_id=sa.String(64), step_id=sa.String(64))
    op.create_index("ix_request_procedure", "request", ["procedure_id", "study"])
    op.create_index("ix_request_step", "request", ["step_id", "study"])
    op.create_index("ix_request_study", "request", ["study"])
    op.create_index("ix_request_series", "request", ["series"])
    for row, said in _of_first("study", "modalities", "sop_classes", "series", "instances"):
        _fill_study(row, said)
    for row, said in _of_first("series", "study", "instances"):
        _fill_series(row, said)


def _add_items(name: str, of_series: bool, **columns: sa.types.TypeEngine[Any]) -> None:
    op.create_table(
        name,
        sa.Column("id", _KEY, autoincrement=True, nullable=False),
        sa.Column("study", _KEY, nullable=False),
        sa.Column("series", _KEY, nullable=not of_series),
        *(sa.Column(column, kind, nullable=False) for column, kind in columns.items()),
        sa.ForeignKeyConstraint(["study"], ["study.id"], name=op.f(f"fk_{name}_study")),
        sa.ForeignKeyConstraint(["series"], ["series.id"], name=op.f(f"fk_{name}_series")),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{name}")),
    )


def _of_first(name: str, *columns: str) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Each row with the header's fields that its first object says, where that says any."""
    table = sa.table(name, *map(sa.column, ("id", "header", *columns)))
    instance = sa.table("instance", *map(sa.column, ("id", name, "metadata")))
    first = sa.select(sa.func.min(instance.c.id)).where(instance.c[name] == table.c.id).correlate(table).scalar_subquery()
    rows = sa.select(table, instance.c.metadata).join(instance, instance.c.id == first).order_by(table.c.id).limit(TOGETHER)
    after = 0
    while page := list(op.get_bind().execute(rows.where(table.c.id > after))):
        yield from ((row, said) for row in page if (said := _said(bytes(row.metadata))))
        after = page[-1].id


def _said(metadata: bytes) -> dict[str, Any]:
    """The fields of a header that this release adds, those that are said."""
    told = msgspec.json.decode(metadata.replace(b"\1", b"").replace(b"\2", b""), type=_Said)
    date, time = _text(told.date).replace(".", ""), _text(told.time).replace(":", "")
    sequences = (("00081032", told.done), ("00321064", told.asked), ("00082218", told.region))
    fields = {
        "performed_date": date if _DATE.fullmatch(date) else None,
        "performed_time": time if _TIME.fullmatch(time) else None,
        "requests": _items(told.requests, _REQUEST),
        "codes": [[tag, *item] for tag, sequence in sequences for item in _items(sequence, _CODED)],
    }
    return {name: value for name, value in fields.items() if value}


def _items(sequence: Json, tags: tuple[str, ...]) -> list[list[str]]:
    items = ([_text(item.get(tag, {})) for tag in tags] for item in sequence.get("Value", ())[:8])
    return [item for item in items if any(item)]


def _text(element: Json) -> str:
    return "\\".join(str(value) if value is not None else "" for value in element.get("Value", ()))


def _told(row: Any, said: dict[str, Any]) -> tuple[str, Header]:
    stored = msgspec.json.encode({**msgspec.json.decode(row.header), **said})
    return stored.decode(), msgspec.json.decode(stored, type=Header)


def _fill_study(row: Any, said: dict[str, Any]) -> None:
    stored, header = _told(row, said)
    counts = {"series": row.series, "instances": row.instances}
    classes = {"modalities": row.modalities.split(), "sop_classes": row.sop_classes.split()}
    fragment = study_fragment(header, issuer=_provider(row.id), **classes, **counts)
    insert_items(op.get_bind(), header, row.id)
    _keep("study", row.id, header=stored, fragment=fragment.encode())


def _provider(study: int) -> str:
    names = {"study": ("id", "dataset"), "dataset": ("id", "agreement"), "agreement": ("id", "party"), "party": ("id", "key")}
    s, d, a, p = (sa.table(name, *map(sa.column, columns)) for name, columns in names.items())
    rows = s.join(d, s.c.dataset == d.c.id).join(a, d.c.agreement == a.c.id).join(p, a.c.party == p.c.id)
    return str(op.get_bind().execute(sa.select(p.c.key).select_from(rows).where(s.c.id == study)).scalar_one())


def _fill_series(row: Any, said: dict[str, Any]) -> None:
    stored, header = _told(row, said)
    insert_items(op.get_bind(), header, row.study, row.id)
    performed = {"performed_date": header.performed_date or "", "performed_time": header.performed_time or ""}
    fragment = series_fragment(header, instances=row.instances)
    _keep("series", row.id, header=stored, fragment=fragment.encode(), **performed)


def _keep(name: str, key: int, **values: object) -> None:
    table = sa.table(name, *map(sa.column, ("id", *values)))
    op.get_bind().execute(sa.update(table).where(table.c.id == key).values(**values))
