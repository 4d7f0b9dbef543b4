"""Health says which disk is the trouble, whoever else still answers."""

from dataclasses import replace

from msgspec import structs

from adapters.sql.store import Store
from server.usecases import health


class Cramped:
    """A node whose disk is nearly full."""

    def __init__(self, node):
        self._node = node

    def check(self):
        return replace(self._node.check(), free=1_000_000)

    def __getattr__(self, name):
        return getattr(self._node, name)


def test_a_healthy_runtime_has_no_troubles_on_either_database(anywhere):
    assert health.find_troubles(anywhere) == []


def test_a_node_whose_own_disk_is_nearly_full_is_named(built):
    wants = replace(
        built, settings=structs.replace(built.settings, min_free_mb=2), node_of=lambda row: Cramped(built.node_of(row))
    )
    assert health.find_troubles(wants) == ["Only 1 MB are free on the disk of node central."]


def test_a_database_that_answers_but_cannot_be_written_is_a_trouble(built):
    path = built.settings.data_dir / "accord.db"
    readonly = Store(f"sqlite:///file:{path}?mode=ro&uri=true")
    (said,) = health.find_troubles(replace(built, store=readonly))
    readonly.close()
    assert said.startswith("The ledger can't be written.")
