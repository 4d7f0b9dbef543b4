"""Clients may ask on the DICOM network, each under an AE title of its own."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0019"
_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the table: nobody may, until an operator says who."""
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
