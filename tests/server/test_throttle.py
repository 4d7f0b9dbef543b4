"""Too many failed proofs of one client from one address are not looked at for a while; nor does a caller ask without end."""

from datetime import timedelta

import pytest

from mappings.failures import Throttled, Unauthenticated
from server import throttle
from server.throttle import FAILURES, WINDOW, Rate, Throttle
from tests import builders

NOW = builders.Clock()()
NEAR, OTHER = "192.0.2.7", "192.0.2.8"


def fail(
    one: Throttle, client: str = "researcher", address: str = NEAR, *, times: int = FAILURES, at: timedelta = timedelta()
) -> None:
    for _ in range(times):
        with pytest.raises(Unauthenticated), one.attempt(client, address, NOW + at):
            raise Unauthenticated("assertion-invalid", "-")


def proves(one: Throttle, client: str = "researcher", address: str = NEAR, *, at: timedelta = timedelta()) -> bool:
    try:
        with one.attempt(client, address, NOW + at):
            return True
    except Throttled as refused:
        return not 0 < refused.retry_after <= WINDOW.total_seconds()


def test_a_pair_is_refused_after_its_failures_and_no_other_is():
    one = Throttle()
    fail(one, times=FAILURES - 1)
    assert proves(one)
    fail(one, times=1)
    assert not proves(one)
    assert proves(one, address=OTHER)
    assert proves(one, client="another")


def test_a_pair_is_looked_at_again_when_the_minute_is_over():
    one = Throttle()
    fail(one)
    assert not proves(one, at=WINDOW - timedelta(seconds=1))
    assert proves(one, at=WINDOW)
    fail(one, times=FAILURES - 1, at=WINDOW)
    assert proves(one, at=WINDOW)


def test_an_ipv6_host_is_counted_by_its_network():
    one = Throttle()
    fail(one, address="2001:db8::1")
    assert not proves(one, address="2001:db8::2")
    assert proves(one, address="2001:db8:0:1::1")


def test_so_many_pairs_are_kept_at_most(monkeypatch):
    monkeypatch.setattr(throttle, "MOST_PAIRS", 3)
    one = Throttle()
    fail(one)
    for name in "abc":
        fail(one, name, times=1)
    assert len(one._failed) == 3
    assert proves(one)


def asks(one: Rate, caller: str = "eucaim", *, times: int = 1, at: timedelta = timedelta()) -> int:
    """How many of so many questions are let through, of three a minute."""
    through = 0
    for _ in range(times):
        try:
            one.count(caller, 3, NOW + at)
            through += 1
        except Throttled as refused:
            through += 100 * (not 0 < refused.retry_after <= WINDOW.total_seconds())
    return through


def test_a_caller_asks_so_often_in_its_minute_and_another_has_its_own():
    one = Rate()
    assert (asks(one, times=5), asks(one, "biobank", times=2)) == (3, 2)
    assert asks(one, at=WINDOW - timedelta(seconds=1)) == 0
    assert asks(one, times=5, at=WINDOW) == 3
    assert asks(one, at=-WINDOW) == 1, "a clock that went back locks nobody out"
