"""JSON of strangers: read as `json` reads it, and never deeper than is meant, whatever its strings say."""

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.json_text import MOST_DEEP, check_depth, loads

LEAF = st.none() | st.booleans() | st.integers() | st.text()
JSON = st.recursive(LEAF, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))


@given(JSON, st.booleans())
def test_what_is_json_is_read_as_it_is(value, ascii_only):
    assert loads(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@given(st.text(alphabet='[]{}"\\ \t:é', max_size=300))
def test_strings_of_brackets_and_quotes_nest_nothing(text):
    assert loads(json.dumps([text] * 300).encode()) == [text] * 300


@pytest.mark.parametrize("text", [b"[" * 100_000, b'{"a":' * 1_000, b'[{"]":' * 500, rb'["\"]",' * 1_000, b'["\\\\",' * 1_000])
def test_what_nests_too_deep_is_refused_before_it_is_read(text, monkeypatch):
    monkeypatch.setattr(json, "loads", lambda _: sys.exit("read"))
    with pytest.raises(ValueError, match="too deep"):
        loads(text)


def test_as_deep_as_it_may_is_read():
    deep = b"[" * MOST_DEEP + b"]" * MOST_DEEP
    check_depth(b'["[",' + b",".join([deep[1:-1]] * 50) + b"]")
    with pytest.raises(ValueError, match="too deep"):
        check_depth(b"[" + deep + b"]")


@pytest.mark.parametrize("text", [b"", b"\xff", "[1]".encode("utf-16"), b"[1", b"{]", b"]" * 500])
def test_what_is_no_json_in_utf_8_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011 - whatever json says of it
        loads(text)
