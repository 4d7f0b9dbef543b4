"""The command line in this process, on a terminal, and every command of it."""

import contextlib
import os
import pty
import re
import subprocess

import click
import pytest

from server.cli import main
from tests.running import TOP


def commands(command: click.Command, named: tuple[str, ...] = ()):
    """Every command under this one, groups too, by its words."""
    yield named, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from commands(command.get_command(context, name), (*named, name))


ALL = dict(commands(main.accord))


def run(*arguments: str) -> int:
    """`accord …` in this process; its exit status."""
    with pytest.raises(SystemExit) as ended:
        main.main(list(arguments))
    return ended.value.code or 0


def on_a_terminal(command: list[str], typed: str = "", **environment: str) -> str:
    """What a command writes to a terminal of 100 columns, on which somebody has `typed` this."""
    ours, its = pty.openpty()
    named = {**os.environ, "TERM": "xterm", "COLUMNS": "100", **environment}
    with subprocess.Popen(command, cwd=TOP, env=named, stdin=its, stdout=its, stderr=its):
        os.close(its)
        os.write(ours, typed.encode())
        written = b""
        with contextlib.suppress(OSError):  # how a terminal ends whose last writer is gone
            while piece := os.read(ours, 65536):
                written += piece
    os.close(ours)
    return re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", written.decode())  # as it is read: without colours and moves
