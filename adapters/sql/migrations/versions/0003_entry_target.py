"""What each ledger entry is about, as rows: read from the bodies that are there."""

import json

import sqlalchemy as sa
from alembic import op

from consent.entries import targets_of

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
revision = "0003"
down_revision = "0002"
PAGE = 1000


def upgrade() -> None:
    """Make the table and fill it from every body."""
    target = op.create_table(
        "entry_target",
        sa.Column("entry", KEY, autoincrement=False, nullable=False),
        sa.Column("type", sa.String(16), nullable=False),
        sa.Column("key", sa.String(128), nullable=False),
        sa.ForeignKeyConstraint(["entry"], ["ledger_body.id"], name="fk_entry_target_entry", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("entry", "type", "key", name="pk_entry_target"),
    )
    op.create_index("ix_entry_target_key", "entry_target", ["key", "type", "entry"], unique=False)
    connection, after = op.get_bind(), 0
    page = sa.text("SELECT id, kind, body FROM ledger_body WHERE id > :after ORDER BY id LIMIT :page")
    while bodies := connection.execute(page, {"after": after, "page": PAGE}).all():
        rows = [
            {"entry": entry, "type": str(about.type), "key": about.key}
            for entry, kind, body in bodies
            for about in targets_of(kind, json.loads(body))
        ]
        if rows:
            connection.execute(sa.insert(target), rows)
        after = bodies[-1][0]
