"""What a study's document says further: titles and sides of its images, its procedures; documents are made anew.

The index by dataset and patient counts whom a dataset holds.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
TOGETHER = 50  # metadata of an object with many frames takes megabytes
Json = Mapping[str, Any]
_IMAGE_TYPE, _CONTENT_LABEL, _LATERALITY = "00080008", "00700080", "00200062"
_PROCEDURES = ("00081032", "00321064")
_CODED = ("00080102", "00080100", "00080104")
_WIDTH = 16


class _Said(msgspec.Struct, rename={"type": _IMAGE_TYPE, "label": _CONTENT_LABEL, "side": _LATERALITY}):
    """What is read of an instance's metadata; the rest is passed over."""

    type: Json = {}
    label: Json = {}
    side: Json = {}


class _Procedures(msgspec.Struct, rename={"done": _PROCEDURES[0], "asked": _PROCEDURES[1]}):
    """The sequences of codes that a study's first object says."""

    done: Json = {}
    asked: Json = {}


def upgrade() -> None:
    """Add the columns and the index, fill what is kept of each object, and ask the worker for every document."""
    op.add_column("instance", sa.Column("title", sa.Text(), nullable=True))
    op.add_column("instance", sa.Column("laterality", sa.String(_WIDTH), nullable=True))
    op.create_index("ix_study_members", "study", ["dataset", "patient", "updated"], unique=False)
    instance = sa.table("instance", *map(sa.column, ("id", "study", "metadata", "title", "laterality")))
    study = sa.table("study", *map(sa.column, ("id", "header", "document", "dirty_since", "touched")))
    fill = sa.update(instance).where(instance.c.id == sa.bindparam("row"))
    for rows in _pages(sa.select(instance.c.id, instance.c.metadata), instance.c.id):
        op.get_bind().execute(fill, [{"row": row.id} | _instance(bytes(row.metadata)) for row in rows])
    _fill_procedures(study, instance)
    made = sa.and_(study.c.document.is_not(None), study.c.dirty_since.is_(None))
    op.execute(sa.update(study).where(made).values(dirty_since=study.c.touched))


def _fill_procedures(study: Any, instance: Any) -> None:
    """Put the procedures that a study's first object says into its header, as an object that comes now does."""
    first = sa.select(sa.func.min(instance.c.id)).where(instance.c.study == study.c.id).correlate(study).scalar_subquery()
    rows = sa.select(study.c.id, study.c.header, instance.c.metadata).join(instance, instance.c.id == first)
    fill = sa.update(study).where(study.c.id == sa.bindparam("row")).values(header=sa.bindparam("told"))
    for page in _pages(rows, study.c.id):
        found = [(row, codes) for row in page if (codes := _procedures(bytes(row.metadata)))]
        if found:
            op.get_bind().execute(fill, [{"row": row.id, "told": _with(row.header, codes)} for row, codes in found])


def _pages(rows: Any, key: Any) -> Iterator[list[Any]]:
    after = 0
    while page := list(op.get_bind().execute(rows.where(key > after).order_by(key).limit(TOGETHER))):
        yield page
        after = page[-1].id


def _instance(metadata: bytes) -> dict[str, str | None]:
    said = msgspec.json.decode(_plain(metadata), type=_Said)
    side = "\\".join(_values(said.side))[:_WIDTH]
    return {"title": "\\".join(_values(said.type)) or "\\".join(_values(said.label)) or None, "laterality": side or None}


def _procedures(metadata: bytes) -> list[tuple[str, ...]]:
    said = msgspec.json.decode(_plain(metadata), type=_Procedures)
    items = said.done.get("Value") or said.asked.get("Value") or []
    return [tuple("\\".join(_values(item.get(tag, {}))) for tag in _CODED) for item in items[:8]]


def _plain(metadata: bytes) -> bytes:
    """A fragment holds control characters where the server's address belongs; no JSON string does."""
    return metadata.replace(b"\1", b"").replace(b"\2", b"")


def _values(element: Json) -> list[str]:
    return [str(value) if value is not None else "" for value in element.get("Value", ())]


def _with(header: str, codes: list[tuple[str, ...]]) -> str:
    return msgspec.json.encode({**msgspec.json.decode(header), "procedures": codes}).decode()
