"""What commands say beside their answers: examples at the end of their help, and the next step after an act."""

import sys

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
        print(f"now: {command}{flags}", file=sys.stderr)
