"""Health says which disk is the trouble, whoever else still answers."""

from dataclasses import replace

from msgspec import structs

from adapters.nodes.watch import Watch
from adapters.sql import tables as t
from adapters.sql.store import Store
from consent.subject import Role
from server.usecases import health, worker
from server.worker import loop
from tests import builders


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


OPERATOR = builders.caller(Role.OPERATOR)


def ready(runtime):
    told = health.check_readiness(runtime, OPERATOR, Watch())
    return told.ok, told.document["troubles"]


def test_nobody_is_ready_before_a_worker_is_at_work_nor_when_it_has_stopped(anywhere, clock):
    (said,) = ready(anywhere)[1]
    assert said.startswith("No worker has been at work yet")
    worker.beat(anywhere)
    clock.on(59)
    assert ready(anywhere) == (True, [])
    clock.on(1)
    ok, (said,) = ready(anywhere)
    assert (ok, said.startswith("No worker has been at work since 2026-11-22 12:00:00 UTC")) == (False, True)
    worker.beat(anywhere)
    assert ready(anywhere) == (True, [])


def test_one_worker_of_several_is_enough_and_the_lost_are_forgotten(doors, clock):
    first, second = doors
    worker.beat(first)
    clock.on(2 * 24 * 3600)
    worker.beat(second)
    assert ready(first) == (True, [])
    with first.store.read() as connection:
        assert [row.holder for row in connection.execute(t.worker.select())] == [second.holder]


def test_the_worker_says_that_it_is_at_work():
    assert [chore.run for chore in loop.chores() if chore.name == "beat"] == [worker.beat]
