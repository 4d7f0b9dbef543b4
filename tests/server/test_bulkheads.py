"""One client has a share of the places where everybody asks, one node of those where bytes flow; neither has all of them."""

import pytest

from mappings.failures import Busy
from server.web.bulkheads import Bulkhead, Bulkheads


def test_one_client_leaves_room_for_others():
    bulkheads = Bulkheads(dict.fromkeys(Bulkhead, 4))
    held = [bulkheads.enter(Bulkhead.SEARCH) for _ in range(3)]
    for place in held:
        place.hold_for("greedy")
    fourth = bulkheads.enter(Bulkhead.SEARCH)
    with pytest.raises(Busy) as refused:
        fourth.hold_for("greedy")
    assert refused.value.code == "busy-share"
    fourth.hold_for("another")
    with pytest.raises(Busy):
        bulkheads.enter(Bulkhead.SEARCH)


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
