"""What the catalogue says of each dataset; the worker makes it of what is there."""

import sqlalchemy as sa
from alembic import op

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Make the table. A dataset without a row is found by the worker, and stands in the catalogue once it is described."""
    op.create_table(
        "description",
        sa.Column("dataset", KEY, autoincrement=False, nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("turtle", sa.LargeBinary(), nullable=True),
        sa.Column("json_ld", sa.LargeBinary(), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("lacking", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["dataset"], ["dataset.id"], name="fk_description_dataset"),
        sa.PrimaryKeyConstraint("dataset", name="pk_description"),
    )
