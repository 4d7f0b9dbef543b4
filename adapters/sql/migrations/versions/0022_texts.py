"""Names and descriptions are found by their trigrams.

PostgreSQL needs its extension pg_trgm, which the database's owner may add (it is trusted since 13), else a superuser beforehand:
`CREATE EXTENSION pg_trgm`. Without it nothing is lacking but speed; who adds it later makes the indexes of `_POSTGRESQL` and
`_GROUPS`.
A later migration that makes `study` or `series` anew on SQLite makes these triggers anew as well.
"""

import logging

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
log = logging.getLogger("accord.migrate")
_COLUMNS = {"study": ("patient_name", "referring", "description"), "series": ("description",)}
_POSTGRESQL = "CREATE INDEX trgm_{0}_{1} ON {0} USING gin ({1} gin_trgm_ops) WITH (fastupdate = off)"
_GROUPS = "CREATE INDEX trgm_study_groups ON study USING gin (patient_name gin_trgm_ops) WHERE patient_name LIKE '%=%'"
_KEEP = "INSERT INTO {0}_text(rowid, {1}) VALUES (new.id, {2});"
_FORGET = "INSERT INTO {0}_text({0}_text, rowid, {1}) VALUES ('delete', old.id, {3});"
_SQLITE = (
    "CREATE VIRTUAL TABLE {0}_text USING fts5({1}, content='{0}', content_rowid='id', tokenize='trigram case_sensitive 1')",
    f"CREATE TRIGGER {{0}}_text_insert AFTER INSERT ON {{0}} BEGIN {_KEEP} END",
    f"CREATE TRIGGER {{0}}_text_delete AFTER DELETE ON {{0}} BEGIN {_FORGET} END",
    f"CREATE TRIGGER {{0}}_text_update AFTER UPDATE OF {{1}} ON {{0}} BEGIN {_FORGET} {_KEEP} END",
    "INSERT INTO {0}_text({0}_text) VALUES ('rebuild')",
)


def upgrade() -> None:
    """Make the index of how names begin, and the trigrams of what is there, and have them follow."""
    op.create_index("ix_study_patient_name", "study", ["patient_name"], postgresql_ops={"patient_name": "text_pattern_ops"})
    if op.get_bind().dialect.name == "sqlite":
        for table, columns in _COLUMNS.items():
            new, old = (", ".join(f"{row}.{name}" for name in columns) for row in ("new", "old"))
            for statement in _SQLITE:
                op.get_bind().exec_driver_sql(statement.format(table, ", ".join(columns), new, old))
    elif _is_extended():
        for table, columns in _COLUMNS.items():
            for column in columns:
                op.execute(_POSTGRESQL.format(table, column))
        op.execute(_GROUPS)


def _is_extended() -> bool:
    try:
        with op.get_bind().begin_nested():
            op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    except sa.exc.DBAPIError:
        log.warning("without the extension pg_trgm, which this role may not add, searches within names take longer")
        return False
    return True
