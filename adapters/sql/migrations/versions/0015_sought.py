"""Studies are found by when they ended and by age, and sorted by when they started, without a walk through all."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Add the indexes; the order is that of `adapters.sql.keyset.sortable`."""
    op.create_index("ix_study_ended", "study", ["started_to"], unique=False)
    op.create_index("ix_study_age", "study", ["age"], unique=False)
    started = sa.text("coalesce(started_from, -4611686018427387904)")
    op.create_index("ix_study_started_order", "study", [started, "id"], unique=False)
