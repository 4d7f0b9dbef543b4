"""A range of bytes is read as RFC 9110 section 14.1.2 gives it, and what is none is passed over."""

import pytest

from mappings.byte_range import read_range
from mappings.failures import Unsatisfiable


@pytest.mark.parametrize(
    ("text", "bytes_"),
    [
        ("bytes=0-499", range(500)),
        ("bytes=500-999", range(500, 1000)),
        ("bytes=-500", range(9500, 10_000)),
        ("bytes=9500-", range(9500, 10_000)),
        ("bytes=0-0", range(1)),
        ("bytes=-1", range(9999, 10_000)),
        ("bytes=-20000", range(10_000)),
        ("bytes=9999-20000", range(9999, 10_000)),
        ("Bytes = 0-499 ", range(500)),
    ],
)
def test_one_range_is_read(text, bytes_):
    assert read_range(text, 10_000) == bytes_


@pytest.mark.parametrize("text", ["bytes=10000-", "bytes=99999999999-", "bytes=-0"])
def test_what_is_past_the_end_is_refused_with_the_size(text):
    with pytest.raises(Unsatisfiable) as refused:
        read_range(text, 10_000)
    assert refused.value.size == 10_000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "bytes=",
        "bytes=-",
        "bytes=5-4",
        "items=0-4",
        "bytes=0-1,5-6",
        "bytes=a-b",
        "bytes=" + "9" * 5000 + "-",
        "bytes=²-",
        "-5",
    ],
)
def test_anything_else_is_passed_over(text):
    assert read_range(text, 10_000) is None
