"""Documents of four kinds, who accepted which version, what providers are asked, external parties, and what parties were when.

The terms that were published are the general terms; each took effect when it was published, none needs renewal, and each contains
those before it of its MAJOR, since only a greater one needed a new yes. What a client had accepted is an acceptance, of the
moment that the record names or of the terms' own. Every party is a beneficiary. An agreement's datasets go on being counted in
federated search where they are listed, and are shared with beneficiaries alone.
"""

import json
from difflib import unified_diff
from itertools import pairwise
from typing import Any

import sqlalchemy as sa
from alembic import op

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
revision = "0029"
down_revision = "0028"

SQLITE_GUARD = """CREATE TRIGGER {table}_{name} BEFORE {verb} ON {table}
BEGIN SELECT RAISE(ABORT, '{why}'); END"""
POSTGRESQL_GUARDS = (
    "CREATE TRIGGER {table}_kept BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION accord_refuse()",
    "CREATE TRIGGER {table}_whole BEFORE TRUNCATE ON {table} EXECUTE FUNCTION accord_refuse()",
)
IMMUTABLE = "terms are immutable"
APPEND_ONLY = "what was agreed and done is append-only"


def upgrade() -> None:
    """Make the tables, and fill them and the new columns from what is there."""
    op.add_column("party", sa.Column("external", sa.Boolean(), nullable=False, server_default=sa.text("false")))
    _conditions()
    _documents()
    _tables()
    _insert(_ACCEPTANCE, _acceptances())
    _insert(_PARTY_ACT, _party_acts())
    with op.batch_alter_table("client") as table:
        table.drop_constraint("fk_client_terms", type_="foreignkey")
        table.drop_column("terms")
    for kept in ("acceptance", "party_act"):
        _guard(kept)


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def _insert(table: sa.TableClause, rows: list[dict[str, Any]]) -> None:
    if rows:
        op.get_bind().execute(sa.insert(table), rows)


def _guard(table: str) -> None:
    if _is_sqlite():
        for name, verb in (("kept", "DELETE"), ("fixed", "UPDATE")):
            op.execute(SQLITE_GUARD.format(table=table, name=name, verb=verb, why=APPEND_ONLY))
    else:
        for guard in POSTGRESQL_GUARDS:
            op.execute(guard.format(table=table))


# --- columns of what is guarded


def _conditions() -> None:
    """What is listed was counted in federated search."""
    for name in ("external", "federated"):
        op.add_column("agreement_version", sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.text("false")))
    op.add_column("agreement_version", sa.Column("replaces", sa.Integer(), nullable=True))
    fill = "UPDATE agreement_version SET federated = listed"
    if _is_sqlite():
        op.execute("DROP TRIGGER agreement_version_fixed")
        op.execute(fill)
        op.execute(SQLITE_GUARD.format(table="agreement_version", name="fixed", verb="UPDATE", why=APPEND_ONLY))
    else:
        op.execute("ALTER TABLE agreement_version DISABLE TRIGGER agreement_version_kept")
        op.execute(fill)
        op.execute("ALTER TABLE agreement_version ENABLE TRIGGER agreement_version_kept")


def _documents() -> None:
    with op.batch_alter_table("terms") as table:  # on SQLite a new table, without the trigger
        table.add_column(sa.Column("kind", sa.String(24), nullable=False, server_default=sa.text("'general'")))
        table.add_column(sa.Column("summary", sa.Text(), nullable=False, server_default=sa.text("''")))
        table.add_column(sa.Column("changes", sa.Text(), nullable=False, server_default=sa.text("''")))
        table.add_column(sa.Column("effective_at", sa.BigInteger(), nullable=False, server_default=sa.text("0")))
        table.add_column(sa.Column("renewal", sa.Boolean(), nullable=False, server_default=sa.text("false")))
        table.add_column(sa.Column("contains", sa.Text(), nullable=False, server_default=sa.text("''")))
        table.drop_constraint("uq_terms_version", type_="unique")
        table.create_unique_constraint("uq_terms_kind_version", ["kind", "version"])
    if _is_sqlite():
        _fill_documents()
        op.execute(SQLITE_GUARD.format(table="terms", name="fixed", verb="UPDATE", why=IMMUTABLE))
    else:
        op.execute("ALTER TABLE terms DISABLE TRIGGER terms_fixed")
        _fill_documents()
        op.execute("ALTER TABLE terms ENABLE TRIGGER terms_fixed")


def _fill_documents() -> None:
    """When each took effect, what it changed, and which it contains."""
    op.execute("UPDATE terms SET effective_at = at")
    rows = op.get_bind().execute(sa.text("SELECT id, version, text FROM terms ORDER BY id")).all()
    fill = sa.text("UPDATE terms SET changes = :changes, contains = :contains WHERE id = :id")
    for place, (old, new) in enumerate(pairwise(rows), 1):
        before, after = (bytes(row.text).decode(errors="replace").splitlines() for row in (old, new))
        changes = "\n".join(unified_diff(before, after, old.version, new.version, lineterm=""))
        contains = " ".join(row.version for row in rows[:place] if row.version.split(".")[0] == new.version.split(".")[0])
        op.get_bind().execute(fill, {"changes": changes, "contains": contains, "id": new.id})


