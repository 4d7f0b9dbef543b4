"""Other repositories that are asked, and what was asked of them: none yet; and what a provider calls people, from now on."""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"

_KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables. A username is kept when its person signs in next."""
    op.add_column("person_identity", sa.Column("username", sa.String(255), nullable=True))
    op.create_index("ix_person_identity_username", "person_identity", ["issuer", "username"])
    op.create_table(
        "peer",
        sa.Column("id", _KEY, autoincrement=True),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("secret_file", sa.Text(), nullable=True),
        sa.Column("client_file", sa.Text(), nullable=True),
        sa.Column("added", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("name", name="uq_peer_name"),
        sa.UniqueConstraint("url", name="uq_peer_url"),
        sa.PrimaryKeyConstraint("id", name="pk_peer"),
    )
    op.create_table(
        "peer_query",
        sa.Column("id", _KEY, autoincrement=True),
        sa.Column("key", sa.String(32), nullable=False),
        sa.Column("subject", sa.String(80), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("peers", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("cancelled", sa.Boolean(), nullable=False),
        sa.UniqueConstraint("key", name="uq_peer_query_key"),
        sa.PrimaryKeyConstraint("id", name="pk_peer_query"),
    )
    op.create_index("ix_peer_query_subject", "peer_query", ["subject"])
    op.create_index("ix_peer_query_at", "peer_query", ["at"])
    op.create_table(
        "peer_answer",
        sa.Column(
            "query", _KEY, sa.ForeignKey("peer_query.id", name="fk_peer_answer_query", ondelete="CASCADE"), autoincrement=False
        ),
        sa.Column("peer", sa.String(64), nullable=False),
        sa.Column("told", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("query", "peer", name="pk_peer_answer"),
    )
    op.create_table(
        "trace_cursor",
        sa.Column("id", sa.Integer(), autoincrement=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_trace_cursor"),
    )
