"""What the federation counts is read from indexes, without the rows that hold fragments and documents."""

from alembic import op

revision = "0033"
down_revision = "0031"


def upgrade() -> None:
    """Widen the index of a dataset's members, and add one of the words of a study's series."""
    op.drop_index("ix_study_members", "study")
    op.create_index("ix_study_members", "study", ["dataset", "patient", "updated", "patient_sex", "age", "id"], unique=False)
    op.create_index("ix_series_told", "series", ["study", "modality", "body_part"], unique=False)
