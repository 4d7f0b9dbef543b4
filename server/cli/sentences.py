"""Sentences that more than one command says."""

import sys
from collections.abc import Iterator, Sequence

from server.cli.progress import in_words

NAMED = 3
NONE = "No study matches, or none that this client may see. Who runs the repository can say why (accord explain STUDY)."


def many(count: int, one: str, several: str = "") -> str:
    """So many of these: 1 object, 2 objects, 2 studies."""
    return f"{count} {one if count == 1 else several or f'{one}s'}"


def warn(sentence: str) -> None:
    """Say something beside what is printed."""
    print(sentence, file=sys.stderr)


def withdrawal(alias: str, studies: Sequence[str], objects: int, size: int, *, replace: bool) -> Iterator[str]:
    """What a withdrawal will do, in lines."""
    rest = len(studies) - NAMED
    some = ", ".join(studies[:NAMED]) + (f" and {rest} more" if rest > 0 else "")
    of = many(len(studies), "study", "studies")
    yield f"To be taken out of {alias}: {many(objects, 'object')} ({in_words(size)}) of {of}, {some}."
    after = "may come again" if replace else "are rejected if they come again, until the operator lifts the block"
    yield f"Nobody finds or gets them from now on, their bytes are deleted (not what a node had of its own), and they {after}."
