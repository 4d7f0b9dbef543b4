"""What a patient's row and a deposit say comes from the studies in sight, found by indexes.

A patient's row keeps no sex and no moment of change: datasets share it.
"""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Drop what datasets shared, and widen the index. The studies hold both already."""
    op.drop_column("patient", "sex")
    op.drop_column("patient", "updated")
    op.create_index("ix_patient_patient_id", "patient", ["patient_id"], unique=False)
    op.drop_index("ix_study_patient", "study")
    op.create_index("ix_study_patient", "study", ["patient", "dataset", "patient_sex", "updated"], unique=False)
    op.create_index("ix_receipt_study", "receipt", ["batch", "study_uid"], unique=False)
