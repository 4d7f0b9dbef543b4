"""The first schema, and the guards that keep the ledger append-only."""

import sqlalchemy as sa
from alembic import op

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
revision = "0001"
down_revision = None

SQLITE_GUARDS = (
    "CREATE TRIGGER ledger_leaf_kept BEFORE DELETE ON ledger_leaf BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END",
    """CREATE TRIGGER ledger_leaf_fixed BEFORE UPDATE ON ledger_leaf
    WHEN OLD.position IS NOT NULL OR NEW.leaf IS NOT OLD.leaf OR NEW.id IS NOT OLD.id
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END""",
    "CREATE TRIGGER checkpoint_kept BEFORE DELETE ON checkpoint BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END",
    "CREATE TRIGGER checkpoint_fixed BEFORE UPDATE ON checkpoint BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END",
    "CREATE TRIGGER terms_fixed BEFORE UPDATE ON terms BEGIN SELECT RAISE(ABORT, 'terms are immutable'); END",
)
POSTGRESQL_GUARDS = (
    """CREATE FUNCTION accord_refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$""",
    """CREATE FUNCTION accord_position_only() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN IF OLD.position IS NOT NULL OR NEW.leaf <> OLD.leaf OR NEW.id <> OLD.id THEN
    RAISE EXCEPTION 'the ledger is append-only'; END IF; RETURN NEW; END $$""",
    "CREATE TRIGGER ledger_leaf_kept BEFORE DELETE ON ledger_leaf FOR EACH ROW EXECUTE FUNCTION accord_refuse()",
    "CREATE TRIGGER ledger_leaf_fixed BEFORE UPDATE ON ledger_leaf FOR EACH ROW EXECUTE FUNCTION accord_position_only()",
    "CREATE TRIGGER ledger_leaf_whole BEFORE TRUNCATE ON ledger_leaf EXECUTE FUNCTION accord_refuse()",
    "CREATE TRIGGER checkpoint_kept BEFORE UPDATE OR DELETE ON checkpoint FOR EACH ROW EXECUTE FUNCTION accord_refuse()",
    "CREATE TRIGGER checkpoint_whole BEFORE TRUNCATE ON checkpoint EXECUTE FUNCTION accord_refuse()",
    "CREATE TRIGGER terms_fixed BEFORE UPDATE ON terms FOR EACH ROW EXECUTE FUNCTION accord_refuse()",
)


