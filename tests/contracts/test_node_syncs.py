"""How far a node's own content was brought in, on every database: what was begun anew is not advanced by who began before."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from adapters.sql import batches, node_syncs
from adapters.sql import node as nodes
from consent.deposit import Code
from mappings.report import Receipt
from tests import builders

NOW = datetime(2026, 11, 27, tzinfo=UTC)
LATER = NOW + timedelta(seconds=1)


@pytest.fixture
def connection(tmp_path, database):
    built = builders.runtime(tmp_path, url=database)
    builders.seed(built)
    with built.store.write() as opened:
        yield opened
    built.close()


@pytest.fixture
def begun(connection):
    node = nodes.find(connection, "central").id
    node_syncs.begin(connection, node, 1, "operator:test", NOW)
    return node_syncs.find(connection, node)


def test_it_is_nothing_until_it_is_begun_and_after_it_is_ended(connection, begun):
    assert node_syncs.find(connection, begun.node + 1) is None
    node_syncs.end(connection, begun.node)
    assert node_syncs.find(connection, begun.node) is None


def test_it_is_kept_how_far_it_is(connection, begun):
    node_syncs.advance(connection, begun, 7, LATER)
    node_syncs.advance(connection, begun, 9)
    assert node_syncs.find(connection, begun.node) == replace(begun, since=9, swept=LATER)


def test_what_was_begun_anew_is_not_advanced_by_who_began_before(connection, begun):
    node_syncs.begin(connection, begun.node, 1, "operator:other", LATER)
    node_syncs.advance(connection, begun, 9, LATER)
    assert node_syncs.find(connection, begun.node) == replace(begun, actor="operator:other", begun=LATER)


def test_what_was_judged_since_it_was_begun_is_presented(connection, begun):
    batch = {"dataset": 1, "subject": "operator:test", "calling": "", "called": "", "attested": False, "held_by": ""}

    def judged(door, peer, at, rule=Code.DECLARED):
        key = batches.add(connection, at, key=f"{door}{peer}{at:%S}{rule}", door=door, peer=peer, **batch)
        receipt = Receipt(f"{door} {peer} {at:%S} {rule}", None, None, 1, "reject", rule, (), at, b"")
        batches.add_receipt(connection, key, receipt)
        return key

    own = judged("sync", "central", NOW)
    judged("sync", "central", NOW, Code.AGREEMENT_INACTIVE)
    judged("sync", "central", NOW - timedelta(seconds=1))
    judged("sync", "second", NOW)
    pushed = judged("push", "central", NOW)
    assert node_syncs.presented(connection, "central", begun.begun) == {"sync central 00 declared"}
    assert [node_syncs.is_nodes_own(connection, key) for key in (own, pushed)] == [True, False]