# --- tables

_ACCEPTANCE = sa.table("acceptance", *map(sa.column, ("terms", "subject", "party", "actor", "at")))
_PARTY_ACT = sa.table("party_act", *map(sa.column, ("party", "role", "approved", "external", "at")))


def _tables() -> None:
    op.create_table(
        "acceptance",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("terms", KEY, nullable=False),
        sa.Column("subject", sa.String(80), nullable=False),
        sa.Column("party", KEY, nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["party"], ["party.id"], name="fk_acceptance_party"),
        sa.ForeignKeyConstraint(["terms"], ["terms.id"], name="fk_acceptance_terms"),
        sa.PrimaryKeyConstraint("id", name="pk_acceptance"),
        sa.UniqueConstraint("subject", "terms", name="uq_acceptance_subject_terms"),
    )
    op.create_table(
        "party_act",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("party", KEY, nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("approved", sa.Boolean(), nullable=False),
        sa.Column("external", sa.Boolean(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["party"], ["party.id"], name="fk_party_act_party"),
        sa.PrimaryKeyConstraint("id", name="pk_party_act"),
    )
    op.create_index("ix_party_act_party", "party_act", ["party", "id"], unique=False)
    op.create_table(
        "terms_task",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("terms", KEY, nullable=False),
        sa.Column("party", KEY, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("answer", sa.String(16), nullable=True),
        sa.Column("answered", sa.BigInteger(), nullable=True),
        sa.Column("actor", sa.String(80), nullable=True),
        sa.ForeignKeyConstraint(["party"], ["party.id"], name="fk_terms_task_party"),
        sa.ForeignKeyConstraint(["terms"], ["terms.id"], name="fk_terms_task_terms"),
        sa.PrimaryKeyConstraint("id", name="pk_terms_task"),
        sa.UniqueConstraint("terms", "party", name="uq_terms_task_terms_party"),
    )


# --- what the ledger says was done


def _bodies(*kinds: str) -> list[tuple[str, int, dict[str, Any]]]:
    """(actor, moment, body) of every readable entry of these kinds, in the order they were recorded."""
    rows = sa.text("SELECT actor, at, body FROM ledger_body WHERE kind IN :kinds ORDER BY id").bindparams(
        sa.bindparam("kinds", expanding=True)
    )
    found = op.get_bind().execute(rows, {"kinds": list(kinds)}).all()
    return [(row.actor, row.at, json.loads(row.body)) for row in found if row.body]


def _acceptances() -> list[dict[str, Any]]:
    """Each version that a client was once said to have accepted, and the one that it stands under."""
    bind = op.get_bind()
    terms = {row.version: row for row in bind.execute(sa.text("SELECT id, version, at FROM terms")).all()}
    clients = {row.client_id: row for row in bind.execute(sa.text("SELECT client_id, party, terms FROM client")).all()}
    made: dict[tuple[str, int], dict[str, Any]] = {}
    for actor, at, body in _bodies("govern.client.add", "govern.client.set"):
        client, version = clients.get(body["client"]), terms.get(body.get("terms", ""))
        if client and version:
            made.setdefault((client.client_id, version.id), _accepted(client, version.id, actor, at))
    published = {row.id: row.at for row in terms.values()}
    for client in clients.values():
        if client.terms is not None:
            standing = _accepted(client, client.terms, "migration", published[client.terms])
            made.setdefault((client.client_id, client.terms), standing)
    return list(made.values())


def _accepted(client: Any, terms: int, actor: str, at: int) -> dict[str, Any]:
    return {"terms": terms, "subject": client.client_id, "party": client.party, "actor": actor, "at": at}


def _party_acts() -> list[dict[str, Any]]:
    """What each party was, by the record; what that does not say, as it is now since it last changed."""
    parties = {row.key: row for row in op.get_bind().execute(sa.text("SELECT * FROM party ORDER BY id")).all()}
    acts: dict[str, list[dict[str, Any]]] = {key: [] for key in parties}
    for _, at, body in _bodies("govern.party.add", "govern.party.set"):
        before = acts.get(body["party"])
        if before is not None:
            last = before[-1] if before else _was(parties[body["party"]], at)
            told = {name: body[name] for name in ("role", "approved") if name in body}
            before.append(last | told | {"approved": bool(told.get("approved", last["approved"])), "at": at})
    return [act for key, row in parties.items() for act in acts[key] or [_was(row, row.updated)]]


def _was(row: Any, at: int) -> dict[str, Any]:
    return {"party": row.id, "role": row.role, "approved": bool(row.approved), "external": False, "at": at}
