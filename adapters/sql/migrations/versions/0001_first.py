"""The first schema, and the guards that keep the ledger append-only."""

import sqlalchemy as sa
from alembic import op

from adapters.sql.tables import metadata

revision = "0001"
down_revision = None

SQLITE_GUARDS = (
    "CREATE TRIGGER ledger_leaf_kept BEFORE DELETE ON ledger_leaf BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END",
    "CREATE TRIGGER ledger_leaf_fixed BEFORE UPDATE ON ledger_leaf"
    " WHEN OLD.position IS NOT NULL OR NEW.leaf IS NOT OLD.leaf OR NEW.id IS NOT OLD.id"
    " BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END",
    "CREATE TRIGGER checkpoint_kept BEFORE DELETE ON checkpoint BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END",
    "CREATE TRIGGER checkpoint_fixed BEFORE UPDATE ON checkpoint BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END",
    "CREATE TRIGGER terms_fixed BEFORE UPDATE ON terms BEGIN SELECT RAISE(ABORT, 'terms are immutable'); END",
)
POSTGRESQL_GUARDS = (
    "CREATE FUNCTION accord_refuse() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$",
    "CREATE FUNCTION accord_position_only() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN IF OLD.position IS NOT NULL OR NEW.leaf <> OLD.leaf OR NEW.id <> OLD.id THEN"
    " RAISE EXCEPTION 'the ledger is append-only'; END IF; RETURN NEW; END $$",
    "CREATE TRIGGER ledger_leaf_kept BEFORE DELETE ON ledger_leaf FOR EACH ROW EXECUTE FUNCTION accord_refuse()",
    "CREATE TRIGGER ledger_leaf_fixed BEFORE UPDATE ON ledger_leaf FOR EACH ROW EXECUTE FUNCTION accord_position_only()",
    "CREATE TRIGGER ledger_leaf_whole BEFORE TRUNCATE ON ledger_leaf EXECUTE FUNCTION accord_refuse()",
    "CREATE TRIGGER checkpoint_kept BEFORE UPDATE OR DELETE ON checkpoint FOR EACH ROW EXECUTE FUNCTION accord_refuse()",
    "CREATE TRIGGER checkpoint_whole BEFORE TRUNCATE ON checkpoint EXECUTE FUNCTION accord_refuse()",
    "CREATE TRIGGER terms_fixed BEFORE UPDATE ON terms FOR EACH ROW EXECUTE FUNCTION accord_refuse()",
)


def upgrade() -> None:
    """Make every table, the one governance row, and the guards of this database."""
    connection = op.get_bind()
    metadata.create_all(connection)
    op.execute(sa.text("INSERT INTO governance (id, counter) VALUES (1, 0)"))
    for guard in SQLITE_GUARDS if connection.dialect.name == "sqlite" else POSTGRESQL_GUARDS:
        op.execute(guard)
