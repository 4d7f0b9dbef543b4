"""Stops that are told: causes, a grace before bytes go, exclusions, proposals of two persons and notices."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"

_KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_TIME = sa.BigInteger


def _column(name: str, kind: Any, *, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=null)


def _key() -> sa.Column[int]:
    return sa.Column("id", _KEY, autoincrement=True, nullable=False)


def upgrade() -> None:
    """Make what is new. What was withdrawn before has no cause that was kept, and no grace: its bytes go as they would have."""
    op.add_column("dataset", _column("stopped", _TIME, null=True))
    op.add_column("dataset", _column("stopped_by", sa.String(16), null=True))
    op.add_column("custody", _column("kept_until", _TIME, null=True))
    op.add_column("tombstone", _column("cause", sa.String(16), null=True))
    whole = sa.text("kind IN ('govern.dataset.withdraw', 'govern.dataset.restore')")
    op.create_index("ix_ledger_body_whole", "ledger_body", ["id"], sqlite_where=whole, postgresql_where=whole)
    _exclusion()
    _proposal()
    _notice()


def _exclusion() -> None:
    op.create_table(
        "exclusion",
        _key(),
        _column("kind", sa.String(16)),
        _column("key", sa.String(80)),
        _column("circumstance", sa.String(16)),
        _column("actor", sa.String(80)),
        _column("at", _TIME),
        _column("lifted", _TIME, null=True),
        sa.PrimaryKeyConstraint("id", name="pk_exclusion"),
    )
    stands = sa.text("lifted IS NULL")
    op.create_index(
        "uq_exclusion_stands", "exclusion", ["kind", "key"], unique=True, sqlite_where=stands, postgresql_where=stands
    )


def _proposal() -> None:
    op.create_table(
        "proposal",
        _key(),
        _column("key", sa.String(32)),
        _column("act", sa.String(32)),
        _column("arguments", sa.Text),
        _column("digest", sa.String(64)),
        _column("reason", sa.Text),
        _column("proposer", sa.String(80)),
        _column("at", _TIME),
        _column("expires", _TIME),
        _column("state", sa.String(16)),
        _column("decider", sa.String(80), null=True),
        _column("decided", _TIME, null=True),
        sa.PrimaryKeyConstraint("id", name="pk_proposal"),
        sa.UniqueConstraint("key", name="uq_proposal_key"),
    )


def _notice() -> None:
    op.create_table(
        "notice",
        _key(),
        _column("key", sa.String(32)),
        _column("kind", sa.String(16)),
        _column("title", sa.Text),
        _column("text", sa.Text),
        _column("about", sa.String(128)),
        _column("effective", _TIME, null=True),
        _column("at", _TIME),
        sa.PrimaryKeyConstraint("id", name="pk_notice"),
        sa.UniqueConstraint("key", name="uq_notice_key"),
    )
    op.create_index("ix_notice_about", "notice", ["kind", "about"])
    op.create_table(
        "delivery",
        _key(),
        _column("notice", _KEY),
        _column("party", sa.String(64), null=True),
        _column("person", sa.String(80), null=True),
        _column("address", sa.Text, null=True),
        _column("secret", sa.Text, null=True),
        _column("state", sa.String(16)),
        _column("at", _TIME),
        _column("acknowledged", _TIME, null=True),
        _column("acknowledged_by", sa.String(80), null=True),
        sa.ForeignKeyConstraint(["notice"], ["notice.id"], name="fk_delivery_notice"),
        sa.PrimaryKeyConstraint("id", name="pk_delivery"),
    )
    op.create_index("ix_delivery_notice", "delivery", ["notice"])
    op.create_index("ix_delivery_party", "delivery", ["party", "id"])
