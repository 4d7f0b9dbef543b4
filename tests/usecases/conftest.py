"""Runtimes for use cases, and what must be true of every one of them when the dust has settled."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import func, select

from adapters.sql import tables as t
from server.usecases import ledger
from server.usecases.batch import Batch
from server.usecases.node import add_node
from server.usecases.runtime import Runtime
from tests import builders
from tests.servers import Orthanc


@pytest.fixture
def clock() -> builders.Clock:
    return builders.Clock()


@pytest.fixture
def built(tmp_path: Path, clock: builders.Clock) -> Iterator[Runtime]:
    """A seeded runtime on SQLite."""
    runtime = builders.runtime(tmp_path, clock=clock)
    builders.seed(runtime)
    yield runtime
    leave(runtime)


@pytest.fixture
def anywhere(tmp_path: Path, clock: builders.Clock, database: str) -> Iterator[Runtime]:
    """A seeded runtime on each of the two databases."""
    runtime = builders.runtime(tmp_path, url=database, clock=clock)
    builders.seed(runtime)
    yield runtime
    leave(runtime)


@pytest.fixture
def doors(anywhere: Runtime, tmp_path: Path, clock: builders.Clock, database: str) -> Iterator[tuple[Runtime, Runtime]]:
    """Two processes' runtimes on one database and data directory."""
    other = builders.runtime(tmp_path, url=database, clock=clock)
    yield anywhere, other
    leave(other)


def leave(runtime: Runtime) -> None:
    runtime.close()


@pytest.fixture
def on_orthanc(built: Runtime, orthanc: Orthanc, tmp_path: Path) -> Batch:
    """The dataset CHEST, whose node `archive` keeps one file for a UID: an open batch for it."""
    secret = tmp_path / "secret"
    secret.write_text(f"{orthanc.user}:{orthanc.password}\n")
    add_node(built, builders.ACTOR, "archive", kind="orthanc", hosting="central", url=orthanc.url, secret_file=str(secret))
    builders.seed(built, alias="CHEST", provider="hospital-c", node="archive")
    return builders.batch(built, "CHEST", provider="hospital-c")


@pytest.fixture
def dies(tmp_path: Path, clock: builders.Clock) -> Callable[[Runtime, str, Callable[[Runtime], object]], None]:
    """Call it with a runtime, a named point and something to do: a process of its own does it and dies there, as by kill -9."""

    def run(runtime: Runtime, point: str, work: Callable[[Runtime], object]) -> None:
        child = os.fork()
        if not child:
            try:
                own = builders.runtime(tmp_path, url=runtime.settings.database_url, clock=clock)
                work(replace(own, reached=lambda reached: os._exit(9) if reached == point else None))
            finally:
                os._exit(1)  # it was to die before this
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9

    return run


@pytest.fixture
def sound() -> Callable[[Runtime], None]:
    """Call it: nothing indexed is absent from its node, nothing is kept twice or for nobody, counts and ledger are exact."""
    return _sound


def _sound(runtime: Runtime) -> None:
    with runtime.store.read() as connection:
        held = connection.execute(select(t.custody).where(t.custody.c.state == "held")).all()
        review = connection.execute(select(t.custody).where(t.custody.c.state == "review")).all()
        passing = connection.execute(select(t.custody).where(t.custody.c.state.in_(["receiving", "withdrawn", "refusing"]))).all()
        indexed = connection.execute(select(t.instance.c.custody, t.instance.c.sop_uid)).all()
        counted = select(t.study.c.instances, func.count(t.instance.c.id)).join(t.instance, t.instance.c.study == t.study.c.id)
        assert all(a == b for a, b in connection.execute(counted.group_by(t.study.c.id, t.study.c.instances)))
        nodes = {row.id: runtime.node(connection, row.id) for row in runtime.governance.current(connection).nodes.values()}
        assert sorted(indexed) == sorted((row.id, row.sop_uid) for row in held)
        assert passing == []
        for row in (*held, *review):
            node = runtime.quarantine if row.quarantined else nodes[row.node]
            with node.open(row.place, row.size) as source:
                assert sha256(source.read()).digest() == row.file_digest
    assert sorted(p for node in nodes.values() for p in node.places()) == sorted({row.place for row in held})
    assert sorted(runtime.quarantine.places()) == sorted({row.place for row in review})
    ledger.sequence(runtime)
    assert ledger.verify(runtime).broken is None
