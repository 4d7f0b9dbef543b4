"""What is announced of addresses, and the published work of datasets."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"

_KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_TIME = sa.BigInteger


def _column(name: str, kind: Any, *, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=null)


def _key() -> sa.Column[int]:
    return sa.Column("id", _KEY, autoincrement=True, nullable=False)


def upgrade() -> None:
    """Make both, empty: nothing of either was kept before."""
    op.create_table(
        "announcement",
        _key(),
        _column("notice", sa.String(32)),
        _column("address", sa.String(200)),
        _column("at", _TIME),
        _column("effective", _TIME, null=True),
        _column("until", _TIME, null=True),
        sa.PrimaryKeyConstraint("id", name="pk_announcement"),
    )
    op.create_index("ix_announcement_address", "announcement", ["address", "id"])
    op.create_table(
        "publication",
        _key(),
        _column("key", sa.String(32)),
        _column("dataset", _KEY),
        _column("title", sa.Text),
        _column("summary", sa.Text),
        _column("doi_of_provider", sa.Text, null=True),
        _column("doi_of_repository", sa.Text, null=True),
        _column("at", _TIME),
        _column("removed", _TIME, null=True),
        sa.ForeignKeyConstraint(["dataset"], ["dataset.id"], name="fk_publication_dataset"),
        sa.PrimaryKeyConstraint("id", name="pk_publication"),
        sa.UniqueConstraint("key", name="uq_publication_key"),
    )
    op.create_index("ix_publication_dataset", "publication", ["dataset", "id"])
