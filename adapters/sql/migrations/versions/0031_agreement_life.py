"""Applications, changes and signatures of agreements, what may come in under them, data-use terms, and datasets that move.

What was agreed before has no data-use term, lets in every kind of object, and was hosted as its node is. Its versions were put
in force by acts of the repository, so none has a signature.
"""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
WORDS = ("documents", "data_use", "cancers", "modalities", "sop_classes", "deviations", "circumstances")
SQLITE_GUARD = """CREATE TRIGGER {table}_{name} BEFORE {verb} ON {table}
BEGIN SELECT RAISE(ABORT, 'what was agreed and done is append-only'); END"""
POSTGRESQL_GUARDS = (
    "CREATE TRIGGER {table}_kept BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION accord_refuse()",
    "CREATE TRIGGER {table}_whole BEFORE TRUNCATE ON {table} EXECUTE FUNCTION accord_refuse()",
)
_FILL = "UPDATE agreement_version SET hosting = (SELECT node.hosting FROM node WHERE node.id = agreement_version.node)"


def upgrade() -> None:
    """Add the columns and make the tables."""
    op.add_column("agreement", sa.Column("change", sa.Integer(), nullable=True))
    op.add_column("agreement", sa.Column("change_state", sa.String(16), nullable=True))
    op.add_column("permit", sa.Column("evidence", sa.Text(), nullable=False, server_default=sa.text("''")))
    _version()
    _application()
    _signature()
    _code()
    _move()


def _version() -> None:
    op.add_column("agreement_version", sa.Column("hosting", sa.String(16), nullable=False, server_default=sa.text("''")))
    op.add_column("agreement_version", sa.Column("text", sa.LargeBinary(), nullable=True))
    for name in WORDS:
        op.add_column("agreement_version", sa.Column(name, sa.Text(), nullable=False, server_default=sa.text("''")))
    op.add_column("agreement_version", sa.Column("means", sa.String(16), nullable=False, server_default=sa.text("'code'")))
    _fill()


def _fill() -> None:
    """Say how each version was hosted: the one write to it since it was made."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER agreement_version_fixed")
        op.execute(_FILL)
        op.execute(SQLITE_GUARD.format(table="agreement_version", name="fixed", verb="UPDATE"))
    else:
        op.execute("ALTER TABLE agreement_version DISABLE TRIGGER agreement_version_kept")
        op.execute(_FILL)
        op.execute("ALTER TABLE agreement_version ENABLE TRIGGER agreement_version_kept")


def _application() -> None:
    op.create_table(
        "agreement_application",
        sa.Column("agreement", KEY, autoincrement=False, nullable=False),
        sa.Column("contacts", sa.Text(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("deviations", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["agreement"], ["agreement.id"], name="fk_agreement_application_agreement"),
        sa.PrimaryKeyConstraint("agreement", name="pk_agreement_application"),
    )


def _signature() -> None:
    op.create_table(
        "agreement_signature",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("agreement", KEY, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("side", sa.String(16), nullable=False),
        sa.Column("person", sa.String(80), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("means", sa.String(16), nullable=False),
        sa.Column("file_sha256", sa.String(64), nullable=True),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("declarations", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["agreement"], ["agreement.id"], name="fk_agreement_signature_agreement"),
        sa.PrimaryKeyConstraint("id", name="pk_agreement_signature"),
        sa.UniqueConstraint("agreement", "version", "side", name="uq_agreement_signature_agreement_version_side"),
    )
    if op.get_bind().dialect.name == "sqlite":
        for name, verb in (("kept", "DELETE"), ("fixed", "UPDATE")):
            op.execute(SQLITE_GUARD.format(table="agreement_signature", name=name, verb=verb))
    else:
        for guard in POSTGRESQL_GUARDS:
            op.execute(guard.format(table="agreement_signature"))


def _code() -> None:
    op.create_table(
        "signing_code",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("agreement", KEY, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("person", sa.String(80), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("ends", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["agreement"], ["agreement.id"], name="fk_signing_code_agreement"),
        sa.PrimaryKeyConstraint("id", name="pk_signing_code"),
    )
    op.create_index("ix_signing_code_person", "signing_code", ["person", "at"], unique=False)


def _move() -> None:
    op.create_table(
        "dataset_move",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("dataset", KEY, nullable=False),
        sa.Column("left", KEY, nullable=False),
        sa.Column("agreement", KEY, nullable=False),
        sa.Column("side", sa.String(16), nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("answer", sa.String(16), nullable=True),
        sa.Column("answered_by", sa.String(80), nullable=True),
        sa.Column("answered", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["agreement"], ["agreement.id"], name="fk_dataset_move_agreement"),
        sa.ForeignKeyConstraint(["dataset"], ["dataset.id"], name="fk_dataset_move_dataset"),
        sa.ForeignKeyConstraint(["left"], ["agreement.id"], name="fk_dataset_move_left"),
        sa.PrimaryKeyConstraint("id", name="pk_dataset_move"),
    )
    asked = sa.text("answer IS NULL")
    op.create_index("uq_dataset_move_asked", "dataset_move", ["dataset"], unique=True, sqlite_where=asked, postgresql_where=asked)
