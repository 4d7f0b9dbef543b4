"""JSON that somebody else wrote (RFC 8259), read as UTF-8 and no deeper than anything that is meant here.

CPython's readers recurse as deep as the text nests. What the garbage collector runs at the limit of recursion (the callback of
a weak reference, a finalizer) fails there and is lost, so it is not enough to catch the RecursionError.
"""

import json
from typing import Any

MOST_DEEP = 200
_BRACKETS = b"[]{}"
_OTHERS = bytes(set(range(256)) - set(_BRACKETS))


def loads(text: bytes) -> Any:
    """What a JSON text says. Raises ValueError where it is none, or nests deeper than `MOST_DEEP`."""
    check_depth(text)
    return json.loads(text.decode())


def check_depth(text: bytes) -> None:
    """Raises ValueError for a text that nests deeper than `MOST_DEEP`; one that is no JSON may pass or not."""
    if text.count(b"[") + text.count(b"{") <= MOST_DEEP:
        return
    unescaped = text.replace(rb"\\", b"").replace(rb"\"", b"")
    nested = b"".join(unescaped.split(b'"')[::2]).translate(None, _OTHERS)
    for _ in range(MOST_DEEP):  # each round takes the innermost away
        if not nested:
            return
        nested = nested.replace(b"[]", b"").replace(b"{}", b"")
    if nested:
        raise ValueError("This JSON nests too deep.")
