"""What commands say beside their answers: examples at the end of their help, and the next step after an act."""

import sys
from collections.abc import Iterable

import click

FLAGS = "accord.flags"
"""Under which a command keeps the flags that the next one needs too."""


def examples(*lines: str) -> str:
    """Lines to type, as the end of a command's help; a test parses every one."""
    return "\b\n" + "\n".join(["Example:" if len(lines) == 1 else "Examples:", *(f"  {line}" for line in lines)])


def say_next(*commands: str) -> None:
    """Say what comes next, on standard error: what was asked for is on standard output alone."""
    flags = click.get_current_context().meta.get(FLAGS, "")
    for command in commands:
        print(f"next: {command}{flags if command.startswith('accord admin ') else ''}", file=sys.stderr)


def only(names: Iterable[str], placeholder: str) -> str:
    """The only name there is, for the next command; a placeholder where there are several or none."""
    known = list(names)
    return known[0] if len(known) == 1 else placeholder
