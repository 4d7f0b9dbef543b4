"""An agreement's content in versions, the acts on agreements and nodes as rows, and a stop for each side.

Until now every move counted an agreement's version up and the content stood beside its state. Each number that was ever cited
becomes a version with that content; acts are read from the ledger bodies that are there; a stop that stands was the repository's,
which alone acted.
"""

import json
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
revision = "0004"
down_revision = "0003"

CONTENT = ("node", "terms", "starts", "ends", "access_class", "listed", "actions", "visibility", "purposes")
KEPT = ("agreement_version", "agreement_act", "node_act")
SQLITE_GUARD = """CREATE TRIGGER {table}_{name} BEFORE {verb} ON {table}
BEGIN SELECT RAISE(ABORT, 'what was agreed and done is append-only'); END"""
POSTGRESQL_GUARDS = (
    "CREATE TRIGGER {table}_kept BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION accord_refuse()",
    "CREATE TRIGGER {table}_whole BEFORE TRUNCATE ON {table} EXECUTE FUNCTION accord_refuse()",
)


def upgrade() -> None:
    """Make the tables, fill them from what stands, and leave of the agreement where it stands."""
    version, act, node_act = _tables()
    agreements = op.get_bind().execute(sa.text("SELECT * FROM agreement ORDER BY id")).mappings().all()
    acts = list(_acts("agreement"))
    _insert(version, [row for agreement in agreements for row in _versions(agreement, acts)])
    _insert(act, [row for agreement in agreements for row in _acts_on(agreement, acts)])
    _insert(node_act, list(_node_acts()))
    _stand(agreements, acts)
    _guard()


def _insert(table: sa.Table, rows: list[dict[str, Any]]) -> None:
    if rows:
        op.get_bind().execute(sa.insert(table), rows)


def _tables() -> tuple[sa.Table, sa.Table, sa.Table]:
    version = op.create_table(
        "agreement_version",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("agreement", KEY, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("node", KEY, nullable=False),
        sa.Column("terms", KEY, nullable=False),
        sa.Column("starts", sa.BigInteger(), nullable=False),
        sa.Column("ends", sa.BigInteger(), nullable=True),
        sa.Column("access_class", sa.String(16), nullable=False),
        sa.Column("listed", sa.Boolean(), nullable=False),
        sa.Column("actions", sa.Text(), nullable=False),
        sa.Column("visibility", sa.String(16), nullable=False),
        sa.Column("purposes", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["agreement"], ["agreement.id"], name="fk_agreement_version_agreement"),
        sa.ForeignKeyConstraint(["node"], ["node.id"], name="fk_agreement_version_node"),
        sa.ForeignKeyConstraint(["terms"], ["terms.id"], name="fk_agreement_version_terms"),
        sa.PrimaryKeyConstraint("id", name="pk_agreement_version"),
        sa.UniqueConstraint("agreement", "version", name="uq_agreement_version_agreement_version"),
    )
    act = op.create_table(
        "agreement_act",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("agreement", KEY, nullable=False),
        sa.Column("verb", sa.String(16), nullable=False),
        sa.Column("side", sa.String(16), nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["agreement"], ["agreement.id"], name="fk_agreement_act_agreement"),
        sa.PrimaryKeyConstraint("id", name="pk_agreement_act"),
    )
    op.create_index("ix_agreement_act_agreement", "agreement_act", ["agreement", "id"], unique=False)
    node_act = op.create_table(
        "node_act",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("node", KEY, nullable=False),
        sa.Column("verb", sa.String(16), nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["node"], ["node.id"], name="fk_node_act_node"),
        sa.PrimaryKeyConstraint("id", name="pk_node_act"),
    )
    op.create_index("ix_node_act_node", "node_act", ["node", "id"], unique=False)
    return version, act, node_act


# --- what the ledger says was done


def _acts(noun: str) -> Iterator[tuple[str, str, int, dict[str, Any]]]:
    """(verb, actor, moment, body) of every readable act on a noun, in the order they were recorded."""
    rows = sa.text("SELECT kind, actor, at, body FROM ledger_body WHERE kind LIKE :kinds ORDER BY id")
    for kind, actor, at, body in op.get_bind().execute(rows, {"kinds": f"govern.{noun}.%"}):
        yield kind.rsplit(".", 1)[1], actor, at, json.loads(body)


def _versions(agreement: Any, acts: list[tuple[str, str, int, dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    """Every number that may have been cited, with the content that never changed."""
    moments = {body["version"]: at for _, _, at, body in acts if body["agreement"] == agreement["key"]}
    content = {name: agreement[name] for name in CONTENT} | {"listed": bool(agreement["listed"])}
    for version in range(1, agreement["version"] + 1):
        yield {"agreement": agreement["id"], "version": version, **content, "at": moments.get(version, agreement["updated"])}


def _acts_on(agreement: Any, acts: list[tuple[str, str, int, dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    for verb, actor, at, body in acts:
        if body["agreement"] == agreement["key"] and verb != "add":
            act = {"verb": verb, "side": "repository", "actor": actor, "version": body["version"], "at": at}
            yield {"agreement": agreement["id"], **act}


def _node_acts() -> Iterator[dict[str, Any]]:
    nodes: dict[str, int] = dict(op.get_bind().execute(sa.text("SELECT name, id FROM node")).all())
    for verb, actor, at, body in _acts("node"):
        yield {"node": nodes[body["node"]], "verb": verb, "actor": actor, "at": at}


# --- where an agreement stands


def _stand(agreements: Any, acts: list[tuple[str, str, int, dict[str, Any]]]) -> None:
    with op.batch_alter_table("agreement") as table:
        table.add_column(sa.Column("stopped_by_provider", sa.BigInteger(), nullable=True))
        table.add_column(sa.Column("stopped_by_repository", sa.BigInteger(), nullable=True))
        for name in ("node", "terms"):
            table.drop_constraint(f"fk_agreement_{name}", type_="foreignkey")
        for name in CONTENT:
            table.drop_column(name)
    stop = sa.text("UPDATE agreement SET stopped_by_repository = :since WHERE id = :id")
    for agreement in agreements:
        if agreement["state"] == "suspended":
            stops = [at for verb, _, at, body in acts if (verb, body["agreement"]) == ("suspend", agreement["key"])]
            since = stops[-1] if stops else agreement["updated"]
            op.get_bind().execute(stop, {"since": since, "id": agreement["id"]})


def _guard() -> None:
    """The database refuses to change or delete what was agreed and done."""
    for table in KEPT:
        if op.get_bind().dialect.name == "sqlite":
            for name, verb in (("kept", "DELETE"), ("fixed", "UPDATE")):
                op.execute(SQLITE_GUARD.format(table=table, name=name, verb=verb))
        else:
            for guard in POSTGRESQL_GUARDS:
                op.execute(guard.format(table=table))
