"""Places that are shared: one holder has a third, fifty leave some for the next, and what is reserved is for the known."""

import pytest

from mappings.network import counted
from server.shares import Shares


def take_all(shares: Shares, *holders: str, known: bool = True) -> dict[str, int]:
    """What each has when all of them took, in turn, for as long as anybody got one."""
    had = dict.fromkeys(holders, 0)
    while taken := [holder for holder in holders if shares.take(holder, known=known)]:
        for holder in taken:
            had[holder] += 1
    return had


def test_one_holder_has_a_third_and_leaves_the_rest():
    shares = Shares(120)
    assert take_all(shares, "greedy") == {"greedy": 40}
    assert take_all(shares, "another")["another"] > 20


def test_fifty_holders_leave_places_for_the_next():
    shares = Shares(256, part=4)
    assert min(take_all(shares, *map(str, range(50))).values()) >= 4
    assert all(shares.take(f"next {n}") for n in range(15))


def test_a_place_that_is_given_back_is_free():
    shares = Shares(1)
    assert shares.take("one")
    assert not shares.take("another")
    shares.give("one")
    assert shares.take("another")


def test_who_is_unknown_does_not_get_what_is_reserved():
    shares = Shares(8, reserved=6)
    assert sum(take_all(shares, *map(str, range(50)), known=False).values()) == 2
    assert shares.take("known")


def test_places_are_scarce_below_a_quarter():
    shares = Shares(8)
    held = [shares.scarce for holder in map(str, range(8)) if shares.take(holder)]
    assert held == [False] * 6 + [True] * 2


@pytest.mark.parametrize(
    ("address", "under"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("", ""),
    ],
)
def test_an_address_is_counted_by_its_network(address, under):
    assert counted(address) == under
