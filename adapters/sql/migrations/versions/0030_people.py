"""People: their roles in organisations, accounts, invitations and sessions; nobody is there yet."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"

_KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "person",
        sa.Column("id", _KEY, autoincrement=True),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("blocked", sa.Boolean(), nullable=False),
        sa.Column("added", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("key", name="uq_person_key"),
        sa.PrimaryKeyConstraint("id", name="pk_person"),
    )
    op.create_table(
        "person_role",
        sa.Column("id", _KEY, autoincrement=True),
        sa.Column("person", _KEY, sa.ForeignKey("person.id", name="fk_person_role_person"), nullable=False),
        sa.Column("party", _KEY, sa.ForeignKey("party.id", name="fk_person_role_party"), nullable=True),
        sa.Column("role", sa.String(32), nullable=False),
        sa.Column("purposes", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("ended", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_person_role"),
    )
    op.create_index("ix_person_role_person", "person_role", ["person"])
    op.create_table(
        "person_identity",
        sa.Column("id", _KEY, autoincrement=True),
        sa.Column("person", _KEY, sa.ForeignKey("person.id", name="fk_person_identity_person"), nullable=False),
        sa.Column("issuer", sa.String(255), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("issuer", "subject", name="uq_person_identity_issuer_subject"),
        sa.PrimaryKeyConstraint("id", name="pk_person_identity"),
    )
    op.create_index("ix_person_identity_person", "person_identity", ["person"])
    op.create_table(
        "person_account",
        sa.Column("person", _KEY, sa.ForeignKey("person.id", name="fk_person_account_person"), autoincrement=False),
        sa.Column("password", sa.Text(), nullable=False),
        sa.Column("totp", sa.Text(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("person", name="pk_person_account"),
    )
    op.create_table(
        "invitation",
        sa.Column("id", _KEY, autoincrement=True),
        sa.Column("person", _KEY, sa.ForeignKey("person.id", name="fk_invitation_person"), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=True),
        sa.UniqueConstraint("digest", name="uq_invitation_digest"),
        sa.PrimaryKeyConstraint("id", name="pk_invitation"),
    )
    op.create_index("ix_invitation_person", "invitation", ["person"])
    op.create_table(
        "session",
        sa.Column("id", _KEY, autoincrement=True),
        sa.Column("key", sa.String(32), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("person", _KEY, sa.ForeignKey("person.id", name="fk_session_person"), nullable=False),
        sa.Column("person_role", _KEY, sa.ForeignKey("person_role.id", name="fk_session_person_role"), nullable=True),
        sa.Column("purpose", sa.String(16), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("agent", sa.String(120), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("touched", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.Column("ended", sa.BigInteger(), nullable=True),
        sa.UniqueConstraint("digest", name="uq_session_digest"),
        sa.UniqueConstraint("key", name="uq_session_key"),
        sa.PrimaryKeyConstraint("id", name="pk_session"),
    )
    op.create_index("ix_session_person", "session", ["person", "id"])
    op.create_table(
        "refresh_token",
        sa.Column("id", _KEY, autoincrement=True),
        sa.Column(
            "session", _KEY, sa.ForeignKey("session.id", ondelete="CASCADE", name="fk_refresh_token_session"), nullable=False
        ),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=True),
        sa.UniqueConstraint("digest", name="uq_refresh_token_digest"),
        sa.PrimaryKeyConstraint("id", name="pk_refresh_token"),
    )
    op.create_index("ix_refresh_token_session", "refresh_token", ["session"])
    op.create_table(
        "device_grant",
        sa.Column("id", _KEY, autoincrement=True),
        sa.Column("device", sa.LargeBinary(), nullable=False),
        sa.Column("code", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("interval", sa.Integer(), nullable=False),
        sa.Column("polled", sa.BigInteger(), nullable=True),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.Column("denied", sa.Boolean(), nullable=False),
        sa.Column(
            "session", _KEY, sa.ForeignKey("session.id", ondelete="CASCADE", name="fk_device_grant_session"), nullable=True
        ),
        sa.UniqueConstraint("code", name="uq_device_grant_code"),
        sa.UniqueConstraint("device", name="uq_device_grant_device"),
        sa.PrimaryKeyConstraint("id", name="pk_device_grant"),
    )
    op.create_index("ix_device_grant_expires", "device_grant", ["expires"])
    op.create_table(
        "attempt",
        sa.Column("key", sa.String(64)),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_attempt"),
    )
    op.create_index("ix_attempt_until", "attempt", ["until"])
