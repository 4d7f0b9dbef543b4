"""Results that are kept: the last ones, within their bytes; a failure is none."""

import pytest

from server.kept import Kept


def test_what_was_made_is_made_once():
    kept, made = Kept(100), []

    def make():
        made.append(1)
        return b"picture"

    assert [kept.result("a", make) for _ in range(3)] == [b"picture"] * 3
    assert len(made) == 1


def test_what_was_asked_for_longest_ago_goes_first():
    kept = Kept(10)
    for name in "ab":
        kept.result(name, lambda: bytes(5))
    kept.result("a", lambda: pytest.fail("it is kept"))
    kept.result("c", lambda: bytes(5))
    kept.result("a", lambda: pytest.fail("it is kept"))
    assert kept.result("b", lambda: b"anew") == b"anew"


def test_what_is_larger_than_all_that_is_kept_is_not_kept():
    kept = Kept(10)
    assert kept.result("a", lambda: bytes(11)) == bytes(11)
    assert kept.result("a", lambda: b"anew") == b"anew"


def test_a_failure_is_not_kept():
    kept = Kept(10)

    def fail():
        raise LookupError

    with pytest.raises(LookupError):
        kept.result("a", fail)
    assert kept.result("a", lambda: b"made") == b"made"
