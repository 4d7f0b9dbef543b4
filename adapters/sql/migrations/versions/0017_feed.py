"""Published, withdrawn and seen studies have stamps in the order of commits, by which a feed tells of them."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def _key() -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False)


def _to(target: str) -> sa.Column[int]:
    return sa.Column(target, sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False)


def upgrade() -> None:
    """Add the tables. What is published counts as first published when it last was: nobody's sight is known from before."""
    op.add_column("study", sa.Column("published", sa.BigInteger(), nullable=True))
    op.drop_index("ix_study_updated", "study")
    op.create_index("ix_study_updated", "study", ["updated", "id", "dataset"])
    _tables()
    study, feed = (
        sa.table("study", *map(sa.column, ("document", "updated", "published"))),
        sa.table("feed", *map(sa.column, ("id", "at"))),
    )
    op.execute(sa.update(study).where(study.c.document.is_not(None)).values(published=study.c.updated))
    op.execute(sa.update(study).where(study.c.document.is_(None)).values(updated=0))
    newest = sa.select(sa.literal(1), sa.func.coalesce(sa.func.max(study.c.updated), 0))
    op.execute(sa.insert(feed).from_select(["id", "at"], newest))


def _tables() -> None:
    op.create_table(
        "feed", sa.Column("id", sa.Integer(), nullable=False), sa.Column("at", sa.BigInteger(), nullable=False), _primary("feed")
    )
    op.create_table(
        "tombstone",
        _key(),
        sa.Column("key", sa.String(32), nullable=False),
        sa.Column("patient", sa.String(32), nullable=False),
        _to("dataset"),
        sa.Column("published", sa.BigInteger(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        *_keys("tombstone", "dataset"),
    )
    for columns in (["key"], ["patient"], ["at", "id"], ["dataset", "id"]):
        op.create_index(f"ix_tombstone_{columns[0]}", "tombstone", columns)
    op.create_table(
        "reader",
        _key(),
        sa.Column("subject", sa.String(80), nullable=False),
        sa.Column("purpose", sa.String(16), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        _primary("reader"),
        sa.UniqueConstraint("subject", "purpose", name=op.f("uq_reader_subject_purpose")),
    )
    op.create_table(
        "sight",
        _key(),
        _to("reader"),
        sa.Column("action", sa.String(16), nullable=False),
        _to("dataset"),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.Column("ends", sa.BigInteger(), nullable=True),
        *_keys("sight", "reader", "dataset"),
    )
    op.create_index("ix_sight_reader", "sight", ["reader", "action", "dataset"])
    seen = sa.text("until IS NULL")
    op.create_index(
        "uq_sight_open", "sight", ["reader", "action", "dataset"], unique=True, sqlite_where=seen, postgresql_where=seen
    )


def _primary(table: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}"))


def _keys(table: str, *targets: str) -> list[sa.Constraint]:
    foreign = [sa.ForeignKeyConstraint([name], [f"{name}.id"], name=op.f(f"fk_{table}_{name}")) for name in targets]
    return [*foreign, _primary(table)]
