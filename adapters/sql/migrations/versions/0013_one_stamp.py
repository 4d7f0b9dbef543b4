"""A study's document says the moment it was published at, which it is searched by; those of before are made anew."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Ask the worker for every document that there is; until then the old one is served."""
    study = sa.table("study", *map(sa.column, ("document", "dirty_since", "touched")))
    made = sa.and_(study.c.document.is_not(None), study.c.dirty_since.is_(None))
    op.execute(sa.update(study).where(made).values(dirty_since=study.c.touched))
