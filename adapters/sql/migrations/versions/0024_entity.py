"""Clients may ask on the DICOM network, each under an AE title of its own; and senders, what became of what they sent."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0022"
_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the tables and columns: nobody may, until an operator says who."""
    op.create_table(
        "application_entity",
        sa.Column("id", _KEY, autoincrement=True, nullable=False),
        sa.Column("aet", sa.String(16), nullable=False),
        sa.Column("client", _KEY, nullable=False),
        sa.Column("networks", sa.Text(), nullable=False),
        sa.Column("purpose", sa.String(16), nullable=True),
        sa.Column("address", sa.String(64), nullable=True),
        sa.Column("port", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["client"], ["client.id"], name=op.f("fk_application_entity_client")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_application_entity")),
        sa.UniqueConstraint("aet", name=op.f("uq_application_entity_aet")),
    )
    op.add_column("sender", sa.Column("scp_address", sa.String(64), nullable=True))
    op.add_column("sender", sa.Column("scp_port", sa.Integer(), nullable=True))
    op.create_table(
        "commitment",
        sa.Column("id", _KEY, autoincrement=True, nullable=False),
        sa.Column("sender", _KEY, nullable=False),
        sa.Column("transaction", sa.String(64), nullable=False),
        sa.Column("asked", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["sender"], ["sender.id"], name=op.f("fk_commitment_sender")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commitment")),
        sa.UniqueConstraint("sender", "transaction", name=op.f("uq_commitment_sender_transaction")),
    )