def upgrade() -> None:  # noqa: PLR0915 - a table each
    """Make every table, the one governance row, and the guards of this database."""
    op.create_table(
        "checkpoint",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("frontier", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("size", name="pk_checkpoint"),
    )
    op.create_table(
        "governance",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("counter", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_governance"),
    )
    op.create_table(
        "ledger_leaf",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_ledger_leaf"),
        sa.UniqueConstraint("position", name="uq_ledger_leaf_position"),
    )
    op.create_index(
        "ix_ledger_leaf_pending",
        "ledger_leaf",
        ["id"],
        unique=False,
        sqlite_where=sa.text("position IS NULL"),
        postgresql_where=sa.text("position IS NULL"),
    )
    op.create_table(
        "node",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("hosting", sa.String(length=16), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("secret_file", sa.Text(), nullable=True),
        sa.Column("networks", sa.Text(), nullable=False),
        sa.Column("allow", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_node"),
        sa.UniqueConstraint("name", name="uq_node_name"),
    )
    op.create_table(
        "party",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("approved", sa.Boolean(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_party"),
        sa.UniqueConstraint("key", name="uq_party_key"),
    )
    op.create_table(
        "replay",
        sa.Column("issuer", sa.String(length=64), nullable=False),
        sa.Column("jti", sa.String(length=128), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("issuer", "jti", name="pk_replay"),
    )
    op.create_index(("ix_replay_expires"), "replay", ["expires"], unique=False)
    op.create_table(
        "terms",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("version", sa.String(length=16), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("text", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_terms"),
        sa.UniqueConstraint("version", name="uq_terms_version"),
    )
    op.create_table(
        "agreement",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("party", KEY, nullable=False),
        sa.Column("node", KEY, nullable=False),
        sa.Column("terms", KEY, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("starts", sa.BigInteger(), nullable=False),
        sa.Column("ends", sa.BigInteger(), nullable=True),
        sa.Column("access_class", sa.String(length=16), nullable=False),
        sa.Column("listed", sa.Boolean(), nullable=False),
        sa.Column("actions", sa.Text(), nullable=False),
        sa.Column("visibility", sa.String(length=16), nullable=False),
        sa.Column("purposes", sa.Text(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["node"], ["node.id"], name="fk_agreement_node"),
        sa.ForeignKeyConstraint(["party"], ["party.id"], name="fk_agreement_party"),
        sa.ForeignKeyConstraint(["terms"], ["terms.id"], name="fk_agreement_terms"),
        sa.PrimaryKeyConstraint("id", name="pk_agreement"),
        sa.UniqueConstraint("key", name="uq_agreement_key"),
    )
    op.create_table(
        "client",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("party", KEY, nullable=False),
        sa.Column("node", KEY, nullable=True),
        sa.Column("terms", KEY, nullable=True),
        sa.Column("purposes", sa.Text(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("jwks", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["node"], ["node.id"], name="fk_client_node"),
        sa.ForeignKeyConstraint(["party"], ["party.id"], name="fk_client_party"),
        sa.ForeignKeyConstraint(["terms"], ["terms.id"], name="fk_client_terms"),
        sa.PrimaryKeyConstraint("id", name="pk_client"),
        sa.UniqueConstraint("client_id", name="uq_client_client_id"),
    )
    op.create_table(
        "patient",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("key", sa.String(length=32), nullable=False),
        sa.Column("party", KEY, nullable=False),
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.Column("sex", sa.String(length=16), nullable=True),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["party"], ["party.id"], name="fk_patient_party"),
        sa.PrimaryKeyConstraint("id", name="pk_patient"),
        sa.UniqueConstraint("key", name="uq_patient_key"),
    )
    op.create_table(
        "dataset",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("alias", sa.String(length=16), nullable=False),
        sa.Column("agreement", KEY, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["agreement"], ["agreement.id"], name="fk_dataset_agreement"),
        sa.PrimaryKeyConstraint("id", name="pk_dataset"),
        sa.UniqueConstraint("alias", name="uq_dataset_alias"),
    )
    op.create_table(
        "batch",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("key", sa.String(length=32), nullable=False),
        sa.Column("door", sa.String(length=16), nullable=False),
        sa.Column("dataset", KEY, nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("peer", sa.String(length=64), nullable=False),
        sa.Column("calling", sa.String(length=64), nullable=False),
        sa.Column("called", sa.String(length=64), nullable=False),
        sa.Column("attested", sa.Boolean(), nullable=False),
        sa.Column("opened", sa.BigInteger(), nullable=False),
        sa.Column("closed", sa.BigInteger(), nullable=True),
        sa.Column("touched", sa.BigInteger(), nullable=False),
        sa.Column("held_by", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["dataset"], ["dataset.id"], name="fk_batch_dataset"),
        sa.PrimaryKeyConstraint("id", name="pk_batch"),
        sa.UniqueConstraint("key", name="uq_batch_key"),
    )
    op.create_index(
        "ix_batch_open",
        "batch",
        ["touched"],
        unique=False,
        sqlite_where=sa.text("closed IS NULL"),
        postgresql_where=sa.text("closed IS NULL"),
    )
    op.create_table(
        "block",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("dataset", KEY, nullable=False),
        sa.Column("study_uid", sa.String(length=64), nullable=True),
        sa.Column("sop_uid", sa.String(length=64), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=True),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("lifted", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["dataset"], ["dataset.id"], name="fk_block_dataset"),
        sa.PrimaryKeyConstraint("id", name="pk_block"),
    )
    op.create_index("ix_block_sop", "block", ["sop_uid"], unique=False)
    op.create_index("ix_block_study", "block", ["study_uid"], unique=False)
    op.create_table(
        "permit",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("dataset", KEY, nullable=False),
        sa.Column("party", KEY, nullable=False),
        sa.Column("starts", sa.BigInteger(), nullable=False),
        sa.Column("ends", sa.BigInteger(), nullable=True),
        sa.Column("revoked", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["dataset"], ["dataset.id"], name="fk_permit_dataset"),
        sa.ForeignKeyConstraint(["party"], ["party.id"], name="fk_permit_party"),
        sa.PrimaryKeyConstraint("id", name="pk_permit"),
    )
    op.create_table(
        "sender",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("dataset", KEY, nullable=False),
        sa.Column("aet", sa.String(length=16), nullable=False),
        sa.Column("network", sa.String(length=64), nullable=False),
        sa.Column("attested_by", sa.Text(), nullable=True),
        sa.Column("attested_on", sa.String(length=10), nullable=True),
        sa.Column("removed", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.ForeignKeyConstraint(["dataset"], ["dataset.id"], name="fk_sender_dataset"),
        sa.PrimaryKeyConstraint("id", name="pk_sender"),
        sa.UniqueConstraint("dataset", "aet", "network", name="uq_sender_dataset_aet_network"),
    )
    op.create_table(
        "study",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("key", sa.String(length=32), nullable=False),
        sa.Column("study_uid", sa.String(length=64), nullable=False),
        sa.Column("dataset", KEY, nullable=False),
        sa.Column("patient", KEY, nullable=False),
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.Column("patient_name", sa.Text(), nullable=False),
        sa.Column("patient_sex", sa.String(length=16), nullable=False),
        sa.Column("patient_birth_date", sa.String(length=8), nullable=False),
        sa.Column("age", sa.Integer(), nullable=True),
        sa.Column("study_date", sa.String(length=8), nullable=False),
        sa.Column("study_time", sa.String(length=16), nullable=False),
        sa.Column("accession_number", sa.String(length=64), nullable=False),
        sa.Column("study_id", sa.String(length=64), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("referring", sa.Text(), nullable=False),
        sa.Column("header", sa.Text(), nullable=False),
        sa.Column("modalities", sa.Text(), nullable=False),
        sa.Column("sop_classes", sa.Text(), nullable=False),
        sa.Column("series", sa.Integer(), nullable=False),
        sa.Column("instances", sa.Integer(), nullable=False),
        sa.Column("fragment", sa.LargeBinary(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.Column("dirty_since", sa.BigInteger(), nullable=True),
        sa.Column("touched", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["dataset"], ["dataset.id"], name="fk_study_dataset"),
        sa.ForeignKeyConstraint(["patient"], ["patient.id"], name="fk_study_patient"),
        sa.PrimaryKeyConstraint("id", name="pk_study"),
        sa.UniqueConstraint("key", name="uq_study_key"),
        sa.UniqueConstraint("study_uid", name="uq_study_study_uid"),
    )
    op.create_index("ix_study_accession", "study", ["accession_number"], unique=False)
    op.create_index("ix_study_dataset", "study", ["dataset", "id"], unique=False)
    op.create_index("ix_study_date", "study", ["study_date", "id", "dataset"], unique=False)
    op.create_index(
        "ix_study_dirty",
        "study",
        ["touched"],
        unique=False,
        sqlite_where=sa.text("dirty_since IS NOT NULL"),
        postgresql_where=sa.text("dirty_since IS NOT NULL"),
    )
    op.create_index(
        "ix_study_documented",
        "study",
        ["id", "dataset"],
        unique=False,
        sqlite_where=sa.text("document IS NOT NULL"),
        postgresql_where=sa.text("document IS NOT NULL"),
    )
    op.create_index("ix_study_patient", "study", ["patient"], unique=False)
    op.create_index("ix_study_patient_id", "study", ["patient_id"], unique=False)
    op.create_index("ix_study_updated", "study", ["updated"], unique=False)
    op.create_table(
        "use_window",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("subject", sa.String(length=80), nullable=False),
        sa.Column("study_uid", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("slot", sa.BigInteger(), nullable=False),
        sa.Column("dataset", KEY, nullable=False),
        sa.Column("closed", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["dataset"], ["dataset.id"], name="fk_use_window_dataset"),
        sa.PrimaryKeyConstraint("id", name="pk_use_window"),
        sa.UniqueConstraint(
            "subject", "study_uid", "action", "purpose", "slot", name="uq_use_window_subject_study_uid_action_purpose_slot"
        ),
    )
    op.create_index(
        "ix_use_window_open",
        "use_window",
        ["slot"],
        unique=False,
        sqlite_where=sa.text("closed IS 0"),
        postgresql_where=sa.text("closed IS false"),
    )
    op.create_table(
        "access",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("subject", sa.String(length=80), nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("request", sa.String(length=32), nullable=False),
        sa.Column("window", KEY, nullable=True),
        sa.ForeignKeyConstraint(["window"], ["use_window.id"], name="fk_access_window"),
        sa.PrimaryKeyConstraint("id", name="pk_access"),
    )
    op.create_index(("ix_access_at"), "access", ["at"], unique=False)
    op.create_index("ix_access_window", "access", ["window"], unique=False)
    op.create_table(
        "custody",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("sop_uid", sa.String(length=64), nullable=False),
        sa.Column("series_uid", sa.String(length=64), nullable=False),
        sa.Column("study_uid", sa.String(length=64), nullable=False),
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.Column("dataset", KEY, nullable=False),
        sa.Column("node", KEY, nullable=False),
        sa.Column("batch", KEY, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("quarantined", sa.Boolean(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("file_digest", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("dataset_start", sa.Integer(), nullable=False),
        sa.Column("transfer_syntax", sa.String(length=64), nullable=False),
        sa.Column("place", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("rule", sa.String(length=32), nullable=False),
        sa.Column("holder", sa.String(length=64), nullable=True),
        sa.Column("lease", sa.BigInteger(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["batch"], ["batch.id"], name="fk_custody_batch"),
        sa.ForeignKeyConstraint(["dataset"], ["dataset.id"], name="fk_custody_dataset"),
        sa.ForeignKeyConstraint(["node"], ["node.id"], name="fk_custody_node"),
        sa.PrimaryKeyConstraint("id", name="pk_custody"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_custody_batch", "custody", ["batch"], unique=False)
    op.create_index("ix_custody_dataset_digest", "custody", ["dataset", "file_digest"], unique=False)
    op.create_index(
        "ix_custody_passing",
        "custody",
        ["lease"],
        unique=False,
        sqlite_where=sa.text("state IN ('receiving', 'withdrawn', 'refusing')"),
        postgresql_where=sa.text("state IN ('receiving', 'withdrawn', 'refusing')"),
    )
    op.create_index("ix_custody_study", "custody", ["study_uid"], unique=False)
    op.create_index(
        "uq_custody_in_care",
        "custody",
        ["sop_uid"],
        unique=True,
        sqlite_where=sa.text("state IN ('receiving', 'held', 'review')"),
        postgresql_where=sa.text("state IN ('receiving', 'held', 'review')"),
    )
    op.create_table(
        "ledger_body",
        sa.Column("id", KEY, autoincrement=False, nullable=False),
        sa.Column("nonce", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("party", KEY, nullable=True),
        sa.Column("dataset", KEY, nullable=True),
        sa.Column("batch", KEY, nullable=True),
        sa.ForeignKeyConstraint(["batch"], ["batch.id"], name="fk_ledger_body_batch"),
        sa.ForeignKeyConstraint(["dataset"], ["dataset.id"], name="fk_ledger_body_dataset"),
        sa.ForeignKeyConstraint(["id"], ["ledger_leaf.id"], name="fk_ledger_body_id"),
        sa.ForeignKeyConstraint(["party"], ["party.id"], name="fk_ledger_body_party"),
        sa.PrimaryKeyConstraint("id", name="pk_ledger_body"),
    )
    op.create_index("ix_ledger_body_batch", "ledger_body", ["batch"], unique=False)
    op.create_index("ix_ledger_body_dataset", "ledger_body", ["dataset", "id"], unique=False)
    op.create_index("ix_ledger_body_party", "ledger_body", ["party", "id"], unique=False)
    op.create_table(
        "receipt",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("batch", KEY, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("study_uid", sa.String(length=64), nullable=True),
        sa.Column("sop_uid", sa.String(length=64), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("rule", sa.String(length=32), nullable=False),
        sa.Column("findings", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["batch"], ["batch.id"], name="fk_receipt_batch"),
        sa.PrimaryKeyConstraint("id", name="pk_receipt"),
    )
    op.create_index("ix_receipt_batch", "receipt", ["batch", "id"], unique=False)
    op.create_table(
        "series",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("study", KEY, nullable=False),
        sa.Column("series_uid", sa.String(length=64), nullable=False),
        sa.Column("modality", sa.String(length=16), nullable=False),
        sa.Column("body_part", sa.String(length=64), nullable=False),
        sa.Column("manufacturer", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("header", sa.Text(), nullable=False),
        sa.Column("instances", sa.Integer(), nullable=False),
        sa.Column("fragment", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["study"], ["study.id"], name="fk_series_study"),
        sa.PrimaryKeyConstraint("id", name="pk_series"),
        sa.UniqueConstraint("study", "series_uid", name="uq_series_study_series_uid"),
    )
    op.create_index("ix_series_body_part", "series", ["body_part", "study"], unique=False)
    op.create_index("ix_series_modality", "series", ["modality", "study"], unique=False)
    op.create_index("ix_series_uid", "series", ["series_uid"], unique=False)
    op.create_table(
        "instance",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("study", KEY, nullable=False),
        sa.Column("series", KEY, nullable=False),
        sa.Column("custody", KEY, nullable=False),
        sa.Column("sop_uid", sa.String(length=64), nullable=False),
        sa.Column("sop_class", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column("frames", sa.Integer(), nullable=False),
        sa.Column("summary", sa.LargeBinary(), nullable=False),
        sa.Column("metadata", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["custody"], ["custody.id"], name="fk_instance_custody"),
        sa.ForeignKeyConstraint(["series"], ["series.id"], name="fk_instance_series"),
        sa.ForeignKeyConstraint(["study"], ["study.id"], name="fk_instance_study"),
        sa.PrimaryKeyConstraint("id", name="pk_instance"),
        sa.UniqueConstraint("sop_uid", name="uq_instance_sop_uid"),
    )
    op.create_index("ix_instance_series", "instance", ["series", "id"], unique=False)
    op.create_index("ix_instance_study", "instance", ["study", "id"], unique=False)
    op.execute(sa.text("INSERT INTO governance (id, counter) VALUES (1, 0)"))
    for guard in SQLITE_GUARDS if op.get_bind().dialect.name == "sqlite" else POSTGRESQL_GUARDS:
        op.execute(guard)
