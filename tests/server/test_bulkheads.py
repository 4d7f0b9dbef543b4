"""One client has a share of the places where everybody asks, one node of those where bytes flow; neither has all of them."""

import threading
from types import SimpleNamespace

import pytest

from mappings.failures import Busy
from server.settings import Settings
from server.web.bulkheads import HARVESTS, PACES, Bulkhead, Bulkheads, bulkheads_of, threads_of
from tests.running import eventually


@pytest.mark.parametrize("bulkhead", [Bulkhead.SEARCH, Bulkhead.FORM, Bulkhead.STREAM, Bulkhead.UPLOAD])
def test_one_client_leaves_room_for_others(bulkhead):
    bulkheads = Bulkheads(dict.fromkeys(Bulkhead, 4))
    held = [bulkheads.enter(bulkhead) for _ in range(3)]
    for place in held:
        place.hold_for("greedy")
    fourth = bulkheads.enter(bulkhead)
    with pytest.raises(Busy) as refused:
        fourth.hold_for("greedy")
    assert refused.value.code == "busy-share"
    fourth.hold_for("another")
    with pytest.raises(Busy):
        bulkheads.enter(bulkhead)


def test_a_place_is_given_back_once_with_its_share():
    bulkheads = Bulkheads(dict.fromkeys(Bulkhead, 1))
    for _ in range(3):
        place = bulkheads.enter(Bulkhead.FORM)
        place.hold_for("client")
        place.leave()
        place.leave()
    bulkheads.enter(Bulkhead.FORM)
    with pytest.raises(Busy):
        bulkheads.enter(Bulkhead.FORM)


def test_a_place_refused_for_its_share_is_no_longer_counted():
    bulkheads = Bulkheads(dict.fromkeys(Bulkhead, 2))
    first, second = bulkheads.enter(Bulkhead.SEARCH), bulkheads.enter(Bulkhead.SEARCH)
    first.hold_for("client")
    with pytest.raises(Busy):
        second.hold_for("client")
    second.leave()
    first.leave()
    bulkheads.enter(Bulkhead.SEARCH).hold_for("client")


@pytest.mark.parametrize("bulkhead", [Bulkhead.STREAM, Bulkhead.UPLOAD, Bulkhead.RENDER])
def test_one_node_leaves_room_for_others(bulkhead):
    bulkheads = Bulkheads(dict.fromkeys(Bulkhead, 4))
    held = [bulkheads.enter(bulkhead) for _ in range(4)]
    for place in held[:3]:
        place.hold_at("silent")
        place.hold_at("silent")
    with pytest.raises(Busy) as refused:
        held[3].hold_at("silent")
    assert refused.value.code == "busy-share"
    held[3].hold_at("another")
    held[0].leave()
    bulkheads.enter(bulkhead).hold_at("silent")


def test_a_search_is_no_nodes():
    bulkheads = Bulkheads(dict.fromkeys(Bulkhead, 4))
    for _ in range(4):
        bulkheads.enter(Bulkhead.SEARCH).hold_at("silent")


def test_harvests_are_begun_at_their_pace_and_who_is_early_waits_for_a_turn(monkeypatch):
    slept = []
    monkeypatch.setattr("server.web.bulkheads.time", SimpleNamespace(monotonic=lambda: 100.0))
    bulkheads = Bulkheads(dict.fromkeys(Bulkhead, 100), slept.append)
    for _ in range(4):
        bulkheads.enter(Bulkhead.CATALOGUE)
        bulkheads.enter(Bulkhead.SEARCH)
    assert [round(seconds * PACES[Bulkhead.CATALOGUE]) for seconds in slept] == [1, 2, 3]


def test_harvesters_take_no_place_of_a_search_and_are_told_to_come_again():
    bulkheads, gate = bulkheads_of(Settings()), threading.Event()
    waiting = Bulkheads(bulkheads._free, lambda _seconds: gate.wait(10))
    early = [threading.Thread(target=waiting.enter, args=(Bulkhead.CATALOGUE,)) for _ in range(HARVESTS)]
    for each in early:
        each.start()
    try:
        assert eventually(lambda: not waiting._free[Bulkhead.CATALOGUE])
        with pytest.raises(Busy):
            waiting.enter(Bulkhead.CATALOGUE)
        waiting.enter(Bulkhead.SEARCH)
    finally:
        gate.set()
        for each in early:
            each.join()


def test_a_process_has_a_thread_for_every_place():
    sizes = bulkheads_of(Settings())._free
    assert set(sizes) == set(Bulkhead)
    assert threads_of(Settings()) > sum(sizes.values())
