"""Sentences that more than one command says."""

from collections.abc import Iterator, Sequence

NAMED = 3
_MANY = {"study": "studies"}


def many(count: int, noun: str) -> str:
    """So many of something."""
    return f"{count} {noun if count == 1 else _MANY.get(noun, f'{noun}s')}"


def withdrawal(alias: str, studies: Sequence[str], objects: int, size: int, *, replace: bool) -> Iterator[str]:
    """What a withdrawal will do, in lines."""
    rest = len(studies) - NAMED
    some = ", ".join(studies[:NAMED]) + (f" and {rest} more" if rest > 0 else "")
    yield f"To be taken out of {alias}: {many(objects, 'object')} ({size} bytes) of {many(len(studies), 'study')}, {some}."
    after = "may come again" if replace else "are rejected if they come again, until the operator lifts the block"
    yield f"Nobody finds or gets them from now on, their bytes are deleted, and they {after}."
