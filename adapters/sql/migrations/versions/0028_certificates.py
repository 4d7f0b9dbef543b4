"""Which certificates a sender or an application entity shows, whether it is called by TLS, and its associations at once."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0026"


def upgrade() -> None:
    """Add the columns: who is registered is bound to addresses alone, called without TLS, and has no limit of its own."""
    for table, tls in (("sender", "scp_tls"), ("application_entity", "tls")):
        op.add_column(table, sa.Column("certificates", sa.Text(), nullable=True))
        op.add_column(table, sa.Column(tls, sa.Boolean(), nullable=False, server_default=sa.text("false")))
        op.add_column(table, sa.Column("associations", sa.Integer(), nullable=True))
