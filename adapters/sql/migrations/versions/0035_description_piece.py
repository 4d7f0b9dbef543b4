"""What the catalogue says of each dataset, in as many forms as there are; and since when anybody may read it."""

import sqlalchemy as sa
from alembic import op

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
revision = "0035"
down_revision = "0034"


def upgrade() -> None:
    """Make the table. The worker describes every dataset anew; one that was told keeps since when, as far as is known."""
    op.create_table(
        "description_piece",
        sa.Column("dataset", KEY, autoincrement=False, nullable=False),
        sa.Column("graph", sa.String(16), nullable=False),
        sa.Column("media_type", sa.String(32), nullable=False),
        sa.Column("piece", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["dataset"], ["dataset.id"], name="fk_description_piece_dataset"),
        sa.PrimaryKeyConstraint("dataset", "graph", "media_type", name="pk_description_piece"),
    )
    op.add_column("description", sa.Column("issued", sa.BigInteger(), nullable=True))
    op.add_column("description", sa.Column("agreement_version", sa.Integer(), nullable=False, server_default=sa.text("0")))
    op.execute("UPDATE description SET issued = at WHERE turtle IS NOT NULL")
    op.drop_column("description", "turtle")
    op.drop_column("description", "json_ld")
